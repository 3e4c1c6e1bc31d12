// One browser of the load: plays the journey of the login page (product-web/page/app.mjs) over HTTP
// and makes the telemetry that the OpenTelemetry web SDK makes there: a document load, the journey's
// span and a fetch span with network events for each request.
import http from 'node:http';
import { between, hexId, pick } from '../lib/seeded.mjs';

const USER_AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
];

// Wall-clock nanoseconds as a BigInt, finer than Date.now.
const origin = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
const nowNs = () => origin + process.hrtime.bigint();

const attribute = (key, value) => ({
  key,
  value: typeof value === 'number' ? { intValue: value } : typeof value === 'boolean' ? { boolValue: value } : { stringValue: value },
});
const attributes = (object) => Object.entries(object).map(([key, value]) => attribute(key, value));

export class Browser {
  #plan;
  #options;
  #spans = [];
  #cookies = new Map();

  // options: { url (of product-web), version, propagates, agent }
  constructor(plan, options) {
    this.#plan = plan;
    this.#options = options;
  }

  #span(name, kind, parentSpanId, start, end, extra = {}) {
    const span = {
      traceId: extra.traceId ?? this.#plan.traceId,
      spanId: extra.spanId ?? hexId(this.#plan.random, 8),
      ...(parentSpanId ? { parentSpanId } : {}),
      flags: 257,
      name,
      kind,
      startTimeUnixNano: String(start),
      endTimeUnixNano: String(end),
      attributes: attributes(extra.attributes ?? {}),
      droppedAttributesCount: 0,
      events: extra.events ?? [],
      droppedEventsCount: 0,
      status: extra.status ?? { code: 0 },
      links: [],
      droppedLinksCount: 0,
    };
    this.#spans.push({ scope: extra.scope, span });
    return span;
  }

  async #request(method, path, headers, body) {
    return new Promise((resolve) => {
      const started = nowNs();
      const marks = { fetchStart: started, requestStart: started };
      const target = new URL(path, this.#options.url);
      const request = http.request(target, {
        method,
        agent: this.#options.agent,
        headers: {
          ...(body ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } : {}),
          ...(this.#cookies.size > 0 ? { cookie: [...this.#cookies].map(([k, v]) => `${k}=${v}`).join('; ') } : {}),
          'user-agent': this.userAgent,
          ...headers,
        },
      }, (response) => {
        marks.responseStart = nowNs();
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => { text += chunk; });
        response.on('end', () => {
          marks.responseEnd = nowNs();
          for (const line of response.headers['set-cookie'] ?? []) {
            const [pair] = line.split(';');
            this.#cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
          }
          let answer = {};
          try { answer = JSON.parse(text); } catch { /* shown as an empty answer */ }
          resolve({ status: response.statusCode, ok: response.statusCode < 400, answer, marks, target });
        });
      });
      request.on('socket', (socket) => {
        marks.domainLookupStart = marks.domainLookupEnd = marks.connectStart = nowNs();
        if (socket.connecting) socket.once('connect', () => { marks.connectEnd = marks.requestStart = nowNs(); });
        else marks.connectEnd = marks.requestStart = nowNs();
      });
      request.on('error', (error) => {
        marks.responseEnd = nowNs();
        resolve({ status: 0, ok: false, answer: { message: error.message }, error, marks, target });
      });
      request.setTimeout(60_000, () => request.destroy(new Error('timed out')));
      request.end(body);
    });
  }

  // One fetch of the page with its span, as instrumentation-fetch makes it.
  async #fetch(parentSpanId, method, path, { body, faults = [] } = {}) {
    const spanId = hexId(this.#plan.random, 8);
    const headers = {};
    if (this.#options.propagates) headers.traceparent = `00-${this.#plan.traceId}-${spanId}-01`;
    if (faults.length > 0) headers['x-demo-fault'] = faults.join(',');
    const start = nowNs();
    const result = await this.#request(method, path, headers, body && JSON.stringify(body));
    const order = ['fetchStart', 'domainLookupStart', 'domainLookupEnd', 'connectStart', 'connectEnd', 'requestStart', 'responseStart', 'responseEnd'];
    this.#span(method, 3, parentSpanId, start, nowNs(), {
      spanId,
      scope: '@opentelemetry/instrumentation-fetch',
      attributes: {
        component: 'fetch',
        'http.request.method': method,
        'url.full': String(result.target),
        'server.address': result.target.hostname,
        'server.port': Number(result.target.port),
        ...(result.status ? { 'http.response.status_code': result.status } : {}),
        ...(result.ok ? {} : { 'error.type': result.status ? String(result.status) : 'TypeError' }),
      },
      events: order.filter((name) => result.marks[name] !== undefined).map((name) => ({
        name, timeUnixNano: String(result.marks[name]), attributes: [], droppedAttributesCount: 0,
      })),
      status: result.ok ? { code: 0 } : { code: 2 },
    });
    return result;
  }

  #documentLoad() {
    const traceId = hexId(this.#plan.random, 16);
    const start = nowNs();
    const loadNs = BigInt(Math.floor(between(this.#plan.random, 40, 400) * 1e6));
    const root = this.#span('documentLoad', 1, '', start, start + loadNs, {
      traceId, scope: '@opentelemetry/instrumentation-document-load',
      attributes: { 'url.full': `${this.#options.url}/`, 'user_agent.original': this.userAgent },
    });
    this.#span('documentFetch', 1, root.spanId, start, start + loadNs / 3n, {
      traceId, scope: '@opentelemetry/instrumentation-document-load',
      attributes: { 'url.full': `${this.#options.url}/`, 'http.response.status_code': 200 },
    });
  }

  // Plays the journey. Resolves with { failed, message }.
  async play() {
    this.userAgent = pick(this.#plan.random, USER_AGENTS);
    this.#documentLoad();
    const rootId = hexId(this.#plan.random, 8);
    const start = nowNs();
    const outcome = await this.#journey(rootId);
    this.#span('login journey', 1, '', start, nowNs(), {
      spanId: rootId,
      scope: 'product-web',
      attributes: { 'enduser.id': this.#plan.customer, 'journey.outcome': outcome.failed ? 'failed' : 'ok' },
      status: outcome.failed ? { code: 2, message: outcome.message } : { code: 0 },
    });
    return outcome;
  }

  async #journey(rootId) {
    const { customer, password, faults } = this.#plan;
    const login = await this.#fetch(rootId, 'POST', '/api/login', { body: { customer, password } });
    if (!login.ok) return { failed: true, message: login.answer.message ?? 'log-in failed' };
    const transfer = await this.#fetch(rootId, 'POST', '/api/session/transfer', { body: {}, faults });
    if (transfer.ok && Number(this.#options.version) >= 2 && transfer.answer.accountState === 'suspended') {
      return { failed: false, message: 'the journey for suspended customers' };
    }
    const feature = await this.#fetch(rootId, 'GET', '/api/features/recommendations');
    if (feature.ok) return { failed: false, message: 'logged in' };
    return { failed: true, message: transfer.answer.message ?? feature.answer.message ?? 'recommendations are not available' };
  }

  // What the page would export: one ResourceSpans in OTLP/JSON form.
  takeTelemetry() {
    const scopes = new Map();
    for (const { scope, span } of this.#spans) {
      if (!scopes.has(scope)) scopes.set(scope, []);
      scopes.get(scope).push(span);
    }
    this.#spans = [];
    return {
      resource: {
        attributes: attributes({
          'service.name': 'product-web',
          'service.version': this.#options.version,
          'service.namespace': 'Product',
          'telemetry.sdk.name': 'opentelemetry',
          'telemetry.sdk.language': 'webjs',
          'telemetry.sdk.version': '2.12.0',
          'user_agent.original': this.userAgent,
        }),
        droppedAttributesCount: 0,
      },
      scopeSpans: [...scopes].map(([name, spans]) => ({ scope: { name }, spans })),
    };
  }
}
