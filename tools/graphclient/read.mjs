// Reads a list with Microsoft's client of Graph and its page iterator, and writes the records, one a line:
// node read.mjs <base address> <path> [filter]
import { Client, PageIterator } from "@microsoft/microsoft-graph-client";

const [base, path, filter] = process.argv.slice(2);
const client = Client.init({
  baseUrl: base,
  defaultVersion: "v1.0",
  customHosts: new Set(["127.0.0.1"]),
  authProvider: (done) => done(null, "any"),
});
let request = client.api(path).top(50);
if (filter) {
  request = request.filter(filter);
}
const lines = [];
const iterator = new PageIterator(client, await request.get(), (record) => {
  lines.push(JSON.stringify(record));
  return true;
});
await iterator.iterate();
process.stdout.write(lines.map((line) => line + "\n").join(""));
