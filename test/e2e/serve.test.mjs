// weft serve from outside: the names that others rely on, and how it starts and ends.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import {
  hex, makeSpan, nowNs, parseLines, post, requestOf, run, Server, spansOf, temporaryDir, weft,
} from './weft.mjs';

function smallTrace() {
  const traceId = hex(16), root = hex(8), start = nowNs();
  const spans = [makeSpan(traceId, root, undefined, start)];
  for (let i = 1; i <= 4; i += 1) {
    spans.push(makeSpan(traceId, hex(8), root, start + BigInt(i * 1000)));
  }
  return { traceId, request: requestOf('shop', spans), spans };
}

test('what is acknowledged can be found at once, and comes back equal', async (t) => {
  const server = await Server.start(t, temporaryDir(t));
  const { traceId, request } = smallTrace();
  const answer = await server.send(request);
  assert.equal(answer.status, 200, answer.body);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.deepEqual(JSON.parse(answer.body).partialSuccess, undefined);

  const trace = await server.get(`/api/v1/traces/${traceId}`);
  assert.equal(trace.status, 200);
  assert.match(trace.type, /^application\/json/);
  assert.deepEqual(spansOf([trace.body]).spans, spansOf([request]).spans);

  const found = await server.search('{ resource.service.name = "shop" }');
  assert.equal(found.traces.length, 1);
  const [first] = found.traces;
  assert.equal(first.traceId, traceId);
  assert.equal(first.rootServiceName, 'shop');
  assert.equal(first.rootTraceName, request.resourceSpans[0].scopeSpans[0].spans[0].name);
  assert.equal(first.spanCount, 5);
  assert.equal(typeof first.durationMs, 'number');
  assert.equal(first.spanSet.matched, 5);
  assert.ok(Array.isArray(first.spanSet.spans));
  assert.equal(found.limitReached, false);
  assert.ok(found.inspected.spans >= 5);
});

test('health, readiness, metrics, and a trace that is not there', async (t) => {
  const server = await Server.start(t, temporaryDir(t));
  assert.equal((await server.get('/healthz')).status, 200);
  assert.equal((await server.get('/readyz')).status, 200);
  assert.match((await server.get('/metrics')).body, /^# (HELP|TYPE) /m);
  const missing = await server.get(`/api/v1/traces/${hex(16)}`);
  assert.equal(missing.status, 404);
  assert.equal(missing.body.error.code, 'not_found');
});

test('promtool accepts the metrics of a server that has spans', async (t) => {
  if (spawnSync('promtool', ['--version']).status !== 0) {
    t.skip('promtool is not installed (Debian package prometheus)');
    return;
  }
  const server = await Server.start(t, temporaryDir(t));
  assert.equal((await server.send(smallTrace().request)).status, 200);
  const { body } = await server.get('/metrics');
  assert.match(body, /^weft_ingest_spans_total 5$/m);
  const check = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
  assert.equal(check.status, 0, check.stdout + check.stderr);
});

test('SIGTERM ends with 0 and loses nothing; the same directory goes on', async (t) => {
  const dir = temporaryDir(t);
  const first = await Server.start(t, dir);
  const { traceId, request } = smallTrace();
  assert.equal((await first.send(request)).status, 200);
  assert.deepEqual(await first.stop(), { code: 0, signal: null });

  const check = run(['check', dir]);
  assert.equal(check.code, 0, check.out + check.err);
  const second = await Server.start(t, dir);
  const trace = await second.get(`/api/v1/traces/${traceId}`);
  assert.deepEqual(spansOf([trace.body]).spans, spansOf([request]).spans);
});

test('a request under way is finished before the end', async (t) => {
  const server = await Server.start(t, temporaryDir(t));
  const sent = [];
  let going = true;
  const client = async () => {
    while (going) {
      const { traceId, request } = smallTrace();
      const { status } = await server.send(request);
      if (status === 200) sent.push(traceId);
      if (status === 0) return;
    }
  };
  const clients = [client(), client(), client()];
  await new Promise((resolve) => { setTimeout(resolve, 300); });
  const { code } = await server.stop();
  going = false;
  await Promise.all(clients);
  assert.equal(code, 0, server.err);
  assert.ok(sent.length > 0);
  const dir = server.child.spawnargs[server.child.spawnargs.indexOf('--data') + 1];
  const exported = run(['export', '--data', dir]);
  assert.equal(exported.code, 0, exported.err);
  const { spans } = spansOf(parseLines(exported.out));
  const stored = new Set([...spans.values()].map((span) => span.traceId));
  for (const id of sent) assert.ok(stored.has(id), `trace ${id} was acknowledged and is lost`);
});

test('a second server on the same directory is refused with a reason', async (t) => {
  const dir = temporaryDir(t);
  await Server.start(t, dir);
  const second = run(['serve', '--data', dir, '--otlp-grpc', '127.0.0.1:0', '--otlp-http',
    '127.0.0.1:0', '--http', '127.0.0.1:0', '--zipkin', 'off']);
  assert.equal(second.code, 3);
  assert.match(second.err, new RegExp(dir));
  assert.equal(second.out, '');
});

test('a taken port is named', async (t) => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => { taken.once('listening', resolve); });
  t.after(() => taken.close());
  const { port } = taken.address();
  for (const flag of ['--otlp-grpc', '--otlp-http', '--http']) {
    const args = ['serve', '--data', temporaryDir(t), '--zipkin', 'off'];
    for (const name of ['--otlp-grpc', '--otlp-http', '--http']) {
      args.push(name, `127.0.0.1:${name === flag ? port : 0}`);
    }
    const refused = run(args);
    assert.equal(refused.code, 3, refused.err);
    assert.match(refused.err, new RegExp(String(port)));
    assert.equal(refused.out, '');
  }
});

test("Zipkin's default address, taken, keeps no server from starting", async (t) => {
  // Whoever has it: this, or another process on this machine.
  const taken = net.createServer().listen(9411, '127.0.0.1');
  await new Promise((resolve) => { taken.once('listening', resolve).once('error', resolve); });
  t.after(() => taken.close());
  const server = await Server.start(t, temporaryDir(t), ['--zipkin', '127.0.0.1:9411']);
  assert.match(server.ready, /^weft ready otlp-grpc=\S+ otlp-http=\S+ http=\S+$/);
  assert.match(server.err, /9411/);
  assert.equal((await server.get('/readyz')).status, 200);
});

test('an address that others can reach needs tokens or --insecure', (t) => {
  const refused = run(['serve', '--data', temporaryDir(t), '--http', '0.0.0.0:0', '--otlp-http',
    '127.0.0.1:0', '--otlp-grpc', '127.0.0.1:0', '--zipkin', 'off']);
  assert.equal(refused.code, 2, refused.err);
  assert.match(refused.err, /--insecure/);
});

test('tokens for sending and for asking are separate', async (t) => {
  const dir = temporaryDir(t);
  const ingest = path.join(dir, 'ingest'), query = path.join(dir, 'query');
  writeFileSync(ingest, 'send-secret-0123456789\n', { mode: 0o600 });
  writeFileSync(query, 'ask-secret-0123456789\n', { mode: 0o600 });
  const server = await Server.start(t, path.join(dir, 'data'), ['--ingest-token-file', ingest,
    '--query-token-file', query]);
  const { traceId, request } = smallTrace();
  assert.equal((await server.send(request)).status, 401);
  assert.equal((await server.get(`/api/v1/traces/${traceId}`)).status, 401);
  const file = path.join(dir, 'a.jsonl');
  writeFileSync(file, `${JSON.stringify(request)}\n`);
  const imported = run(['import', file, '--url', server.api, '--token-file', query,
    '--ingest-token-file', ingest]);
  assert.equal(imported.code, 0, imported.err);
  assert.equal(run(['trace', traceId, '--url', server.api]).code, 3);
  assert.equal(run(['trace', traceId, '--url', server.api, '--token-file', ingest]).code, 3);
  assert.equal(run(['trace', traceId, '--url', server.api, '--token-file', query]).code, 0);
});

test('a configuration file, and mistakes in it', async (t) => {
  const dir = temporaryDir(t);
  const file = path.join(dir, 'weft.yaml');
  writeFileSync(file, 'listen:\n  zipkin: off\nstore:\n  block_spans: 5000\n');
  const server = await Server.start(t, path.join(dir, 'data'), ['--config', file]);
  assert.equal((await server.get('/readyz')).status, 200);
  writeFileSync(file, 'listen:\n  zipkn: off\n');
  const refused = run(['serve', '--config', file]);
  assert.equal(refused.code, 2, refused.err);
  assert.match(refused.err, /weft\.yaml:2/);
  assert.match(refused.err, /zipkin/);
});

test('the memory of a query is that of the command line', async (t) => {
  const server = await Server.start(t, temporaryDir(t), ['--query-memory', '100']);
  assert.equal((await server.send(smallTrace().request)).status, 200);
  const refused = await server.get(`/api/v1/search?q=${encodeURIComponent('{ }')}`);
  assert.equal(refused.status, 422);
  assert.match(refused.body.error.message, /--query-memory/);
});

test('metrics and logs are answered honestly', async (t) => {
  const server = await Server.start(t, temporaryDir(t));
  const logs = { resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'x' } }] }] }] };
  const answer = await post(`${server.otlp}/v1/logs`, JSON.stringify(logs));
  assert.equal(answer.status, 200);
  assert.equal(String(JSON.parse(answer.body).partialSuccess.rejectedLogRecords), '1');
});

test('serves without standard descriptors, as some who start services leave it', async (t) => {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  await new Promise((resolve) => { probe.close(resolve); });
  const dir = path.join(temporaryDir(t), 'data');
  const child = spawn('sh', ['-c', 'exec "$0" "$@" <&- >&- 2>&-', weft, 'serve', '--data', dir,
    '--http', `127.0.0.1:${port}`, '--otlp-http', '127.0.0.1:0', '--otlp-grpc', 'off',
    '--zipkin', 'off', '--exit-with-parent'], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const ready = async () => (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => ({}))).ok;
  while (child.exitCode === null && !(await ready())) {
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
  child.kill('SIGTERM');
  assert.deepEqual(await exited, [0, null]);
  assert.match(run(['check', dir]).out, /: sound; /);
});
