import { useEffect, useRef, useState } from "preact/hooks";
import { address, Failure, follow, type Answer, type Problem } from "../../api/client";
import { Badge, Trouble, type Tone } from "../../components/basic";
import { many, number, percent } from "../../format";

type Verification = Answer<"/verify">;

/** What a verification says in a word, and the end of its sentence. One that was left says nothing of the rest. */
function told(v: Verification, running: boolean): { tone: Tone; word: string; says: string } {
  if (running) return { tone: "info", word: percent(v.percentComplete), says: "." };
  if (v.status === "differs" || v.value.length > 0) return { tone: "bad", word: "differs", says: "." };
  if (v.status !== "intact") return { tone: "warn", word: "not ended", says: ` until it was left, at ${percent(v.percentComplete)}: of the rest nothing is known.` };
  if (v.ranges.length + v.rangesNotListed > 0) return { tone: "warn", word: "intact", says: ": nothing was changed. The hours below are not sealed, or missing." };
  if (v.windowsVerified === 0) return { tone: "quiet", word: "nothing to verify", says: ": the archive holds no hour of this range." };
  return { tone: "good", word: "verified", says: ": nothing was changed, nothing is missing." };
}

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
  const outcome = state ? told(state, running) : null;
  return (
    <div class="verify">
      <form onSubmit={run} class="row">
        <label>From <span class="note">UTC</span><input value={begin} required onInput={(e) => setBegin(e.currentTarget.value)} /></label>
        <label>To <span class="note">UTC</span><input value={end} required onInput={(e) => setEnd(e.currentTarget.value)} /></label>
        <button type="submit" disabled={running}>Verify</button>
        {running && <button type="button" onClick={() => { gone.current?.abort(); setRunning(false); }}>Stop</button>}
      </form>
      {problem && <Trouble problem={problem} />}
      {state && outcome && (
        <div role="status">
          {running && <progress max={100} value={state.percentComplete}>{percent(state.percentComplete)}</progress>}
          <p>
            <Badge tone={outcome.tone}>{outcome.word}</Badge>{" "}
            {many(state.windowsVerified, "hour")} and {many(state.recordsVerified, "record")} compared with their seals{outcome.says}
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
