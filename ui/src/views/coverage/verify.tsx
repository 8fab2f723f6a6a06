import { useEffect, useRef, useState } from "preact/hooks";
import { address, Failure, follow, type Answer, type Problem } from "../../api/client";
import { Badge, Trouble } from "../../components/basic";
import { many, number, percent } from "../../format";

type Verification = Answer<"/verify">;

/** Verifies a range of a log from here: everything that is stored is compared with what was sealed. */
export function Verify({ stream, from, to }: { stream: string; from: string; to: string }) {
  const [begin, setBegin] = useState(from);
  const [end, setEnd] = useState(to);
  const [state, setState] = useState<Verification | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [running, setRunning] = useState(false);
  const gone = useRef<AbortController | null>(null);
  useEffect(() => {
    setBegin(from);
    setEnd(to);
    setState(null);
    setProblem(null);
    return () => gone.current?.abort();
  }, [stream, from, to]);
  const run = async (e: Event) => {
    e.preventDefault();
    gone.current?.abort();
    const stop = (gone.current = new AbortController());
    setState(null);
    setProblem(null);
    setRunning(true);
    try {
      const path = address({ path: "/verify", query: { stream, from: begin, to: end } });
      setState((await follow(path, { signal: stop.signal, progress: (p) => setState(p as Verification) })) as Verification);
    } catch (err) {
      if (!stop.signal.aborted) setProblem(err instanceof Failure ? err.problem : { status: -1, at: new Date(), message: String(err) });
    }
    if (!stop.signal.aborted) setRunning(false);
  };
  const clean = state && !running && state.value.length === 0 && state.ranges.length === 0;
  return (
    <div class="verify">
      <form onSubmit={run} class="row">
        <label>From <span class="note">UTC</span><input value={begin} required onInput={(e) => setBegin(e.currentTarget.value)} /></label>
        <label>To <span class="note">UTC</span><input value={end} required onInput={(e) => setEnd(e.currentTarget.value)} /></label>
        <button type="submit" disabled={running}>Verify</button>
        {running && <button type="button" onClick={() => { gone.current?.abort(); setRunning(false); }}>Stop</button>}
      </form>
      {problem && <Trouble problem={problem} />}
      {state && (
        <div role="status">
          {running && <progress max={100} value={state.percentComplete}>{percent(state.percentComplete)}</progress>}
          <p>
            {running ? <Badge tone="info">{percent(state.percentComplete)}</Badge> : clean ? <Badge tone="good">verified</Badge> : <Badge tone="bad">differs</Badge>}{" "}
            {many(state.windowsVerified, "hour")} and {many(state.recordsVerified, "record")} compared with their seals
            {clean ? ": nothing was changed, nothing is missing." : "."}
          </p>
          {state.value.length > 0 && (
            <ul class="plain">
              {state.value.slice(0, 20).map((f, i) => <li key={i}><Badge tone="bad">{f.difference}</Badge> {f.detail}</li>)}
              {state.value.length > 20 && <li>… and {number(state.value.length - 20 + state.findingsNotListed)} more</li>}
            </ul>
          )}
          {state.ranges.length > 0 && (
            <ul class="plain">
              {state.ranges.slice(0, 20).map((f, i) => <li key={i}><Badge tone="warn">{f.difference}</Badge> {f.detail}</li>)}
            </ul>
          )}
          {!running && state.heads.map((h) => (
            <p class="note" key={h.stream}>Head of the log of seals: {many(h.size, "entry", "entries")}, root <code>{h.rootHash}</code></p>
          ))}
        </div>
      )}
    </div>
  );
}
