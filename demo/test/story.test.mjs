// Plays the whole login story at speed with a fixed seed and holds what Weft has of it against the
// ground truth. Needs build/weft and the demonstration's services (./dev build), haproxy and openssl.
// WEFT_BINARY and WEFT_DEMO_BIN say where the programs are.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
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

// The spans of a trace once these services are in it, every parent has come and, where services are
// joined, every call has something below it (the other side, or the phase in which it failed); or what
// there is after a while: exporters send in batches, each at its own time.
// `elsewhere`: ids of parents that nobody sends. `enough`: whether what the test looks at is there; a span
// can arrive before those below it, when they ended on another thread.
async function settled(story, traceId, services, elsewhere = [], enough = () => true) {
  const joined = services.includes('session-api');
  for (let attempt = 0; ; ++attempt) {
    const spans = await story.get(`/api/v1/traces/${traceId}`).then(spansOf, () => []);
    const whole = services.every((service) => spans.some((span) => span.service === service))
      && orphansOf(spans).every((span) => elsewhere.includes(span.parentSpanId))
      && elsewhere.every((id) => spans.some((span) => span.parentSpanId === id))
      && (!joined || spans.filter((span) => span.kind === 3 && !span.name.startsWith('http.'))
        .every((call) => spans.some((span) => span.parentSpanId === call.spanId)))
      && enough(spans);
    if (whole || attempt >= 60) return spans;
    await pause(250);
  }
}

const hasChromium = existsSync('/usr/bin/chromium');

// Runs `use` with a page of a real browser; what the page complains of fails the test.
async function withChromium(use) {
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
  });
  try {
    const page = await browser.newPage();
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    await use(page);
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
  }
}

// What the page says to a customer who logs in, and his trace.
async function logInByHand(story, page, customer) {
  await page.goto(`http://${story.addresses.web}/`);
  await page.fill('#customer', customer);
  await page.fill('#password', 'Hunter2-browser');
  await page.click('button[type=submit]');
  await page.waitForFunction(() => document.getElementById('outcome').textContent !== '');
  const seen = { outcome: await page.textContent('#outcome'), traceId: await page.getAttribute('#outcome', 'data-trace-id') };
  await page.evaluate(() => window.weftDemo.flush());
  return seen;
}

// A customer without a browser, who keeps cookies and whose requests are of one trace.
class Visitor {
  traceId = randomBytes(16).toString('hex');
  cookies = new Map();
  #spanIds = []; // of its requests; it sends no spans itself

  constructor(story) {
    this.story = story;
  }

  // Resolves with { status, body, set: the cookies that the answer set }.
  async ask(method, path, { body, fault } = {}) {
    const spanId = randomBytes(8).toString('hex');
    this.#spanIds.push(spanId);
    const response = await fetch(`http://${this.story.addresses.web}${path}`, {
      method,
      headers: {
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...(fault ? { 'x-demo-fault': fault } : {}),
        cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        traceparent: `00-${this.traceId}-${spanId}-01`,
      },
      body: body && JSON.stringify(body),
    });
    const set = response.headers.getSetCookie().map((line) => /^([^=]+)=([^;]*)/.exec(line).slice(1));
    for (const [name, value] of set) this.cookies.set(name, value);
    return { status: response.status, body: await response.json(), set: set.map(([name]) => name) };
  }

  logIn(customer) {
    return this.ask('POST', '/api/login', { body: { customer, password: 'Hunter2-visitor' } });
  }

  transfer(fault) {
    return this.ask('POST', '/api/session/transfer', { body: {}, fault });
  }

  // The spans of its trace once all of them are there.
  spans(services, enough) {
    return settled(this.story, this.traceId, services, this.#spanIds, enough);
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
  const times = {}; // by act: { startMs, endMs }, of all that happened in it
  let refusedInChromium = null; // { outcome, traceId }

  before(async () => {
    await story.start();
    for (const act of [1, 2, 3, 4, 5]) {
      times[act] = { startMs: Date.now() };
      // One of session-api's three exporters is down for an act: nobody else may feel it.
      if (act === 3) await fetch(`http://127.0.0.1:${story.vendorPort}/down`, { method: 'POST' });
      if (act === 4) await fetch(`http://127.0.0.1:${story.vendorPort}/up`, { method: 'POST' });
      // The last act in two parts: what is played after an act goes on where it ended.
      const parts = act === 5 ? [Math.ceil(JOURNEYS / 2), Math.floor(JOURNEYS / 2)] : [JOURNEYS];
      for (const journeys of parts) await story.play(act, { journeys, rate: 12 });
      if (act === 2 && hasChromium) {
        await withChromium(async (page) => {
          refusedInChromium = await logInByHand(story, page, 'c1003s');
          await arrived(refusedInChromium.traceId, SERVICES);
        });
      }
      times[act].endMs = Date.now();
      if (act !== 1) continue;
      requestsInActOne = tap.requests.length;
      for (let i = 0; i < 60 && seenInActOne.length < 3; ++i) {
        await pause(250);
        seenInActOne = (await story.get('/api/v1/services')).services.map(({ service }) => service).sort();
      }
    }
    await pause(1500); // three times what an exporter waits for more
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

  test('no two journeys share a trace', () => {
    assert.equal(new Set(story.truth().map((line) => line.traceId)).size, 5 * JOURNEYS);
  });

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

  test('the automatic instrumentation names the requests of account-oauth by route', () => {
    const served = journeysOf(2).flatMap((line) => traces.get(line.traceId))
      .filter((span) => span.service === 'account-oauth' && span.kind === 2);
    assert.ok(served.length > JOURNEYS);
    for (const span of served) assert.equal(span.name, `${span.attributes['http.request.method']} ${span.attributes['http.route']}`);
    assert.ok(served.some((span) => span.name === 'POST /oauth/token'));
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
    // Each is first seen in the act that released it.
    const released = { 'session-api': { '1.0': 1, 1.1: 3, 1.2: 4 }, 'product-web': { 1.9: 1, '2.0': 5 }, 'account-oauth': { '3.0': 1, 3.1: 5 } };
    for (const [service, acts] of Object.entries(released)) {
      for (const [version, act] of Object.entries(acts)) {
        const release = releases.find((candidate) => candidate.service === service && candidate.version === version);
        const seenMs = Number(BigInt(release.firstSeenUnixNano) / 1_000_000n);
        assert.ok(seenMs >= times[act].startMs && seenMs <= times[act].endMs, `${service} ${version}: first seen in act ${act}`);
      }
    }
  });

  test('the ridge at the time-out leaves the heatmap when the time-outs are tuned', async () => {
    // Calls that are given up after 6 s, in the row of the heatmap that holds 6 s.
    const q = encodeURIComponent('{ resource.service.name = "session-api" && name = "POST /oauth/token" && kind = client }');
    const counts = {};
    for (const act of [2, 3, 4, 5]) {
      const { startMs, endMs } = times[act];
      const heatmap = await story.get(`/api/v1/heatmap?q=${q}&start=${startMs}000000&end=${endMs}000000`);
      const ridge = heatmap.buckets.find(({ fromMs, toMs }) => fromMs <= 6000 && 6000 < toMs)?.index;
      counts[act] = heatmap.cells.filter(([, bucket]) => bucket === ridge).reduce((sum, [, , count]) => sum + count, 0);
      const hung = journeysOf(act).filter(({ causes }) => causes.includes('timeout') && !causes.includes('dns') && !causes.includes('suspended'));
      assert.ok(hung.length > 0);
      if (act < 4) assert.ok(counts[act] >= hung.length, `act ${act}: ${counts[act]} calls of ${hung.length} in the ridge`);
      else assert.equal(counts[act], 0, `act ${act}`);
    }
    console.log(`calls given up after 6 s, by act: ${JSON.stringify(counts)}`);
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
    // The bare values too, as they went over the wire.
    const values = new Set(tap.secrets());
    assert.ok(values.size > 2 * JOURNEYS, `${values.size} values`);
    for (const value of values) assert.ok(!everything.includes(value), 'a cookie\'s or a session\'s value');
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

  test('a real Chromium logs in as three customers, and each trace reaches account-oauth', { skip: hasChromium ? false : 'chromium is not installed', timeout: 120_000 }, async () => {
    const whole = async (traceId) => {
      const spans = await arrived(traceId, SERVICES);
      assert.deepEqual([...new Set(spans.map((span) => span.service))].sort(), SERVICES);
      assert.deepEqual(orphansOf(spans).map((span) => span.name), []);
      return spans;
    };
    await withChromium(async (page) => {
      for (const [customer, expected] of [['c1001', /Hello, c1001/], ['c1002s', /suspended/]]) {
        const { outcome, traceId } = await logInByHand(story, page, customer);
        assert.match(outcome, expected);
        const failed = (await whole(traceId)).filter((span) => span.failed);
        assert.deepEqual(failed.map((span) => span.name), []);
      }
    });
    // Before the journey for suspended customers there was, one of them was refused.
    assert.match(refusedInChromium.outcome, /lacks the minimum scopes/);
    const transfer = (await whole(refusedInChromium.traceId)).find((span) => span.name === 'POST /session/transfer' && span.kind === 2);
    assert.ok(transfer.failed);
    assert.equal(transfer.attributes['account.state'], 'suspended');
  });

  // From here on the cast is taken apart.

  test('a name server that is slow, fails or denies shows on the lookup', async (t) => {
    const setRules = (rules) => fetch(`http://127.0.0.1:${story.dns.control}/rules`, { method: 'POST', body: JSON.stringify(rules) });
    t.after(() => setRules([{ replica: 1, action: 'drop' }]));
    const cases = [
      { rules: [{ replica: 1, action: 'delay', delayMs: 250 }], outcomes: ['NOERROR'], status: 200 },
      { rules: [{ replica: 1, action: 'servfail' }], outcomes: ['SERVFAIL', 'NOERROR'], status: 200 },
      { rules: [{ action: 'servfail' }], outcomes: ['SERVFAIL', 'SERVFAIL'], status: 502 },
      { rules: [{ action: 'nxdomain' }], outcomes: ['NXDOMAIN'], status: 502 },
    ];
    for (const { rules, outcomes, status } of cases) {
      const visitor = new Visitor(story);
      assert.equal((await visitor.logIn('c1004')).status, 200);
      await setRules(rules);
      const answer = await visitor.transfer('dns');
      await setRules([]);
      // Where no replica answers, the first call without an idle connection fails: whether that is the one
      // for the tokens or the one before it is for the pool of connections to say.
      const callIn = (all) => all.find((span) => span.kind === 3
        && (status === 200 ? span.name === 'POST /oauth/token' : span.attributes['http.failed_phase'] === 'dns'));
      const lookupIn = (all) => {
        const parentOf = (span) => all.find((candidate) => candidate.spanId === span?.parentSpanId);
        const isBelow = (span) => span !== undefined && (span === callIn(all) || isBelow(parentOf(span)));
        return all.find((span) => span.name === 'http.dns' && isBelow(span));
      };
      const spans = await visitor.spans(status === 200 ? ['session-api', 'account-oauth'] : ['session-api'],
        (all) => lookupIn(all) !== undefined);
      const call = callIn(spans);
      const lookup = lookupIn(spans);
      const said = lookup.events.map((event) => event.attributes['dns.try.outcome']);
      console.log(`${JSON.stringify(rules)}: ${answer.status}, ${said}, ${lookup.attributes['error.type'] ?? 'no error'}`);
      assert.equal(answer.status, status);
      assert.deepEqual(said, outcomes);
      assert.equal(lookup.failed, status !== 200);
      if (rules[0].delayMs) assert.ok(lookup.durationMs > rules[0].delayMs * 0.9, `${lookup.durationMs} ms`);
      if (status !== 200) {
        assert.ok(call.failed);
        assert.ok(lookup.attributes['error.type'], 'the lookup says why it failed');
      }
    }
  });

  test('a token set that is about to expire is refreshed on the way of any request', async () => {
    const visitor = new Visitor(story);
    await visitor.logIn('c1005');
    assert.deepEqual((await visitor.transfer()).set, ['oauth_access', 'oauth_refresh', 'oauth_expires']);
    const fresh = await visitor.ask('GET', '/api/features/news');
    assert.deepEqual([fresh.status, fresh.set], [200, []]);

    const before = visitor.cookies.get('oauth_access');
    visitor.cookies.set('oauth_expires', String(Date.now() + 1000));
    const due = await visitor.ask('GET', '/api/features/recommendations');
    assert.deepEqual([due.status, due.set], [200, ['oauth_access', 'oauth_refresh', 'oauth_expires']]);
    assert.notEqual(visitor.cookies.get('oauth_access'), before);
    assert.ok(Number(visitor.cookies.get('oauth_expires')) > Date.now() + 15_000);

    visitor.cookies.set('oauth_expires', '0');
    visitor.cookies.set('oauth_refresh', 'of.somebody');
    const refused = await visitor.ask('GET', '/api/features/prices');
    assert.deepEqual([refused.status, refused.set], [200, []], 'the request itself is answered');

    const servedIn = (all, name) => all.find((span) => span.kind === 2 && span.attributes['feature.name'] === name);
    const callsBelow = (all, name) => all.filter((span) => span.parentSpanId === servedIn(all, name)?.spanId && span.kind === 3);
    const spans = await visitor.spans(['session-api', 'account-oauth'], (all) => servedIn(all, 'news')
      && callsBelow(all, 'recommendations').length > 0 && callsBelow(all, 'prices').length > 0);
    const served = (name) => servedIn(spans, name);
    assert.equal(served('news').attributes['oauth.refreshed'], undefined);
    assert.equal(served('recommendations').attributes['oauth.refreshed'], true);
    assert.equal(served('prices').attributes['oauth.refreshed'], false);
    for (const name of ['recommendations', 'prices']) {
      assert.deepEqual(callsBelow(spans, name).map((span) => span.name), ['POST /oauth/token'], `${name}: the refresh is a call of its own`);
    }
    assert.ok(spans.some((span) => span.service === 'account-oauth' && span.attributes['oauth.grant_type'] === 'refresh_token'));
  });

  test('an exporter that hangs, is gone or cannot write is felt by nobody', async (t) => {
    const inFile = (file) => new Set(existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean)
      .flatMap((line) => spansOf(JSON.parse(line))).map((span) => span.spanId) : []);
    const spansFile = join(work, 'session-api-spans.jsonl');
    const visit = async (customer) => {
      const visitor = new Visitor(story);
      assert.equal((await visitor.logIn(customer)).status, 200);
      assert.equal((await visitor.transfer()).status, 200);
      return visitor;
    };
    const ofSessionApi = async (visitor) => (await visitor.spans(['session-api', 'account-oauth', 'account-legacy']))
      .filter((span) => span.service === 'session-api');

    await t.test('Weft hangs for a while', async () => {
      const pid = story.children.pid('weft');
      process.kill(pid, 'SIGSTOP');
      const during = [];
      try {
        for (const customer of ['c1006', 'c1007', 'c1008']) during.push(await visit(customer));
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      for (const visitor of during) {
        const spans = await ofSessionApi(visitor);
        assert.ok(spans.some((span) => span.name === 'POST /session/transfer' && span.kind === 2), 'what waited in the queue arrives');
        const written = inFile(spansFile);
        assert.ok(spans.every((span) => written.has(span.spanId)));
      }
    });

    await t.test('the vendor is dead', async () => {
      await story.children.stop('vendor');
      const spans = await ofSessionApi(await visit('c1009'));
      assert.ok(spans.some((span) => span.name === 'POST /session/transfer' && span.kind === 2));
      for (let attempt = 0; attempt < 40 && !spans.every((span) => inFile(spansFile).has(span.spanId)); ++attempt) await pause(250);
      assert.ok(spans.every((span) => inFile(spansFile).has(span.spanId)));
    });

    await t.test('the file cannot be written', async () => {
      await story.restart('session-api', { SPANS_FILE: '/dev/full' });
      const spans = await ofSessionApi(await visit('c1010'));
      assert.ok(spans.some((span) => span.name === 'POST /session/transfer' && span.kind === 2));
      let said = '';
      for (let attempt = 0; attempt < 40 && !/\/dev\/full/.test(said); ++attempt) {
        await pause(250);
        said = readFileSync(join(work, 'session-api.log'), 'utf8');
      }
      assert.match(said, /\/dev\/full/, 'its log says so');
    });
    assert.deepEqual(ends, [], 'nothing of the cast ended by itself');
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
