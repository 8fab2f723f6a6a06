import type { Row } from "../../api/client";
import type { Tone } from "../../components/basic";
import { log, sentence } from "../../format";
import { to } from "../../state";

export type Need = Row<"/status">;

/** The colours of severities. */
export const tone: Record<Need["severity"], Tone> = { error: "bad", warning: "warn", notice: "quiet" };

const words: Record<string, string> = {
  notStarted: "not started", failing: "failing", tampered: "tampering", aboutToBeLost: "about to be lost", inDoubt: "in doubt", lost: "lost", quarantined: "quarantine",
  notDelivered: "did not come", snapshot: "failing", notDisclosed: "not disclosed", check: "check", run: "run failed",
};

/** What is the matter, in a word or two. */
export const word = (n: Need): string => words[n.kind] ?? n.kind;

/** What it is about. */
export function subject(n: Need): string {
  if (n.stream) return log(n.stream);
  return n.kind === "check" ? `Check: ${n.subject}` : n.kind === "run" ? `Timer ${n.subject}` : sentence(n.subject);
}

/** Where the page has more of it. */
export function place(n: Need): string {
  return n.stream ? to("coverage", "", { log: n.stream }) : n.kind === "check" ? to("settings") : "";
}
