// Clients that nobody here wrote: Zipkin's own library sends a trace with ids of 64 bits that every
// API then finds, and Prometheus scrapes the server and computes what Grafana asks of it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Server, temporaryDir } from '../e2e/weft.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

// Asks until the answer is there; what was said last is the error when it never comes.
async function until(what, ask) {
  const end = Date.now() + 120_000;
  let last;
  for (;;) {
    try {
      last = await ask();
      if (last) return last;
    } catch (error) { last = error; }
    if (Date.now() > end) throw new Error(`${what} did not come: ${last?.stack ?? last}`);
    await wait(200);
  }
}

async function sendWithZipkin(server) {
  const sender = spawnSync('node', [path.join(here, 'clients/send.cjs')], {
    encoding: 'utf8', timeout: 120_000, env: { ...process.env, ZIPKIN_URL: server.zipkin },
  });
  assert.equal(sender.status, 0, sender.stderr);
  const id = sender.stdout.trim();
  assert.match(id, /^[0-9a-f]{16}$/);
  return id;
}

test("Zipkin's JavaScript library", { timeout: 300_000 }, async (t) => {
  const server = await Server.start(t, path.join(temporaryDir(t), 'data'), ['--zipkin', '127.0.0.1:0']);
  const id = await sendWithZipkin(server);
  const ask = async (base, at) => (await fetch(base + at)).json();

  await t.test('Zipkin finds it, on both of its addresses', async () => {
    for (const base of [server.zipkin, server.api, `${server.api}/zipkin`]) {
      const spans = await ask(base, `/api/v2/trace/${id}`);
      const byService = new Map(spans.map((span) => [span.localEndpoint.serviceName, span]));
      const shop = byService.get('shop'), stock = byService.get('stock');
      assert.equal(spans.length, 2);
      assert.deepEqual([shop.traceId, stock.traceId], [id, id], 'the id of 64 bits is kept');
      assert.deepEqual([shop.kind, stock.kind], ['CLIENT', 'SERVER']);
      assert.deepEqual([stock.parentId, stock.id], [shop.id, 'b3b3b3b3b3b3b3b3']);
      assert.equal(shop.tags['http.path'], '/stock');
      assert.equal(stock.tags.error, 'shelf is empty');
      assert.deepEqual(stock.annotations.map((a) => a.value), ['shelf found']);
      assert.deepEqual(await ask(base, '/api/v2/services'), ['shop', 'stock']);
      assert.deepEqual(await ask(base, '/api/v2/spans?serviceName=stock'), ['read shelf']);
      const found = await ask(base, '/api/v2/traces?serviceName=shop&annotationQuery=http.path=/stock');
      assert.deepEqual(found.map((trace) => trace[0].traceId), [id]);
      const [edge, ...more] = await ask(base, `/api/v2/dependencies?endTs=${Date.now() + 60_000}`);
      assert.deepEqual([edge.parent, edge.child, edge.callCount, more], ['shop', 'stock', 1, []]);
    }
  });

  await t.test('so do Jaeger, Tempo and TraceQL', async () => {
    const jaeger = await ask(server.api, `/api/traces/${id}`);
    assert.equal(jaeger.data[0].spans.length, 2);
    const tempo = await ask(server.api, `/api/v2/traces/${id}`);
    assert.equal(tempo.trace.resourceSpans.length, 2);
    const { traces } = await server.search('{ kind = client } > { kind = server && status = error }');
    assert.deepEqual(traces.map((trace) => trace.traceId), [`0000000000000000${id}`]);
  });
});

async function freePort() {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => { listener.once('listening', resolve); });
  const { port } = listener.address();
  await new Promise((resolve) => { listener.close(resolve); });
  return port;
}

// Prometheus cannot say which port it took: another one is tried when somebody was faster.
async function startPrometheus(t, dir, target) {
  const config = path.join(dir, 'prometheus.yml');
  writeFileSync(config, `scrape_configs:
  - job_name: weft
    scrape_interval: 500ms
    scrape_timeout: 500ms
    static_configs: [{targets: ['${target}']}]
`);
  for (let round = 0; ; ++round) {
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn('prometheus', [`--config.file=${config}`, `--web.listen-address=${address}`,
      `--storage.tsdb.path=${path.join(dir, `tsdb-${round}`)}`], { stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '', exited = false;
    child.stderr.on('data', (chunk) => { err = (err + chunk).slice(-20_000); });
    const ended = new Promise((resolve) => { child.once('exit', () => { exited = true; resolve(); }); });
    t.after(async () => { child.kill('SIGKILL'); await ended; });
    try {
      await until('Prometheus', async () => {
        if (exited) return 'ended';
        return (await fetch(`http://${address}/-/ready`)).ok;
      });
      if (!exited) return `http://${address}`;
    } catch (error) { throw new Error(`${error.message}\n${err}`); }
    if (round === 4) throw new Error(`Prometheus does not start:\n${err}`);
  }
}

test('Prometheus', { timeout: 600_000 }, async (t) => {
  if (spawnSync('prometheus', ['--version']).status !== 0) {
    t.skip('prometheus is not installed');
    return;
  }
  const dir = temporaryDir(t);
  const server = await Server.start(t, path.join(dir, 'data'), ['--zipkin', '127.0.0.1:0']);
  await sendWithZipkin(server);
  const prometheus = await startPrometheus(t, dir, server.api.replace('http://', ''));
  const query = async (text) => {
    const answer = await (await fetch(
      `${prometheus}/api/v1/query?${new URLSearchParams({ query: text })}`)).json();
    assert.equal(answer.status, 'success', JSON.stringify(answer));
    return answer.data.result;
  };
  const labels = ({ metric: { __name__, instance, job, ...rest } }) => rest;

  const calls = await until('a scrape', async () => {
    const result = await query('traces_spanmetrics_calls_total{service="stock"}');
    return result.length > 0 && result;
  });
  assert.deepEqual(calls.map(labels), [{
    service: 'stock', span_name: 'read shelf', span_kind: 'SPAN_KIND_SERVER',
    status_code: 'STATUS_CODE_ERROR',
  }]);
  assert.equal(calls[0].value[1], '1');
  // As Grafana asks for a service's latency, and for the edges of its service graph.
  const [p95] = await query('histogram_quantile(0.95, sum by (le) (traces_spanmetrics_latency_bucket))');
  assert.ok(Number(p95.value[1]) > 0, p95.value[1]);
  for (const name of ['request_total', 'request_failed_total', 'request_server_seconds_count']) {
    const [edge, ...more] = await query(`traces_service_graph_${name}`);
    // An empty connection_type is no label to Prometheus.
    assert.deepEqual(labels(edge), { client: 'shop', server: 'stock' }, name);
    assert.deepEqual([edge.value[1], more], ['1', []], name);
  }
  const [bucket] = await query('traces_service_graph_request_server_seconds_bucket{le="+Inf"}');
  assert.equal(bucket.value[1], '1');
  const [up] = await query('up{job="weft"}');
  assert.equal(up.value[1], '1');
});
