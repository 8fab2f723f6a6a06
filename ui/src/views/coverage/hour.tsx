import { useState } from "preact/hooks";
import { address, download, Failure, type Problem } from "../../api/client";
import { useAnswer } from "../../api/use";
import { Badge, Empty, Loaded, Time, Trouble } from "../../components/basic";
import { bytes, hourSpan, number, utcDay } from "../../format";
import { logOf, within } from "../../logs";
import { to } from "../../state";
import type { Cell } from "./heatmap";
import { names } from "./states";
import { tones } from "./tones";
import { Verify } from "./verify";

/** One hour of a log: its numbers, its seal, and what can be done with it. */
export function Hour({ stream, cell, close }: { stream: string; cell: Cell; close: () => void }) {
  const from = `${cell.day}T${String(cell.hour).padStart(2, "0")}:00:00Z`;
  const until = new Date(Date.parse(from) + 3_600_000).toISOString().replace(".000", "");
  const asked = useAnswer({ path: "/coverage/{stream}", values: { stream }, query: { from, to: until } });
  return (
    <section class="panel wide" aria-label="The hour" id="hour">
      <header>
        <h2>{utcDay(cell.day)}, {hourSpan(cell.hour)} UTC</h2>
        <p class="note">Begins <Time at={from} how="precise" /> in your zone</p>
        <div class="actions"><button type="button" class="small" onClick={close}>Close</button></div>
      </header>
      <Loaded of={asked} what="The hour">
        {(data) => {
          const row = data.value[0];
          if (!row) return <Empty title="This hour is not part of the archive">It is before the archive's begin, or has not come yet.</Empty>;
          const sealed = row.seals > 0;
          return (
            <>
              <p>
                <Badge tone={tones[row.status] ?? "quiet"}>{row.status}</Badge> {row.reason ?? names[row.status]?.means}.
                {row.thin && <> <Badge tone="warn">thin</Badge> its records may be in a poorer form than Graph has.</>}
              </p>
              <dl class="facts">
                <dt>Records</dt><dd data-mark="hour-records">{number(row.records)}</dd>
                <dt>Earlier versions</dt><dd>{number(row.versions)}</dd>
                <dt>Came late</dt><dd>{number(row.late)}</dd>
                <dt>Quarantined</dt><dd>{number(row.quarantined)}</dd>
                <dt>Complete reads</dt><dd>{number(row.passes)}</dd>
                <dt>Fetched from Graph</dt><dd>{number(row.fetched)}</dd>
                <dt>Size, as received</dt><dd>{bytes(row.bytes)}</dd>
                <dt>Size, stored</dt><dd>{bytes(row.storedBytes)}</dd>
                <dt>First read</dt><dd><Time at={row.firstReadDateTime} /></dd>
                <dt>Last read</dt><dd><Time at={row.lastReadDateTime} /></dd>
                <dt>Form</dt><dd>{row.form ?? "–"}</dd>
                <dt>Seals</dt><dd>{sealed ? `${number(row.seals)}, of revision ${number(row.revision)}` : "not sealed yet"}</dd>
                <dt class="full">Sum over its contents</dt><dd class="full"><code>{row.contentSum ?? "–"}</code></dd>
              </dl>
              {row.status !== "purged" && row.records > 0 && <Records stream={stream} from={from} until={until} />}
              {row.status === "purged" && <p>Its records were dropped. Its seals remain, and prove that nothing else was.</p>}
              <h3>Verify a range</h3>
              <Verify stream={stream} from={from} to={until} />
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

interface Entry { id: string; createdDateTime?: string; activityDateTime?: string }

/** The hour's first records, each with its proof. */
function Records({ stream, from, until }: { stream: string; from: string; until: string }) {
  const { collection, time } = logOf(stream);
  const filter = within(stream, from, until);
  const asked = useAnswer({ path: "/auditLogs/{collection}", values: { collection },
    query: { $filter: filter, $top: 5, $select: "id," + time } });
  const [problem, setProblem] = useState<Problem | null>(null);
  const prove = async (r: Entry) => {
    setProblem(null);
    try {
      const dateTime = (r.createdDateTime ?? r.activityDateTime)!;
      await download(address({ path: "/verify/proof", query: { stream, id: r.id, dateTime } }), `proof-${r.id}.json`, "application/json");
    } catch (err) {
      setProblem(err instanceof Failure ? err.problem : { status: -1, at: new Date(), message: String(err) });
    }
  };
  return (
    <>
      <h3>Records <a class="small" href={to("search", "", { in: collection, filter })}>Search in this hour</a></h3>
      {problem && <Trouble problem={problem} />}
      <Loaded of={asked} lines={2} what="Records">
        {(data) => (
          <ul class="plain proofs">
            {(data.value as Entry[]).map((r) => (
              <li key={r.id + (r.createdDateTime ?? r.activityDateTime)}>
                <code>{r.id}</code> <Time at={r.createdDateTime ?? r.activityDateTime} how="precise" />{" "}
                <button type="button" class="small" onClick={() => prove(r)}>Download its proof</button>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </>
  );
}
