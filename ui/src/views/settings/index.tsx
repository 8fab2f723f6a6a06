import { useState } from "preact/hooks";
import { ask, Failure, type Answer, type Problem, type Row } from "../../api/client";
import { useAnswer } from "../../api/use";
import { Badge, Empty, Facts, Loaded, Panel, Time, Trouble, Waiting } from "../../components/basic";
import { Table, type Column } from "../../components/table";
import { bytes, log, number, sentence, usd } from "../../format";
import { tones } from "../coverage/tones";
import type { View } from "../list";

export const settings: View = {
  id: "settings", title: "Settings in force", about: "How the archive is kept, what the app may do, and what it costs. Nothing is changed here.",
  icon: "M3 6h9M15 6h2M3 14h2M8 14h9M13.500 4v4M6.500 12v4", Page,
};

function Page() {
  return (
    <div class="columns">
      <Retention />
      <Checks />
      <Cost />
      <InForce />
    </div>
  );
}

function Retention() {
  const asked = useAnswer({ path: "/purge" });
  return (
    <Panel title="Retention and holds" wide note="ARCHIVE_RETENTION says how long a month is kept, ARCHIVE_HOLD what is never dropped.">
      <Loaded of={asked} what="Retention">
        {(data) => (
          <>
            <Facts of={data.rules.map((r) => [log(r.stream), r.keep])} />
            {data.holds.length === 0 ? <p class="note">No legal hold is in force.</p> : (
              <ul class="plain">{data.holds.map((h) => <li key={h.stream + h.firstDay}><Badge tone="info">hold</Badge> {h.stream === "*" ? "All logs" : log(h.stream)}, {h.firstDay} to {h.lastDay}</li>)}</ul>
            )}
            {data.value.length > 0 ? (
              <Table rows={data.value} of={(m) => m.stream + m.month} caption="Months past their retention" columns={months} />
            ) : <p class="note">No month is past its retention.</p>}
          </>
        )}
      </Loaded>
    </Panel>
  );
}

const months: Column<Row<"/purge">>[] = [
  { name: "stream", title: "Log", cell: (m) => log(m.stream) },
  { name: "month", title: "Month" },
  { name: "records", title: "Records", cell: (m) => number(m.records), number: true },
  { name: "bytes", title: "Stored", cell: (m) => bytes(m.storedBytes), number: true },
  { name: "next", title: "Next run", cell: (m) => (m.willBeDropped ? <Badge tone="warn">drops it</Badge> : <Badge tone="quiet">keeps it</Badge>) },
  { name: "why", title: "Why", cell: (m) => m.keptBecause ?? m.rule },
];

/** Permissions, licence, storage and clock: as they were last checked, or now. */
function Checks() {
  const kept = useAnswer({ path: "/preflight/latest" });
  const [fresh, setFresh] = useState<Answer<"/preflight"> | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const check = async () => {
    setBusy(true);
    setProblem(null);
    try {
      setFresh(await ask({ path: "/preflight" }));
    } catch (err) {
      setProblem(err instanceof Failure ? err.problem : { status: -1, at: new Date(), message: String(err) });
    }
    setBusy(false);
  };
  const data = fresh ?? kept.data;
  const never = kept.problem?.status === 404;
  return (
    <Panel title="Permissions and checks" wide
      note={data ? <>As of <Time at={data.asOfDateTime} />, version {data.version}, {data.cloud}</> : undefined}
      actions={<button type="button" class="small" disabled={busy} onClick={check}>{busy ? "Checking, up to a minute …" : "Check now"}</button>}>
      {problem && <Trouble problem={problem} />}
      {!data && never && !busy && <Empty title="Nothing was checked yet">The first run checks; or check now.</Empty>}
      {!data && busy && <Waiting what="The checks" />}
      {data ? <Table rows={data.value} of={(c) => c.name} caption="Checks" columns={checks} />
        : !never && <Loaded of={kept} what="The checks">{() => null}</Loaded>}
    </Panel>
  );
}

const order = ["failed", "limited", "ok"];
const checks: Column<Row<"/preflight">>[] = [
  { name: "name", title: "Check", by: (c) => c.name },
  { name: "status", title: "Result", cell: (c) => <Badge tone={tones[c.status] ?? "quiet"}>{c.status}</Badge>, by: (c) => order.indexOf(c.status) },
  { name: "detail", title: "Detail", cell: (c) => sentence(c.detail) + "." + (c.consequence ? ` Meanwhile: ${c.consequence}.` : ""), wrap: true },
];

function Cost() {
  const asked = useAnswer({ path: "/cost" });
  return (
    <Panel title="Cost forecast" wide note="US dollars a month, from the last complete days of this archive.">
      <Loaded of={asked} what="The forecast">
        {(data) => (
          <>
            <Table rows={data.destinations} of={(d) => d.destination} caption="Destinations" columns={destinations} />
            <p class="note">Prices as of {data.pricesAsOf}, {data.redundancy}, {number(data.retentionMonths)} months kept ({data.retentionFrom}).</p>
            <details><summary>What is reckoned in, and what is not</summary><ul class="plain">{data.notes.map((n) => <li key={n}>{sentence(n)}</li>)}</ul></details>
          </>
        )}
      </Loaded>
    </Panel>
  );
}

const places: Record<string, string> = { archive: "This archive", storageAccount: "Diagnostic setting to a storage account", logAnalytics: "Log Analytics", eventHub: "Event Hub, which keeps nothing" };
const destinations: Column<Answer<"/cost">["destinations"][number]>[] = [
  { name: "destination", title: "Kept in", cell: (d) => places[d.destination] ?? d.destination },
  { name: "usd", title: "A month", cell: (d) => (d.usdPerMonth === undefined ? d.reason ?? "–" : usd(d.usdPerMonth)), number: true },
  { name: "kept", title: "GB kept", cell: (d) => (d.keptGB === undefined ? "–" : number(Math.round(d.keptGB * 100) / 100)), number: true },
  { name: "gb", title: "GB a month", cell: (d) => (d.gbPerMonth === undefined ? "–" : number(Math.round(d.gbPerMonth * 1000) / 1000)), number: true, spare: true },
];

function InForce() {
  const asked = useAnswer({ path: "/settings" });
  return (
    <Panel title="Settings" wide note="Environment variables of the app. Those that were not given have their default.">
      <Loaded of={asked} what="Settings">
        {(data) => (
          <dl class="settings">
            {data.value.map((s) => (
              <div key={s.name}>
                <dt><code>{s.name}</code> {s.given ? <Badge tone="info">given</Badge> : null}</dt>
                <dd class="value">{s.hidden ? (s.given ? "a secret, not shown" : "–") : s.value ? <code>{s.value}</code> : <span class="faint">{s.default || "none"}</span>}</dd>
                <dd class="note">{sentence(s.meaning)}. Accepts {s.accepts}.</dd>
              </div>
            ))}
          </dl>
        )}
      </Loaded>
    </Panel>
  );
}
