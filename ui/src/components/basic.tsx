import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Asked } from "../api/use";
import type { Problem } from "../api/client";
import * as format from "../format";

/** A moment in the reader's zone; UTC stands behind it. */
export function Time({ at, how = "time" }: { at: string | undefined; how?: "time" | "relative" | "day" | "precise" }) {
  if (!at) return <span class="faint">–</span>;
  if (!format.isMoment(at)) return <span dir="auto">{at}</span>;
  const shown = how === "relative" ? format.relative(at) : format[how](at);
  return (
    <time dateTime={at} title={(how === "relative" ? format.time(at) + "\n" : "") + format.utc(at)}>
      {shown}
    </time>
  );
}

export type Tone = "good" | "warn" | "bad" | "info" | "quiet";

/** A word with a colour; the word says it all, the colour helps to find it. */
export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

/** A part of a view with a heading. */
export function Panel({ title, note, actions, children, wide }: {
  title: string; note?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren; wide?: boolean;
}) {
  return (
    <section class={"panel" + (wide ? " wide" : "")} aria-label={title}>
      <header>
        <h2>{title}</h2>
        {note && <p class="note">{note}</p>}
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </section>
  );
}

/** One number that matters. */
export function Stat({ label, value, note, tone, href, mark }: {
  label: string; value: ComponentChildren; note?: ComponentChildren; tone?: Tone; href?: string; mark?: string;
}) {
  const inside = (
    <>
      <span class="label">{label}</span>
      <strong data-mark={mark}>{value}</strong>
      <span class="note">{note}</span>
    </>
  );
  const name = "stat " + (tone ?? "");
  return href ? <a class={name} href={href}>{inside}</a> : <div class={name}>{inside}</div>;
}

/** A name, what it is, and a mark for who walks the page. */
export type Fact = [name: string, value: ComponentChildren, mark?: string];

/** Facts side by side. */
export function Facts({ of, how }: { of: Fact[]; how?: string }) {
  return (
    <dl class={"facts " + (how ?? "")}>
      {of.map(([name, value, mark]) => <div key={name}><dt>{name}</dt><dd data-mark={mark}>{value}</dd></div>)}
    </dl>
  );
}

/** What there is to say where there is nothing to show. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p><strong>{title}</strong></p>
      {children && <p>{children}</p>}
    </div>
  );
}

/** Grey lines while an answer is awaited. */
export function Waiting({ lines = 4, what = "Loading" }: { lines?: number; what?: string }) {
  const [long, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), 4000);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div class="waiting" role="status">
      <span class="unseen">{what} …</span>
      {Array.from({ length: lines }, (_, i) => <span class={"bone b" + (i % 4)} key={i} />)}
      {long && <p class="note">{what} takes longer than usual …</p>}
    </div>
  );
}

interface Words { title: string; todo: string }

/** What an error means to a reader, and what to do. */
export function words(p: Problem): Words {
  const said = p.message ?? "";
  switch (p.status) {
    case 0:
      return { title: "The app can't be reached", todo: "It may be restarting, or your connection is down." };
    case 400:
      return { title: "The question was not understood", todo: said };
    case 401:
      return p.signIn
        ? { title: "Nobody is signed in", todo: "This app asks who you are, beside the key. Sign in, then give the key again." }
        : { title: "The key was not accepted", todo: "It is wrong, it was renewed, or it is another app's. Give one that is in force." };
    case 403:
      return { title: "This is not allowed", todo: said || "The app or you lack a permission. Ask who administers the app." };
    case 404:
      return { title: "There is no such thing here", todo: said || "It may have been purged, or it never was in the archive." };
    case 409:
      return { title: p.code === "tampered" ? "Stored data was changed by somebody else" : "Something stands in the way",
        todo: said || "Somebody else is at work on the same log. Try again when that has ended." };
    case 410:
      return { title: "This page of the list has expired", todo: "Load the list again from its beginning." };
    case 414:
      return { title: "The question is too long", todo: said };
    case 422:
      return { title: "This is more than one answer has", todo: said };
    case 429:
      if (p.code === "tooManyRequests") return { title: "The app is busy", todo: said || "It is asked again in a moment." };
      return { title: p.code === "throttled" ? "Microsoft Graph asks to slow down" : "Too much is asked at once", todo: said || "It is asked again in a moment." };
    case 502:
      return { title: "Microsoft Graph gave an answer that can't be used", todo: said };
    case 503:
      return p.code === "noSnapshot"
        ? { title: "There is no snapshot of the directory yet", todo: "One is made every night; POST /api/snapshot makes one now." }
        : { title: "Not at the moment", todo: said || "The app is starting or busy." };
    case 504:
      return { title: "It took too long", todo: "The platform ended the question after 230 seconds. Ask for a shorter range." };
    default:
      return { title: p.status > 0 ? `The app answered ${p.status}` : "The page failed", todo: said || "The app's log has the reason." };
  }
}

/** Counts down to the next try. */
function Again({ at }: { at: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return <span> Trying again in {format.number(Math.max(0, Math.ceil((at - now) / 1000)))} s.</span>;
}

/** An error in words, with what helps to find it in the log. */
export function Trouble({ problem, again, reload }: { problem: Problem; again?: number | null; reload?: () => void }) {
  const { title, todo } = words(problem);
  return (
    <div class="trouble" role="alert">
      <p><strong>{title}.</strong> {todo}{again ? <Again at={again} /> : null}</p>
      <p class="note">
        {problem.status > 0 ? `HTTP ${problem.status}, ` : ""}<Time at={problem.at.toISOString()} how="precise" />
        {problem.requestId ? <>, request <code>{problem.requestId}</code></> : ""}
        {problem.status !== 401 && reload && <button type="button" class="link" onClick={reload}>Try again</button>}
      </p>
    </div>
  );
}

/** An answer, or what there is to say before and instead. An older answer stays beside an error. */
export function Loaded<A>({ of, lines, what, children }: {
  of: Asked<A>; lines?: number; what?: string; children: (data: A) => ComponentChildren;
}) {
  return (
    <>
      {of.problem && <Trouble problem={of.problem} again={of.again} reload={of.reload} />}
      {of.data ? <div class={of.loading ? "stale" : undefined} aria-busy={of.loading}>{children(of.data)}</div>
        : !of.problem && <Waiting {...(lines ? { lines } : {})} {...(what ? { what } : {})} />}
    </>
  );
}

/** Copies a text, and says so. */
export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone("Copied");
    } catch {
      setDone("Select it, and copy by hand");
    }
    setTimeout(() => setDone(""), 2500);
  };
  return <button type="button" class="small" onClick={copy} aria-live="polite">{done || label}</button>;
}
