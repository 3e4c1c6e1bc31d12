// Grafana's own grammar of TraceQL, with which its query editor reads what people type: it takes the
// queries that Weft takes, but for what is newer than it, and refuses what Weft calls a syntax error,
// but for what only the meaning forbids.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const { parser } = createRequire(path.join(here, 'clients/package.json'))('@grafana/lezer-traceql');

// The queries of a golden file: its lines that are neither indented nor comments.
function queriesOf(name) {
  const text = readFileSync(path.join(here, '../../src/query/testdata', name), 'utf8');
  return text.split('\n').filter((line) => line !== '' && !/^[\s#]/.test(line)).map((line) => line.replaceAll('\\n', '\n'));
}

function isTaken(query) {
  let taken = true;
  parser.parse(query).iterate({ enter: (node) => { taken &&= !node.type.isError; } });
  return taken;
}

// What Tempo 3.0 documents and the editor's grammar does not know yet.
const kNewer = [
  /nestedSet(Parent|Left|Right)|childCount|span:traceState/i, // intrinsics
  /parent\.instrumentation\./,
  /\\(x|u)[0-9a-f]+/, // escapes in strings
  /\d[eE]\d/, // exponents
  /\bwith\(/, // hints behind other stages and their newer names
  /[^0-9]\.\d/, // numbers that begin with the point
  /quantile_over_time\(.*, *0,/, // a whole number as a quantile
  /-\(count\(\)\)/, // a negated aggregate
  /\(\{.*\| *(count|max|sum|rate|count_over_time|sum_over_time)\(.*\)/, // pipelines and metrics as operands
  /(rate|_over_time)\([^)]*\)( by\([^)]*\))?( \| topk\(\d+\))? *(>=|<=|!=|>|<|=)/, // metrics compared with a number
];

// Where the grammar of the editor is wider than the language: these are refused for what they mean.
const kMeaning = [
  /by\(.*,.*\)$/, // by() of a search takes one attribute
  /select\(1\)/,
  /\{ error \}/, // a static that is no truth
  /9{8,}/, // numbers and durations out of range
  /`/, // quoting by backticks is for strings
  /rate\(\) (\||>)/, // what may follow a metrics function
  /\(\{ \} \| rate\(\)\)/,
  /quantile_over_time\(duration, 95\)/,
  /compare\(/,
];

for (const file of ['filters.search', 'structure.search', 'pipelines.search', 'series.metrics']) {
  test(`takes the queries of ${file}`, () => {
    const queries = queriesOf(file);
    assert.ok(queries.length > 50);
    const refused = queries.filter((query) => !isTaken(query) && !kNewer.some((newer) => newer.test(query)));
    assert.deepEqual(refused, []);
    assert.ok(queries.filter(isTaken).length > queries.length * 0.6);
  });
}

test('refuses what is no TraceQL', () => {
  const queries = queriesOf('syntax.errors');
  assert.ok(queries.length > 120);
  const taken = queries.filter((query) => isTaken(query) && !kMeaning.some((meaning) => meaning.test(query)));
  assert.deepEqual(taken, []);
});
