import { address, type Query, type Row } from "../../api/client";
import { useAnswer } from "../../api/use";
import { Badge, Empty, Loaded, Panel, Time, Trouble } from "../../components/basic";
import { Bars, type Bar } from "../../components/bars";
import { Foot } from "../../components/list";
import { Table, type Column } from "../../components/table";
import { number, sentence } from "../../format";
import { place, set, to } from "../../state";
import { tones } from "../coverage/tones";
import { usePages } from "./more";

type User = Row<"/inactive-users">;
const flags = { enabled: "Account", licensed: "Licence", synced: "From on-premises", neverSignedIn: "Never signed in" } as const;
const presets: Record<string, string> = { neverSignedIn: "include" };
const choices: Record<string, [value: string, word: string][]> = {
  enabled: [["all", "all"], ["true", "enabled"], ["false", "disabled"]],
  licensed: [["all", "all"], ["true", "licensed"], ["false", "without"]],
  synced: [["all", "all"], ["true", "synchronized"], ["false", "cloud only"]],
  neverSignedIn: [["include", "all"], ["only", "never"], ["exclude", "at some time"]],
};

export function Users() {
  const query = place.value.query;
  const filter = {
    days: Number(query.get("days") ?? 90),
    state: query.get("state") ?? "inactive",
    userType: query.get("userType") ?? "all",
    ...Object.fromEntries(Object.keys(flags).map((f) => [f, query.get(f) ?? presets[f] ?? "all"])),
  } as Query<"/inactive-users/summary">;
  const summary = useAnswer({ path: "/inactive-users/summary", query: filter });
  const q = { path: "/inactive-users" as const, query: { ...filter, $top: 500, $count: "true" } as Query<"/inactive-users"> };
  const pages = usePages<"/inactive-users", User>(q);
  const total = (pages.first.data as { "@odata.count"?: number } | null)?.["@odata.count"];
  const file = address({ path: "/inactive-users", query: filter as Query<"/inactive-users"> });
  return (
    <>
      <div class="bar">
        <label>Inactive for
          <select value={String(filter.days)} onChange={(e) => set({ days: e.currentTarget.value })}>
            {[30, 60, 90, 180, 365].map((n) => <option key={n} value={String(n)}>{number(n)} days</option>)}
          </select>
        </label>
        <label>State
          <select value={filter.state} onChange={(e) => set({ state: e.currentTarget.value })}>
            {["inactive", "unknown", "active", "all"].map((s) => <option key={s} value={s}>{s}</option>)}
          </select>
        </label>
        <label>Type
          <select value={filter.userType} onChange={(e) => set({ userType: e.currentTarget.value })}>
            {["all", "member", "guest"].map((s) => <option key={s} value={s}>{s === "all" ? "all" : s + "s"}</option>)}
          </select>
        </label>
        {Object.entries(flags).map(([flag, title]) => (
          <label key={flag}>{title}
            <select value={query.get(flag) ?? presets[flag] ?? "all"} onChange={(e) => set({ [flag]: e.currentTarget.value })}>
              {choices[flag]!.map(([value, word]) => <option key={value} value={value}>{word}</option>)}
            </select>
          </label>
        ))}
      </div>
      <Panel title="Users by the age of their last success" wide
        note={summary.data ? <>As of the snapshot of <Time at={summary.data.asOfDateTime} />. All states are counted, by the filters above.</> : undefined}>
        <Loaded of={summary} what="The histogram">
          {(data) => (
            <>
              <Bars bars={bands(data.value)} caption="Users by age" unit="users" mark="ages" />
              {data.undisclosed?.map((u) => <p key={u.resource} class="trouble">Not disclosed by the tenant: {u.resource}. {u.message}</p>)}
            </>
          )}
        </Loaded>
      </Panel>
      <Panel title={filter.state === "all" ? "Users" : `Users, ${filter.state}`} wide>
        {pages.first.problem && <Trouble problem={pages.first.problem} again={pages.first.again} reload={pages.first.reload} />}
        {pages.rows.length > 0 ? (
          <Table rows={pages.rows} of={(u) => u.id!} columns={columns} caption="Users" />
        ) : pages.first.data ? <Empty title="Nobody is">No user fits these filters. Take one of them away.</Empty>
          : !pages.first.problem && <Loaded of={pages.first} lines={8} what="Users">{() => null}</Loaded>}
        {pages.first.data && <Foot of={pages} total={total} path={file} file="inactive-users.csv" />}
      </Panel>
    </>
  );
}

/** The bands in the summary's order; those that count as inactive are marked. */
function bands(all: { by: string; name: string; count: number }[]): Bar[] {
  const tone = (name: string): Bar["tone"] => (name === "unknown" ? "quiet" : /^(under|30|60)/.test(name) ? "good" : /^365/.test(name) ? "bad" : "warn");
  return all.filter((c) => c.by === "ageBand").map((c) => ({
    name: c.name.replace(" days and more", "+").replace("under ", "< ").replace(" to ", "–").replace(" days", ""),
    title: c.name, count: c.count, tone: tone(c.name),
  }));
}

const columns: Column<User>[] = [
  { name: "displayName", title: "Name", cell: (u) => <a href={to("directory", "user/" + u.id)} dir="auto">{u.displayName || u.userPrincipalName || u.id}</a>,
    by: (u) => u.displayName ?? "" },
  { name: "userPrincipalName", title: "Sign-in name", cell: (u) => <span dir="auto">{u.userPrincipalName}</span>, by: (u) => u.userPrincipalName ?? "", spare: true },
  { name: "state", title: "State", cell: (u) => <Badge tone={tones[u.state ?? ""] ?? "quiet"}>{u.state}</Badge>, by: (u) => u.state ?? "" },
  { name: "daysInactive", title: "Days", cell: (u) => (u.daysInactive === undefined ? "–" : number(u.daysInactive)), by: (u) => u.daysInactive ?? -1, number: true },
  { name: "licences", title: "Licences", cell: (u) => (u.licensed ? u.licences?.join(", ") ?? "yes" : "–"), by: (u) => u.licences?.join() ?? "", spare: true },
  { name: "accountEnabled", title: "Account", cell: (u) => (u.accountEnabled === false ? "disabled" : "enabled") + (u.userType === "Guest" ? ", guest" : ""),
    by: (u) => String(u.accountEnabled), spare: true },
  { name: "reason", title: "Why", cell: (u) => sentence(u.reason ?? ""), wide: true },
];
