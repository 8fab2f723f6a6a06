import { useEffect, useState } from "preact/hooks";
import { follow, local, type Path, type Answer, type Question, Failure, type Problem } from "../../api/client";
import { useAnswer, type Asked } from "../../api/use";

/** A list whose next pages are added as the reader asks for them. */
export interface Pages<R> {
  first: Asked<{ value: R[]; "@odata.nextLink"?: string }>;
  rows: R[];
  more: (() => Promise<void>) | null; // null: there are no more
  busy: boolean;
  problem: Problem | null;
}

const mostRows = 20_000;

/** All rows of a list, page after page: what a chart counts. partly: there are more than mostRows, and these are the first. */
export function useAll<P extends Path, R>(q: Question<P>): { asked: Asked<{ value: R[] }>; partly: boolean } {
  const { first, rows, more, busy, problem } = usePages<P, R>(q);
  const goes = more !== null && rows.length < mostRows;
  useEffect(() => {
    if (goes && !busy && !problem) void more();
  });
  const data = first.data && !goes ? { value: rows } : null;
  return { asked: { ...first, data, problem: first.problem ?? problem, loading: first.loading || goes }, partly: more !== null && !goes };
}

/** Asks a list, and follows its links: one page a call of more. */
export function usePages<P extends Path, R>(q: Question<P>): Pages<R> {
  const first = useAnswer(q) as unknown as Asked<{ value: R[]; "@odata.nextLink"?: string } & Answer<P>>;
  const [rest, setRest] = useState<{ of: unknown; rows: R[]; next: string | undefined }>({ of: null, rows: [], next: undefined });
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => setProblem(null), [first.data]);
  const mine = rest.of === first.data;
  const next = mine ? rest.next : first.data?.["@odata.nextLink"];
  const before = mine ? rest.rows : [];
  const more = next ? async () => {
    setBusy(true);
    setProblem(null);
    try {
      const page = (await follow(local(next))) as { value: R[]; "@odata.nextLink"?: string };
      setRest({ of: first.data, rows: [...before, ...page.value], next: page["@odata.nextLink"] });
    } catch (err) {
      setProblem(err instanceof Failure ? err.problem : { status: -1, at: new Date(), message: String(err) });
    }
    setBusy(false);
  } : null;
  return { first, rows: [...(first.data?.value ?? []), ...before], more, busy, problem };
}
