// Builds the page into functions/ui/dist, where the sources differ from those it was built from.
// Written so that an old Node.js reads it, and says that it is too old.
//
//   node ui/build.mjs [--out <folder>] [--force] [--bundle-only: the types are not checked]
//   node ui/build.mjs --install: no build, but what it takes; --check: only whether this Node.js will do
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);
const out = resolve(args.includes("--out") ? args[args.indexOf("--out") + 1] : join(here, "../functions/ui/dist"));
const most = 120 * 1000; // bytes of all that a browser loads, compressed

// fail ends the build with one line.
function fail(why) {
  console.error("build the page: " + why);
  process.exit(1);
}

// checkNode: Vite 8 needs 20.19 or later; of 21 and 22, 22.12 or later.
function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (!(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19))) {
    fail("this Node.js is " + process.versions.node + "; install 20.19 or later of 20, or 22.12 or later");
  }
}

// files lists the files below a folder, in an order that is the same everywhere.
function files(folder) {
  const all = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === "node_modules" || entry.name === "test") continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      all.push(...files(path));
    } else {
      all.push(path);
    }
  }
  return all.sort();
}

// sum is the hash over the names and contents of all sources.
function sum() {
  const hash = createHash("sha256");
  for (const path of files(here)) {
    hash.update(relative(here, path).split(sep).join("/") + "\0");
    hash.update(readFileSync(path));
    hash.update("\0");
  }
  return hash.digest("hex");
}

// install runs npm ci where what is installed is not what the lock file says.
function install() {
  const lock = createHash("sha256").update(readFileSync(join(here, "package-lock.json"))).digest("hex");
  const done = join(here, "node_modules/.ledger-lock");
  if (existsSync(done) && readFileSync(done, "utf8") === lock) return;
  console.log("Installing what builds the page from npm into ui (90 MB, a few seconds) ...");
  try {
    execFileSync("npm", ["ci", "--no-progress"], { cwd: here, stdio: ["ignore", "ignore", "inherit"] });
  } catch (err) {
    fail(err.code === "ENOENT" ? "npm is not on the PATH; it comes with Node.js" : "npm ci failed, as it says above");
  }
  writeFileSync(done, lock);
}

// packages lists the npm packages of which something is in the page, as the bundler says, with what the lock file has
// of them.
function packages(built) {
  const lock = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8")).packages;
  const names = new Set();
  for (const { output } of [built].flat()) {
    for (const id of output.flatMap((o) => o.moduleIds ?? [])) {
      const at = id.split(sep).join("/").split("/node_modules/").slice(1).pop();
      if (at) names.add(/^(@[^/]+\/)?[^/]+/.exec(at)[0]);
    }
  }
  if (names.size === 0) fail("the bundler does not say what it took");
  return [...names].sort().map((name) => {
    const { version, integrity, license } = lock["node_modules/" + name];
    return { name, version, license, integrity };
  });
}

// licences collects the licences of what is in the page: they want to go with it.
function licences(inside) {
  const parts = inside.map(({ name, version }) => {
    const folder = join(here, "node_modules", name);
    const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f));
    if (!file) fail(name + " has no licence beside it");
    return name + " " + version + "\n\n" + readFileSync(join(folder, file), "utf8").trim() + "\n";
  });
  return "Entra Ledger's page contains these.\n\n" + parts.join("\n---\n\n");
}

// compress writes .br and .gz beside a file. The header of gzip names no system, so that the bytes
// are the same everywhere.
function compress(path) {
  const body = readFileSync(path);
  const br = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_SIZE_HINT]: body.length } });
  const gz = gzipSync(body, { level: 9 });
  gz[9] = 255;
  writeFileSync(path + ".br", br);
  writeFileSync(path + ".gz", gz);
  return { name: relative(out, path).split(sep).join("/"), plain: body.length, br: br.length, gz: gz.length };
}

async function build(sources) {
  install();
  const began = Date.now();
  if (!args.includes("--bundle-only")) try {
    execFileSync(process.execPath, [join(here, "node_modules/typescript/bin/tsc"), "--noEmit", "-p", here], { stdio: "inherit" });
  } catch {
    fail("its types do not fit, as it says above");
  }
  mkdirSync(out, { recursive: true });
  for (const name of readdirSync(out)) {
    if (name !== ".keep") rmSync(join(out, name), { recursive: true, force: true });
  }
  process.env.UI_OUT = out;
  process.chdir(here);
  const vite = await import("vite");
  const inside = packages(await vite.build({ root: here, logLevel: "warn" }));
  writeFileSync(join(out, "licences.txt"), licences(inside));
  writeFileSync(join(out, ".packages.json"), JSON.stringify(inside, null, 2) + "\n"); // for the bill of materials
  const made = files(out).filter((path) => /\.(js|css|html|svg|txt)$/.test(path)).map(compress);
  const loaded = made.filter((f) => !f.name.endsWith(".txt"));
  const total = loaded.reduce((all, f) => all + f.br, 0);
  for (const f of made) console.log(`  ${f.name}  ${f.plain} bytes, ${f.gz} as gzip, ${f.br} as brotli`);
  console.log(`Built the page in ${((Date.now() - began) / 1000).toFixed(1)} s: ${(total / 1000).toFixed(1)} KB compressed.`);
  if (total > most) fail(`it has ${total} bytes compressed, and at most ${most} are allowed`);
  writeFileSync(join(out, ".sources"), sources + "\n");
}

checkNode();
if (args.includes("--check")) process.exit(0);
if (args.includes("--install")) {
  install();
  process.exit(0);
}
const sources = sum();
const known = join(out, ".sources");
if (!args.includes("--force") && existsSync(known) && readFileSync(known, "utf8").trim() === sources) {
  console.log("The page is built.");
} else {
  await build(sources);
}
