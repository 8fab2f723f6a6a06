import type { Row } from "../../api/client";
import { Badge, Empty } from "../../components/basic";
import { day, many, number } from "../../format";
import { place, set, to } from "../../state";
import { tones } from "../coverage/tones";

type Credential = Row<"/expiring-credentials">;

const msOfDay = 86_400_000;
const before = 30; // days that have passed, at the left
const mostGroups = 30;

interface Group { key: string; name: string; href: string; items: Credential[] }

const nobody = { key: "", name: "Nobody" };

/** Owners by id: two may have one name. */
const ownersOf = (c: Credential): { key: string; name: string }[] => (c.owners ?? []).map((o) => ({ key: o.id || o.userPrincipalName || o.displayName || "?",
  name: o.displayName || o.userPrincipalName || o.id || "?" }));

/** Credentials by application, or by each of their owners; whose credential ends first is first. */
function groups(all: Credential[], by: string): Group[] {
  const out = new Map<string, Group>();
  for (const c of all) {
    const owners = ownersOf(c);
    const names = by !== "owner" ? [{ key: c.appId ?? "", name: c.appDisplayName || c.appId || "" }] : owners.length ? owners : [nobody];
    for (const { key, name } of names) {
      const group = out.get(key) ?? { key, name, href: by === "owner" ? "" : to("directory", "application/" + c.appId), items: [] };
      group.items.push(c);
      out.set(key, group);
    }
  }
  return [...out.values()];
}

/** A line for each application or owner, a mark for each credential where it ends. */
export function TimeLine({ all, days }: { all: Credential[]; days: number }) {
  const by = place.value.query.get("by") === "owner" ? "owner" : "application";
  const more = place.value.query.get("lines") === "all";
  const now = Date.now(), from = now - before * msOfDay, whole = (before + days) * msOfDay;
  const list = groups(all, by);
  const endOf = (c: Credential) => (c.endDateTime ? Date.parse(c.endDateTime) : Infinity);
  const at = (t: number) => Math.min(100, Math.max(0, ((t - from) / whole) * 100));
  const months: number[] = [];
  for (let d = new Date(from), m = new Date(Date.UTC(d.getUTCFullYear(), d.getUTCMonth() + 1)); m.getTime() < from + whole; m = new Date(Date.UTC(m.getUTCFullYear(), m.getUTCMonth() + 1))) months.push(m.getTime());
  if (list.length === 0) return <Empty title="None ends in this time" />;
  return (
    <div class="timeline" data-mark="timeline" data-total={all.length}>
      <div class="tabs small" role="group" aria-label="A line for each">
        {(["application", "owner"] as const).map((b) => (
          <button type="button" key={b} aria-pressed={by === b} onClick={() => set({ by: b === "owner" ? b : undefined })}>{b === "owner" ? "By owner" : "By application"}</button>
        ))}
      </div>
      <div class="axis" aria-hidden="true">
        <span />
        <div class="track">{months.map((m) => <span key={m} class="month" style={{ left: at(m) + "%" }}>{monthName.format(m)}</span>)}</div>
      </div>
      <ul>
        {list.slice(0, more ? list.length : mostGroups).map((g) => (
          <li key={g.key}>
            {g.href ? <a href={g.href} dir="auto" title={g.name}>{g.name}</a> : !g.key ? <span><Badge tone="warn">nobody</Badge></span> : <span dir="auto" title={g.name}>{g.name}</span>}
            <div class="track">
              <span class="today" aria-hidden="true" style={{ left: at(now) + "%" }} />
              {g.items.map((c) => {
                const says = `${c.appDisplayName || c.appId}, ${c.kind}: ${c.state}, ${c.endDateTime ? "ends " + day(c.endDateTime) : "has no end"}${c.state === "unused" ? ", not used" : ""}`;
                return (
                  <a key={`${c.objectId}/${c.keyId}`} class={"pin " + (tones[c.state ?? ""] ?? "quiet") + (c.state === "unused" ? " hollow" : "")} href={to("directory", "application/" + c.appId)}
                    style={{ left: at(endOf(c)) + "%" }} title={says}><span class="unseen">{says}</span></a>
                );
              })}
            </div>
          </li>
        ))}
      </ul>
      {list.length > mostGroups && <button type="button" class="small" onClick={() => set({ lines: more ? undefined : "all" })}>
        {more ? "Show fewer" : `Show all ${many(list.length, by === "owner" ? "owner" : "application")}`}</button>}
      <p class="note">{many(all.length, "credential")}: a mark where each ends. What ended more than {number(before)} days ago is at the left edge, what ends later than half a year from now, or never, at the right. Hollow: not used. The same stands in the table below.</p>
    </div>
  );
}

const monthName = new Intl.DateTimeFormat(navigator.languages as string[], { month: "short", timeZone: "UTC" });
