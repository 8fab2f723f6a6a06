import { useState } from "preact/hooks";
import { address, download, Failure, type Problem } from "../../api/client";
import { useAnswer } from "../../api/use";
import { Badge, Empty, Facts, Loaded, Time, Trouble, type Fact } from "../../components/basic";
import { bytes, hourSpan, number, sentence, utcDay } from "../../format";
import { logOf, within } from "../../logs";
import { to } from "../../state";
import type { Cell } from "./heatmap";
import { names } from "./states";
import { tones } from "./tones";
import { Seal } from "./seal";
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
              <p class="lead">
                <Badge tone={tones[row.status] ?? "quiet"}>{row.status}</Badge> {sentence(row.reason ?? names[row.status]?.means ?? "")}.
                {row.thin && <> <Badge tone="warn">thin</Badge> its records may be in a poorer form than Graph has.</>}
              </p>
              <Facts of={[
                ["Records", number(row.records), "hour-records"],
                ...(row.imported ? [["Imported or delivered", number(row.imported), "hour-imported"] as Fact] : []),
                ["Earlier versions", number(row.versions)],
                ["Came late", number(row.late)],
                ["Quarantined", number(row.quarantined)],
                ["Complete reads", number(row.passes)],
                ["Fetched from Graph", number(row.fetched)],
                ["Size, as received", bytes(row.bytes)],
                ["Size, stored", bytes(row.storedBytes)],
                ["First read", <Time at={row.firstReadDateTime} />],
                ["Last read", <Time at={row.lastReadDateTime} />],
                ["Form", row.form ?? "–"],
                ["Seals", sealed ? `${number(row.seals)}, of revision ${number(row.revision)}` : "not sealed yet"],
                ["Sum over its contents", <code>{row.contentSum ?? "–"}</code>],
              ]} />
              {row.status !== "purged" && row.records + (row.imported ?? 0) > 0 && <Records stream={stream} from={from} until={until} />}
              {row.status === "purged" && <p>Its records were dropped. Its seals remain, and prove that nothing else was.</p>}
              {sealed && <Seal stream={stream} hour={from} />}
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
