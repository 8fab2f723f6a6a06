import { useMemo } from "preact/hooks";
import type { Row } from "../../api/client";
import { useAnswer } from "../../api/use";
import { Badge, Empty, Loaded, Panel, Stat, Time, type Tone } from "../../components/basic";
import { Bars } from "../../components/bars";
import { Strip } from "../../components/strip";
import { compact, log, many, number } from "../../format";
import { to } from "../../state";
import { byWeek } from "../directory/weeks";
import { tones } from "../coverage/tones";
import type { View } from "../list";
import { needs, type Need } from "./needs";

type Log = Row<"/coverage">;

export const today: View = {
  id: "today", title: "Today", about: "Is the archive whole, what needs somebody, and what ends soon.",
  icon: "M3 10.500L10 4l7 6.500M5 9.500V16h4v-4h2v4h4V9.500", Page,
};

function Page() {
  const coverage = useAnswer({ path: "/coverage" });
  const snapshots = useAnswer({ path: "/snapshot" });
  const preflight = useAnswer({ path: "/preflight/latest" });
  return (
    <>
      <Tiles logs={coverage.data?.value} />
      <div class="columns">
        <Panel title="What needs somebody" wide>
          {coverage.data || coverage.problem ? (
            <Loaded of={coverage} what="What needs somebody">
              {(data) => <Needs list={needs(data.value, snapshots.data?.value ?? [], preflight.data?.value ?? [])} />}
            </Loaded>
          ) : <Loaded of={coverage} what="What needs somebody">{() => null}</Loaded>}
        </Panel>
        <Panel title="The logs" wide note="The last 30 days of each: a bar a day, as high as its records."
          actions={<a class="small" href={to("coverage")}>Calendar</a>}>
          <Loaded of={coverage} lines={6} what="The logs">{(data) => <Logs all={data.value} />}</Loaded>
        </Panel>
        <Ending />
        <NewlyInactive />
        <Panel title="What the last runs did" wide>
          <Loaded of={coverage} what="The last runs">
            {(data) => <Runs logs={data.value} snapshots={snapshots.data?.value ?? []} />}
          </Loaded>
        </Panel>
      </div>
    </>
  );
}

/** The numbers that a reader looks for first. */
function Tiles({ logs }: { logs: Log[] | undefined }) {
  const users = useAnswer({ path: "/inactive-users/summary" });
  const soon = useAnswer({ path: "/expiring-credentials/summary", query: { withinDays: 30 } });
  const expected = logs?.filter((l) => l.collected) ?? [];
  const behind = expected.filter((l) => l.status !== "current");
  const oldest = expected.map((l) => l.completeUntilDateTime).filter((t): t is string => !!t).sort()[0];
  const records = logs?.reduce((sum, l) => sum + l.records, 0) ?? 0;
  const lost = logs?.reduce((sum, l) => sum + l.windowsLost, 0) ?? 0;
  const everybody = users.data?.value.filter((c) => c.by === "ageBand").reduce((sum, c) => sum + c.count, 0) ?? 0;
  const wait = "…";
  return (
    <div class="stats">
      <Stat label="Archive" href={to("coverage")} tone={!logs ? "quiet" : behind.length ? "bad" : "good"}
        value={!logs ? wait : behind.length ? `${number(behind.length)} of ${number(expected.length)} logs behind` : "Up to date"}
        note={oldest ? <>All logs complete until <Time at={oldest} /></> : logs ? "Nothing was read yet" : ""} />
      <Stat label="Records" href={to("search")} mark="records" value={logs ? compact(records) : wait}
        note={lost ? `${many(lost, "hour")} lost for good` : logs ? "No hour is lost" : ""} tone={lost ? "warn" : "quiet"} />
      <Stat label="Inactive for 90 days" href={to("directory", "users")} mark="inactive"
        value={users.data ? number(users.data.total) : users.problem ? "–" : wait}
        note={users.data ? `of ${many(everybody, "user")}` : users.problem?.code === "noSnapshot" ? "No snapshot yet" : ""} />
      <Stat label="Credentials that end in 30 days" href={to("directory", "credentials")} mark="expiring" tone={soon.data?.total ? "warn" : "quiet"}
        value={soon.data ? number(soon.data.total) : soon.problem ? "–" : wait}
        note={soon.data ? (soon.data.total ? "and those that have ended already" : "none") : ""} />
    </div>
  );
}

function Needs({ list }: { list: Need[] }) {
  if (list.length === 0) {
    return <div class="calm"><Badge tone="good">Nothing</Badge> Every log is read, nothing is refused, and nothing is about to be lost.</div>;
  }
  return (
    <ul class="needs" data-mark="needs">
      {list.map((n) => (
        <li key={n.title + n.why}>
          <Badge tone={n.tone}>{n.word}</Badge>
          <div>
            <p><strong>{n.title}</strong></p>
            <p>{n.why}</p>
            {n.todo && <p class="todo">{n.todo}</p>}
            {n.href && <p><a href={n.href}>Look at it</a></p>}
          </div>
        </li>
      ))}
    </ul>
  );
}

function Logs({ all }: { all: Log[] }) {
  if (all.length === 0) return <Empty title="No log is archived yet">Name logs in ARCHIVE_STREAMS, and wait for the first run.</Empty>;
  const from = new Date(Math.floor(Date.now() / 86_400_000 - 30) * 86_400_000).toISOString().replace(".000", "");
  return (
    <div class="table" tabIndex={0} role="group" aria-label="The logs">
      <table>
        <thead>
          <tr>
            <th scope="col">Log</th><th scope="col">Status</th><th scope="col">Complete until</th>
            <th scope="col" class="n">Records</th><th scope="col" class="spare">Sealed until</th><th scope="col" class="spare">30 days</th>
          </tr>
        </thead>
        <tbody>
          {all.map((l) => (
            <tr key={l.stream}>
              <th scope="row"><a href={to("coverage", "", { log: l.stream })}>{log(l.stream)}</a></th>
              <td><Badge tone={l.collected ? tones[l.status] ?? "quiet" : "quiet"}>{l.collected ? words[l.status] ?? l.status : "not collected"}</Badge></td>
              <td><Time at={l.completeUntilDateTime} /></td>
              <td class="n" data-mark={"records-" + l.stream}>{number(l.records)}</td>
              <td class="spare"><Time at={l.sealedUntilDateTime} /></td>
              <td class="spare">{l.beginDateTime && <Strip stream={l.stream} from={from} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const words: Record<string, string> = { current: "up to date", backfilling: "reading the past", failing: "failing", notStarted: "not started" };

/** Credentials that end, by week. */
function Ending() {
  const weeks = 13;
  const asked = useAnswer({ path: "/expiring-credentials", query: { withinDays: 7 * weeks, state: "expiring", $top: 999,
    $select: "keyId,kind,appId,appDisplayName,displayName,endDateTime,daysLeft,noOwner,ownersMail,hasSuccessor" } });
  return (
    <Panel title="Credentials that end soon" note="By week, for 13 weeks." actions={<a class="small" href={to("directory", "credentials")}>All</a>}>
      <Loaded of={asked} what="Credentials">
        {(data) => {
          if (data.value.length === 0) return <Empty title="None ends within 13 weeks">Those that have ended are under Directory, Credentials.</Empty>;
          return (
            <>
              <Bars bars={byWeek(data.value.map((c) => c.daysLeft ?? 0), weeks)} caption="Credentials that end, by week" unit="credentials" every={2} mark="ending" />
              <ul class="plain rows">
                {data.value.slice(0, 6).map((c) => (
                  <li key={(c.keyId ?? "") + c.appId}>
                    <a href={to("directory", "application/" + c.appId)}>{c.appDisplayName || c.appId}</a>
                    <span class="note">{c.kind}{c.noOwner ? ", no owner" : ""}{c.hasSuccessor ? ", has a successor" : ""}</span>
                    <Badge tone={(c.daysLeft ?? 0) < 8 ? "bad" : "warn"}>{many(c.daysLeft ?? 0, "day")}</Badge>
                  </li>
                ))}
              </ul>
            </>
          );
        }}
      </Loaded>
    </Panel>
  );
}

/** Users who became inactive since the snapshot before the newest one. */
function NewlyInactive() {
  const asked = useAnswer({ path: "/inactive-users", query: { newSince: "previous", $top: 8, $count: "true", $orderby: "inactiveSinceDateTime desc",
    $select: "id,displayName,userPrincipalName,daysInactive,reason,licensed,accountEnabled,state" } });
  return (
    <Panel title="Newly inactive users" note="Since the snapshot before the newest one." actions={<a class="small" href={to("directory", "users")}>All</a>}>
      <Loaded of={asked} what="Users">
        {(data) => data.value.length === 0 ? <Empty title="Nobody became inactive" /> : (
          <>
            <ul class="plain rows">
              {data.value.map((u) => (
                <li key={u.id}>
                  <a href={to("directory", "user/" + u.id)} dir="auto">{u.displayName || u.userPrincipalName}</a>
                  <span class="note">{u.licensed ? "licensed" : ""}{u.accountEnabled === false ? " disabled" : ""}</span>
                  <span class="n">{u.daysInactive === undefined ? "" : many(u.daysInactive, "day")}</span>
                </li>
              ))}
            </ul>
            {data["@odata.count"] !== undefined && data["@odata.count"] > data.value.length &&
              <p class="note"><a href={to("directory", "users")}>{number(data["@odata.count"])} in all</a></p>}
          </>
        )}
      </Loaded>
    </Panel>
  );
}

interface Run { what: string; at: string | undefined; word: string; tone: Tone; said: string }

function Runs({ logs, snapshots }: { logs: Log[]; snapshots: Row<"/snapshot">[] }) {
  const runs = useMemo(() => {
    const out: Run[] = logs.filter((l) => l.lastRunDateTime).map((l) => ({
      what: log(l.stream), at: l.lastRunDateTime, word: l.lastError ? "error" : "done", tone: l.lastError ? "bad" : "good",
      said: l.lastError ? l.lastError.message
        : `${many(l.windowsDone, "hour")} there${l.windowsMissing ? `, ${number(l.windowsMissing)} still to be read` : ""}${l.windowsUnsealed ? `, ${number(l.windowsUnsealed)} to be sealed` : ""}`,
    }));
    for (const s of snapshots.slice(0, 2)) {
      out.push({ what: "Snapshot of the directory", at: s.finishedDateTime ?? s.lastStepDateTime ?? s.asOfDateTime, word: s.status,
        tone: tones[s.status] ?? "quiet", said: s.lastFailure?.message ?? `${many(s.users, "user")}, ${many(s.credentials, "credential")}, ${many(s.graphRequests, "request")} to Graph` });
    }
    return out.sort((a, b) => (b.at ?? "").localeCompare(a.at ?? ""));
  }, [logs, snapshots]);
  if (runs.length === 0) return <Empty title="Nothing ran yet">The timer runs every five minutes after a deployment.</Empty>;
  return (
    <ul class="plain rows runs">
      {runs.map((r) => (
        <li key={r.what + r.at}>
          <span>{r.what}</span><span class="note">{r.said}</span><Badge tone={r.tone}>{r.word}</Badge><Time at={r.at} how="relative" />
        </li>
      ))}
    </ul>
  );
}
