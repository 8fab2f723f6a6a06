import { useEffect } from "preact/hooks";
import type { Row } from "../../api/client";
import { useAnswer } from "../../api/use";
import { Badge, Empty, Loaded, Panel, Stat, Time } from "../../components/basic";
import { Bars } from "../../components/bars";
import { Strip } from "../../components/strip";
import { compact, log, many, number, sentence, time } from "../../format";
import { round, to } from "../../state";
import { useAll } from "../directory/more";
import { byWeek } from "../directory/weeks";
import { tones } from "../coverage/tones";
import type { View } from "../list";
import { place, subject, tone, word, type Need } from "./needs";
import { Runs } from "./runs";

type Log = Row<"/coverage">;
type Credential = Row<"/expiring-credentials">;
const freshFor = 5 * 60_000;

export const today: View = {
  id: "today", title: "Today", about: "Is the archive whole, what needs somebody, and what ends soon.",
  icon: "M3 10.500L10 4l7 6.500M5 9.500V16h4v-4h2v4h4V9.500", Page,
};

function Page() {
  const coverage = useAnswer({ path: "/coverage" });
  const status = useAnswer({ path: "/status" });
  useEffect(() => { // a page that stands on a wall is never asleep
    const timer = setInterval(() => { if (document.visibilityState === "visible") round.value++; }, freshFor);
    return () => clearInterval(timer);
  }, []);
  return (
    <>
      <Tiles logs={coverage.data?.value} failed={coverage.problem !== null} />
      <div class="columns">
        <Panel title="What needs somebody" wide note={status.data && <>As of <Time at={status.data.asOfDateTime} />.</>}>
          <Loaded of={status} what="What needs somebody">{(data) => <Needs list={data.value} logs={coverage.data?.value} />}</Loaded>
        </Panel>
        <Panel title="The logs" wide note="The last 30 days of each: a bar a day, as high as its records."
          actions={<a class="small" href={to("coverage")}>Calendar</a>}>
          <Loaded of={coverage} lines={6} what="The logs">{(data) => <Logs all={data.value} />}</Loaded>
        </Panel>
        <Ending />
        <NewlyInactive />
        <Runs />
      </div>
    </>
  );
}

/** The numbers that a reader looks for first. */
function Tiles({ logs, failed }: { logs: Log[] | undefined; failed: boolean }) {
  const users = useAnswer({ path: "/inactive-users/summary" });
  const soon = useAnswer({ path: "/expiring-credentials/summary", query: { withinDays: 30, state: "expired,expiring" } });
  const ends = (state: string) => soon.data?.value.find((c) => c.by === "state" && c.name === state)?.count ?? 0;
  const expected = logs?.filter((l) => l.collected) ?? [];
  const behind = expected.filter((l) => l.status !== "current");
  const oldest = expected.map((l) => l.completeUntilDateTime).filter((t): t is string => !!t).sort()[0];
  const never = expected.filter((l) => !l.completeUntilDateTime).length;
  const records = logs?.reduce((sum, l) => sum + held(l), 0) ?? 0;
  const lost = logs?.reduce((sum, l) => sum + l.windowsLost, 0) ?? 0;
  const everybody = users.data?.value.filter((c) => c.by === "ageBand").reduce((sum, c) => sum + c.count, 0) ?? 0;
  const wait = "…", none = failed ? "–" : wait;
  return (
    <div class="stats">
      <Stat label="Archive" href={to("coverage")} tone={!logs || expected.length === 0 ? "quiet" : behind.length ? "bad" : lost ? "warn" : "good"}
        value={!logs ? none : expected.length === 0 ? "No log is collected" : behind.length ? `${number(behind.length)} of ${number(expected.length)} logs behind` : "Up to date"}
        note={!logs ? "" : !oldest ? "Nothing was read yet" : never ? `${many(never, "log")} ${never === 1 ? "was" : "were"} never read`
          : <>All logs complete until <Time at={oldest} />{lost ? `, but for ${many(lost, "lost hour")}` : ""}</>} />
      <Stat label="Records" href={to("search")} mark="records" value={logs ? compact(records) : none}
        note={lost ? `${many(lost, "hour")} lost for good` : logs && oldest ? "No hour is lost" : ""} tone={lost ? "warn" : "quiet"} />
      <Stat label="Inactive for 90 days" href={to("directory", "users")} mark="inactive"
        value={users.data ? number(users.data.total) : users.problem ? "–" : wait}
        note={users.data ? `of ${many(everybody, "user")}` : users.problem?.code === "noSnapshot" ? "No snapshot yet" : ""} />
      <Stat label="Credentials that end in 30 days" href={to("directory", "credentials")} mark="expiring" tone={soon.data?.total ? "warn" : "quiet"}
        value={soon.data ? number(ends("expiring")) : soon.problem ? "–" : wait}
        note={soon.data ? `${ends("expired") ? number(ends("expired")) : "none"} ${ends("expired") === 1 ? "has" : "have"} ended already` : ""} />
    </div>
  );
}

/** What there is to say where nothing needs somebody; no more than is so. */
function calm(logs: Log[] | undefined): string {
  const expected = logs?.filter((l) => l.collected) ?? [], behind = expected.filter((l) => l.status !== "current").length;
  if (expected.length === 0) return "needs somebody now.";
  return behind ? `needs somebody now. ${many(behind, "log")} ${behind === 1 ? "is" : "are"} not up to date yet: the next runs read on.`
    : "needs somebody now: every log that is collected is up to date, and no hour is about to be lost.";
}

function Needs({ list, logs }: { list: Need[]; logs: Log[] | undefined }) {
  const now = list.filter((n) => n.severity !== "notice"), known = list.filter((n) => n.severity === "notice");
  return (
    <>
      {now.length === 0 && <div class="calm"><Badge tone="good">Nothing</Badge> <span data-mark="calm">{calm(logs)}</span></div>}
      {now.length > 0 && <List of={now} />}
      {known.length > 0 && (
        <details class="known" open={now.length === 0 && known.length < 3}>
          <summary>{many(known.length, "thing")} that {known.length === 1 ? "is known and stays" : "are known and stay"}</summary>
          <List of={known} />
        </details>
      )}
    </>
  );
}

function List({ of }: { of: Need[] }) {
  return (
    <ul class="needs" data-mark="needs">
      {of.map((n) => (
        <li key={n.kind + n.subject + n.reason}>
          <Badge tone={tone[n.severity]}>{word(n)}</Badge>
          <div>
            <p><strong>{subject(n)}</strong></p>
            <p>{sentence(n.reason)}{n.dueDateTime ? `, until ${time(n.dueDateTime)}` : ""}.</p>
            {n.remedy && <p class="todo">What to do: {n.remedy}.</p>}
            {place(n) && <p><a href={place(n)}>Look at it</a></p>}
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
              <td><Badge tone={l.collected || delivered(l) ? tones[l.status] ?? "quiet" : "quiet"}>{l.collected || delivered(l) ? words[l.status] ?? l.status : "not collected"}</Badge></td>
              <td>{delivered(l) ? <span class="note">last came <Time at={newest(l)} /></span> : <Time at={l.completeUntilDateTime} />}</td>
              <td class="n" data-mark={"records-" + l.stream}>{number(held(l))}</td>
              <td class="spare"><Time at={l.sealedUntilDateTime} /></td>
              <td class="spare">{(l.beginDateTime || l.importedFromDateTime) && <Strip stream={l.stream} from={from} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** All records of a log: those that were read, and those that arrived otherwise. */
const held = (l: Log): number => l.records + (l.imported ?? 0);
const delivered = (l: Log): boolean => l.status === "delivered";
const newest = (l: Log): string | undefined => l.deliveries?.map((d) => d.lastDeliveryDateTime).filter((t): t is string => !!t).sort().at(-1);

const words: Record<string, string> = { current: "up to date", backfilling: "reading the past", failing: "failing", notStarted: "not started" };

/** Credentials that end, by week. */
function Ending() {
  const weeks = 13;
  const { asked } = useAll<"/expiring-credentials", Credential>({ path: "/expiring-credentials", query: { withinDays: 7 * weeks, state: "expiring", $top: 999,
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
