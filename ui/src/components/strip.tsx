import type { Row } from "../api/client";
import { useAnswer } from "../api/use";
import { many, number, utcDay } from "../format";
import { names } from "../views/coverage/states";

type Day = Row<"/coverage/{stream}">;

/** The last 30 days of a log: a bar a day, as high as its records, in the colour of its state. */
export function Strip({ stream, from }: { stream: string; from: string }) {
  const { data } = useAnswer({ path: "/coverage/{stream}", values: { stream }, query: { by: "day", from, $top: 60 } });
  if (!data) return <span class="strip" />;
  const days = data.value.slice(-30);
  const most = Math.max(1, ...days.map((d) => d.records));
  const bad = days.filter((d) => ["lost", "missing", "partial"].includes(d.status)).length;
  const width = 100 / Math.max(30, days.length);
  return (
    <svg class="strip" viewBox="0 0 100 24" preserveAspectRatio="none" role="img"
      aria-label={`${many(days.length, "day")}, ${bad === 0 ? "all complete" : many(bad, "day") + " not complete"}`}>
      {days.map((d: Day, i) => {
        const high = Math.max(2, (d.records / most) * 24);
        return (
          <rect key={d.startDateTime} class={"s-" + d.status} x={(i + Math.max(0, 30 - days.length)) * width} y={24 - high}
            width={width * 0.74} height={high}>
            <title>{`${utcDay(d.startDateTime)}: ${number(d.records)} records, ${names[d.status]?.word ?? d.status}`}</title>
          </rect>
        );
      })}
    </svg>
  );
}
