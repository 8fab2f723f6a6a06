// Made-up events of a server of Identity Manager, as its script sends them (docs/mim.md).
import { ask, key } from "./page.mjs";

export const server = "MIM1.contoso.example";

/**
 * Delivers so many requests, one each 20 minutes up to an hour ago, a quarter of them denied; one event's number is left out. Returns how
 * many came, once the app lists the log: which logs there are it remembers for a minute.
 */
export async function deliver(base, count = 60) {
  const events = [];
  const begin = Date.now() - (count + 3) * 1_200_000;
  for (let i = 0; i < count; i++) {
    const at = new Date(begin + i * 1_200_000), denied = i % 4 === 3;
    const who = { HybridObjectID: `b0000000-0000-4000-8000-${String(i % 9).padStart(12, "0")}`, AccountName: `müller${i % 9}`, DisplayName: `Müller ${i % 9}`, Domain: "CONTOSO", ObjectType: "Person" };
    const request = { HybridObjectID: `c0000000-0000-4000-8011-${String(i).padStart(12, "0")}`, ObjectType: "Request", DisplayName: "Put of Person", Operation: "Put",
      RequestStatus: denied ? "Denied" : "Completed", CreatedTime: at.toISOString().slice(0, 23).replace("T", " "), CommittedTime: at.toISOString().slice(0, 23).replace("T", " "),
      Creator: { ...who, HybridObjectID: "b0000000-0000-4000-8000-999999999999", AccountName: "anonymous", DisplayName: "ANONYMOUS" }, TargetObjectType: "Person", Target: who,
      RequestParameter: [{ Calculated: "false", Propertyname: "ResetPassword", Value: "True", Operation: "Create", Mode: "Modify" },
        { Calculated: "false", Propertyname: "LastResetAttemptTime", Value: "x", Operation: "Create", Mode: "Modify" }] };
    events.push({ EventId: 4121, TimeCreated: at.toISOString(), Computer: server, RecordId: i + 1, Message: JSON.stringify(request) });
  }
  events.splice(Math.floor(count / 2), 1);
  const resp = await fetch(base + "/api/mim/events", { method: "POST", body: JSON.stringify(events),
    headers: { "x-functions-key": key, "Content-Type": "application/json" } });
  if (!resp.ok) throw new Error(`POST mim/events: ${resp.status} ${await resp.text()}`);
  const { records } = await resp.json();
  for (const until = Date.now() + 120_000; Date.now() < until; await new Promise((done) => setTimeout(done, 1000))) {
    if ((await ask(base, "coverage")).value.some((l) => l.stream === "identityManager")) return records;
  }
  throw new Error("coverage does not list what was delivered");
}
