// The other commands from outside: what they print, and what they exit with.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  hex, makeSpan, nowNs, parseLines, requestOf, run, Server, spansOf, temporaryDir,
} from './weft.mjs';

function requests(count, spansEach) {
  const start = nowNs();
  return Array.from({ length: count }, (_, i) => {
    const traceId = hex(16), root = hex(8);
    const spans = [makeSpan(traceId, root, undefined, start + BigInt(i * 1_000_000))];
    while (spans.length < spansEach) {
      spans.push(makeSpan(traceId, hex(8), root, start + BigInt(i * 1_000_000 + spans.length)));
    }
    return requestOf(`service-${i % 3}`, spans);
  });
}

const toLines = (list) => list.map((request) => `${JSON.stringify(request)}\n`).join('');

test('help and usage', () => {
  const help = run(['help']);
  assert.equal(help.code, 0);
  for (const name of ['serve', 'search', 'trace', 'import', 'export', 'check', 'bench']) {
    assert.match(help.out, new RegExp(`^  ${name} `, 'm'));
    const own = run([name, '--help']);
    assert.equal(own.code, 0, name);
    assert.match(own.out, /Examples:/, name);
    assert.equal(run([name, '--no-such-option']).code, 2, name);
  }
  // What SDKs, collectors and people expect without configuration.
  const serve = run(['serve', '--help']).out;
  for (const [flag, port] of [['otlp-grpc', 4317], ['otlp-http', 4318], ['http', 4300], ['zipkin', 9411]]) {
    assert.match(serve, new RegExp(`--${flag} ADDR .*\\[127\\.0\\.0\\.1:${port}\\]`));
  }
  assert.equal(run([]).code, 2);
  assert.equal(run(['sreve']).code, 2);
  const negative = run(['search', '{ }', '--limit', '-1']);
  assert.equal(negative.code, 2);
  assert.match(negative.err, /--limit: -1 is below 0/);
  const unknown = run(['help', 'sreve']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /there is no command 'sreve'/);
  const colour = run(['search', '{ }', '--color', 'purple']);
  assert.equal(colour.code, 2);
  assert.match(colour.err, /auto,always,never/);
  assert.equal(run(['bench', '--workload', 'X']).code, 2);
  assert.match(run(['version']).out, /^weft \d+\.\d+\.\d+\n$/);
  for (const name of ['search', 'trace', 'import', 'check']) assert.equal(run([name]).code, 2, name);
});

test('a data directory without a server: import, search, trace, export, check', (t) => {
  const dir = temporaryDir(t), data = path.join(dir, 'data');
  const env = { WEFT_STATE_DIR: path.join(dir, 'state') };
  const sent = requests(50, 6);
  const file = path.join(dir, 'spans.jsonl.gz');
  writeFileSync(file, gzipSync(toLines(sent)));

  const imported = run(['import', file, '--data', data], { env });
  assert.equal(imported.code, 0, imported.err);
  assert.match(imported.err, /^300 spans of 50 records/);
  const again = run(['import', file, '--data', data], { env });
  assert.equal(again.code, 0, again.err);
  assert.match(again.err, /imported before/);

  const exported = run(['export', '--data', data]);
  assert.equal(exported.code, 0, exported.err);
  const { spans, seen } = spansOf(parseLines(exported.out));
  assert.deepEqual(spans, spansOf(sent).spans);
  assert.ok([...seen.values()].every((n) => n === 1));

  const { traceId } = sent[7].resourceSpans[0].scopeSpans[0].spans[0];
  const drawn = run(['trace', traceId, '--data', data]);
  assert.equal(drawn.code, 0, drawn.err);
  assert.match(drawn.out, new RegExp(`^Trace ${traceId}\n`));
  assert.match(drawn.out, /6 spans {2}1 service/);
  const json = run(['trace', traceId, '--data', data, '--json']);
  assert.deepEqual(spansOf([JSON.parse(json.out)]).spans, spansOf([sent[7]]).spans);
  assert.equal(run(['trace', hex(16), '--data', data]).code, 1);
  assert.equal(run(['trace', 'xyz', '--data', data]).code, 2);

  const found = run(['search', '{ resource.service.name = "service-1" }', '--data', data, '--json',
    '--limit', '100']);
  assert.equal(found.code, 0, found.err);
  assert.equal(JSON.parse(found.out).traces.length, 17);
  const table = run(['search', '{ resource.service.name = "service-1" }', '--data', data]);
  assert.match(table.out, /^TRACE /);
  assert.match(table.out, /17 traces|20 traces/);
  assert.equal(run(['search', '{ name = "no such" }', '--data', data]).code, 1);
  const rates = ['search', '{ } | rate() by (resource.service.name)'];
  const series = run([...rates, '--data', data]);
  assert.equal(series.code, 0, series.err);
  assert.match(series.out, /^resource\.service\.name +LAST +MIN +MEAN +MAX /);
  assert.match(series.out, /^service-1 /m);
  assert.ok(JSON.parse(run([...rates, '--data', data, '--json']).out).series.length > 0);
  assert.equal(run(['search', '{ name = "no such" } | rate()', '--data', data]).code, 1);

  const check = run(['check', data]);
  assert.equal(check.code, 0, check.out + check.err);
  assert.match(check.out, /sound/);
});

test('a mistake in a query is shown where it is', async (t) => {
  const server = await Server.start(t, temporaryDir(t));
  const wrong = run(['search', '{ spam.foo = 1 }', '--url', server.api]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^error: /);
  assert.match(wrong.err, /\n {2}\{ spam\.foo = 1 \}\n {4}\^/);
  const plan = run(['search', '{ status = error }', '--explain-plan']);
  assert.equal(plan.code, 0, plan.err);
  assert.ok(plan.out.length > 10);
});

test('import and export against a server, by both of its addresses', async (t) => {
  const dir = temporaryDir(t);
  const server = await Server.start(t, path.join(dir, 'data'));
  const env = { WEFT_STATE_DIR: path.join(dir, 'state') };
  const a = requests(20, 5), b = requests(20, 5);
  writeFileSync(path.join(dir, 'a.jsonl'), toLines(a));
  const first = run(['import', path.join(dir, 'a.jsonl'), '--url', server.api], { env });
  assert.equal(first.code, 0, first.err);
  const second = run(['import', '-', '--url', server.otlp], { env, input: toLines(b) });
  assert.equal(second.code, 0, second.err);
  // Sent twice, stored once.
  assert.equal(run(['import', '-', '--url', server.otlp], { env, input: toLines(b) }).code, 0);

  const target = path.join(dir, 'out.jsonl');
  const exported = run(['export', '--url', server.api, '-o', target]);
  assert.equal(exported.code, 0, exported.err);
  const { spans, seen } = spansOf(parseLines(readFileSync(target, 'utf8')));
  assert.deepEqual(spans, spansOf([...a, ...b]).spans);
  assert.ok([...seen.values()].every((n) => n === 1));

  const some = run(['export', '--url', server.api, '--q', '{ resource.service.name = "service-2" }']);
  assert.equal(some.code, 0, some.err);
  const wanted = [...a, ...b].filter((_, i) => i % 20 % 3 === 2);
  assert.deepEqual(spansOf(parseLines(some.out)).spans, spansOf(wanted).spans);
  assert.equal(run(['export', '--url', server.api, '--q', '{ nonsense']).code, 2);
});

test('files that cannot be imported are refused with file and place', (t) => {
  const dir = temporaryDir(t);
  const bad = path.join(dir, 'bad.jsonl');
  writeFileSync(bad, `${toLines(requests(2, 2))}{"resourceSpans": 5}\n{"resourceSpans":[{"sc\n${
    toLines(requests(1, 2))}`);
  const refused = run(['import', bad, '--data', path.join(dir, 'data')]);
  assert.equal(refused.code, 3);
  assert.match(refused.err, /bad\.jsonl:3: /);
  const kept = run(['import', bad, '--data', path.join(dir, 'data'), '--keep-going']);
  assert.equal(kept.code, 0, kept.err);
  assert.match(kept.err, /2 records left out/);
  assert.equal(parseLines(run(['export', '--data', path.join(dir, 'data')]).out)
    .reduce((sum, line) => sum + spansOf([line]).spans.size, 0), 6);
  assert.equal(run(['import', path.join(dir, 'none'), '--data', path.join(dir, 'data')]).code, 3);
});

test('no server: said plainly', () => {
  const refused = run(['search', '{ }', '--url', 'http://127.0.0.1:1']);
  assert.equal(refused.code, 3);
  assert.match(refused.err, /is `weft serve` running there/);
  assert.equal(run(['search', '{ }', '--url', 'ftp://x']).code, 2);
});

test('what could not be asked is no "nothing found"', async (t) => {
  const dir = temporaryDir(t);
  const nowhere = path.join(dir, 'none');
  const server = await Server.start(t, path.join(dir, 'data'));
  for (const command of [['search', '{ }'], ['trace', 'ab'], ['export']]) {
    const missing = run([...command, '--data', nowhere]);
    assert.equal(missing.code, 2, missing.err);
    assert.match(missing.err, /is no directory/);
    const unrelated = run([...command, '--data', dir]);
    assert.equal(unrelated.code, 2, unrelated.err);
    assert.match(unrelated.err, /is not a data directory of Weft/);
    for (const url of [server.otlp, `http://${server.grpc}`]) {
      const elsewhere = run([...command, '--url', url]);
      assert.equal(elsewhere.code, 3, elsewhere.err);
      assert.match(elsewhere.err, /is that the address of Weft's --http port/);
    }
  }
});

test('check names file and offset of damage, and the rest is still served', (t) => {
  const dir = temporaryDir(t), data = path.join(dir, 'data');
  assert.equal(run(['check', path.join(dir, 'none')]).code, 2);
  assert.equal(run(['check', dir]).code, 2);
  const file = path.join(dir, 'a.jsonl');
  writeFileSync(file, toLines(requests(400, 10)));
  assert.equal(run(['import', file, '--data', data]).code, 0);
  const walk = (at) => readdirSync(at, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory()
    ? walk(path.join(at, entry.name)) : [path.join(at, entry.name)]));
  const [largest] = walk(data).sort((x, y) => statSync(y).size - statSync(x).size);
  const bytes = readFileSync(largest);
  bytes[Math.floor(bytes.length / 2)] ^= 0x10;
  writeFileSync(largest, bytes);
  const check = run(['check', data]);
  assert.equal(check.code, 1, check.out + check.err);
  assert.match(check.out, /at offset \d+: /);
  assert.notEqual(run(['search', '{ }', '--data', data]).code, null);
});

test('a block that disappeared is named by check and when the directory is opened', (t) => {
  const dir = temporaryDir(t), data = path.join(dir, 'data');
  for (const name of ['a', 'b']) {
    const file = path.join(dir, `${name}.jsonl`);
    writeFileSync(file, toLines(requests(10, 4)));
    assert.equal(run(['import', file, '--data', data]).code, 0);
  }
  assert.equal(run(['check', data]).code, 0);
  const blocks = readdirSync(data).filter((name) => name.endsWith('.wfb')).sort();
  assert.equal(blocks.length, 2, blocks.join());
  rmSync(path.join(data, blocks[0]));
  const check = run(['check', data]);
  assert.equal(check.code, 1, check.out + check.err);
  assert.ok(check.out.includes(blocks[0]), check.out);
  assert.match(check.out, /missing with 40 spans that started between \d{4}-.*Z and \d{4}-.*Z/);
  const exported = run(['export', '--data', data]);
  assert.equal(spansOf(parseLines(exported.out)).spans.size, 40);
  assert.ok(exported.err.includes(blocks[0]), exported.err);
});
