// Plays the whole login story at speed with a fixed seed and holds what Weft has of it against the
// ground truth. Needs build/weft and the demonstration's services (./dev build), haproxy and openssl.
// WEFT_BINARY and WEFT_DEMO_BIN say where the programs are.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { failingCauses } from '../driver/plan.mjs';
import { claim } from '../lib/ports.mjs';
import { Story } from '../story.mjs';
import { Tap } from './tap.mjs';
import { orphansOf, spansOf } from './spans.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const weft = resolve(process.env.WEFT_BINARY ?? join(here, '../../build/weft'));
const bin = process.env.WEFT_DEMO_BIN ?? '';
const run = promisify(execFile);
const has = (program) => {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
};
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

// The acts are short, but time-outs keep their length: a healthy call on a busy machine must not meet one.
const SPEED = 1;
const JOURNEYS = Number(process.env.WEFT_STORY_JOURNEYS ?? 60);
const CAST = 10; // processes: Weft, names, vendor, two balancers, four services, the driver
const SERVICES = ['account-legacy', 'account-oauth', 'product-web', 'session-api'];

// The spans of a trace once these services are in it and every parent has come, or what there is after
// a while: exporters send in batches, each at its own time.
async function settled(story, traceId, services) {
  for (let attempt = 0; ; ++attempt) {
    const spans = await story.get(`/api/v1/traces/${traceId}`).then(spansOf, () => []);
    const whole = services.every((service) => spans.some((span) => span.service === service)) && orphansOf(spans).length === 0;
    if (whole || attempt >= 60) return spans;
    await pause(250);
  }
}

const missing = [weft, 'haproxy', 'openssl', 'setpriv'].filter((program) => !(existsSync(program) || has(program)));

describe('the login story', { skip: missing.length > 0 ? `not here: ${missing.join(', ')}` : false, timeout: 600_000 }, () => {
  const work = mkdtempSync(join(tmpdir(), 'weft-story-'));
  const tap = new Tap();
  const ends = [];
  let seenInActOne = []; // services
  let requestsInActOne = 0;
  const story = new Story({
    weft, bin, work, data: join(work, 'data'), speed: SPEED, seed: 42,
    shares: { suspended: 0.12, dns: 0.12, timeout: 0.1 },
    tap: (name, port) => tap.stand(name, port),
    onExit: (name, how) => ends.push(`${name}: ${how}`),
  });
  const traces = new Map(); // trace id -> spans
  const arrived = (traceId, services) => settled(story, traceId, services);

  before(async () => {
    await story.start();
    for (const act of [1, 2, 3, 4, 5]) {
      // One of session-api's three exporters is down for an act: nobody else may feel it.
      if (act === 3) await fetch(`http://127.0.0.1:${story.vendorPort}/down`, { method: 'POST' });
      if (act === 4) await fetch(`http://127.0.0.1:${story.vendorPort}/up`, { method: 'POST' });
      await story.play(act, { journeys: JOURNEYS, rate: 12 });
      if (act !== 1) continue;
      requestsInActOne = tap.requests.length;
      for (let i = 0; i < 60 && seenInActOne.length < 3; ++i) {
        await pause(250);
        seenInActOne = (await story.get('/api/v1/services')).services.map(({ service }) => service).sort();
      }
    }
    for (const line of story.truth()) traces.set(line.traceId, await arrived(line.traceId, line.act > 1 ? SERVICES : ['product-web']));
  });
  after(async () => {
    await story.stop();
    tap.close();
    rmSync(work, { recursive: true, force: true });
  });

  const journeysOf = (act) => story.truth().filter((line) => line.act === act);
  const rootOf = (line) => traces.get(line.traceId).find((span) => span.name === 'login journey');

  test('nothing of the cast ended by itself', () => assert.deepEqual(ends, []));

  test('the ground truth joins the traces, act by act', () => {
    console.log('act  journeys  traced  failed  dns  timeout  suspended  (failed by cause)');
    for (const act of [1, 2, 3, 4, 5]) {
      const lines = journeysOf(act);
      assert.equal(lines.length, JOURNEYS);
      const failed = lines.filter((line) => line.failed);
      const by = (cause) => failed.filter((line) => line.causes.includes(cause)).length;
      const traced = lines.filter((line) => rootOf(line));
      console.log(`${act}    ${String(lines.length).padEnd(8)}  ${String(traced.length).padEnd(6)}  ${String(failed.length).padEnd(6)}  ${String(by('dns')).padEnd(3)}  ${String(by('timeout')).padEnd(7)}  ${by('suspended')}`);
      assert.equal(traced.length, lines.length, `act ${act}: every journey has its root span`);
      for (const line of lines) {
        assert.equal(line.failed, line.expectedToFail, `act ${act} journey ${line.journey} (${line.causes}): ${line.message}`);
        assert.equal(rootOf(line).failed, line.failed, `act ${act} journey ${line.journey}: the root span says so`);
      }
      for (const cause of ['dns', 'timeout', 'suspended']) {
        const met = lines.filter((line) => line.causes.includes(cause));
        assert.ok(met.length > 0, `act ${act} has journeys with ${cause}`);
        if (!failingCauses(act).includes(cause)) {
          assert.ok(met.filter((line) => line.causes.length === 1).every((line) => !line.failed), `act ${act}: ${cause} is healed`);
        }
      }
    }
  });

  test('as found, the browser and the back end do not share traces and account-legacy is dark', () => {
    for (const line of journeysOf(1)) {
      assert.deepEqual([...new Set(traces.get(line.traceId).map((span) => span.service))], ['product-web']);
    }
    assert.deepEqual(seenInActOne, ['account-oauth', 'product-web', 'session-api']);
    const requests = tap.requests.slice(0, requestsInActOne).filter(({ to, path }) => to === 'session-api' && path !== '/healthz');
    assert.ok(requests.length >= JOURNEYS);
    assert.ok(requests.every(({ headers }) => headers.traceparent === undefined), 'the browser sends no traceparent');
  });

  test('joined, one trace crosses four services with unbroken parents', () => {
    for (const act of [2, 3, 4, 5]) {
      const lines = journeysOf(act);
      const whole = lines.filter((line) => {
        const spans = traces.get(line.traceId);
        return SERVICES.every((service) => spans.some((span) => span.service === service)) && orphansOf(spans).length === 0;
      });
      assert.ok(whole.length >= 0.99 * lines.length, `act ${act}: ${whole.length} of ${lines.length}`);
    }
  });

  test('the lookup shows its tries and why it failed', () => {
    for (const act of [2, 3, 4, 5]) {
      for (const line of journeysOf(act).filter((candidate) => candidate.causes.includes('dns'))) {
        const lookups = traces.get(line.traceId).filter((span) => span.name === 'http.dns' && span.attributes['http.dns.timeouts'] > 0);
        assert.equal(lookups.length, 1, `act ${act} journey ${line.journey}`);
        const [lookup] = lookups;
        const outcomes = lookup.events.map((event) => event.attributes['dns.try.outcome']);
        if (act === 2) {
          assert.deepEqual(outcomes, ['timeout']);
          assert.equal(lookup.attributes['error.type'], 'timeout');
          assert.ok(lookup.failed);
        } else {
          assert.deepEqual(outcomes, ['timeout', 'NOERROR']);
          assert.ok(!lookup.failed);
        }
      }
    }
  });

  test('connections show their connect and TLS phases', () => {
    const spans = journeysOf(2).flatMap((line) => traces.get(line.traceId));
    const tls = spans.filter((span) => span.name === 'http.tls');
    assert.ok(tls.length > 0);
    assert.ok(tls.every((span) => ['1.3', '1.2'].includes(span.attributes['tls.protocol.version'])));
    assert.ok(spans.some((span) => span.name === 'http.connect'));
    assert.ok(spans.some((span) => span.name === 'http.getconn' && span.attributes['http.conn.reused'] === true));
  });

  test('a call that hangs marks the wait for the first byte', () => {
    for (const line of journeysOf(2).filter(({ causes }) => causes.length === 1 && causes[0] === 'timeout')) {
      const call = traces.get(line.traceId).find((span) => span.name === 'POST /oauth/token' && span.kind === 3);
      assert.ok(call, `journey ${line.journey}`);
      assert.equal(call.attributes['error.type'], 'timeout.wait');
      assert.equal(call.attributes['http.failed_phase'], 'wait');
    }
  });

  test('a suspended customer finds the reason on the span', () => {
    for (const line of journeysOf(2).filter(({ causes }) => causes.length === 1 && causes[0] === 'suspended')) {
      const transfer = traces.get(line.traceId).find((span) => span.name === 'POST /session/transfer' && span.kind === 2);
      assert.match(transfer.attributes['error.message'], /lacks the minimum scopes/);
      assert.equal(transfer.attributes['account.state'], 'suspended');
      assert.ok(transfer.failed);
    }
  });

  test('every query of README.md finds traces', async () => {
    const queries = readFileSync(join(here, '../README.md'), 'utf8').match(/^ {4}\{.*\}$/gm).map((line) => line.trim());
    assert.ok(queries.length >= 8, `${queries.length} queries`);
    for (const query of queries) {
      const { traces: found } = await story.get(`/api/v1/search?limit=5&q=${encodeURIComponent(query)}`);
      assert.ok(found.length > 0, query);
    }
  });

  test('releases are seen at their time', async () => {
    const { releases } = await story.get('/api/v1/releases');
    const first = (service) => releases.filter((release) => release.service === service)
      .sort((a, b) => (BigInt(a.firstSeenUnixNano) < BigInt(b.firstSeenUnixNano) ? -1 : 1)).map((release) => release.version);
    assert.deepEqual(first('session-api'), ['1.0', '1.1', '1.2']);
    assert.deepEqual(first('product-web'), ['1.9', '2.0']);
    assert.deepEqual(first('account-oauth'), ['3.0', '3.1']);
  });

  test('W3C headers are on every hop, with the ids of the spans', () => {
    const joined = new Map(journeysOf(2).map((line) => [line.traceId, traces.get(line.traceId)]));
    const hops = new Map();
    for (const request of tap.requests.slice(requestsInActOne)) {
      assert.match(request.headers.traceparent ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-9a-f]$/, `${request.to} ${request.path}`);
    }
    for (const request of tap.requests) {
      const parent = /^00-([0-9a-f]{32})-([0-9a-f]{16})-0[0-9a-f]$/.exec(request.headers.traceparent ?? '');
      if (!parent || !joined.has(parent[1])) continue;
      hops.set(request.to, (hops.get(request.to) ?? 0) + 1);
      assert.ok(joined.get(parent[1]).some((span) => span.spanId === parent[2] && span.kind === 3),
        `${request.to} ${request.path}: the parent ${parent[2]} is a client span of the trace`);
      if (request.to.startsWith('account-')) assert.match(request.headers.b3 ?? '', /^[0-9a-f]{32}-[0-9a-f]{16}-1$/);
    }
    for (const service of ['session-api', 'account-oauth', 'account-legacy']) {
      assert.ok(hops.get(service) >= JOURNEYS, `${service}: ${hops.get(service)} requests with a traceparent`);
    }
  });

  test('no password, token or cookie reaches a span, and no telemetry names a fault', async () => {
    const file = join(work, 'export.jsonl');
    await run(weft, ['export', '--url', `http://${story.addresses.http}`, '--output', file], { maxBuffer: 1 << 26 });
    const everything = readFileSync(file, 'utf8') + readFileSync(join(work, 'session-api-spans.jsonl'), 'utf8');
    assert.ok(everything.length > 100_000);
    for (const secret of [/Hunter2-/, /x-demo-fault/i, /legacy_session=/, /oauth_access/, /accessToken/, /eyJ/]) {
      assert.doesNotMatch(everything, secret);
    }
  });

  test('three exporters at once, and one in trouble harms neither the others nor the requests', async () => {
    const received = await (await fetch(`http://127.0.0.1:${story.vendorPort}/received`)).json();
    assert.ok(received.requests > 0 && received.refused > 0, JSON.stringify(received));
    assert.equal(received.unauthorised, 0);
    const inFile = new Set(readFileSync(join(work, 'session-api-spans.jsonl'), 'utf8').split('\n').filter(Boolean)
      .flatMap((line) => spansOf(JSON.parse(line))).map((span) => span.spanId));
    for (const line of journeysOf(3)) {
      for (const span of traces.get(line.traceId).filter(({ service }) => service === 'session-api')) {
        assert.ok(inFile.has(span.spanId), 'what Weft has, the file has');
      }
    }
  });

  test('session-api logs one structured line a request, with the ids of its span', () => {
    const lines = readFileSync(join(work, 'session-api.log'), 'utf8').split('\n')
      .filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    assert.ok(lines.length > JOURNEYS);
    const known = journeysOf(5).map((line) => line.traceId);
    const mine = lines.filter((line) => known.includes(line.trace_id));
    assert.ok(mine.length >= known.length);
    for (const line of mine) {
      assert.ok(traces.get(line.trace_id).some((span) => span.spanId === line.span_id));
    }
  });

  test('a real Prometheus scrapes session-api', { skip: has('prometheus') ? false : 'prometheus is not installed' }, async (t) => {
    const config = join(work, 'prometheus.yml');
    writeFileSync(config, `global: {scrape_interval: 1s}
scrape_configs:
  - job_name: session-api
    static_configs: [{targets: ['127.0.0.1:${story.ports['session-api']}']}]
`);
    const port = await claim(0, 'prometheus');
    await story.children.start('prometheus', 'prometheus', [`--config.file=${config}`, `--storage.tsdb.path=${join(work, 'prometheus')}`,
      `--web.listen-address=127.0.0.1:${port}`], { log: join(work, 'prometheus.log') });
    t.after(() => story.children.stop('prometheus'));
    const query = encodeURIComponent('sum(http_server_request_duration_seconds_count{http_route="/session/transfer"})');
    let value = 0;
    for (let attempt = 0; attempt < 60 && !(value > 0); ++attempt) {
      await pause(500);
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${query}`).then((r) => r.json()).catch(() => null);
      value = Number(answer?.data?.result?.[0]?.value?.[1] ?? 0);
    }
    assert.ok(value > 0, 'the histogram of the transfers arrived');
  });

  test('a real Chromium logs in as two customers, and both traces reach account-oauth', { skip: existsSync('/usr/bin/chromium') ? false : 'chromium is not installed', timeout: 120_000 }, async () => {
    const { chromium } = await import('playwright-core');
    const browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
    });
    try {
      const page = await browser.newPage();
      const complaints = [];
      page.on('pageerror', (error) => complaints.push(error.message));
      for (const [customer, expected] of [['c1001', /Hello, c1001/], ['c1002s', /suspended/]]) {
        await page.goto(`http://${story.addresses.web}/`);
        await page.fill('#customer', customer);
        await page.fill('#password', 'Hunter2-browser');
        await page.click('button[type=submit]');
        await page.waitForFunction(() => document.getElementById('outcome').textContent !== '');
        assert.match(await page.textContent('#outcome'), expected);
        const traceId = await page.getAttribute('#outcome', 'data-trace-id');
        await page.evaluate(() => window.weftDemo.flush());
        const spans = await arrived(traceId, SERVICES);
        assert.deepEqual([...new Set(spans.map((span) => span.service))].sort(), SERVICES);
        assert.deepEqual(orphansOf(spans).map((span) => span.name), []);
      }
      assert.deepEqual(complaints, []);
    } finally {
      await browser.close();
    }
  });
});

describe('run.mjs', { skip: missing.length > 0 ? `not here: ${missing.join(', ')}` : false, timeout: 120_000 }, () => {
  const base = ['--weft', weft, ...(bin ? ['--bin', bin] : []), '--port-http', '0', '--port-otlp-http', '0',
    '--port-otlp-grpc', '0', '--port-zipkin', '0', '--port-web', '0'];

  test('a taken port is a clear message', async () => {
    const taken = createServer();
    await new Promise((done) => { taken.listen(0, '127.0.0.1', done); });
    const { port } = taken.address();
    const result = await run(process.execPath, [join(here, '../run.mjs'), ...base, '--port-http', String(port)])
      .then(() => ({ code: 0, stderr: '' }), (error) => error);
    taken.close();
    assert.equal(result.code, 1);
    assert.match(result.stderr, new RegExp(`port ${port} \\(http\\) is taken`));
  });

  test('the cast ends when its parent is killed', async (t) => {
    const work = mkdtempSync(join(tmpdir(), 'weft-killed-'));
    const parent = spawn(process.execPath, [join(here, '../run.mjs'), ...base, '--act', '2', '--journeys', '5', '--rate', '5', '--speed', '5'],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TMPDIR: work } });
    t.after(() => {
      parent.kill('SIGKILL');
      rmSync(work, { recursive: true, force: true });
    });
    parent.stdout.resume();
    // All of the cast inherits TMPDIR, whatever its arguments are.
    const commandOfTheCast = (pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`TMPDIR=${work}\0`)) return '';
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return ''; // it has ended since
      }
    };
    const children = () => readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== parent.pid)
      .map(commandOfTheCast).filter((command) => command !== '');
    for (let i = 0; i < 600 && children().length < CAST; ++i) await pause(100);
    assert.ok(children().length >= CAST, children().join('\n'));
    parent.kill('SIGKILL');
    for (let i = 0; i < 150 && children().length > 0; ++i) await pause(100);
    assert.deepEqual(children(), []);
  });
});
