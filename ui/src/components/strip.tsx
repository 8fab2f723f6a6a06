import type { Row } from "../api/client";
import { useAnswer } from "../api/use";
import { many, number, utcDay } from "../format";
import { letters, names, states } from "../views/coverage/states";

type Day = Row<"/coverage/{stream}">;

/** The state of a day; of one that has not ended, without its last hour, which is being read. */
function stateOf(d: Day): string {
  if (Date.parse(d.endDateTime) < Date.now() - 2 * 3_600_000 || !d.hours) return d.status;
  const all = d.hours.replace(/-+$/, "").slice(0, -1).replaceAll("-", "");
  const worst = [..."LMPRCSTX"].find((letter) => all.includes(letter));
  return (letters[worst ?? ""] ?? states[2]!).status;
}

/** All records of a day: those that were read, and those that arrived otherwise. */
const recordsOf = (d: Day): number => d.records + (d.imported ?? 0);

/** The last 30 days of a log: a bar a day, as high as its records, in the colour of its state. */
export function Strip({ stream, from }: { stream: string; from: string }) {
  const { data } = useAnswer({ path: "/coverage/{stream}", values: { stream }, query: { by: "day", from, $top: 60 } });
  if (!data) return <span class="strip" aria-busy="true" />;
  const days = data.value.slice(-30);
  const most = Math.max(1, ...days.map(recordsOf));
  const bad = days.filter((d) => ["lost", "missing", "partial"].includes(stateOf(d))).length;
  const width = 100 / Math.max(30, days.length);
  return (
    <svg class="strip" viewBox="0 0 100 24" preserveAspectRatio="none" role="img"
      aria-label={`${many(days.length, "day")}, ${bad === 0 ? "none lost, missing or in part" : many(bad, "day") + " not complete"}`}>
      {days.map((d: Day, i) => {
        const high = Math.max(2, (recordsOf(d) / most) * 24);
        return (
          <rect key={d.startDateTime} class={"s-" + stateOf(d)} x={(i + Math.max(0, 30 - days.length)) * width} y={24 - high}
            width={width * 0.74} height={high}>
            <title>{`${utcDay(d.startDateTime)}: ${number(recordsOf(d))} records, ${names[stateOf(d)]?.word ?? d.status}`}</title>
          </rect>
        );
      })}
    </svg>
  );
}
