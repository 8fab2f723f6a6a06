import { useEffect, useRef, useState } from "preact/hooks";
import { key, round } from "../state";
import { address, ask, Failure, passing, type Answer, type Path, type Problem, type Question } from "./client";

/** An answer on its way to a view. */
export interface Asked<A> {
  data: A | null; // the last one; it stays while a newer one is asked for
  problem: Problem | null;
  loading: boolean;
  /** When it is asked again by itself; null: it is not. */
  again: number | null;
  reload: () => void;
}

const mostTries = 6;
const longestWait = 60;

/** Seconds after which a question is asked again by itself; null: only a person can help. */
export function patience(p: Problem, tries: number): number | null {
  if (!passing.has(p.status) || tries >= mostTries || p.code === "noSnapshot") return null;
  const wait = p.retryAfter ?? Math.min(30, 2 ** (tries + 1));
  return wait > longestWait ? null : wait;
}

/** Answers that were given in this tab, so that going back to a view shows them at once. */
const known = new Map<string, unknown>();
const mostKnown = 200;

export function forget(): void {
  known.clear();
}

function keep(at: string, answer: unknown): void {
  known.delete(at);
  known.set(at, answer);
  if (known.size > mostKnown) known.delete(known.keys().next().value!);
}

/** Asks a question whenever it changes, the key does, or everything is old. null: there is none. */
export function useAnswer<P extends Path>(q: Question<P> | null): Asked<Answer<P>> {
  const at = q ? address(q) : "";
  const [state, setState] = useState<{ at: string; data: Answer<P> | null; problem: Problem | null; loading: boolean; again: number | null }>(
    { at: "", data: null, problem: null, loading: true, again: null });
  const [tick, setTick] = useState(0);
  const tries = useRef(0);
  useEffect(() => {
    tries.current = 0;
  }, [at, key.value, round.value]);
  useEffect(() => {
    if (!q || !key.value) return;
    const gone = new AbortController();
    let timer = 0;
    setState((s) => ({ at, data: (s.at === at ? s.data : null) ?? (known.get(at) as Answer<P>) ?? null, problem: null,
      loading: true, again: null }));
    ask(q, gone.signal).then(
      (data) => {
        if (gone.signal.aborted) return;
        tries.current = 0;
        keep(at, data);
        setState({ at, data, problem: null, loading: false, again: null });
      },
      (err: unknown) => {
        if (gone.signal.aborted) return;
        const problem: Problem = err instanceof Failure ? err.problem : { status: -1, at: new Date(), message: String(err) };
        const wait = patience(problem, tries.current++);
        setState((s) => ({ ...s, problem, loading: false, again: wait === null ? null : Date.now() + wait * 1000 }));
        if (wait !== null) timer = window.setTimeout(() => setTick((n) => n + 1), wait * 1000);
      },
    );
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [at, key.value, round.value, tick]);
  const current = state.at === at ? state : { ...state, data: (known.get(at) as Answer<P>) ?? null, problem: null, loading: !!q, again: null };
  return { data: current.data, problem: current.problem, loading: current.loading && !!q, again: current.again,
    reload: () => setTick((n) => n + 1) };
}
