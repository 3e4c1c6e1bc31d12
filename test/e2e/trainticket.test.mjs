// Real traces of a 40-service system: imported, counted, found, exported equal span by span.
// They lie in shared/data/trainticket beside the checkout (or under WEFT_SHARED); without them
// this test skips.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { gunzipSync } from 'node:zlib';
import { parseLines, run, Server, sourceDir, spansOf, temporaryDir } from './weft.mjs';

const folder = path.join(process.env.WEFT_SHARED ?? path.join(sourceDir, '../shared'),
  'data/trainticket');
const skip = existsSync(folder) ? false : `there is no ${folder}`;

// The totals of the data's README count 200 spans twice: they stand, byte for byte, in two files.
// Weft keeps a span once.
const kSpans = 30357 - 200, kTraces = 379, kErrors = 143 - 1, kAttributes = 29459 - 183;

// "| file | bytes | spans | traces | services | error spans | span attributes | events |"
const table = skip ? [] : readFileSync(path.join(folder, 'README.md'), 'utf8').split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter((cells) => cells[1]?.endsWith('.jsonl.gz'));

const files = skip ? [] : readdirSync(folder).filter((name) => name.endsWith('.jsonl.gz'))
  .map((name) => path.join(folder, name));
const requests = files.flatMap((file) => parseLines(gunzipSync(readFileSync(file)).toString()));

function counts({ spans }) {
  const all = [...spans.values()];
  return {
    spans: all.length,
    traces: new Set(all.map((span) => span.traceId)).size,
    errors: all.filter((span) => span.status[0] === 2).length,
    attributes: all.reduce((sum, span) => sum + span.attributes.length, 0),
    events: all.reduce((sum, span) => sum + span.events.length, 0),
  };
}

const totals = (spans) => {
  const { events, ...rest } = counts(spans);
  return rest;
};
const expected = { spans: kSpans, traces: kTraces, errors: kErrors, attributes: kAttributes };

// Comparing maps of 30,000 spans at once would print all of them when one differs.
function assertSameSpans(actual, wanted) {
  assert.equal(actual.spans.size, wanted.spans.size);
  for (const [key, span] of wanted.spans) assert.deepEqual(actual.spans.get(key), span, key);
}

test('every file alone: imported, its counts are those of the README', { skip }, (t) => {
  assert.equal(table.length, files.length);
  for (const [, file, , spans, traces, , errors, attributes, events] of table) {
    const data = path.join(temporaryDir(t), 'data');
    assert.equal(run(['import', path.join(folder, file), '--data', data]).code, 0);
    assert.deepEqual(counts(spansOf(parseLines(run(['export', '--data', data]).out))), {
      spans: Number(spans), traces: Number(traces), errors: Number(errors),
      attributes: Number(attributes), events: Number(events),
    }, file);
  }
});

test('import into a directory, export equals input', { skip }, (t) => {
  const dir = temporaryDir(t), data = path.join(dir, 'data');
  const env = { WEFT_STATE_DIR: path.join(dir, 'state') };
  const imported = run(['import', ...files, '--data', data], { env });
  assert.equal(imported.code, 0, imported.err);
  assert.match(imported.err, /^30,357 spans of /);
  const exported = run(['export', '--data', data]);
  assert.equal(exported.code, 0, exported.err);
  const out = spansOf(parseLines(exported.out));
  assert.deepEqual(totals(out), expected);
  assertSameSpans(out, spansOf(requests));
  assert.ok([...out.seen.values()].every((n) => n === 1));
  assert.equal(run(['check', data]).code, 0);
});

test('import into a server, twice and after a restart: the same answers', { skip }, async (t) => {
  const dir = temporaryDir(t), data = path.join(dir, 'data');
  const input = spansOf(requests);
  let server = await Server.start(t, data);
  for (let round = 0; round < 2; round += 1) {
    const imported = run(['import', ...files, '--again', '--url', server.api]);
    assert.equal(imported.code, 0, imported.err);
  }
  const ids = [...new Set([...input.spans.values()].map((span) => span.traceId))];
  const errors = new Set([...input.spans.values()].filter((span) => span.status[0] === 2)
    .map((span) => span.traceId));
  for (let start = 0; start < 2; start += 1) {
    const all = await server.search('{ }', { limit: 1000 });
    assert.equal(all.traces.length, kTraces);
    assert.equal(all.traces.reduce((sum, trace) => sum + trace.spanCount, 0), kSpans);
    assert.equal(all.traces.reduce((sum, trace) => sum + trace.errorCount, 0), kErrors);
    const failed = await server.search('{ status = error }', { limit: 1000 });
    assert.deepEqual(new Set(failed.traces.map((trace) => trace.traceId)), errors);
    for (const id of ids.slice(0, 40)) {
      const { status, body } = await server.get(`/api/v1/traces/${id}`);
      assert.equal(status, 200);
      const wanted = new Map([...input.spans].filter(([, span]) => span.traceId === id));
      assertSameSpans(spansOf([body]), { spans: wanted });
    }
    if (start === 0) {
      assert.equal((await server.stop()).code, 0, server.err);
      server = await Server.start(t, data);
    }
  }
  const exported = run(['export', '--url', server.api]);
  assert.equal(exported.code, 0, exported.err);
  assertSameSpans(spansOf(parseLines(exported.out)), input);
});

test('an import that is killed goes on', { skip }, async (t) => {
  const dir = temporaryDir(t), data = path.join(dir, 'data');
  const env = { WEFT_STATE_DIR: path.join(dir, 'state') };
  for (let round = 0; round < 4; round += 1) {
    const killed = run(['import', ...files, '--data', data, '--batch-spans', '200', '-q'],
      { env, timeout: 150 + 150 * round, killSignal: 'SIGKILL' });
    assert.notEqual(killed.code, 2);
  }
  const last = run(['import', ...files, '--data', data], { env });
  assert.equal(last.code, 0, last.err);
  const exported = run(['export', '--data', data]);
  assertSameSpans(spansOf(parseLines(exported.out)), spansOf(requests));
});
