import { useState } from "preact/hooks";
import type { Row } from "../../api/client";
import { useAnswer } from "../../api/use";
import { Badge, Empty, Loaded, Panel, Time, type Tone } from "../../components/basic";
import { Table, type Column } from "../../components/table";
import { duration, many, number, sentence, time } from "../../format";

type Run = Row<"/runs">;

const tones: Record<Run["status"], Tone> = { running: "info", done: "good", handedOver: "info", failed: "bad", unknown: "warn" };
const words: Record<Run["status"], string> = { running: "running", done: "done", handedOver: "handed over", failed: "failed", unknown: "end unknown" };
const timers: Record<string, string> = {
  archivelogs: "Archive logs", snapshotdirectory: "Snapshot of the directory", indexarchive: "Index", purgearchive: "Purge",
};
const does = (r: Run): string => timers[r.function] ?? r.function;
const said = (r: Run): string => sentence(r.error ?? r.summary ?? (r.status === "unknown" ? "it did not say how it ended: it was killed, or its end was not stored" : ""));

/** What the last runs of each timer did. */
export function Runs() {
  const asked = useAnswer({ path: "/runs" });
  return (
    <Panel title="What the last runs did" wide note="The newest of each timer, and how those before it went: the newest to the right.">
      <Loaded of={asked} what="The last runs">{(data) => <Lines all={data.value} />}</Loaded>
    </Panel>
  );
}

function Lines({ all }: { all: Run[] }) {
  const [shown, setShown] = useState(false);
  if (all.length === 0) return <Empty title="Nothing ran yet">The timer runs every five minutes after a deployment. Where it stays silent: the runbook, Timers that are silent.</Empty>;
  const names = [...new Set(all.map((r) => r.function))];
  return (
    <>
      <ul class="plain rows runs" data-mark="runs">
        {names.map((name) => {
          const mine = all.filter((r) => r.function === name), last = mine[0]!;
          return (
            <li key={name}>
              <span>{does(last)}</span>
              <span class="note" dir="auto" title={said(last)}>{said(last)}</span>
              <span class="ticks" role="img" aria-label={`Of its last ${many(mine.length, "run")}, ${number(mine.filter((r) => r.status === "failed").length)} failed`}>
                {mine.toReversed().map((r) => <span key={r.startDateTime + (r.invocationId ?? "")} class={"tick " + tones[r.status]} title={`${time(r.startDateTime)}: ${words[r.status]}`} />)}
              </span>
              <Badge tone={tones[last.status]}>{words[last.status]}</Badge>
              <Time at={last.startDateTime} how="relative" />
            </li>
          );
        })}
      </ul>
      <details onToggle={(e) => setShown(e.currentTarget.open)}>
        <summary>All {many(all.length, "run")} as a table</summary>
        {shown && <Table rows={all} of={(r) => `${r.function} ${r.startDateTime} ${r.invocationId}`} columns={columns} caption="Runs" sorted={{ by: "begin", down: true }} />}
      </details>
    </>
  );
}

const columns: Column<Run>[] = [
  { name: "timer", title: "Timer", cell: does, by: does },
  { name: "begin", title: "Began", cell: (r) => <Time at={r.startDateTime} how="precise" />, by: (r) => r.startDateTime },
  { name: "took", title: "Took", cell: (r) => (r.endDateTime ? duration(r.durationSeconds ?? 0) : "–"), by: (r) => r.durationSeconds ?? 0, number: true },
  { name: "status", title: "Outcome", cell: (r) => <Badge tone={tones[r.status]}>{words[r.status]}</Badge>, by: (r) => r.status },
  { name: "said", title: "What came of it", cell: (r) => said(r), wide: true },
];
