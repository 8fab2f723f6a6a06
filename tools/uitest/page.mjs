// What walking and picturing share: an app that serves the page, a browser, and questions to the API.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const key = process.env.LEDGER_KEY ?? "devfunctionkey";

/**
 * An app that serves: the one at the address that the option names, or a local run with these flags. One local run at a
 * time: they share a folder.
 */
export async function serving(flags, option = "--base") {
  const at = process.argv.indexOf(option);
  if (at > 0) return { base: process.argv[at + 1].replace(/\/$/, ""), stop: async () => {}, log: () => "" };
  const run = spawn(join(root, ".local/bin/localrun"), ["--port", "0", "--table-port", "0", "--blob-port", "0", ...flags],
    { cwd: root, env: { ...process.env, CI: "true" }, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  const base = await new Promise((resolve, reject) => {
    const hear = (text) => {
      said += text;
      const found = /The page: (http:\/\/\S+)\/api\/ui/.exec(said);
      if (found && /^Serving;/m.test(said)) resolve(found[1]);
    };
    run.stdout.on("data", hear);
    run.stderr.on("data", hear);
    run.on("exit", (code) => reject(new Error(`make run ended with ${code}:\n${said.slice(-2000)}`)));
  });
  const stop = () => new Promise((done) => {
    if (run.exitCode !== null) return done();
    run.removeAllListeners("exit");
    run.on("exit", done);
    run.kill("SIGTERM");
  });
  return { base, stop, log: () => join(root, ".local/handler.log") };
}

/** Debian's Chromium, or the one that CHROMIUM names. It reaches this machine alone. */
export async function browser() {
  const path = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) => existsSync(p));
  return chromium.launch({ executablePath: path, args: ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])] });
}

/** Asks the API as a script does. */
export async function ask(base, path) {
  const resp = await fetch(base + "/api/" + path, { headers: { "x-functions-key": key } });
  if (!resp.ok) throw new Error(`${path}: ${resp.status} ${await resp.text()}`);
  return resp.json();
}

/** A tab in a theme and a size, in a zone that is not UTC, at the page, with the key given. */
export async function open(chrome, base, { theme = "light", width = 1440, height = 900, at = "", given = key, locale = "en-GB" } = {}) {
  const context = await chrome.newContext({ colorScheme: theme, viewport: { width, height }, locale, timezoneId: "Europe/Zurich", serviceWorkers: "block",
    reducedMotion: "reduce" });
  if (process.env.UI_DIST) await context.route(/\/api\/ui($|[/?])/, fromFolder);
  const page = await context.newPage();
  const trouble = [];
  page.on("pageerror", (err) => trouble.push("error: " + err.message));
  page.on("console", (m) => { if (m.type() === "error" && !/Failed to load resource/.test(m.text())) trouble.push("console: " + m.text()); });
  const asked = [];
  page.on("request", (r) => asked.push(r));
  await page.goto(base + "/api/ui" + at);
  if (given) {
    await page.fill("#key", given);
    await page.press("#key", "Enter");
  }
  return { page, context, trouble, asked };
}

/** Serves the page's files from the folder UI_DIST in place of the program's: to look at a change without building it. */
async function fromFolder(route) {
  const { pathname } = new URL(route.request().url());
  const real = await route.fetch({ url: route.request().url().replace(pathname, "/api/ui") });
  const path = join(process.env.UI_DIST, pathname.replace(/^\/api\/ui\/?/, "") || "index.html");
  const headers = { "content-security-policy": real.headers()["content-security-policy"] ?? "" };
  await route.fulfill({ path, headers });
}

/** Waits until nothing of the page is loading. */
export async function settled(page) {
  await page.waitForFunction(() => !document.querySelector(".waiting, [aria-busy=true]") && document.querySelector("main h1"), null, { timeout: 60_000 });
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}
