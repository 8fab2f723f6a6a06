import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { curl, download, Failure, type Problem } from "../api/client";
import { number } from "../format";
import type { Pages } from "../views/directory/more";
import { Copy, Trouble } from "./basic";

/**
 * What stands under a list: more of it, the file of all of it (path; empty: there is none), and the call that a script
 * makes.
 */
export function Foot<R>({ of, total, path, call = path, file, children }: {
  of: Pages<R>; total?: number | undefined; path: string; call?: string; file: string; children?: ComponentChildren;
}) {
  const [large, setLarge] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const csv = async () => {
    setBusy(true);
    setProblem(null);
    setLarge(false);
    try {
      setLarge(!(await download(path, file)));
    } catch (err) {
      setProblem(err instanceof Failure ? err.problem : { status: -1, at: new Date(), message: String(err) });
    }
    setBusy(false);
  };
  const line = large ? curl(path, file) : curl(call);
  return (
    <>
      {(of.problem ?? problem) && <Trouble problem={(of.problem ?? problem)!} />}
      <div class="under">
        <span class="note">{number(of.rows.length)}{total !== undefined ? ` of ${number(total)}` : of.more ? ", and there are more" : ""}</span>
        {of.more && <button type="button" disabled={of.busy} onClick={of.more}>{of.busy ? "Loading …" : "Load more"}</button>}
        {path && <button type="button" disabled={busy} onClick={csv}>{busy ? "Downloading …" : "CSV"}</button>}
        {children}
      </div>
      {large && <p class="trouble" role="alert">This file is larger than 50 MB. Fetch it with the line below, with the key in the variable LEDGER_KEY.</p>}
      <details class="call" open={large}>
        <summary>The same for a script</summary>
        <div class="with"><code data-mark="call">{line}</code><Copy text={line} /></div>
      </details>
    </>
  );
}
