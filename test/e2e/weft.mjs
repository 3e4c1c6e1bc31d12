// What the black-box tests share: the binary as a child process on free ports, a temporary
// directory, OTLP/JSON spans, and their comparison. Node 20 alone, no packages.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
export const sourceDir = path.resolve(here, '../..');
export const weft = process.env.WEFT_BINARY ?? path.join(sourceDir, 'build/weft');
if (!existsSync(weft)) throw new Error(`there is no ${weft}; set WEFT_BINARY or run ./dev build`);

const running = new Set();
const directories = [];
process.on('exit', () => {
  running.forEach((child) => child.kill('SIGKILL'));
  // After the tests' own hooks, so that no server still writes and nothing is mounted.
  for (const dir of directories) rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});

// A directory that is removed when the test program ends.
export function temporaryDir(_t, prefix = 'weft-e2e-') {
  const dir = mkdtempSync(path.join(process.env.WEFT_TEST_TMP ?? tmpdir(), prefix));
  directories.push(dir);
  return dir;
}

// Bookmarks of imports, for all of a test program: never the user's own, and gone at its end.
const stateDir = temporaryDir();

// Runs `weft` to its end: { code, out, err }.
export function run(args, options = {}) {
  const result = spawnSync(weft, args, {
    encoding: 'utf8', maxBuffer: 1 << 30, timeout: 300_000, ...options,
    env: { ...process.env, NO_COLOR: '1', WEFT_STATE_DIR: stateDir, ...options.env },
  });
  // A test may kill the command with a time-out of its own.
  if (result.error && !(options.timeout && result.error.code === 'ETIMEDOUT')) throw result.error;
  return { code: result.status, signal: result.signal, out: result.stdout, err: result.stderr };
}

// Runs `weft` to its end and gives each line of its output, parsed, to `take`: for what does not fit
// into one string. { code, err }; rejects with what `take` throws.
export async function eachLine(args, take) {
  const child = spawn(weft, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', WEFT_STATE_DIR: stateDir },
  });
  running.add(child);
  let err = '';
  child.stderr.on('data', (chunk) => { err += chunk; });
  const closed = once(child, 'close');
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (line !== '') take(JSON.parse(line));
    }
  } finally {
    child.kill();  // nothing is left to kill unless `take` threw
    running.delete(child);
  }
  const [code] = await closed;
  return { code, err };
}

export class Server {
  // Started with any free ports; ready when this resolves. Ended with the test.
  static async start(t, data, args = [], { wrapper = [] } = {}) {
    const server = new Server();
    await server.launch(data, args, wrapper);
    t.after(() => server.kill());
    return server;
  }

  async launch(data, args, wrapper) {
    const command = [...wrapper, weft, 'serve', '--data', data, '--otlp-grpc', '127.0.0.1:0',
      '--otlp-http', '127.0.0.1:0', '--http', '127.0.0.1:0',
      ...(args.includes('--zipkin') ? [] : ['--zipkin', 'off']), ...args];
    this.child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.child);
    this.err = '';
    this.child.stderr.on('data', (chunk) => { this.err = (this.err + chunk).slice(-20_000); });
    this.exited = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        running.delete(this.child);
        resolve({ code, signal });
      });
    });
    this.ready = await Promise.race([
      new Promise((resolve) => {
        createInterface({ input: this.child.stdout }).once('line', resolve);
      }),
      this.exited.then(({ code, signal }) => {
        throw new Error(`weft serve ended with ${code ?? signal} before it was ready:\n${this.err}`);
      }),
    ]);
    const [, grpc, otlp, api] = this.ready.match(
      /^weft ready otlp-grpc=(\S+) otlp-http=(\S+) http=(\S+)/) ?? [];
    assert.ok(api, `the ready line is wrong: ${this.ready}`);
    const [, zipkin] = this.ready.match(/ zipkin=(\S+)/) ?? [];
    Object.assign(this, {
      grpc, otlp: `http://${otlp}`, api: `http://${api}`, zipkin: zipkin && `http://${zipkin}`,
    });
  }

  async stop() {
    this.child.kill('SIGTERM');
    return this.exited;
  }

  async kill() {
    this.child.kill('SIGKILL');
    return this.exited;
  }

  // Posts an ExportTraceServiceRequest; { status, body }.
  send(request) {
    return post(`${this.otlp}/v1/traces`, JSON.stringify(request));
  }

  async get(pathAndQuery, headers = {}) {
    const answer = await fetch(this.api + pathAndQuery, { headers });
    const text = await answer.text();
    let body = text;
    try { body = JSON.parse(text); } catch { /* not JSON: the text itself */ }
    return { status: answer.status, type: answer.headers.get('content-type'), body };
  }

  async search(q, parameters = {}) {
    const { status, body } = await this.get(
      `/api/v1/search?${new URLSearchParams({ q, ...parameters })}`);
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

// As fetch, but an error of the connection is { status: 0 }: for tests that kill the server.
export function post(url, body, type = 'application/json') {
  return new Promise((resolve) => {
    const request = http.request(url, {
      method: 'POST', agent, headers: { 'content-type': type, 'content-length': Buffer.byteLength(body) },
    }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({
        status: response.statusCode, headers: response.headers,
        body: Buffer.concat(chunks).toString(),
      }));
      response.on('error', () => resolve({ status: 0, body: '' }));
    });
    request.on('error', () => resolve({ status: 0, body: '' }));
    request.setTimeout(30_000, () => request.destroy());
    request.end(body);
  });
}

export const hex = (bytes) => randomBytes(bytes).toString('hex');

// What a span of the given id says: derived from the id, so that any span read back can be
// checked without keeping what was sent.
export function makeSpan(traceId, spanId, parentSpanId, startNs) {
  const digest = createHash('sha256').update(traceId + spanId).digest();
  return {
    traceId, spanId, ...(parentSpanId ? { parentSpanId } : {}),
    name: `op-${digest[0] % 20}`, kind: 1 + (digest[1] % 5),
    startTimeUnixNano: String(startNs), endTimeUnixNano: String(startNs + BigInt(digest.readUInt32LE(2))),
    attributes: [
      { key: 'check', value: { stringValue: digest.toString('hex') } },
      { key: 'n', value: { intValue: String(digest.readUInt32LE(6)) } },
      { key: 'share', value: { doubleValue: digest[10] / 256 } },
      { key: 'even', value: { boolValue: digest[11] % 2 === 0 } },
    ],
    events: digest[12] % 4 === 0
      ? [{ name: 'retry', timeUnixNano: String(startNs + 5n), attributes: [] }] : [],
    status: digest[13] % 10 === 0 ? { code: 2, message: `failed ${digest[14]}` } : {},
  };
}

export function requestOf(service, spans) {
  return {
    resourceSpans: [{
      resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] },
      scopeSpans: [{ scope: { name: 'e2e', version: '1' }, spans }],
    }],
  };
}

export const nowNs = () => BigInt(Date.now()) * 1_000_000n;

function canonicalValue(value = {}) {
  if (value.stringValue !== undefined) return ['string', value.stringValue];
  if (value.boolValue !== undefined) return ['bool', value.boolValue];
  if (value.intValue !== undefined) return ['int', String(value.intValue)];
  if (value.doubleValue !== undefined) return ['double', Number(value.doubleValue)];
  if (value.bytesValue !== undefined) return ['bytes', value.bytesValue];
  if (value.arrayValue) return ['array', (value.arrayValue.values ?? []).map(canonicalValue)];
  if (value.kvlistValue) return ['kvlist', canonicalAttributes(value.kvlistValue.values)];
  return ['none'];
}

// Attributes have no order, and of a key that stands twice the first counts.
export function canonicalAttributes(attributes = []) {
  const seen = new Map();
  for (const { key, value } of attributes) if (!seen.has(key)) seen.set(key, canonicalValue(value));
  return [...seen].sort(([a], [b]) => (a < b ? -1 : 1));
}

function canonicalSpan(span, resource, scope, resourceSchema, scopeSchema) {
  return {
    traceId: span.traceId.toLowerCase(), spanId: span.spanId.toLowerCase(),
    parentSpanId: (span.parentSpanId ?? '').toLowerCase(), traceState: span.traceState ?? '',
    flags: span.flags ?? 0, name: span.name ?? '', kind: span.kind ?? 0,
    start: String(span.startTimeUnixNano ?? 0), end: String(span.endTimeUnixNano ?? 0),
    attributes: canonicalAttributes(span.attributes),
    dropped: [span.droppedAttributesCount ?? 0, span.droppedEventsCount ?? 0,
      span.droppedLinksCount ?? 0],
    events: (span.events ?? []).map((event) => ({
      time: String(event.timeUnixNano ?? 0), name: event.name ?? '',
      attributes: canonicalAttributes(event.attributes),
      dropped: event.droppedAttributesCount ?? 0,
    })),
    links: (span.links ?? []).map((link) => ({
      traceId: link.traceId, spanId: link.spanId, traceState: link.traceState ?? '',
      attributes: canonicalAttributes(link.attributes),
    })),
    status: [span.status?.code ?? 0, span.status?.message ?? ''],
    resource: canonicalAttributes(resource?.attributes), resourceSchema: resourceSchema ?? '',
    scope: [scope?.name ?? '', scope?.version ?? '', canonicalAttributes(scope?.attributes)],
    scopeSchema: scopeSchema ?? '',
  };
}

// "traceId/spanId" -> the span in a form that compares; `seen` counts how often each stood there.
export function spansOf(requests) {
  const spans = new Map();
  const seen = new Map();
  for (const request of requests) {
    for (const rs of request.resourceSpans ?? []) {
      for (const ss of rs.scopeSpans ?? []) {
        for (const span of ss.spans ?? []) {
          const key = `${span.traceId}/${span.spanId}`.toLowerCase();
          seen.set(key, (seen.get(key) ?? 0) + 1);
          if (seen.get(key) === 1) {
            spans.set(key, canonicalSpan(span, rs.resource, ss.scope, rs.schemaUrl, ss.schemaUrl));
          }
        }
      }
    }
  }
  return { spans, seen };
}

export const parseLines = (text) =>
  text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));
