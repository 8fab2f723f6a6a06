import { computed, signal } from "@preact/signals";
import type { Problem } from "./api/client";

/** The function key. It is in this variable and nowhere else: a tab that is closed has forgotten it. */
export const key = signal("");

/** Why the last key was not accepted. */
export const refused = signal<Problem | null>(null);

/** Forgets a key that the app did not accept. */
export function keyRefused(problem: Problem): void {
  refused.value = problem;
  key.value = "";
}

/** Counts what makes all answers old: a new key, a tab that was asleep, the reader's wish. */
export const round = signal(0);

/** What the address's fragment says: #/view/part?name=value. */
export interface Place {
  view: string;
  part: string;
  query: URLSearchParams;
}

function read(): Place {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [view = "", ...rest] = path.split("/");
  let part = rest.join("/");
  try {
    part = decodeURIComponent(part);
  } catch {
    part = "";
  }
  return { view, part, query: new URLSearchParams(query) };
}

/** Where the reader is. */
export const place = signal<Place>(read());

addEventListener("hashchange", () => {
  place.value = read();
});

/** An address of a view, for links. */
export function to(view: string, part = "", query: Record<string, string | undefined> = {}): string {
  const values = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) values.set(name, value);
  const text = values.toString();
  return `#/${view}${part ? "/" + encodeURIComponent(part) : ""}${text ? "?" + text : ""}`;
}

/** Changes values of the fragment's query in place; history keeps one entry a view. */
export function set(values: Record<string, string | undefined>): void {
  const { view, part, query } = place.peek();
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(values)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  history.replaceState(null, "", to(view, part, Object.fromEntries(next)));
  place.value = read();
}

/** A key in the address's query would be in logs and in the history: it is taken out, and not used. */
export function cleanAddress(): void {
  if (location.search) history.replaceState(null, "", location.pathname + location.hash);
}

export type Theme = "auto" | "light" | "dark";
/** As the system has it, or as the reader chose for this tab. */
export const theme = signal<Theme>("auto");

const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", (e) => {
  systemDark.value = e.matches;
});

/** Whether the page is dark now. */
export const dark = computed(() => theme.value === "dark" || (theme.value === "auto" && systemDark.value));

const asleepAfter = 10 * 60_000;
let seen = Date.now();
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") seen = Date.now();
  else if (Date.now() - seen > asleepAfter) round.value++;
});
