// Checks every query of this project: node tools/kql/check.mjs [<the repository's folder>]
import { fileURLToPath } from "node:url";
import { problems, tables } from "./language.mjs";
import { allQueries } from "./queries.mjs";

const root = process.argv[2] ?? fileURLToPath(new URL("../..", import.meta.url));
const queries = allQueries(root, Object.keys(tables));
let failed = 0;
for (const { place, query } of queries) {
  for (const problem of query === null ? ["the query is an expression that only a deployment evaluates"] : problems(query)) {
    console.error(`${place}: ${problem}`);
    failed++;
  }
}
if (failed > 0) {
  console.error(`kql: ${failed} problems in ${queries.length} queries; tables and columns are declared in tools/kql/tables.json`);
  process.exit(1);
}
console.log(`kql: ${queries.length} queries are valid`);
