import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Row } from "../../api/client";
import { hourSpan, many, monthOf, utcDay } from "../../format";
import { dark } from "../../state";
import { letters } from "./states";

export type Day = Row<"/coverage/{stream}">;
export type Shade = "state" | "records" | "late" | "thin";

export interface Cell {
  day: string; // YYYY-MM-DD, UTC
  hour: number;
}

const left = 40, top = 20, hoursOfDay = 24, leastWide = 3, mostWide = 44;
const msOfDay = 86_400_000;

export const dayKey = (at: number | string): string => new Date(at).toISOString().slice(0, 10);

/** Words for a cell, for tooltips and for who hears it. */
export function tell(days: Map<string, Day>, c: Cell): string {
  const d = days.get(c.day);
  const state = letters[d?.hours?.[c.hour] ?? "-"];
  const when = `${utcDay(c.day)}, ${hourSpan(c.hour)} UTC`;
  if (!d || !state) return `${when}: not part of the archive`;
  const late = d.lateHours?.includes(c.hour) ? ", with late records" : "";
  const thin = d.thinHours?.includes(c.hour) ? ", thin" : "";
  return `${when}: ${state.word}, ${many(d.recordsByHour?.[c.hour] ?? 0, "record")}${late}${thin}`;
}

/**
 * Hours by days: a column a day, a row an hour of UTC. Arrow keys move, Enter opens an hour. The
 * drawing is a canvas of our own, because a year has 8,760 cells.
 */
export function HeatMap({ days, from, count, shade, picked, pick }: {
  days: Map<string, Day>; from: number; count: number; shade: Shade; picked: Cell | null; pick: (c: Cell) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [space, setSpace] = useState(0);
  const [at, setAt] = useState<Cell | null>(null);
  const [tip, setTip] = useState<{ x: number; y: number } | null>(null);
  const [focused, setFocused] = useState(false);
  const wide = Math.min(mostWide, Math.max(leastWide, (space - left - 2) / count));
  const rowHigh = wide > 12 ? 12 : 9;
  const full = Math.ceil(left + count * wide + 1);
  const high = top + hoursOfDay * rowHigh + 1;
  const most = useMemo(() => Math.max(1, ...[...days.values()].flatMap((d) => d.recordsByHour ?? [0])), [days]);

  useEffect(() => {
    const watch = new ResizeObserver(([e]) => setSpace(Math.floor(e!.contentRect.width)));
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    box.current!.scrollLeft = full; // the newest days are to the right
  }, [full, from]);

  useEffect(() => {
    if (!space) return;
    const c = canvas.current!;
    const ratio = devicePixelRatio || 1;
    c.width = full * ratio;
    c.height = high * ratio;
    c.style.width = full + "px";
    c.style.height = high + "px";
    const g = c.getContext("2d")!;
    g.scale(ratio, ratio);
    const css = getComputedStyle(c);
    const colour = (name: string) => css.getPropertyValue(name).trim();
    const of: Record<string, string> = { "-": colour("--cell-none") };
    for (const [letter, s] of Object.entries(letters)) of[letter] = colour("--s-" + s.status);
    const ink = colour("--faint"), accent = colour("--heat"), none = colour("--cell-none"), mark = colour("--s-lost");
    g.font = "11px " + css.fontFamily;
    g.fillStyle = ink;
    g.textBaseline = "middle";
    g.textAlign = "right";
    for (const h of [0, 6, 12, 18]) g.fillText(String(h).padStart(2, "0") + ":00", left - 6, top + (h + 0.5) * rowHigh);
    g.textAlign = "left";
    let labelled = -100;
    for (let i = 0; i < count; i++) {
      const date = new Date(from + i * msOfDay);
      const x = left + i * wide;
      g.globalAlpha = 1;
      if (wide > 18 ? date.getUTCDate() % 5 === 1 || i === 0 : date.getUTCDate() === 1) {
        g.fillStyle = ink;
        if (x - labelled > 44 && x + 40 < full) {
          const name = monthOf(date);
          g.fillText(wide > 18 ? `${date.getUTCDate()} ${name}` : date.getUTCMonth() === 0 ? String(date.getUTCFullYear()) : name, x, 8);
          labelled = x;
        }
        g.fillRect(x, 15, 1, 3);
      }
      const d = days.get(dayKey(date.getTime()));
      for (let h = 0; h < hoursOfDay; h++) {
        const letter = d?.hours?.[h] ?? "-";
        g.globalAlpha = 1;
        g.fillStyle = shade === "state" ? of[letter]! : letter === "-" ? none : accent;
        if (shade === "records" && letter !== "-") g.globalAlpha = 0.08 + 0.92 * Math.sqrt((d!.recordsByHour?.[h] ?? 0) / most);
        if (shade === "late" || shade === "thin") {
          const has = (shade === "late" ? d?.lateHours : d?.thinHours)?.includes(h);
          g.fillStyle = has ? mark : letter === "-" ? none : accent;
          g.globalAlpha = has || letter === "-" ? 1 : 0.18;
        }
        // Narrow columns have no gap: at whole pixels they would seem to be of two widths.
        g.fillRect(x, top + h * rowHigh, wide > 5 ? wide - 1 : wide + 0.1, rowHigh - 1);
      }
    }
    g.globalAlpha = 1;
    const ring = (cell: Cell, name: string, w: number) => {
      const i = Math.round((Date.parse(cell.day) - from) / msOfDay);
      if (i < 0 || i >= count) return;
      g.strokeStyle = colour(name);
      g.lineWidth = w;
      g.strokeRect(left + i * wide - 1, top + cell.hour * rowHigh - 1, Math.max(2, wide) + 1, rowHigh + 1);
    };
    if (picked) ring(picked, "--ink", 2);
    if (at && (focused || tip)) ring(at, "--accent", 2);
  }, [days, from, count, shade, picked, at, space, dark.value, focused, tip !== null]);

  const find = (e: MouseEvent): Cell | null => {
    const edge = canvas.current!.getBoundingClientRect();
    const i = Math.floor((e.clientX - edge.left - left) / wide);
    const hour = Math.floor((e.clientY - edge.top - top) / rowHigh);
    return i < 0 || i >= count || hour < 0 || hour >= hoursOfDay ? null : { day: dayKey(from + i * msOfDay), hour };
  };
  const move = (e: KeyboardEvent) => {
    const steps: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
      PageUp: [-30, 0], PageDown: [30, 0], Home: [-count, 0], End: [count, 0] };
    const here = at ?? picked ?? { day: dayKey(from + (count - 1) * msOfDay), hour: 0 };
    if (e.key === "Enter" || e.key === " ") {
      e.preventDefault();
      pick(here);
      return;
    }
    const step = steps[e.key];
    if (!step) return;
    e.preventDefault();
    const i = Math.round((Date.parse(here.day) - from) / msOfDay);
    let slot = i * hoursOfDay + here.hour + step[1];
    slot = Math.min(count * hoursOfDay - 1, Math.max(0, slot));
    const day = Math.min(count - 1, Math.max(0, Math.floor(slot / hoursOfDay) + step[0]));
    setAt({ day: dayKey(from + day * msOfDay), hour: slot % hoursOfDay });
    const x = left + day * wide;
    const b = box.current!;
    if (x < b.scrollLeft + left || x > b.scrollLeft + b.clientWidth - 20) b.scrollLeft = x - b.clientWidth / 2;
  };
  return (
    <div class="heat">
      <div class="scroll" ref={box} tabIndex={0} role="application" aria-roledescription="heat map"
        aria-label="Hours by days. Arrow keys move, Enter opens the hour. The same is in the table below."
        onKeyDown={move} onFocus={() => { setFocused(true); setAt((c) => c ?? picked ?? { day: dayKey(from + (count - 1) * msOfDay), hour: 0 }); }}
        onBlur={() => setFocused(false)}>
        <canvas ref={canvas} aria-hidden="true"
          onMouseMove={(e) => {
            const cell = find(e);
            if (cell?.day !== at?.day || cell?.hour !== at?.hour) setAt(cell);
            setTip(cell ? { x: e.clientX, y: e.clientY } : null);
          }}
          onMouseLeave={() => setTip(null)}
          onClick={(e) => {
            const cell = find(e);
            if (cell) pick(cell);
          }} />
      </div>
      {tip && at && <div class="tip" aria-hidden="true" style={{ left: Math.min(tip.x + 14, innerWidth - 260) + "px", top: tip.y + 16 + "px" }}>{tell(days, at)}</div>}
      <p class="at" role="status" aria-live="polite">{focused && at ? tell(days, at) : ""}</p>
    </div>
  );
}
