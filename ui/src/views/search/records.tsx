import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { useAnswer } from "../../api/use";
import { Badge, Copy, Loaded, Time } from "../../components/basic";
import { Table, type Column } from "../../components/table";
import { many } from "../../format";
import { to } from "../../state";
import { literal } from "../../logs";

export type Rec = Record<string, unknown>;

/** A value deep in a record; undefined where it is not there. */
function at(r: unknown, path: string): unknown {
  for (const name of path.split("/")) {
    if (r === null || typeof r !== "object") return undefined;
    r = (r as Rec)[name];
  }
  return r;
}

const text = (r: Rec, ...paths: string[]): string => {
  for (const path of paths) {
    const v = at(r, path);
    if (typeof v === "string" && v) return v;
    if (typeof v === "number") return String(v);
  }
  return "";
};

const when = (r: Rec) => text(r, "createdDateTime", "activityDateTime");
const key = (r: Rec) => `${text(r, "id", "@entraledger.rowKey")} ${when(r)} ${text(r, "@entraledger.firstSeenDateTime")}`;
const any = (v: string): ComponentChildren => <span dir="auto">{v}</span>;

function outcome(r: Rec): ComponentChildren {
  const code = at(r, "status/errorCode");
  if (typeof code === "number") return code === 0 ? <Badge tone="good">success</Badge> : <Badge tone="bad">{String(code)}</Badge>;
  const word = text(r, "result", "provisioningStatusInfo/status", "requestStatus");
  return word ? <Badge tone={/^(success|completed)$/i.test(word) ? "good" : /^(failure|failed|denied|canceled)$/i.test(word) ? "bad" : "quiet"}>{word}</Badge> : null;
}

const time: Column<Rec> = { name: "time", title: "Time", cell: (r) => <Time at={when(r) || undefined} how="precise" />, by: when };
const result: Column<Rec> = { name: "outcome", title: "Outcome", cell: outcome, by: (r) => text(r, "status/errorCode", "result", "provisioningStatusInfo/status", "requestStatus") };

const columns: Record<string, Column<Rec>[]> = {
  signIns: [
    time,
    { name: "who", title: "Who", cell: (r) => any(text(r, "userDisplayName", "servicePrincipalName", "userPrincipalName", "appDisplayName")), by: (r) => text(r, "userDisplayName", "servicePrincipalName") },
    { name: "app", title: "Application", cell: (r) => any(text(r, "appDisplayName", "servicePrincipalName")), by: (r) => text(r, "appDisplayName") },
    result,
    { name: "ip", title: "Address", cell: (r) => text(r, "ipAddress"), by: (r) => text(r, "ipAddress"), spare: true },
    { name: "where", title: "Place", cell: (r) => any([text(r, "location/city"), text(r, "location/countryOrRegion")].filter(Boolean).join(", ")), by: (r) => text(r, "location/countryOrRegion"), spare: true },
    { name: "client", title: "Client", cell: (r) => any(text(r, "clientAppUsed")), by: (r) => text(r, "clientAppUsed"), spare: true },
  ],
  audits: [
    time,
    { name: "activity", title: "Activity", cell: (r) => any(text(r, "activityDisplayName")), by: (r) => text(r, "activityDisplayName") },
    { name: "who", title: "By", cell: (r) => any(text(r, "initiatedBy/user/displayName", "initiatedBy/user/userPrincipalName", "initiatedBy/app/displayName")), by: (r) => text(r, "initiatedBy/user/userPrincipalName", "initiatedBy/app/displayName") },
    result,
    { name: "target", title: "On", cell: (r) => any(targets(r)), by: targets, spare: true },
    { name: "category", title: "Category", cell: (r) => any(text(r, "category")), by: (r) => text(r, "category"), spare: true },
  ],
  provisioning: [
    time,
    { name: "action", title: "Action", cell: (r) => text(r, "provisioningAction"), by: (r) => text(r, "provisioningAction") },
    { name: "who", title: "Identity", cell: (r) => any(text(r, "sourceIdentity/displayName")), by: (r) => text(r, "sourceIdentity/displayName") },
    result,
    { name: "app", title: "Application", cell: (r) => any(text(r, "servicePrincipal/displayName")), by: (r) => text(r, "servicePrincipal/displayName"), spare: true },
    { name: "target", title: "Target", cell: (r) => any(text(r, "targetSystem/displayName")), by: (r) => text(r, "targetSystem/displayName"), spare: true },
  ],
  identityManager: [
    time,
    { name: "operation", title: "Operation", cell: (r) => any(text(r, "operation")), by: (r) => text(r, "operation") },
    { name: "who", title: "By", cell: (r) => any(text(r, "creatorName", "creatorId")), by: (r) => text(r, "creatorName") },
    result,
    { name: "target", title: "On", cell: (r) => any(text(r, "targetName", "targetId")), by: (r) => text(r, "targetName", "targetId") },
    { name: "type", title: "Type", cell: (r) => any(text(r, "targetObjectType")), by: (r) => text(r, "targetObjectType"), spare: true },
    { name: "computer", title: "Server", cell: (r) => any(text(r, "computer")), by: (r) => text(r, "computer"), spare: true },
  ],
};

function targets(r: Rec): string {
  const all = r["targetResources"];
  if (!Array.isArray(all)) return "";
  return all.map((t: Rec) => text(t, "displayName", "userPrincipalName", "id")).filter(Boolean).join(", ");
}

/** Records as a table; one that is picked shows all that it has. */
export function Records({ collection, rows }: { collection: string; rows: Rec[] }) {
  const [open, setOpen] = useState("");
  const chosen = rows.find((r) => key(r) === open);
  return (
    <>
      <Table rows={rows} of={key} caption="Records" opened={open} columns={columns[collection] ?? columns["audits"]!}
        open={(r) => setOpen(key(r) === open ? "" : key(r))} />
      {chosen && <Detail key={open} collection={collection} record={chosen} close={() => setOpen("")} />}
    </>
  );
}

/** A record, readable, as JSON, and its versions. */
function Detail({ collection, record, close }: { collection: string; record: Rec; close: () => void }) {
  const [how, setHow] = useState<"read" | "json" | "versions">("read");
  const person = text(record, "userId"), app = text(record, "appId");
  const json = JSON.stringify(record, null, 2);
  const box = useRef<HTMLElement>(null);
  useEffect(() => box.current?.scrollIntoView({ block: "nearest" }), []);
  return (
    <section class="detail" aria-label="The record" ref={box}>
      <header>
        <h3><code>{text(record, "id")}</code></h3>
        <div class="tabs small" role="group" aria-label="How it is shown">
          {(["read", "json", "versions"] as const).map((h) => (
            <button type="button" key={h} aria-pressed={how === h} onClick={() => setHow(h)}>{{ read: "Readable", json: "JSON", versions: "Versions" }[h]}</button>
          ))}
        </div>
        <div class="actions">
          {person && <a class="small" href={to("directory", "user/" + person)}>The person</a>}
          {app && <a class="small" href={to("directory", "application/" + app)}>The application</a>}
          <button type="button" class="small" onClick={close}>Close</button>
        </div>
      </header>
      {record["@entraledger.tampered"] ? <p class="trouble">This record was changed in storage: {text(record, "@entraledger.tampered")}</p> : null}
      {how === "read" && <div class="read" tabIndex={0} role="group" aria-label="What it has"><dl class="tree">{Object.entries(record).map(([name, v]) => <Value key={name} name={name} value={v} />)}</dl></div>}
      {how === "json" && <><Copy text={json} label="Copy the JSON" /><pre tabIndex={0} aria-label="JSON"><code>{json}</code></pre></>}
      {how === "versions" && <Versions collection={collection} id={text(record, "id")} record={record} />}
    </section>
  );
}

const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z$/;

/** A name and what it has, as text, whatever it is. */
function Value({ name, value }: { name: string; value: unknown }) {
  if (value === null || value === "" || (Array.isArray(value) && value.length === 0)) return null;
  if (Array.isArray(value) && value.every((v) => typeof v !== "object")) {
    return <><dt>{name}</dt><dd dir="auto">{value.map(String).join(", ")}</dd></>;
  }
  if (typeof value === "object") {
    const inner = Object.entries(value as Rec).filter(([, v]) => v !== null && v !== "");
    if (inner.length === 0) return null;
    return <><dt>{name}</dt><dd><dl class="tree">{inner.map(([n, v]) => <Value key={n} name={Array.isArray(value) ? `${Number(n) + 1}.` : n} value={v} />)}</dl></dd></>;
  }
  return <><dt>{name}</dt><dd dir="auto">{typeof value === "string" && isTime.test(value) ? <Time at={value} how="precise" /> : String(value)}</dd></>;
}

/** The contents that a record had, the newest first. */
function Versions({ collection, id, record }: { collection: string; id: string; record: Rec }) {
  const type = Array.isArray(record["signInEventTypes"]) ? String(record["signInEventTypes"][0]) : "";
  const filter = `id eq ${literal(id)}` + (type && type !== "interactiveUser" ? ` and signInEventTypes/any(t: t eq ${literal(type)})` : "");
  const asked = useAnswer({ path: "/auditLogs/{collection}", values: { collection }, query: { $filter: filter, versions: "all", $top: 50 } });
  return (
    <Loaded of={asked} lines={2} what="Versions">
      {(data) => (
        <>
          <p>{data.value.length < 2 ? "The archive has one content of it: it never changed." : many(data.value.length, "content") + ":"}</p>
          {data.value.length > 1 && (data.value as Rec[]).map((v, i) => (
            <details key={i}>
              <summary>Seen from <Time at={text(v, "@entraledger.firstSeenDateTime") || undefined} how="precise" /></summary>
              <pre tabIndex={0} aria-label="JSON"><code>{JSON.stringify(v, null, 2)}</code></pre>
            </details>
          ))}
        </>
      )}
    </Loaded>
  );
}
