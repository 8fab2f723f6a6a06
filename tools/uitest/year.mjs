// A year of made-up audits as a folder of records, which a local run archives: 8,760 hours of ledger.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const hour = 3_600_000;
const activities = [["Add user", "UserManagement"], ["Update user", "UserManagement"], ["Add member to group", "GroupManagement"],
  ["Update application", "ApplicationManagement"], ["Update policy", "Policy"]];

/** Writes the folder, which goes with this process, and returns it. More happens on working days, by day; the same year is made for the same now. */
export function yearOfRecords(now = Date.now()) {
  const folder = mkdtempSync(join(tmpdir(), "ledger-year-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const end = Math.floor(now / hour) * hour - 2 * hour;
  const lines = [];
  let seed = 7;
  const random = () => ((seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648);
  for (let at = end - 364 * 24 * hour; at < end; at += hour) {
    const date = new Date(at);
    const works = date.getUTCDay() % 6 !== 0, day = Math.max(0, 1 - Math.abs(date.getUTCHours() - 13) / 8);
    const count = Math.floor(random() * (works ? 1 + 5 * day : 1.3));
    for (let i = 0; i < count; i++) {
      const n = lines.length, [name, category] = activities[n % activities.length];
      lines.push(JSON.stringify({
        id: `Directory_${String(n).padStart(8, "0")}`, category, correlationId: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`, result: n % 19 ? "success" : "failure",
        resultReason: "", activityDisplayName: name, activityDateTime: new Date(at + Math.floor(random() * hour)).toISOString().replace("Z", "0000Z"),
        loggedByService: "Core Directory", operationType: "Update",
        initiatedBy: { app: null, user: { id: "9fb918bc-8d2a-4ef3-8831-31d511bb173a", displayName: null, userPrincipalName: `admin${n % 7}@contoso.example`, ipAddress: "203.0.113.7" } },
        targetResources: [{ id: `10000000-0000-4000-8000-${String(n % 300).padStart(12, "0")}`, displayName: `User ${n % 300}`, type: "User", modifiedProperties: [] }], additionalDetails: [],
      }));
    }
  }
  lines.sort((a, b) => (JSON.parse(a).activityDateTime < JSON.parse(b).activityDateTime ? -1 : 1));
  writeFileSync(join(folder, "directoryAudits.jsonl"), lines.join("\n") + "\n");
  return folder;
}
