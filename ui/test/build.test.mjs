// The page's build: the same bytes from two folders, types as the API has them, a view in one folder and one line.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const ui = join(dirname(fileURLToPath(import.meta.url)), "..");
const made = [];
after(() => made.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function copy() {
  const folder = mkdtempSync(join(tmpdir(), "ledger-ui-"));
  made.push(folder);
  const to = join(folder, "ui");
  cpSync(ui, to, { recursive: true, filter: (path) => !relative(ui, path).startsWith("node_modules") });
  symlinkSync(join(ui, "node_modules"), join(to, "node_modules"));
  return to;
}

function build(folder) {
  const out = join(folder, "../dist");
  const said = execFileSync(process.execPath, [join(folder, "build.mjs"), "--out", out, "--bundle-only"], { encoding: "utf8" });
  return { out, said };
}

function bytes(folder, base = folder) {
  return readdirSync(folder).sort().flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? bytes(path, base) : [relative(base, path) + " " + createHash("sha256").update(readFileSync(path)).digest("hex")];
  });
}

const script = (out) => readdirSync(join(out, "assets")).filter((f) => f.endsWith(".js")).map((f) => readFileSync(join(out, "assets", f), "utf8")).join("");

test("two folders give the same bytes, and a build of unchanged sources does nothing", () => {
  const [one, two] = [build(copy()), build(copy())];
  assert.deepEqual(bytes(one.out), bytes(two.out));
  assert.match(one.said, /KB compressed/);
  const again = execFileSync(process.execPath, [join(one.out, "../ui/build.mjs"), "--out", one.out], { encoding: "utf8" });
  assert.match(again, /The page is built/);
});

test("a view is added in one folder and one line", () => {
  const folder = copy();
  mkdirSync(join(folder, "src/views/madeup"));
  writeFileSync(join(folder, "src/views/madeup/index.tsx"), `import type { View } from "../list";
export const madeup: View = { id: "madeup", title: "A made-up view", about: "It shows nothing.", icon: "M3 3h4", Page: () => <p>Nothing.</p> };
`);
  const list = join(folder, "src/views/list.ts");
  const before = readFileSync(list, "utf8");
  const after = before.replace('import { search }', 'import { madeup } from "./madeup";\nimport { search }').replace("  settings,\n];", "  settings,\n  madeup,\n];");
  assert.notEqual(after, before);
  writeFileSync(list, after);
  assert.match(script(build(folder).out), /A made-up view/);
});

test("nothing in the page names another host, or makes code or markup of text", () => {
  const { out } = build(copy());
  const page = readFileSync(join(out, "index.html"), "utf8");
  assert.doesNotMatch(page, /https?:|<style|style=|<script(?![^>]*src=)/);
  const text = script(out);
  const hosts = [...text.matchAll(/https?:\/\/[^"'`\s)]+/g)].map((m) => m[0]).filter((a) => !a.startsWith("http://www.w3.org/"));
  assert.deepEqual(hosts, []);
  assert.doesNotMatch(text, /\beval\(|new Function\(|insertAdjacentHTML|document\.write|localStorage|sessionStorage|indexedDB|document\.cookie/);
});

test("a Node.js that is too old is told which one is needed", () => {
  const folder = copy();
  const text = readFileSync(join(folder, "build.mjs"), "utf8").replace("process.versions.node", '"18.20.4"');
  writeFileSync(join(folder, "build.mjs"), text);
  assert.throws(() => execFileSync(process.execPath, [join(folder, "build.mjs")], { stdio: "pipe" }),
    (err) => /install 20\.19 or later/.test(String(err.stderr)));
});

test("the types are those of docs/openapi.json", () => {
  const out = join(mkdtempSync(join(tmpdir(), "ledger-types-")), "schema.ts");
  made.push(dirname(out));
  execFileSync(process.execPath, [join(ui, "node_modules/openapi-typescript/bin/cli.js"), join(ui, "../docs/openapi.json"), "-o", out], { stdio: "pipe" });
  assert.equal(readFileSync(join(ui, "src/api/schema.ts"), "utf8"), readFileSync(out, "utf8"), "run make types");
});
