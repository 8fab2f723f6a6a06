// What the checks of the walk share: a tab that is watched, comparisons, and answers in the app's stead.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { key, open } from "./page.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const result = { passed: 0, failed: [] };
const only = process.env.ONLY ? new RegExp(process.env.ONLY) : null;

/** Runs a check, and goes on with the others where it fails. ONLY= runs those whose name it matches. */
export async function check(name, run) {
  if (only && !only.test(name)) return;
  try {
    await run();
    result.passed++;
    console.log("  ok   " + name);
  } catch (err) {
    result.failed.push(name);
    console.log(`  FAIL ${name}\n       ${String(err.stack ?? err).split("\n").slice(0, 6).join("\n       ")}`);
  }
}

export function equal(have, want, what) {
  if (have !== want) throw new Error(`${what}: on the page ${JSON.stringify(have)}, and wanted is ${JSON.stringify(want)}`);
}

export const number = (n) => new Intl.NumberFormat("en-GB").format(n);
export const mark = (page, name) => page.locator(`[data-mark="${name}"]`).first().innerText();

/** Opens tabs of a browser at an app: at(how, run) opens, does, and closes; what the page complained of is a failure. */
export const tabs = (chrome, appsBase) => async function at(how, run, base = appsBase) {
  const tab = await open(chrome, base, how);
  try {
    await run(tab);
    if (tab.trouble.length > 0) throw new Error(tab.trouble.join("; "));
    for (const r of tab.asked) {
      if (new URL(r.url()).origin !== base) throw new Error("it asked another host: " + r.url());
      if (decodeURIComponent(r.url()).includes(key)) throw new Error("the key stands in an address: " + r.url());
    }
    equal(await tab.page.evaluate((k) => [localStorage.length, sessionStorage.length, document.cookie.length,
      JSON.stringify(history.state ?? "").includes(k), location.href.includes(k)].join(), key), "0,0,0,false,false", "what is kept of the tab");
  } finally {
    await tab.context.close();
  }
};

/** axe-core runs by evaluate, in a world of its own: the page's policy stays as it is. */
export async function accessible(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] })
    .then((r) => r.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ") + " " + (n.any[0]?.message ?? "")).join(", ")}`)));
  if (found.length > 0) throw new Error(found.join("\n"));
}

/** Answers the first questions for a path in the app's stead. */
export const instead = (page, path, ...answers) => page.route(new RegExp("/api/" + path), (route) => {
  const a = answers.length > 1 ? answers.shift() : answers[0];
  return a === null ? route.continue() : a === "cut" ? route.abort() : route.fulfill(a);
});
export const error = (status, code, message, headers = {}) => ({ status, headers, contentType: "application/json",
  body: JSON.stringify({ error: { code, message, innerError: { date: "x", "request-id": "4711-id" } } }) });

/** An answer with 200. */
export const json = (body) => ({ status: 200, contentType: "application/json", body: JSON.stringify(body) });

/** Gives the key to a tab that was opened without. */
export async function give(page, as = key) {
  await page.fill("#key", as);
  await page.press("#key", "Enter");
}
