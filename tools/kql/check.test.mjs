import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { problems, tables } from "./language.mjs";
import { alertQueries, allQueries, docQueries } from "./queries.mjs";

const good = 'AppRequests | where AppRoleName == "func" and Success == false | summarize count() by Name, bin(TimeGenerated, 1h)';

test("a query of declared tables and columns has no problems", () => {
  assert.deepEqual(problems(good), []);
  // A table that may not be there yet, joined with an empty one.
  assert.deepEqual(problems('union isfuzzy=true (datatable(TimeGenerated: datetime)[]), AppRequests | where Name == "x"'), []);
  assert.deepEqual(problems('_LogOperation | where Category == "Ingestion" and Detail has "OverQuota"'), []);
});

for (const [what, query, words] of [
  ["a wrong column", good.replace("AppRoleName", "AppRole"), /KS142.*AppRole/],
  ["a wrong column behind a projection", "AppTraces | project Message | where SeverityLevel > 2", /KS142.*SeverityLevel/],
  ["a wrong table", good.replace("AppRequests", "requests"), /KS\d+.*requests/],
  ["a wrong function", good.replace("count()", "counts()"), /KS\d+.*counts/],
  ["a wrong type", good.replace("count()", "sum(Name)"), /KS\d+.*Name/],
  ["a missing parenthesis", good.replace("count()", "count("), /KS\d+/],
  ["a misspelt operator", good.replace("| where", "| wehre"), /KS\d+/],
  ["an open string", good.replace('"func"', '"func'), /KS\d+/],
  ["a stand-in with a column of its own", "union isfuzzy=true (datatable(AppRole: string)[]), AppRequests | where AppRole == 1", /no such column/],
  ["a stand-in with another type", "union isfuzzy=true (datatable(Success: string)[]), AppRequests", /Success: string, AppRequests has bool/],
  ["a placeholder that nobody filled in", "AppRequests | where AppRoleName == <name of the app>", /KS\d+/],
]) {
  test(`${what} is found`, () => {
    const found = problems(query);
    assert.ok(found.length > 0, query);
    assert.match(found.join("\n"), words);
  });
}

const rule = (query) => ({
  type: "Microsoft.Insights/scheduledQueryRules",
  name: "alert",
  properties: { criteria: { allOf: [{ query }] } },
});

test("the queries of alerts are read from the predicted resources, and one that is not predicted counts", () => {
  const snapshot = { predictedResources: [rule(good), { type: "Microsoft.Web/sites", name: "app" }, rule("[format('{0}', reference('x'))]")] };
  assert.deepEqual(alertQueries(snapshot), [
    { of: "alert", query: good },
    { of: "alert", query: null },
  ]);
});

test("the queries of a page are its kusto blocks and code that begins with a table, each with its line", () => {
  const page = ["# Page", "", "1. Look:", "   ```kusto", "   AppTraces", "   | take 1", "", "   AppRequests | take 2", "   ```", "or `AppRequests | count`, not",
    "`make test | less`.", "```sh", "echo `AppTraces | no`", "```", "```kql", "Usage | take 3", "```", ""].join("\n");
  assert.deepEqual(docQueries(page, Object.keys(tables)), [
    { line: 5, query: "AppTraces\n   | take 1" },
    { line: 8, query: "AppRequests | take 2" },
    { line: 16, query: "Usage | take 3" },
    { line: 10, query: "AppRequests | count" },
  ]);
});

function repository({ snapshots, readme, page }) {
  const root = mkdtempSync(join(tmpdir(), "kql-"));
  mkdirSync(join(root, "infra", "snapshots"), { recursive: true });
  mkdirSync(join(root, "docs"));
  for (const [name, queries] of Object.entries(snapshots)) {
    const text = JSON.stringify({ predictedResources: queries.map(rule) });
    writeFileSync(join(root, "infra", "snapshots", `${name}.snapshot.json`), text);
  }
  writeFileSync(join(root, "README.md"), readme);
  writeFileSync(join(root, "docs", "runbook.md"), page);
  return root;
}

test("each query of a repository is checked once, and none at all is a mistake", () => {
  const names = Object.keys(tables);
  const page = "```kusto\nUsage | take 1\n```\n";
  const root = repository({ snapshots: { a: [good], b: [good, "AppTraces | count"] }, readme: "`AppTraces | count`", page });
  assert.deepEqual(
    allQueries(root, names).map(({ place }) => place),
    ["infra/snapshots/a.snapshot.json: alert", "infra/snapshots/b.snapshot.json: alert", "docs/runbook.md:2"],
  );
  assert.throws(() => allQueries(repository({ snapshots: { a: [] }, readme: "", page }), names), /0 in alerts/);
  assert.throws(() => allQueries(repository({ snapshots: { a: [good] }, readme: "", page: "" }), names), /0 in docs/);
});
