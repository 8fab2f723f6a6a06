// Microsoft's language service, with the tables that are declared in tables.json: columns and types
// as documented for Azure Monitor.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");
const { GlobalState, KustoCode, Symbols } = globalThis.Kusto.Language;

export const tables = JSON.parse(readFileSync(new URL("tables.json", import.meta.url), "utf8"));

const globals = (() => {
  const symbols = Object.entries(tables).map(([name, columns]) => {
    const schema = Object.entries(columns).map(([column, type]) => `${column}: ${type}`);
    return new Symbols.TableSymbol.$ctor7(name, `(${schema.join(", ")})`, "");
  });
  const workspace = new Symbols.DatabaseSymbol.ctor("workspace", symbols);
  return GlobalState.Default.WithDatabase(workspace);
})();

// problems are the language service's findings in a query, of any severity but a suggestion's, each
// with its text.
export function problems(query) {
  const found = KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
  const out = [];
  for (let i = 0; i < found.Count; i++) {
    const { Code, Severity, Message, Start, Length } = found.getItem(i);
    if (Severity !== "Suggestion") {
      out.push(`${Severity} ${Code}: ${Message} At: ${JSON.stringify(query.slice(Start, Start + Length))}`);
    }
  }
  return out.concat(standIns(query));
}

// standIns looks at empty tables that stand in for one that may not be there yet: union
// isfuzzy=true (datatable(...)[]), <table>. A column that the table has not would pass otherwise,
// and one of another type would get another name in the union.
function standIns(query) {
  const out = [];
  for (const [, columns, table] of query.matchAll(/datatable\(([^)]*)\)\[\]\),\s*(\w+)/g)) {
    for (const column of columns.split(",")) {
      const [name, type] = column.split(":").map((part) => part.trim());
      if (tables[table]?.[name] !== type) {
        out.push(`Error: the table that stands in for ${table} has ${name}: ${type}, ${table} has ${tables[table]?.[name] ?? "no such column"}`);
      }
    }
  }
  return out;
}
