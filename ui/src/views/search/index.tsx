import { useEffect, useState } from "preact/hooks";
import { address, type Query } from "../../api/client";
import { useAnswer } from "../../api/use";
import { Empty, Loaded, Panel, Time, Trouble } from "../../components/basic";
import { Foot } from "../../components/list";
import { number } from "../../format";
import { place, set } from "../../state";
import { usePages } from "../directory/more";
import type { View } from "../list";
import { fileOf, filterOf, kinds, nothing, type Kind, type Picks } from "./fields";
import { Records, type Rec } from "./records";
import { FilterField } from "./suggest";

export const search: View = {
  id: "search", title: "Search", about: "What happened: sign-ins, audits, provisioning and Identity Manager, as far back as the archive reaches.",
  icon: "M9 3.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11zM13 13l4 4", Page,
};

const titles: Record<keyof Picks, string> = { person: "Person", application: "Application", address: "IP address", outcome: "Outcome", activity: "Activity", operation: "Operation", target: "On whom or what",
  from: "From", until: "Until" };
const hints: Partial<Record<keyof Picks, string>> = { person: "sign-in name or object id", application: "name or id", address: "203.0.113.7", activity: "Add user", operation: "Put", target: "name or object id" };

/** What a link or the reader's last search asked for. */
function given(): { kind: Kind; written: string } {
  const { query } = place.peek();
  const written = query.get("filter") ?? "";
  const of = query.get("in") ?? "";
  const type = /signInEventTypes\/any\(t: ?t eq '(\w+)'\)/.exec(written)?.[1];
  const kind = kinds.find((k) => k.id === of) ?? kinds.find((k) => k.id === `signIns.${type}`) ?? kinds.find((k) => k.collection === of) ?? kinds[0]!;
  return { kind, written };
}

function Page() {
  const [kind, setKind] = useState(() => given().kind);
  const [picks, setPicks] = useState<Picks>(nothing);
  const [written, setWritten] = useState(() => given().written);
  const [asked, setAsked] = useState(() => ({ kind: given().kind, filter: filterOf(given().kind, nothing, given().written) }));
  const here = place.value.query.toString();
  useEffect(() => { // a link within the page asks something else
    const { kind: k, written: w } = given();
    const filter = filterOf(k, nothing, w);
    if (filter === asked.filter && k === asked.kind) return;
    setKind(k);
    setWritten(w);
    setPicks(nothing);
    setAsked({ kind: k, filter });
  }, [here]);
  const filter = filterOf(kind, picks, written);
  const submit = (e: Event) => {
    e.preventDefault();
    setAsked({ kind, filter });
    set({ in: kind.id, filter: filter || undefined });
  };
  const names = useAnswer(kind.picks.includes("activity") ? { path: "/reference/{list}", values: { list: "auditActivities" } } : null);
  return (
    <>
      <form class="panel wide search" onSubmit={submit} aria-label="What is searched">
        <div class="grid">
          <label>In
            <select value={kind.id} onChange={(e) => { setKind(kinds.find((k) => k.id === e.currentTarget.value)!); setWritten(""); }}>
              {kinds.map((k) => <option key={k.id} value={k.id}>{k.title}</option>)}
            </select>
          </label>
          {kind.picks.map((p) => (
            <label key={p}>{titles[p]}
              {p === "outcome" ? (
                <select value={picks.outcome} onChange={(e) => setPicks({ ...picks, outcome: e.currentTarget.value as Picks["outcome"] })}>
                  <option value="">any</option><option value="success">success</option><option value="failure">failure</option>
                </select>
              ) : (
                <input type={p === "from" || p === "until" ? "datetime-local" : "text"} value={picks[p]} placeholder={hints[p] ?? ""} autoComplete="off"
                  list={p === "activity" ? "activities" : undefined} onInput={(e) => setPicks({ ...picks, [p]: e.currentTarget.value })} />
              )}
            </label>
          ))}
        </div>
        <datalist id="activities">
          {[...new Set((names.data?.value ?? []).map((a) => a.activity))].map((a) => <option key={a} value={a} />)}
        </datalist>
        <label for="filter">Filter, as Microsoft Graph writes it</label>
        <FilterField collection={kind.collection} value={written} change={setWritten} />
        <div class="under">
          <button type="submit" class="primary">Search</button>
          <button type="button" onClick={() => { setPicks(nothing); setWritten(""); }}>Clear</button>
          {filter && <code class="filter" aria-label="The filter that is asked">{filter}</code>}
        </div>
      </form>
      <Results key={asked.kind.id + asked.filter} kind={asked.kind} filter={asked.filter} />
    </>
  );
}

const perPage = 200;

function Results({ kind, filter }: { kind: Kind; filter: string }) {
  const query = { ...(filter ? { $filter: filter } : {}), $top: perPage };
  const pages = usePages<"/auditLogs/{collection}", Rec>({ path: "/auditLogs/{collection}", values: { collection: kind.collection }, query });
  const data = pages.first.data as { "@entraledger.hint"?: string; "@entraledger.tamperedCount"?: number;
    "@entraledger.gaps"?: { startDateTime: string; endDateTime: string; reason: string }[] } | null;
  const path = address({ path: "/auditLogs/{collection}", values: { collection: kind.collection }, query: filter ? { $filter: filter } : {} });
  const gaps = data?.["@entraledger.gaps"] ?? [];
  const { id, rest } = fileOf(kind, filter);
  const file = files[id];
  const csv = file ? address({ path: "/downloads/{name}", values: { name: file }, query: (rest ? { $filter: rest } : {}) as Query<"/downloads/{name}"> }) : "";
  return (
    <Panel title="Records" wide note="The newest first.">
      {pages.first.problem && <Trouble problem={pages.first.problem} again={pages.first.again} reload={pages.first.reload} />}
      {data?.["@entraledger.hint"] && <p class="hint">{data["@entraledger.hint"]}</p>}
      {data?.["@entraledger.tamperedCount"] ? <p class="trouble">{number(data["@entraledger.tamperedCount"])} of these were changed in storage. See Coverage, Verify.</p> : null}
      {gaps.slice(0, 3).map((g) => (
        <p class="hint" key={g.startDateTime}>The archive lacks <Time at={g.startDateTime} /> to <Time at={g.endDateTime} />: {g.reason}.</p>
      ))}
      {pages.rows.length > 0 ? <Records collection={kind.collection} rows={pages.rows} />
        : data ? (
          pages.more ? <Empty title="Nothing was found yet">The search goes on further back.</Empty>
            : <Empty title="The archive holds no such record">Look at the filter, at the log that is searched, and at how far back the archive reaches.</Empty>
        ) : !pages.first.problem && <Loaded of={pages.first} lines={8} what="Records">{() => null}</Loaded>}
      {data && <Foot of={pages} path={csv} call={path} file={file + ".csv"} />}
    </Panel>
  );
}

/** The portal's file of each kind. */
const files: Record<string, string> = {
  directoryAudits: "AuditLogs", provisioning: "ProvisioningLogs", "signIns.interactiveUser": "InteractiveSignIns",
  "signIns.nonInteractiveUser": "NonInteractiveSignIns", "signIns.servicePrincipal": "ApplicationSignIns", "signIns.managedIdentity": "MSISignIns", identityManager: "IdentityManagerRequests",
};
