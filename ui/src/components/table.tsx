import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { number } from "../format";

export interface Column<R> {
  name: string;
  title: string;
  /** What a cell shows; without it, the row's own value as text. */
  cell?: (row: R) => ComponentChildren;
  /** By what it is sorted; without it, it is not. */
  by?: (row: R) => string | number;
  number?: boolean;
  /** Left out on narrow screens. */
  spare?: boolean;
  /** Takes the space that is left, and is cut where there is too little. */
  wide?: boolean;
  /** Runs over several lines; not for tables of many rows. */
  wrap?: boolean;
}

const rowHeight = 33;
const beyond = 20;
const virtualFrom = 120;

/**
 * A table whose rows are drawn as they come into sight: 100,000 of them scroll. Rows are of one
 * height; open is called with the row that is picked.
 */
export function Table<R>({ rows, columns, of, open, opened, caption, sorted }: {
  rows: R[]; columns: Column<R>[]; of: (row: R) => string; open?: (row: R) => void; opened?: string; caption: string;
  sorted?: { by: string; down: boolean };
}) {
  const [sort, setSort] = useState(sorted ?? { by: "", down: false });
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const box = useRef<HTMLDivElement>(null);
  const inOrder = useMemo(() => {
    const by = columns.find((c) => c.name === sort.by)?.by;
    if (!by) return rows;
    return [...rows].sort((a, b) => {
      const x = by(a), y = by(b);
      const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
      return sort.down ? -order : order;
    });
  }, [rows, sort.by, sort.down]);
  useEffect(() => {
    if (box.current) setHeight(box.current.clientHeight || 600);
  }, [rows.length]);
  const virtual = inOrder.length > virtualFrom;
  const first = virtual ? Math.max(0, Math.floor(top / rowHeight) - beyond) : 0;
  const last = virtual ? Math.min(inOrder.length, Math.ceil((top + height) / rowHeight) + beyond) : inOrder.length;
  const gap = (n: number, key: string) =>
    n > 0 ? <tr key={key} aria-hidden="true" class="gap"><td colSpan={columns.length} style={{ height: n * rowHeight + "px" }} /></tr> : null;
  const pick = (row: R) => (e: Event) => {
    if ((e.target as HTMLElement).closest("a, button")) return;
    open?.(row);
  };
  return (
    <div class={"table" + (virtual ? " virtual" : "")} ref={box} tabIndex={0} role="group" aria-label={caption}
      onScroll={(e) => virtual && setTop(e.currentTarget.scrollTop)}>
      <table aria-rowcount={inOrder.length + 1}>
        <caption class="unseen">{caption}, {number(inOrder.length)} rows</caption>
        <thead>
          <tr>
            {columns.map((c) => (
              <th scope="col" key={c.name} class={`${c.number ? "n" : ""} ${c.spare ? "spare" : ""}`}
                aria-sort={sort.by === c.name ? (sort.down ? "descending" : "ascending") : undefined}>
                {c.by ? (
                  <button type="button" onClick={() => setSort({ by: c.name, down: sort.by === c.name ? !sort.down : !!c.number })}>
                    {c.title}
                    <span class="arrow" aria-hidden="true">{sort.by === c.name ? (sort.down ? "↓" : "↑") : ""}</span>
                  </button>
                ) : c.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {gap(first, "before")}
          {inOrder.slice(first, last).map((row, i) => {
            const id = of(row);
            return (
              <tr key={id} aria-rowindex={first + i + 2} class={(open ? "open " : "") + (opened === id ? "here" : "")}
                onClick={open ? pick(row) : undefined}>
                {columns.map((c, at) => {
                  const shown = c.cell ? c.cell(row) : String((row as Record<string, unknown>)[c.name] ?? "");
                  return (
                    <td key={c.name} class={`${c.number ? "n" : ""} ${c.spare ? "spare" : ""} ${c.wide ? "w" : ""} ${c.wrap ? "wrap" : ""}`}
                      title={typeof shown === "string" && shown.length > 24 ? shown : undefined}>
                      {open && at === 0 ? <button type="button" class="row" aria-expanded={opened === id}
                        onClick={() => open(row)}>{shown || "–"}</button> : shown}
                    </td>
                  );
                })}
              </tr>
            );
          })}
          {gap(inOrder.length - last, "after")}
        </tbody>
      </table>
    </div>
  );
}
