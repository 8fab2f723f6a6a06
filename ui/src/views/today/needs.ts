import type { Row } from "../../api/client";
import type { Tone } from "../../components/basic";
import { log, many, relative, time } from "../../format";
import { to } from "../../state";

/** Something that does not get better without a person. */
export interface Need {
  tone: Tone;
  word: string;
  title: string;
  why: string;
  todo?: string;
  href?: string;
}

const soon = 3 * 86_400_000;

/** What to do about an error, where its own text does not say it. */
const todos: Record<string, string> = {
  permissionMissing: "Grant the permission to the app's identity (docs/permissions.md).",
  licenceMissing: "This log takes a Microsoft Entra ID P1 or P2 licence; without one, take it out of ARCHIVE_STREAMS.",
  tampered: "Somebody changed what is stored. See the runbook: what to keep, and how to repair.",
};

/** All that needs somebody, what is worst first. */
export function needs(logs: Row<"/coverage">[], snapshots: Row<"/snapshot">[], checks: Row<"/preflight/latest">[]): Need[] {
  const out: Need[] = [];
  for (const l of logs) {
    const href = to("coverage", "", { log: l.stream });
    const name = log(l.stream);
    if (l.collected && l.lastError && l.status === "failing") {
      out.push({ tone: "bad", word: l.lastError.code === "tampered" ? "tampering" : "failing", title: name, why: l.lastError.message,
        todo: todos[l.lastError.code] ?? "", href });
    }
    if (l.collected && l.windowsMissing > 0 && l.nextLossDateTime && Date.parse(l.nextLossDateTime) - Date.now() < soon) {
      out.push({ tone: "bad", word: "about to be lost", title: name,
        why: `${many(l.windowsMissing, "hour")} still to be read; Graph forgets the oldest of them ${relative(l.nextLossDateTime)}, on ${time(l.nextLossDateTime)}.`,
        todo: "Find out why the runs come no further: the last error, the budget of a run, the ceiling of Graph.", href });
    }
    if (l.windowsInDoubt > 0) {
      out.push({ tone: "warn", word: "in doubt", title: name, why: `Rows and ledger differ in ${many(l.windowsInDoubt, "hour")}.`,
        todo: "Graph is asked for them again by the next run. Where this stays, verify the range.", href });
    }
    if (l.windowsLost > 0) {
      out.push({ tone: "warn", word: "lost", title: name, why: `${many(l.windowsLost, "hour")} were forgotten by Graph before they were read.`,
        todo: "Nothing brings them back from Graph. A diagnostic setting may hold them.", href });
    }
    if (l.quarantined > 0) {
      out.push({ tone: "warn", word: "quarantine", title: name, why: `${many(l.quarantined, "record")} came without a usable time or id, and are kept apart.`, href });
    }
  }
  for (const s of snapshots.slice(0, 1)) {
    if (s.lastFailure) {
      out.push({ tone: "bad", word: s.status, title: "Snapshot of the directory", why: s.lastFailure.message, todo: todos[s.lastFailure.code] ?? "" });
    }
    for (const u of s.undisclosed) {
      out.push({ tone: "warn", word: "not disclosed", title: "Directory: " + u.resource, why: u.message, todo: todos[u.code] ?? "" });
    }
  }
  for (const c of checks) {
    if (c.status === "ok") continue;
    out.push({ tone: c.status === "failed" ? "bad" : "warn", word: c.status, title: "Check: " + c.name, why: c.detail,
      todo: c.consequence ? "Meanwhile: " + c.consequence + "." : "", href: to("settings") });
  }
  const order: Tone[] = ["bad", "warn"];
  return out.sort((a, b) => order.indexOf(a.tone) - order.indexOf(b.tone));
}
