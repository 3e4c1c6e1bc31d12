// A full disk: refusals that may pass, reads go on, and recovery without a restart. The disk is a
// small tmpfs, which takes root; without it this test skips.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import {
  hex, makeSpan, nowNs, parseLines, requestOf, run, Server, spansOf, temporaryDir,
} from './weft.mjs';

const kDiskMiB = 640;

function mountTmpfs(t) {
  const dir = path.join(temporaryDir(t), 'disk');
  mkdirSync(dir);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kDiskMiB}m`, 'tmpfs', dir]);
  if (mounted.status !== 0) return undefined;
  t.after(() => spawnSync('umount', ['-l', dir]));
  return dir;
}

// Large attributes fill the disk quickly; they are random, so that nothing compresses.
function bigRequest() {
  const traceId = hex(16);
  const spans = Array.from({ length: 20 }, () => {
    const span = makeSpan(traceId, hex(8), undefined, nowNs());
    span.attributes.push({ key: 'payload', value: { stringValue: hex(20_000) } });
    return span;
  });
  return requestOf('filler', spans);
}

const keysOf = (request) => [...spansOf([request]).spans.keys()];

test('a full disk refuses for now, serves what it has, and recovers', async (t) => {
  const disk = mountTmpfs(t);
  if (disk === undefined) {
    t.skip('mounting a tmpfs needs root');
    return;
  }
  const data = path.join(disk, 'data');
  const server = await Server.start(t, data, ['--block-spans', '2000']);
  t.after(() => server.kill());
  const acknowledged = new Set();
  const first = bigRequest();
  assert.equal((await server.send(first)).status, 200);
  keysOf(first).forEach((key) => acknowledged.add(key));

  // A foreign file takes most of the disk, the spans the rest.
  const free = () => {
    const out = spawnSync('stat', ['-f', '-c', '%a %S', disk], { encoding: 'utf8' }).stdout;
    const [blocks, size] = out.split(' ').map(Number);
    return blocks * size;
  };
  const ballast = path.join(disk, 'ballast');
  writeFileSync(ballast, Buffer.alloc(Math.max(free() - (24 << 20), 0)));
  let refusal;
  for (let n = 0; n < 2_000 && refusal === undefined; n += 1) {
    const request = bigRequest();
    const answer = await server.send(request);
    if (answer.status === 200) keysOf(request).forEach((key) => acknowledged.add(key));
    else refusal = answer;
  }
  assert.ok(refusal, 'the disk never got full');
  assert.ok([429, 503].includes(refusal.status), `${refusal.status}: ${refusal.body}`);
  assert.ok(refusal.headers['retry-after'], 'a refusal that may pass says when to try again');

  const traceId = keysOf(first)[0].split('/')[0];
  const trace = await server.get(`/api/v1/traces/${traceId}`);
  assert.equal(trace.status, 200);
  assert.deepEqual(spansOf([trace.body]).spans, spansOf([first]).spans);
  assert.ok((await server.search('{ resource.service.name = "filler" }')).traces.length > 0);

  rmSync(ballast);
  let recovered = 0;
  const deadline = Date.now() + 30_000;
  while (recovered < 5 && Date.now() < deadline) {
    const request = bigRequest();
    const { status } = await server.send(request);
    if (status === 200) {
      keysOf(request).forEach((key) => acknowledged.add(key));
      recovered += 1;
    } else {
      await new Promise((resolve) => { setTimeout(resolve, 200); });
    }
  }
  assert.equal(recovered, 5, `no recovery within 30 s: ${server.err}`);
  assert.equal((await server.stop()).code, 0, server.err);

  const check = run(['check', data]);
  assert.equal(check.code, 0, check.out + check.err);
  const { seen } = spansOf(parseLines(run(['export', '--data', data]).out));
  for (const key of acknowledged) assert.equal(seen.get(key), 1, `span ${key}`);
});
