import { useMemo, useState } from "preact/hooks";
import { address, type Query, type Row } from "../../api/client";
import { useAnswer } from "../../api/use";
import { Empty, Loaded, Panel, Time, Trouble } from "../../components/basic";
import { Foot } from "../../components/list";
import { Table, type Column } from "../../components/table";
import { number, sentence } from "../../format";
import { place, set, to } from "../../state";
import { usePages } from "../directory/more";
import type { View } from "../list";

type Offer = Row<"/reports">;
type Line = Record<string, unknown>;

export const reports: View = {
  id: "reports", title: "Reports", about: "Ready-made reports of what is archived, among them those of the first reports API.",
  icon: "M4 17V9M9 17V4M14 17v-6M17.500 17h-15", Page,
};

function Page() {
  const asked = useAnswer({ path: "/reports" });
  return (
    <Loaded of={asked} lines={8} what="The reports">
      {(data) => {
        const offers = data.value.filter((r) => r.status === "answered");
        const one = offers.find((r) => r.name.toLowerCase() === place.value.part.toLowerCase());
        return one ? <Report key={one.name} one={one} all={offers} /> : <Offers answered={offers} others={data.value.filter((r) => r.status !== "answered")} />;
      }}
    </Loaded>
  );
}

function Offers({ answered, others }: { answered: Offer[]; others: Offer[] }) {
  const columns: Column<Offer>[] = [
    { name: "name", title: "Report", cell: (r) => <a href={to("reports", r.name)}>{r.name}</a>, by: (r) => r.name.toLowerCase() },
    { name: "description", title: "What it has", wrap: true },
    { name: "source", title: "Made of", wrap: true, spare: true },
  ];
  return (
    <>
      {place.value.part && <p class="hint">There is no report “{place.value.part}” that is answered.</p>}
      <Panel title="Reports" wide note="Pick one for its rows.">
        <Table rows={answered} of={(r) => r.name} columns={columns} caption="Reports" />
      </Panel>
      {others.length > 0 && (
        <Panel title="Reports that are not answered" wide note="Names of the first reports API, and what became of them.">
          <details>
            <summary>{number(others.length)} names</summary>
            <dl class="tree">{others.map((r) => <><dt>{r.name}</dt><dd>{sentence(r.source)}</dd></>)}</dl>
          </details>
        </Panel>
      )}
    </>
  );
}

const msOfDay = 86_400_000;
const spans = [1, 7, 30, 90, 365];

/** The filter for the days before now, or none: the API's own 30 days. */
const filterOf = (days: number, now: number): string => (days === 30 ? "" : `eventTime gt ${new Date(now - days * msOfDay).toISOString().slice(0, 19)}Z`);

function Report({ one, all }: { one: Offer; all: Offer[] }) {
  const asked = Number(place.value.query.get("days"));
  const days = spans.includes(asked) ? asked : 30;
  const merged = place.value.query.get("merged") === "true" && one.mergeable;
  const [now] = useState(() => Math.floor(Date.now() / 60_000) * 60_000); // the list's pages are of one time
  const query = { $filter: filterOf(days, now), merged: merged ? "true" : undefined } as Query<"/reports/{name}">;
  const pages = usePages<"/reports/{name}", Line>({ path: "/reports/{name}", values: { name: one.name }, query: { ...query, $top: 200 } });
  const data = pages.first.data as { "@entraledger.startDateTime"?: string; "@entraledger.endDateTime"?: string; "@entraledger.undisclosed"?: string;
    "@entraledger.tamperedCount"?: number; "@entraledger.gaps"?: { startDateTime: string; endDateTime: string; reason: string }[] } | null;
  const columns = useMemo(() => inOrder(one.columns).map(column), [one]);
  const gaps = data?.["@entraledger.gaps"] ?? [];
  const nothing = pages.first.problem?.code === "unknown";
  return (
    <>
      <div class="bar">
        <label>Report
          <select value={one.name} onChange={(e) => { location.hash = to("reports", e.currentTarget.value); }}>
            {all.map((r) => <option key={r.name} value={r.name}>{r.name}</option>)}
          </select>
        </label>
        <label>Days
          <select value={String(days)} onChange={(e) => set({ days: e.currentTarget.value })}>
            {spans.map((n) => <option key={n} value={String(n)}>{number(n)}</option>)}
          </select>
        </label>
        {one.mergeable && (
          <label>Beside it
            <select value={String(merged)} onChange={(e) => set({ merged: e.currentTarget.value === "true" ? "true" : undefined })}>
              <option value="false">nothing</option><option value="true">Entra's own logs</option>
            </select>
          </label>
        )}
        <a class="button" href={to("reports")}>All reports</a>
      </div>
      <Panel title={one.name} wide note={<>{one.description}. Made of {one.source}.
        {data?.["@entraledger.startDateTime"] && <> <Time at={data["@entraledger.startDateTime"]} /> to <Time at={data["@entraledger.endDateTime"]} />.</>}</>}>
        {nothing ? <Empty title="Nothing is known of this time">{sentence(pages.first.problem!.message ?? "")}</Empty>
          : pages.first.problem && <Trouble problem={pages.first.problem} again={pages.first.again} reload={pages.first.reload} />}
        {data?.["@entraledger.undisclosed"] && <p class="hint">{sentence(data["@entraledger.undisclosed"])}.</p>}
        {data?.["@entraledger.tamperedCount"] ? <p class="trouble">{number(data["@entraledger.tamperedCount"])} of its records were changed in storage. See Coverage, Verify.</p> : null}
        {gaps.slice(0, 3).map((g) => (
          <p class="hint" key={g.startDateTime}>The archive lacks <Time at={g.startDateTime} /> to <Time at={g.endDateTime} />: {g.reason}.</p>
        ))}
        {gaps.length > 3 && <p class="hint">And {number(gaps.length - 3)} older gaps: see Coverage.</p>}
        {pages.rows.length > 0 ? <Table rows={pages.rows} of={keyOf} columns={columns} caption={one.name} />
          : data ? (pages.more ? <Empty title="Nothing was found yet">The search goes on further back.</Empty> : <Empty title="Nothing of the kind happened">Every hour of this time is in the archive, but for the gaps above.</Empty>)
            : !pages.first.problem && <Loaded of={pages.first} lines={8} what="The report">{() => null}</Loaded>}
        {data && <Foot of={pages} path={address({ path: "/reports/{name}", values: { name: one.name }, query })} file={one.name + ".csv"} />}
      </Panel>
    </>
  );
}

const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z$/;

/** What a cell shows: text, whatever the value is. */
function shown(v: unknown): string {
  if (v === undefined || v === null) return "";
  if (typeof v === "number") return number(v);
  if (Array.isArray(v)) return v.map(shown).join(", ");
  return typeof v === "object" ? JSON.stringify(v) : String(v);
}

function column(name: string, at: number): Column<Line> {
  return {
    name, title: titleOf(name), spare: at > 4, by: (r) => (typeof r[name] === "number" ? (r[name] as number) : shown(r[name])),
    cell: (r) => {
      const v = r[name];
      return typeof v === "string" && isTime.test(v) ? <Time at={v} how="precise" /> : <span dir="auto" title={shown(v)}>{shown(v)}</span>;
    },
  };
}

/** What a reader looks for first: the time, then names, and ids at the end. */
function inOrder(names: string[]): string[] {
  const rank = (name: string) => (/^(eventTime|time|date)$|DateTime$/.test(name) ? 0 : /(^id|Id|Ids|Sid)$/.test(name) ? 2 : 1);
  return [...names].sort((a, b) => rank(a) - rank(b));
}

/** A property's name as a heading: riskLevel becomes Risk level. */
const titleOf = (name: string): string => sentence(name.replace(/([a-z\d])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`));

const ids = new WeakMap<object, string>();
let made = 0;

/** Rows need not have an id: each has a number of its own while it is shown. */
function keyOf(r: Line): string {
  let id = ids.get(r);
  if (!id) ids.set(r, (id = String(made++)));
  return id;
}
