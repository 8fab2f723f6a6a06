import { address, type Query, type Row } from "../../api/client";
import { useAnswer } from "../../api/use";
import { Badge, Empty, Loaded, Panel, Time, Trouble } from "../../components/basic";
import { Bars } from "../../components/bars";
import { Foot } from "../../components/list";
import { Table, type Column } from "../../components/table";
import { many, number, sentence } from "../../format";
import { place, set, to } from "../../state";
import { tones } from "../coverage/tones";
import { useAll, usePages } from "./more";
import { TimeLine } from "./timeline";
import { byWeek } from "./weeks";

export type Credential = Row<"/expiring-credentials">;
const weeks = 26;

export function Credentials() {
  const query = place.value.query;
  const filter = {
    withinDays: Number(query.get("within") ?? 30), state: query.get("state") ?? "expired,expiring",
    kind: query.get("kind") ?? "all", origin: query.get("origin") ?? "all", owner: query.get("owner") ?? undefined,
  } as Query<"/expiring-credentials">;
  const summary = useAnswer({ path: "/expiring-credentials/summary", query: { withinDays: filter.withinDays, state: "all", kind: filter.kind,
    origin: filter.origin, owner: filter.owner } as Query<"/expiring-credentials/summary"> });
  const coming = useAll<"/expiring-credentials", Credential>({ path: "/expiring-credentials", query: { withinDays: 7 * weeks, state: "expiring", kind: filter.kind, origin: filter.origin,
    owner: filter.owner, $top: 999, $select: "keyId,daysLeft" } as Query<"/expiring-credentials"> });
  const line = useAll<"/expiring-credentials", Credential>({ path: "/expiring-credentials", query: { withinDays: 7 * weeks, state: "expired,expiring,unused", kind: filter.kind, origin: filter.origin,
    owner: filter.owner, $top: 999, $select: "keyId,objectId,appId,appDisplayName,kind,state,endDateTime,owners" } as Query<"/expiring-credentials"> });
  const pages = usePages<"/expiring-credentials", Credential>({ path: "/expiring-credentials", query: { ...filter, $top: 500, $count: "true" } });
  const total = (pages.first.data as { "@odata.count"?: number } | null)?.["@odata.count"];
  const count = (state: string) => summary.data?.value.find((c) => c.by === "state" && c.name === state)?.count ?? 0;
  return (
    <>
      <div class="bar">
        <label>State
          <select value={filter.state} onChange={(e) => set({ state: e.currentTarget.value })}>
            <option value="expired,expiring">ended or ending</option>
            {["expired", "expiring", "unused", "valid", "all"].map((s) => <option key={s} value={s}>{s}</option>)}
          </select>
        </label>
        <label>Ending within
          <select value={String(filter.withinDays)} onChange={(e) => set({ within: e.currentTarget.value })}>
            {[7, 14, 30, 60, 90, 180, 365].map((n) => <option key={n} value={String(n)}>{number(n)} days</option>)}
          </select>
        </label>
        <label>Kind
          <select value={filter.kind} onChange={(e) => set({ kind: e.currentTarget.value })}>
            {["all", "secret", "certificate"].map((s) => <option key={s} value={s}>{s}</option>)}
          </select>
        </label>
        <label>Of
          <select value={filter.origin} onChange={(e) => set({ origin: e.currentTarget.value })}>
            <option value="all">all</option><option value="application">applications</option><option value="servicePrincipal">service principals</option>
          </select>
        </label>
        <label>Owner
          <select value={query.get("owner") ?? ""} onChange={(e) => set({ owner: e.currentTarget.value })}>
            <option value="">all</option><option value="none">nobody</option>
          </select>
        </label>
      </div>
      <Panel title="When they end" wide note={<>By week, for half a year.{summary.data && <> As of the snapshot of <Time at={summary.data.asOfDateTime} />.</>}</>}>
        <Loaded of={coming.asked} what="The time line">
          {(data) => <Bars bars={byWeek(data.value.map((c) => c.daysLeft ?? 0), weeks)} caption="Credentials that end, by week" unit="credentials" every={4} mark="weeks" />}
        </Loaded>
        {summary.data && (
          <ul class="legend">
            <li class="note">By state, where ending is within {many(filter.withinDays ?? 30, "day")}:</li>
            {["expired", "expiring", "unused", "valid"].map((s) => (
              <li key={s}><a href={to("directory", "credentials", { ...Object.fromEntries(query), state: s })}><Badge tone={tones[s] ?? "quiet"}>{s}</Badge></a> <span class="n" data-mark={"credentials-" + s}>{number(count(s))}</span></li>
            ))}
          </ul>
        )}
      </Panel>
      <Panel title="Whose they are, and when they end" wide note="A line for each, a mark for each credential: what has ended, what ends, what is not used.">
        {(line.partly || coming.partly) && <p class="hint">There are more than can be drawn: these are the first {number(line.asked.data?.value.length ?? 0)}. Choose fewer above.</p>}
        <Loaded of={line.asked} what="The lines">{(data) => <TimeLine all={data.value} days={7 * weeks} />}</Loaded>
      </Panel>
      <Panel title="Credentials" wide>
        {pages.first.problem && <Trouble problem={pages.first.problem} again={pages.first.again} reload={pages.first.reload} />}
        {pages.rows.length > 0 ? <Table rows={pages.rows} of={(c) => `${c.objectId}/${c.keyId}`} columns={columns} caption="Credentials" />
          : pages.first.data ? <Empty title="There is none">No credential fits these filters.</Empty>
            : !pages.first.problem && <Loaded of={pages.first} lines={8} what="Credentials">{() => null}</Loaded>}
        {pages.first.data && <Foot of={pages} total={total} path={address({ path: "/expiring-credentials", query: filter })} file="expiring-credentials.csv" />}
      </Panel>
    </>
  );
}

export const columns: Column<Credential>[] = [
  { name: "app", title: "Application", cell: (c) => <a href={to("directory", "application/" + c.appId)} dir="auto">{c.appDisplayName || c.appId}</a>, by: (c) => c.appDisplayName ?? "" },
  { name: "kind", title: "Kind", cell: (c) => c.kind + (c.samlSigning ? ", SAML" : ""), by: (c) => c.kind ?? "" },
  { name: "state", title: "State", cell: (c) => <Badge tone={tones[c.state ?? ""] ?? "quiet"}>{c.state}</Badge>, by: (c) => c.state ?? "" },
  { name: "end", title: "Ends", cell: (c) => <Time at={c.endDateTime} how="day" />, by: (c) => c.endDateTime ?? "" },
  { name: "days", title: "Days left", cell: (c) => (c.daysLeft === undefined ? "–" : number(c.daysLeft)), by: (c) => c.daysLeft ?? 0, number: true },
  { name: "used", title: "Last used", cell: (c) => (c.useKnown ? (c.lastUsedDateTime ? <Time at={c.lastUsedDateTime} how="day" /> : "never") : "not known"), by: (c) => c.lastUsedDateTime ?? "", spare: true },
  { name: "owners", title: "Owners", cell: (c) => (c.noOwner ? <Badge tone="warn">nobody</Badge> : <span dir="auto">{c.owners?.map((o) => o.displayName || o.userPrincipalName || o.id).join(", ")}</span>),
    by: (c) => c.ownersUserPrincipalNames ?? "", spare: true },
  { name: "reason", title: "Why", cell: (c) => sentence(c.reason ?? ""), wide: true },
];
