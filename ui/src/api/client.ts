import type { paths } from "./schema";
import { key, keyRefused } from "../state";

/** A path of the API that is asked with GET, as docs/openapi.json has it. */
export type Path = { [P in keyof paths]: paths[P] extends { get: { responses: { 200: unknown } } } ? P : never }[keyof paths];

/** What a GET answers with 200. */
export type Answer<P extends Path> = paths[P] extends { get: { responses: { 200: { content: { "application/json": infer A } } } } }
  ? A
  : never;

/** A row of a list that a GET answers with. */
export type Row<P extends Path> = Answer<P> extends { value: (infer R)[] } ? R : never;

/** The parameters of a GET's query. */
export type Query<P extends Path> = paths[P] extends { get: { parameters: { query?: infer Q } } } ? Partial<Q> : never;

/** What a question is: its path as the API declares it, the values in it, and its query. */
export interface Question<P extends Path> {
  path: P;
  values?: Record<string, string>;
  query?: Query<P>;
}

/** Why there is no answer. */
export interface Problem {
  /** HTTP status; 0: there was no answer at all. */
  status: number;
  at: Date;
  /** Of the app's own error; absent where the Functions host or the platform answered by itself. */
  code?: string;
  message?: string;
  requestId?: string;
  /** Seconds after which it may be asked again. */
  retryAfter?: number;
  /** Microsoft Entra authentication stands in front, and nobody is signed in. */
  signIn?: boolean;
}

export class Failure extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message ?? `HTTP ${problem.status}`);
  }
}

/** The address of a question on this app, without its host: it never holds the key. */
export function address<P extends Path>(q: Question<P>): string {
  const path = q.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(q.values?.[name] ?? ""));
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(q.query ?? {})) {
    if (value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return "/api" + path + (text ? "?" + text : "");
}

/**
 * A link of an answer as an address on this app: whatever host it names, the key goes to no other.
 */
export function local(link: string): string {
  const at = new URL(link, location.origin);
  return at.pathname + at.search;
}

async function send(path: string, method: string, signal?: AbortSignal, accept = "application/json"): Promise<Response> {
  try {
    return await fetch(path, {
      method,
      headers: { Accept: accept, "x-functions-key": key.peek() },
      credentials: "same-origin",
      redirect: "error",
      referrerPolicy: "no-referrer",
      cache: "no-store",
      signal: signal ?? null,
    });
  } catch (err) {
    if (signal?.aborted) throw err;
    throw new Failure({ status: 0, at: new Date() });
  }
}

/** The failure that an answer is. */
async function failure(resp: Response): Promise<Failure> {
  const problem: Problem = { status: resp.status, at: new Date() };
  const wait = Number(resp.headers.get("Retry-After"));
  if (wait > 0) problem.retryAfter = wait;
  try {
    const { error } = JSON.parse(await resp.text()) as {
      error: { code: string; message: string; innerError?: { "request-id"?: string } };
    };
    problem.code = error.code;
    problem.message = error.message;
    const id = error.innerError?.["request-id"];
    if (id) problem.requestId = id;
  } catch {
    // The host's own errors have no body.
  }
  if (resp.status === 401) {
    problem.signIn = problem.code === "unauthenticated" || resp.headers.has("WWW-Authenticate");
    keyRefused(problem);
  }
  return new Failure(problem);
}

/** How far a job is that is answered with 202 until it is done. */
export type Progress = (partial: unknown) => void;

const longestWait = 30_000;

/** Waits, and ends early with an error where the signal fires. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("it was left", "AbortError"));
    });
  });
}

/** Statuses that get better by themselves; 0: there was no answer. */
export const passing = new Set([0, 429, 502, 503, 504]);
const mostPolls = 6;

/** Asks how far a job is. An app that is busy or restarts for a moment has not lost it. */
async function poll(path: string, signal?: AbortSignal): Promise<Response> {
  for (let tries = 0; ; tries++) {
    let resp: Response | null = null;
    try {
      resp = await send(path, "GET", signal);
    } catch (err) {
      if (signal?.aborted || tries >= mostPolls) throw err;
    }
    if (resp && (!passing.has(resp.status) || tries >= mostPolls)) return resp;
    await pause(Math.min(longestWait, 1000 * (Number(resp?.headers.get("Retry-After")) || 2 ** tries)), signal);
  }
}

/** Asks an address until it is answered with something else than 202. */
export async function follow(path: string, opts: { method?: string; signal?: AbortSignal; progress?: Progress } = {}): Promise<unknown> {
  let resp = await send(path, opts.method ?? "GET", opts.signal);
  while (resp.status === 202) {
    const where = resp.headers.get("Location");
    opts.progress?.(await resp.json());
    if (!where) throw new Failure({ status: 202, at: new Date(), message: "the answer does not say where it goes on" });
    await pause(Math.min(longestWait, 1000 * (Number(resp.headers.get("Retry-After")) || 1)), opts.signal);
    resp = await poll(local(where), opts.signal);
  }
  if (!resp.ok) throw await failure(resp);
  try {
    return await resp.json();
  } catch {
    throw new Failure({ status: resp.status, at: new Date(), message: "the answer broke off, or is no JSON" });
  }
}

/** Asks a question; slow ones are followed until they are done. */
export async function ask<P extends Path>(q: Question<P>, signal?: AbortSignal, progress?: Progress): Promise<Answer<P>> {
  const opts: { signal?: AbortSignal; progress?: Progress } = {};
  if (signal) opts.signal = signal;
  if (progress) opts.progress = progress;
  return (await follow(address(q), opts)) as Answer<P>;
}

/** The most bytes that are downloaded through the page; above, there is a line for curl. */
export const mostDownloaded = 50_000_000;

/**
 * Downloads an address as a file: a link can't carry the key. False: it is larger than
 * mostDownloaded, and was not kept.
 */
export async function download(path: string, name: string, accept = "text/csv", signal?: AbortSignal): Promise<boolean> {
  const resp = await send(path, "GET", signal, accept);
  if (!resp.ok) throw await failure(resp);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = resp.body!.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > mostDownloaded) {
        await reader.cancel();
        return false;
      }
      parts.push(value as Uint8Array<ArrayBuffer>);
    }
  } catch {
    throw new Failure({ status: resp.status, at: new Date(), message: "the download broke off" });
  }
  save(new Blob(parts, { type: resp.headers.get("Content-Type") ?? "application/octet-stream" }), name);
  return true;
}

/** Hands the reader a file. */
export function save(content: Blob, name: string): void {
  const at = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = at;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(at), 10_000);
}

/** The same question for a script: the key is a variable of the shell. */
export function curl(path: string, file?: string): string {
  const quoted = `'${(location.origin + path).replaceAll("'", "%27")}'`;
  return `curl -sS -H "x-functions-key: $LEDGER_KEY" ${file ? `-H 'Accept: text/csv' -o ${file} ` : ""}${quoted}`;
}
