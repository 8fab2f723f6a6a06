import type { Bar } from "../../components/bars";

const msOfDay = 86_400_000;
const label = new Intl.DateTimeFormat(navigator.languages as string[], { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(navigator.languages as string[], { dateStyle: "medium" });

/** Bars of how many ends lie in each of the next weeks; days left are whole days from now on. */
export function byWeek(daysLeft: number[], weeks: number, now = Date.now()): Bar[] {
  return Array.from({ length: weeks }, (_, i) => {
    const from = new Date(now + i * 7 * msOfDay);
    const until = new Date(now + (i * 7 + 6) * msOfDay);
    const count = daysLeft.filter((d) => d >= i * 7 && d < (i + 1) * 7).length;
    return { name: label.format(from), title: `${full.format(from)} to ${full.format(until)}`, count,
      tone: i === 0 ? "bad" : i < 5 ? "warn" : "info" };
  });
}
