import { number } from "../format";

export interface Bar {
  name: string; // under the bar
  title: string; // in full
  count: number;
  tone?: "good" | "warn" | "bad" | "info" | "quiet";
  href?: string;
  here?: boolean;
}

/** Upright bars; the same numbers stand in a table beside for who sees no picture. */
export function Bars({ bars, caption, unit, every = 1, mark }: {
  bars: Bar[]; caption: string; unit: string; every?: number; mark?: string;
}) {
  const most = Math.max(1, ...bars.map((b) => b.count));
  const total = bars.reduce((sum, b) => sum + b.count, 0);
  return (
    <figure class="bars" data-mark={mark} data-total={total}>
      <div class="plot" role="list" aria-label={caption}>
        {bars.map((b, i) => {
          const inside = (
            <>
              <span class="value">{b.count > 0 ? number(b.count) : ""}</span>
              <span class={`bar ${b.tone ?? "info"} ${b.here ? "here" : ""}`} style={{ height: (b.count / most) * 100 + "%" }} />
              <span class="unseen">{`${b.title}: ${number(b.count)} ${unit}`}</span>
            </>
          );
          return (
            <div class="slot" role="listitem" key={b.name + i} title={`${b.title}: ${number(b.count)} ${unit}`}>
              {b.href ? <a class="column" href={b.href}>{inside}</a> : <div class="column">{inside}</div>}
              <span class="name" aria-hidden="true">{i % every === 0 ? b.name : ""}</span>
            </div>
          );
        })}
      </div>
    </figure>
  );
}
