import { useMemo } from "preact/hooks";
import type { Row } from "../../api/client";
import { useAnswer } from "../../api/use";
import { Badge, Empty, Facts, Loaded, Panel, Time, type Fact } from "../../components/basic";
import { Table, type Column } from "../../components/table";
import { isMoment, log, many, number, utcDay } from "../../format";
import { place, set, to } from "../../state";
import type { View } from "../list";
import { dayKey, HeatMap, type Day, type Shade } from "./heatmap";
import { Hour } from "./hour";
import { states } from "./states";
import { tones } from "./tones";
import { Verify } from "./verify";

type Log = Row<"/coverage">;
const msOfDay = 86_400_000;
const spans = [30, 90, 365];
const shades: Record<Shade, string> = { state: "State", records: "Records", late: "Late records", thin: "Thin hours" };

export const coverage: View = {
  id: "coverage", title: "Coverage", about: "Which hours the archive holds, log by log, and what vouches for them.",
  icon: "M3 3h4v4H3zM8.500 3h4v4h-4zM14 3h3v4h-3zM3 8.500h4v4H3zM8.500 8.500h4v4h-4zM14 8.500h3v4h-3zM3 14h4v3H3zM8.500 14h4v3h-4z",
  Page,
};

function Page() {
  const all = useAnswer({ path: "/coverage" });
  return (
    <Loaded of={all} lines={8} what="The logs">
      {(data) => {
        if (data.value.length === 0) return <Empty title="No log is archived yet">Name logs in ARCHIVE_STREAMS, and wait for the first run.</Empty>;
        const here = place.value.query.get("log");
        const one = data.value.find((l) => l.stream === here) ?? fullest(data.value);
        return <Of key={one.stream} one={one} all={data.value} />;
      }}
    </Loaded>
  );
}

const fullest = (all: Log[]) => all.reduce((a, b) => (b.records > a.records ? b : a));

/** The first moment of which the archive has something. */
const firstOf = (l: Log) => [l.beginDateTime, l.importedFromDateTime].filter((t): t is string => !!t).sort()[0];

/** The shortest span that shows all that there is, up to a year. */
function preset(begin: string | undefined): number {
  const age = begin ? (Date.now() - Date.parse(begin)) / msOfDay : 0;
  return spans.find((n) => n >= age - 1) ?? 365;
}

function Of({ one, all }: { one: Log; all: Log[] }) {
  const query = place.value.query;
  const count = spans.includes(Number(query.get("days"))) ? Number(query.get("days")) : preset(firstOf(one));
  const today = Math.floor(Date.now() / msOfDay) * msOfDay;
  const asked = Date.parse(query.get("until") ?? "");
  const last = Number.isNaN(asked) ? today : Math.min(today, Math.floor(asked / msOfDay) * msOfDay);
  const from = last - (count - 1) * msOfDay;
  const shade = (query.get("shade") ?? "state") as Shade;
  const first = one.purgedUntilDateTime ?? firstOf(one);
  const hour = /^(\d{4}-\d\d-\d\d)T(\d\d)$/.exec(query.get("hour") ?? "");
  const picked = hour && isMoment(hour[1]!) ? { day: hour[1]!, hour: Math.min(23, Number(hour[2])) } : null;
  const answer = useAnswer({ path: "/coverage/{stream}", values: { stream: one.stream },
    query: { by: "day", from: dayKey(from) + "T00:00:00Z", to: dayKey(last + msOfDay) + "T00:00:00Z", $top: 400 } });
  return (
    <>
      <div class="bar">
        <label>Log
          <select value={one.stream} onChange={(e) => set({ log: e.currentTarget.value, hour: undefined, days: undefined, until: undefined })}>
            {all.map((l) => <option key={l.stream} value={l.stream}>{log(l.stream)}</option>)}
          </select>
        </label>
        <label>Days
          <select value={String(count)} onChange={(e) => set({ days: e.currentTarget.value })}>
            {spans.map((n) => <option key={n} value={String(n)}>{number(n)}</option>)}
          </select>
        </label>
        <label>Colour by
          <select value={shade} onChange={(e) => set({ shade: e.currentTarget.value })}>
            {Object.entries(shades).map(([s, word]) => <option key={s} value={s}>{word}</option>)}
          </select>
        </label>
        <div class="pair">
          <button type="button" disabled={!!first && from <= Date.parse(first) - count * msOfDay} onClick={() => set({ until: dayKey(from - msOfDay), hour: undefined })}>← Earlier</button>
          <button type="button" disabled={last >= today} onClick={() => set({ until: last + count * msOfDay >= today ? undefined : dayKey(last + count * msOfDay), hour: undefined })}>Later →</button>
        </div>
      </div>
      <Standing one={one} />
      <Panel title={`${log(one.stream)}, ${utcDay(dayKey(from))} to ${utcDay(dayKey(last))}`} wide
        note="A column a day, a row an hour of UTC. Pick an hour for its numbers and its seal.">
        <Loaded of={answer} lines={8} what="The calendar">
          {(data) => <Map_ days={data.value} from={from} count={count} shade={shade} picked={picked} />}
        </Loaded>
      </Panel>
      {picked ? <Hour stream={one.stream} cell={picked} close={() => set({ hour: undefined })} /> : (
        <Panel title="Verify a range" wide note="Compares everything that is stored with what was sealed. A day takes seconds, a year minutes.">
          <Verify stream={one.stream} from={dayKey(last - msOfDay) + "T00:00:00Z"} to={dayKey(last) + "T00:00:00Z"} />
        </Panel>
      )}
    </>
  );
}

const legends: Record<Exclude<Shade, "state">, string> = {
  records: "The darker an hour, the more records it has.",
  late: "Red: hours with records that came after the hour had been read.",
  thin: "Red: hours whose records may be in a poorer form than Graph has.",
};

/** How it stands with the log, in one line of facts. */
function Standing({ one }: { one: Log }) {
  if (one.status === "delivered") return <Delivered one={one} />;
  return (
    <Facts how="standing" of={[
      ["Status", <Badge tone={one.collected ? tones[one.status] ?? "quiet" : "quiet"}>{one.collected ? one.status : "not collected any more"}</Badge>],
      ["Complete until", <Time at={one.completeUntilDateTime} />],
      ["Sealed until", <Time at={one.sealedUntilDateTime} />],
      ["Settled until", <Time at={one.settledUntilDateTime} />],
      ["Records", number(one.records), "log-records"],
      ["Hours there", number(one.windowsDone), "log-hours"],
      ["Missing", number(one.windowsMissing)],
      ["Lost", number(one.windowsLost)],
      ...(one.imported ? [["Imported", number(one.imported)] as Fact] : []),
    ]} />
  );
}

/** A log that servers send: nobody can say what is missing but by the numbers of their events. */
function Delivered({ one }: { one: Log }) {
  return (
    <>
      <Facts how="standing" of={[
        ["Status", <Badge tone="info">delivered</Badge>],
        ["Records", number(one.imported ?? 0), "log-records"],
        ["Hours that hold some", number(one.windowsImported ?? 0)],
        ["From", <Time at={one.importedFromDateTime} />],
        ["Until", <Time at={one.importedToDateTime} />],
        ["Quarantined", number(one.quarantined)],
      ]} />
      <Panel title="What servers sent" wide note="Events have numbers: what is missing between others did not come.">
        {!one.deliveries?.length ? <Empty title="No server has sent anything yet">See docs/mim.md: how a server sends its events.</Empty>
          : <Table rows={one.deliveries} of={(d) => d.computer} columns={servers} caption="Servers" />}
      </Panel>
    </>
  );
}

const servers: Column<NonNullable<Log["deliveries"]>[number]>[] = [
  { name: "computer", title: "Server", cell: (d) => <span dir="auto">{d.computer}</span>, by: (d) => d.computer },
  { name: "last", title: "Last delivery", cell: (d) => <Time at={d.lastDeliveryDateTime} />, by: (d) => d.lastDeliveryDateTime ?? "" },
  { name: "read", title: "Read until", cell: (d) => <Time at={d.readUntilDateTime} />, by: (d) => d.readUntilDateTime ?? "" },
  { name: "newest", title: "Newest event", cell: (d) => <Time at={d.newestEventDateTime} />, by: (d) => d.newestEventDateTime ?? "", spare: true },
  { name: "events", title: "Events", cell: (d) => number(d.events), by: (d) => d.events, number: true },
  { name: "again", title: "Sent again", cell: (d) => number(d.duplicates), by: (d) => d.duplicates, number: true, spare: true },
  { name: "quarantined", title: "Quarantined", cell: (d) => number(d.quarantined), by: (d) => d.quarantined, number: true, spare: true },
  { name: "missing", title: "Did not come", cell: (d) => (d.missing ? <Badge tone="warn">{number(d.missing)}</Badge> : "0"), by: (d) => d.missing, number: true },
];

function Map_({ days, from, count, shade, picked }: {
  days: Day[]; from: number; count: number; shade: Shade; picked: { day: string; hour: number } | null;
}) {
  const byDay = useMemo(() => new Map(days.map((d) => [dayKey(d.startDateTime), d])), [days]);
  const counts = useMemo(() => {
    const out: Record<string, number> = {};
    for (const d of days) for (const letter of d.hours ?? "") out[letter] = (out[letter] ?? 0) + 1;
    return out;
  }, [days]);
  const pick = (c: { day: string; hour: number }) => {
    set({ hour: `${c.day}T${String(c.hour).padStart(2, "0")}` });
    setTimeout(() => document.getElementById("hour")?.scrollIntoView({ block: "nearest" }), 50);
  };
  if (days.length === 0) {
    return <Empty title="The archive holds nothing of these days">It begins later, or the log has not been read yet. <a href={to("coverage", "", { log: place.value.query.get("log") ?? "" })}>Show the newest days</a></Empty>;
  }
  return (
    <>
      <HeatMap days={byDay} from={from} count={count} shade={shade} picked={picked} pick={pick} />
      {shade !== "state" && <p class="note">{legends[shade]}</p>}
      <ul class="legend" aria-label="Hours by state">
        {states.filter((s) => counts[s.letter] || shade === "state").map((s) => (
          <li key={s.status} title={s.means} class={counts[s.letter] ? "" : "none"}>
            <span class={"swatch s-" + s.status} aria-hidden="true" />{s.word} <span class="n" data-mark={"hours-" + s.status}>{number(counts[s.letter] ?? 0)}</span>
          </li>
        ))}
      </ul>
      <details>
        <summary>The same as a table: {many(days.length, "day")}</summary>
        <Table rows={days} of={(d) => d.startDateTime} caption="Days" columns={columns} sorted={{ by: "day", down: true }}
          open={(d) => pick({ day: dayKey(d.startDateTime), hour: 0 })} />
      </details>
    </>
  );
}

const columns: Column<Day>[] = [
  { name: "day", title: "Day (UTC)", cell: (d) => utcDay(d.startDateTime), by: (d) => d.startDateTime },
  { name: "status", title: "State", cell: (d) => <Badge tone={tones[d.status] ?? "quiet"}>{d.status}</Badge>, by: (d) => d.status },
  { name: "records", title: "Records", cell: (d) => number(d.records + (d.imported ?? 0)), by: (d) => d.records + (d.imported ?? 0), number: true },
  { name: "late", title: "Late", cell: (d) => number(d.late), by: (d) => d.late, number: true },
  { name: "versions", title: "Versions", cell: (d) => number(d.versions), by: (d) => d.versions, number: true, spare: true },
  { name: "seals", title: "Seals", cell: (d) => number(d.seals), by: (d) => d.seals, number: true, spare: true },
  { name: "hours", title: "Its 24 hours", cell: (d) => <code>{d.hours}</code> },
];
