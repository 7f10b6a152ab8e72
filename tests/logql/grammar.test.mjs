// Every generated LogQL query, read by Grafana's own grammar. Input: a folder of JSON files, [{"name", "query"}, ...].
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { parser } from "@grafana/lezer-logql";

/** Where the grammar could make no sense of the text; empty when it is a query. */
export function mistakes(query) {
  const found = [];
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.type.isError) found.push(`${node.from}: ${JSON.stringify(query.slice(node.from, node.from + 40))}`);
    },
  });
  return found;
}

const folder = process.env.LOGQL_QUERIES;
assert.ok(folder, "LOGQL_QUERIES names the folder of queries");
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
assert.ok(files.length > 0, `no queries in ${folder}`);

test("the grammar tells a query from what is none", () => {
  assert.deepEqual(mistakes('sum by (a) (count_over_time({a="b"} | drop __error__ [60s]))'), []);
  assert.notDeepEqual(mistakes('sum by (a) (count_over_time({a="b"} | [60s]))'), []);
  assert.notDeepEqual(mistakes('sum(count_over_time({job="x"} [1m])'), []);
});

for (const file of files) {
  const queries = JSON.parse(readFileSync(join(folder, file), "utf8"));
  test(`${file}: ${queries.length} queries`, () => {
    assert.ok(queries.length > 0, "the file holds no query");
    for (const { name, query } of queries) assert.deepEqual(mistakes(query), [], `${name}: ${query}`);
  });
}
