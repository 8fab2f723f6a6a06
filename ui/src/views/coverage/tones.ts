import type { Tone } from "../../components/basic";

/** The colours of states and statuses in badges. */
export const tones: Record<string, Tone> = {
  settled: "good", sealed: "good", complete: "good", current: "good", whole: "good", ok: "good", active: "good", valid: "good",
  reopened: "info", imported: "info", delivered: "info", backfilling: "info", reading: "info", running: "info",
  partial: "warn", missing: "warn", limited: "warn", expiring: "warn", unused: "warn", inactive: "warn", notStarted: "warn", stalled: "warn",
  lost: "bad", failing: "bad", failed: "bad", expired: "bad",
  purged: "quiet", dropped: "quiet", unknown: "quiet",
};
