// What no well-behaved client sends, against the running binary: each is refused with a reason or
// kept whole, nothing is lost by a restart, and the memory stays bounded.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import {
  nowNs, parseLines, requestOf, run, Server, spansOf, temporaryDir,
} from './weft.mjs';

const traceIdOf = (n) => n.toString(16).padStart(32, '0');
const spanIdOf = (n) => n.toString(16).padStart(16, '0');
const spanOf = (trace, id, more = {}) => ({
  traceId: traceIdOf(trace), spanId: spanIdOf(id), name: `span-${id}`, ...more,
});
const kMaxTime = '18446744073709551615';

async function send(server, body, headers = {}) {
  const answer = await fetch(`${server.otlp}/v1/traces`, {
    method: 'POST', body, headers: { 'content-type': 'application/json', ...headers },
  });
  return { status: answer.status, body: await answer.json() };
}

const sendSpans = (server, ...spans) => send(server, JSON.stringify(requestOf('hostile', spans)));

// A deep value, a deep document and the like: written by hand, since JSON.stringify has limits too.
const deepValue = JSON.stringify(requestOf('hostile', [
  spanOf(90, 1, { attributes: [{ key: 'deep', value: '@' }] }),
])).replace('"@"', `${'{"arrayValue":{"values":['.repeat(5000)}${']}}'.repeat(5000)}`);
const invalidUtf8 = Buffer.from(JSON.stringify(requestOf('hostile', [spanOf(91, 1)])));
invalidUtf8[invalidUtf8.indexOf('span-1')] = 0xff;
const whole = JSON.stringify(requestOf('hostile', [spanOf(92, 1)]));

test('bodies that are no request are refused with a reason', async (t) => {
  const server = await Server.start(t, temporaryDir(t));
  const refused = {
    'invalid UTF-8': invalidUtf8,
    'cut off': whole.slice(0, -9),
    'deep value': deepValue,
    'deep document': '['.repeat(1_000_000),
    null: 'null',
    list: '[]',
    'wrong types': '{"resourceSpans":[{"scopeSpans":[{"spans":[5]}]}]}',
    'time of 80 bits': whole.replace('"name":"span-1"', '"startTimeUnixNano":"999999999999999999999999","name":"span-1"'),
    'time before the epoch': whole.replace('"name":"span-1"', '"startTimeUnixNano":"-1","name":"span-1"'),
  };
  for (const [what, body] of Object.entries(refused)) {
    const answer = await send(server, body);
    assert.equal(answer.status, 400, what);
    assert.equal(answer.body.code, 3, what);
    assert.ok(answer.body.message.length > 10, what);
  }
  const cut = gzipSync(whole).subarray(0, 60);
  assert.equal((await send(server, cut, { 'content-encoding': 'gzip' })).status, 400);
  const zeros = Buffer.alloc(256 << 20);
  for (const [name, bomb] of [['gzip', gzipSync(zeros)], ['deflate', deflateSync(zeros)]]) {
    const answer = await send(server, bomb, { 'content-encoding': name });
    assert.equal(answer.status, 413, name);
    assert.match(answer.body.message, /67108864/, name);
  }
  assert.deepEqual((await server.search('{ }', { start: 0 })).traces, []);
  assert.equal((await server.get('/readyz')).status, 200);
});

test('spans with ids of a wrong length are rejected, the others of the request kept', async (t) => {
  const server = await Server.start(t, temporaryDir(t));
  const answer = await sendSpans(server, spanOf(1, 1), { ...spanOf(1, 2), traceId: 'abcd' },
    { ...spanOf(1, 3), spanId: 'z'.repeat(16) }, { ...spanOf(1, 4), traceId: traceIdOf(0) },
    { ...spanOf(1, 5), parentSpanId: 'ab' });
  assert.equal(answer.status, 200);
  assert.equal(answer.body.partialSuccess.rejectedSpans, '4');
  const { body } = await server.get(`/api/v1/traces/${traceIdOf(1)}`);
  assert.deepEqual([...spansOf([body]).spans.keys()], [`${traceIdOf(1)}/${spanIdOf(1)}`]);
});

test('odd spans are kept whole, before and after a restart', async (t) => {
  const dir = path.join(temporaryDir(t), 'data');
  let server = await Server.start(t, dir, ['--retention-age', '0']);
  const at = nowNs();
  const times = { startTimeUnixNano: String(at), endTimeUnixNano: String(at + 9n) };
  const odd = [
    spanOf(2, 1, { startTimeUnixNano: '0', endTimeUnixNano: '0' }),
    spanOf(3, 1, { startTimeUnixNano: '16725225600000000000', endTimeUnixNano: '16725225600000000001' }),
    spanOf(4, 1, { startTimeUnixNano: kMaxTime, endTimeUnixNano: kMaxTime }),
    spanOf(5, 1, { startTimeUnixNano: String(at), endTimeUnixNano: String(at - 5000n) }),
    spanOf(6, 1, { ...times, parentSpanId: spanIdOf(2) }),
    spanOf(6, 2, { ...times, parentSpanId: spanIdOf(1) }),
    spanOf(6, 3, { ...times, parentSpanId: spanIdOf(3) }),
    spanOf(7, 1, { ...times, name: 'a\u0000b\u001b[31mred\n' }),
  ];
  assert.deepEqual((await sendSpans(server, ...odd)).body, {});
  const wanted = spansOf([requestOf('hostile', odd)]).spans;
  for (let round = 0; round < 2; round += 1) {
    for (let trace = 2; trace <= 7; trace += 1) {
      const { body } = await server.get(`/api/v1/traces/${traceIdOf(trace)}`);
      for (const [key, span] of spansOf([body]).spans) assert.deepEqual(span, wanted.get(key));
    }
    const found = await server.search('{ name =~ "span-.*" } >> { true }', { start: 0 });
    assert.deepEqual(found.traces.map((one) => one.traceId), [traceIdOf(6)]);
    // Times that cannot be true are in a search and an export without a range, and take nothing
    // from the views.
    assert.equal((await server.search('{ }')).traces.length, 6);
    const { out } = run(['export', '--url', server.api]);
    assert.equal(spansOf(parseLines(out)).spans.size, odd.length);
    assert.equal((await server.get('/api/v1/heatmap?q={}')).body.spans, odd.length);
    assert.equal((await server.get('/api/v1/services')).body.services.length, 1);
    const { status, body: metrics } = await server.get('/api/v1/metrics?q={}|count_over_time()');
    assert.equal(status, 200, JSON.stringify(metrics));
    if (round === 0) {
      assert.equal((await server.stop()).code, 0, server.err);
      assert.equal(run(['check', dir]).code, 0);
      server = await Server.start(t, dir, ['--retention-age', '0']);
    }
  }
  const circle = run(['trace', traceIdOf(6), '--url', server.api]);
  assert.match(circle.out, /parents form a circle/);
  // No byte of a span's may steer the terminal.
  assert.doesNotMatch(run(['trace', traceIdOf(7), '--url', server.api]).out, /\u001b|\u0000/);
});

test('a million attributes on one span, and a trace of 100,000 spans', async (t) => {
  const dir = path.join(temporaryDir(t), 'data');
  const server = await Server.start(t, dir);
  const at = nowNs();
  const many = Array.from({ length: 1_000_000 }, (_, i) => ({ key: `k${i}`, value: { intValue: i } }));
  const answer = await sendSpans(server, spanOf(8, 1, { startTimeUnixNano: String(at), attributes: many }));
  assert.equal(answer.status, 200);
  assert.equal(answer.body.partialSuccess.rejectedSpans, '0');
  assert.match(answer.body.partialSuccess.errorMessage, /attributes were left out/);
  const { body } = await server.get(`/api/v1/traces/${traceIdOf(8)}`);
  const [span] = spansOf([body]).spans.values();
  assert.equal(span.attributes.length + span.dropped[0], 1_000_000);

  // Each span the child of the one before: as deep as it is large.
  const kSpans = 100_000, kEach = 10_000;
  for (let first = 0; first < kSpans; first += kEach) {
    const spans = Array.from({ length: kEach }, (_, i) => spanOf(9, first + i + 1, {
      name: 'chain', startTimeUnixNano: String(at + BigInt(first + i)),
      endTimeUnixNano: String(at + BigInt(first + i + 10)),
      ...(first + i > 0 ? { parentSpanId: spanIdOf(first + i) } : {}),
    }));
    assert.equal((await sendSpans(server, ...spans)).status, 200);
  }
  for (const [query, matched] of [['{ name = "chain" } > { name = "chain" }', kSpans - 1],
    ['{ !(name = "x") } >> { name = "chain" }', kSpans - 1]]) {
    const { traces: [found] } = await server.search(query);
    assert.equal(found.spanCount, kSpans, query);
    assert.equal(found.spanSet.matched, matched, query);
  }
  const trace = await server.get(`/api/v1/traces/${traceIdOf(9)}`);
  assert.equal(spansOf([trace.body]).spans.size, kSpans);
  const drawn = run(['trace', traceIdOf(9), '--url', server.api]);
  assert.equal(drawn.code, 0, drawn.err);
  assert.match(drawn.out, /100,000 spans/);
  const status = readFileSync(`/proc/${server.child.pid}/status`, 'utf8');
  const peakMiB = Number(status.match(/VmHWM:\s+(\d+)/)[1]) / 1024;
  assert.ok(peakMiB < 2048, `the server took ${peakMiB} MiB`);
  assert.equal((await server.stop()).code, 0, server.err);
  assert.equal(run(['check', dir]).code, 0);
  assert.equal(parseLines(run(['export', '--data', dir]).out).length > 0, true);
});
