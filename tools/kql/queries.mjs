// Finds the KQL of this project: the alerts' queries, as the compiler predicts them, and what the
// docs tell people to run.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

// alertQueries are the queries of a snapshot's alert rules. One that is not known before the
// deployment can't be checked: it is null.
export function alertQueries(snapshot) {
  const rules = snapshot.predictedResources.filter((r) => r.type === "Microsoft.Insights/scheduledQueryRules");
  return rules.flatMap((rule) =>
    rule.properties.criteria.allOf.map(({ query }) => ({ of: rule.name, query: query.startsWith("[") ? null : query })),
  );
}

// docQueries are the kusto blocks of a Markdown text, and code within a line that begins with one
// of the tables and a pipe.
export function docQueries(text, tables) {
  const found = [];
  const lineOf = (index) => text.slice(0, index).split("\n").length;
  const blocks = /^( *)```(?:kusto|kql)\n([\s\S]*?)^ *```/gm;
  for (const block of text.matchAll(blocks)) {
    const start = lineOf(block.index) + 1;
    // Empty lines divide queries, as in the portal.
    let line = start;
    for (const part of block[2].split(/\n[ \t]*(?=\n)/)) {
      const lead = part.match(/^\n*/)[0].length;
      if (part.trim()) {
        found.push({ line: line + lead, query: part.trim() });
      }
      line += part.split("\n").length;
    }
  }
  const prose = text.replace(/^ *```[\s\S]*?^ *```/gm, (fence) => fence.replace(/[^\n]/g, " "));
  for (const span of prose.matchAll(/`([^`\n]+)`/g)) {
    if (tables.some((table) => span[1].startsWith(table + " |"))) {
      found.push({ line: lineOf(span.index), query: span[1] });
    }
  }
  return found;
}

// allQueries are those of the repository at root, each once, with a place for the message. Nothing
// found is a mistake of this program.
export function allQueries(root, tables) {
  const found = [];
  const seen = new Set();
  const add = (place, query) => {
    if (query === null || !seen.has(query)) {
      seen.add(query);
      found.push({ place, query });
    }
  };
  const folder = join(root, "infra", "snapshots");
  const snapshots = readdirSync(folder).filter((name) => name.endsWith(".snapshot.json"));
  for (const name of snapshots.sort()) {
    for (const { of, query } of alertQueries(JSON.parse(readFileSync(join(folder, name), "utf8")))) {
      add(`infra/snapshots/${name}: ${of}`, query);
    }
  }
  const alerts = found.length;
  const pages = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  for (const page of ["README.md", ...pages.sort().map((name) => join("docs", name))]) {
    for (const { line, query } of docQueries(readFileSync(join(root, page), "utf8"), tables)) {
      add(`${page}:${line}`, query);
    }
  }
  if (alerts === 0 || found.length === alerts) {
    throw new Error(`find queries: ${alerts} in alerts, ${found.length - alerts} in docs: the snapshots or the docs have another form`);
  }
  return found;
}
