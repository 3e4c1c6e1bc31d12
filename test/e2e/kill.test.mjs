// kill -9 at random moments under load from several clients. Every acknowledged span must be
// there, none twice, none that was not sent, and `weft check` clean. WEFT_KILL_ROUNDS rounds on one
// data directory (20 by default, 200 in the long mode); WEFT_TEST_SEED replays the moments.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import {
  eachLine, hex, makeSpan, nowNs, post, requestOf, run, Server, spansOf, temporaryDir,
} from './weft.mjs';

const rounds = Number(process.env.WEFT_KILL_ROUNDS ?? 20);
const seed = Number(process.env.WEFT_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const kClients = 6;

// Mulberry32: the same moments for the same seed.
function randomOf(state) {
  let a = state;
  return () => {
    a = (a + 0x6D2B79F5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Sends traces until the server is gone. Spans go to `sent` before the request, to `acknowledged`
// after its success.
async function client(server, random, sent, acknowledged, open) {
  let parent;
  while (server.child.exitCode === null && server.child.signalCode === null) {
    // Now and then a trace goes on in a later request, so that it lies in several blocks.
    const traceId = open.length > 0 && random() < 0.3
      ? open[Math.floor(random() * open.length)] : hex(16);
    if (random() < 0.1) open.push(traceId);
    const spans = [];
    for (let n = 1 + Math.floor(random() * 40); n > 0; n -= 1) {
      const span = makeSpan(traceId, hex(8), parent, nowNs() + BigInt(spans.length));
      parent = span.spanId;
      spans.push(span);
    }
    parent = undefined;
    const request = requestOf(`client-${Math.floor(random() * 3)}`, spans);
    for (const [key, span] of spansOf([request]).spans) sent.set(key, span);
    const { status } = await post(`${server.otlp}/v1/traces`, JSON.stringify(request));
    if (status === 200) for (const span of spans) acknowledged.add(`${traceId}/${span.spanId}`);
    if (status === 0) return;
  }
}

async function verify(data, sent, acknowledged, since, what) {
  const args = ['export', '--data', data];
  if (since !== undefined) args.push('--start', String(since));
  const stored = new Set();
  const { code, err } = await eachLine(args, (request) => {
    const { spans, seen } = spansOf([request]);
    for (const [key, span] of spans) {
      assert.ok(!stored.has(key) && seen.get(key) === 1, `${what}: span ${key} is there twice`);
      stored.add(key);
      assert.ok(sent.has(key), `${what}: span ${key} was never sent`);
      assert.deepEqual(span, sent.get(key), `${what}: span ${key} came back different`);
    }
  });
  assert.equal(code, 0, err);
  for (const key of acknowledged) {
    assert.ok(stored.has(key), `${what}: span ${key} was acknowledged and is lost`);
  }
  return stored.size;
}

test(`kill -9, ${rounds} rounds (WEFT_TEST_SEED=${seed})`, { timeout: 60_000 + rounds * 20_000 },
  async (t) => {
    const data = path.join(temporaryDir(t), 'data');
    const random = randomOf(seed);
    // Of all rounds, for the end; of this round and the last, for the check after each kill.
    const all = { sent: new Map(), acknowledged: new Set() };
    let last = { sent: new Map(), acknowledged: new Set(), since: nowNs() };
    const open = [];
    for (let round = 0; round < rounds; round += 1) {
      const since = nowNs();
      // Small blocks, so that sealing and merging are killed as well.
      const server = await Server.start(t, data, ['--block-spans', '3000', '--block-age', '2s']);
      const now = { sent: new Map(), acknowledged: new Set(), since };
      const clients = Array.from({ length: kClients }, () =>
        client(server, random, now.sent, now.acknowledged, open));
      await new Promise((resolve) => { setTimeout(resolve, 20 + random() * 600); });
      await server.kill();
      await Promise.all(clients);

      const check = run(['check', data]);
      assert.equal(check.code, 0, `round ${round}: ${check.out}${check.err}`);
      const sent = new Map([...last.sent, ...now.sent]);
      const acknowledged = new Set([...last.acknowledged, ...now.acknowledged]);
      await verify(data, sent, acknowledged, last.since, `round ${round}`);
      for (const [key, span] of now.sent) all.sent.set(key, span);
      for (const key of now.acknowledged) all.acknowledged.add(key);
      last = now;
    }
    // An orderly end merges and seals everything; then nothing may differ either.
    const server = await Server.start(t, data, ['--block-spans', '3000']);
    assert.equal((await server.stop()).code, 0, server.err);
    const check = run(['check', data]);
    assert.equal(check.code, 0, check.out + check.err);
    const stored = await verify(data, all.sent, all.acknowledged, undefined, 'at the end');
    assert.ok(all.acknowledged.size > 0, 'nothing was ever acknowledged');
    t.diagnostic(`${rounds} kills: ${all.sent.size} spans sent, ${all.acknowledged.size} `
      + `acknowledged, ${stored} stored`);
  });
