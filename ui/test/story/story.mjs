// Deterministic traces of the login story as OTLP/JSON, to post to a server: a browser, a back end and two account services, with DNS failures, time-outs at 6 s, suspended
// customers, lost parents, a skewed clock and two releases.

export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const kKind = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 };

export function attribute(key, value) {
  if (typeof value === "boolean") return { key, value: { boolValue: value } };
  if (Number.isInteger(value)) return { key, value: { intValue: String(value) } };
  if (typeof value === "number") return { key, value: { doubleValue: value } };
  if (Array.isArray(value)) return { key, value: { arrayValue: { values: value.map((v) => attribute("", v).value) } } };
  return { key, value: { stringValue: String(value) } };
}

const attributes = (map) => Object.entries(map).map(([k, v]) => attribute(k, v));

// One trace being written. Times in milliseconds after its start.
export class TraceWriter {
  constructor(rng, startMs, traceId) {
    this.rng = rng;
    this.startNs = BigInt(Math.round(startMs * 1000)) * 1000n;
    this.traceId = traceId ?? this.hex(32);
    this.groups = new Map(); // resource key -> {resource, spans}
  }

  hex(length) {
    let text = "";
    while (text.length < length) text += Math.floor(this.rng() * 0xffffffff).toString(16).padStart(8, "0");
    return text.slice(0, length);
  }

  nano(ms) {
    return String(this.startNs + BigInt(Math.round(ms * 1e6)));
  }

  span(resource, { name, kind = "internal", parent = "", at, for: length, error, attrs = {}, events = [], skew = 0, drop = false }) {
    const spanId = this.hex(16);
    if (drop) return spanId; // made, and lost on the way
    const key = JSON.stringify(resource);
    let group = this.groups.get(key);
    if (!group) this.groups.set(key, (group = { resource, spans: [] }));
    group.spans.push({
      traceId: this.traceId,
      spanId,
      ...(parent ? { parentSpanId: parent } : {}),
      name,
      kind: kKind[kind],
      startTimeUnixNano: this.nano(at + skew),
      endTimeUnixNano: this.nano(at + length + skew),
      attributes: attributes(attrs),
      ...(events.length
        ? { events: events.map((e) => ({ name: e.name, timeUnixNano: this.nano(e.at + skew), attributes: attributes(e.attrs ?? {}) })) }
        : {}),
      status: error === undefined ? {} : { code: 2, ...(error ? { message: error } : {}) },
    });
    return spanId;
  }

  toOtlp() {
    return {
      resourceSpans: [...this.groups.values()].map(({ resource, spans }) => ({
        resource: { attributes: attributes(resource) },
        scopeSpans: [{ scope: { name: "login-story", version: "1.0" }, spans }],
      })),
    };
  }
}

export const kSquads = [
  { name: "Product", tribe: "Gaming", services: ["product-web"] },
  { name: "Backend", tribe: "Gaming", services: ["session-api"] },
  { name: "Account", tribe: "Identity", services: ["account-oauth", "account-legacy"] },
];

const kLegacySkewMs = 48;

function resources(version, rng) {
  return {
    web: { "service.name": "product-web", "service.namespace": "Product", "service.version": "1.9", "telemetry.sdk.language": "webjs", "browser.language": rng() < 0.5 ? "en" : "de" },
    api: { "service.name": "session-api", "service.namespace": "Backend", "service.version": version, "host.name": `api-${1 + Math.floor(rng() * 3)}`, "telemetry.sdk.language": "cpp" },
    oauth: { "service.name": "account-oauth", "service.namespace": "Account", "service.version": "3.0", "host.name": `oauth-${1 + Math.floor(rng() * 2)}`, "telemetry.sdk.language": "nodejs" },
    legacy: { "service.name": "account-legacy", "service.namespace": "Account", "service.version": "12.4", "host.name": "legacy-1", "telemetry.sdk.language": "cpp" },
  };
}

function browserEvents(at, length, hidden) {
  const names = ["fetchStart", "domainLookupStart", "domainLookupEnd", "connectStart", "secureConnectionStart", "connectEnd", "requestStart", "responseStart", "responseEnd"];
  // The connection costs what it costs; the rest of the time is the wait.
  const setup = Math.min(1, length / 60);
  const ms = [0, 0.4, 3.1, 3.1, 6.5, 11, 11.3].map((v) => v * setup);
  const times = [...ms, length - 2.2 * setup, length - 0.3 * setup];
  return names
    .map((name, i) => ({ name, at: at + times[i] }))
    .filter((e) => !hidden || e.name === "fetchStart" || e.name === "responseEnd");
}

// The C++ client's call, with its phases as child spans.
function tracedCall(t, resource, { parent, at, length, host, path, fault, status, attrs = {} }) {
  const failed = fault === "dns" || fault === "timeout" || status >= 400;
  const message = fault === "dns" ? "could not resolve account.example: no answer in 3 tries" : fault === "timeout" ? "no answer within 6000 ms" : "";
  const client = t.span(resource, {
    name: "POST", kind: "client", parent, at, for: length,
    ...(failed ? { error: message } : {}),
    attrs: {
      "http.request.method": "POST", "server.address": host, "server.port": 443, "url.full": `https://${host}${path}`,
      ...(status ? { "http.response.status_code": status } : {}),
      ...(fault ? { "error.type": fault === "dns" ? "dns_timeout" : "timeout" } : status >= 400 ? { "error.type": String(status) } : {}),
      ...attrs,
    },
  });
  const fresh = fault === "dns" || t.rng() < 0.35;
  let now = at + 0.05;
  if (fresh) {
    const dns = fault === "dns" ? length - 0.2 : 1 + t.rng() * 8;
    const connecting = dns + 6;
    const getconn = t.span(resource, { name: "http.getconn", kind: "client", parent: client, at: now, for: fault === "dns" ? dns : connecting + 9, attrs: { "server.address": host, "http.conn.reused": false } });
    t.span(resource, {
      name: "http.dns", kind: "client", parent: getconn, at: now, for: dns,
      ...(fault === "dns" ? { error: "SERVFAIL after 3 tries" } : {}),
      attrs: { "server.address": host, "http.dns.tries": fault === "dns" ? 3 : 1, ...(fault === "dns" ? {} : { "http.dns.addrs": "10.20.0.7" }) },
    });
    if (fault === "dns") return { client, serverAt: 0, serverFor: 0 };
    now += dns;
    t.span(resource, { name: "http.connect", kind: "client", parent: getconn, at: now, for: 6, attrs: { "http.remote": "10.20.0.7:443" } });
    now += 6;
    t.span(resource, { name: "http.tls", kind: "client", parent: getconn, at: now, for: 9, attrs: { "tls.protocol.version": "1.3", "tls.resumed": false } });
    now += 9;
  }
  t.span(resource, { name: "http.send", kind: "client", parent: client, at: now, for: 0.3 });
  now += 0.3;
  if (fault === "timeout") return { client, serverAt: now + 4, serverFor: 0 };
  const receive = 0.6;
  t.span(resource, { name: "http.receive", kind: "client", parent: client, at: at + length - receive, for: receive });
  const wire = 3 + t.rng() * 2;
  return { client, serverAt: now + wire, serverFor: Math.max(0.4, at + length - receive - now - wire * 2) };
}

const kFeatures = ["bonus", "history", "limits"];

export function loginTrace(rng, startMs, { fault = null, version = "1.1", lostParent = false, hidden = false, traceId } = {}) {
  const t = new TraceWriter(rng, startMs, traceId);
  const r = resources(version, rng);
  const customer = 10000 + Math.floor(rng() * 89999);
  const oauth = 18 + rng() * 60 + (rng() < 0.06 ? 250 * rng() : 0);
  const legacy = 14 + rng() * 30;
  const call = fault === "timeout" ? 6000 : fault === "dns" ? 1500 + rng() * 3100 : oauth + 22;
  const api = call + 6 + rng() * 4;
  const failed = fault !== null;
  const total = 8 + legacy + 22 + api + 30;
  const root = t.span(r.web, {
    name: "POST /login", at: 0, for: total,
    attrs: { "http.route": "/login", "session.feature": kFeatures[Math.floor(rng() * 3)], "customer.kind": fault === "suspended" ? "suspended" : "regular", "url.path": "/login" },
  });
  const to_legacy = t.span(r.web, {
    name: "HTTP POST", kind: "client", parent: root, at: 4, for: legacy + 14,
    attrs: { "http.request.method": "POST", "url.full": "https://legacy.account.example/session", "server.address": "legacy.account.example", "http.response.status_code": 200 },
    events: browserEvents(4, legacy + 14, hidden),
  });
  const legacy_server = t.span(r.legacy, {
    name: "POST /session", kind: "server", parent: to_legacy, at: 4 + 8, for: legacy, skew: kLegacySkewMs,
    attrs: { "http.request.method": "POST", "http.route": "/session", "url.path": "/session", "http.response.status_code": 200, "b3.sampled": true },
  });
  t.span(r.legacy, { name: "SELECT sessions", kind: "client", parent: legacy_server, at: 4 + 10, for: legacy * 0.6, skew: kLegacySkewMs, attrs: { "db.system": "oracle", "db.statement": "SELECT id FROM sessions WHERE customer = ?" } });
  const at = legacy + 22;
  const to_api = t.span(r.web, {
    name: "HTTP POST", kind: "client", parent: root, at, for: api + 16,
    ...(failed ? { error: "" } : {}),
    attrs: { "http.request.method": "POST", "url.full": "https://api.example/session/transfer", "server.address": "api.example", "http.response.status_code": failed ? (fault === "suspended" ? 401 : 502) : 200 },
    events: browserEvents(at, api + 16, false),
  });
  const handler = t.span(r.api, {
    name: "POST /session/transfer", kind: "server", parent: to_api, at: at + 7, for: api, drop: lostParent,
    ...(failed && fault !== "suspended" ? { error: fault === "dns" ? "account-oauth: could not resolve account.example" : "account-oauth: no answer within 6000 ms" } : {}),
    attrs: {
      "http.request.method": "POST", "http.route": "/session/transfer", "url.path": "/session/transfer", "http.response.status_code": failed ? (fault === "suspended" ? 401 : 502) : 200,
      "transfer.customer": customer, "transfer.scopes": ["openid", "session:write"],
      ...(fault === "suspended" ? { "error.message": "unauthorized: customer lacks the scopes for an OAuth session" } : {}),
    },
    events: failed ? [{ name: "log", at: at + 7 + api - 1, attrs: { "log.severity": "ERROR", "log.body": `session transfer of customer ${customer} failed` } }] : [],
  });
  t.span(r.api, { name: "read legacy session", parent: handler, at: at + 8, for: 1.1 });
  const made = tracedCall(t, r.api, { parent: handler, at: at + 9.5, length: call, host: "account.example", path: "/oauth/token", fault: fault === "suspended" ? null : fault, status: failed ? (fault === "suspended" ? 403 : 0) : 200 });
  if (fault !== "dns" && fault !== "timeout") {
    const server = t.span(r.oauth, {
      name: "POST /oauth/token", kind: "server", parent: made.client, at: made.serverAt, for: made.serverFor,
      ...(fault === "suspended" ? { error: "" } : {}),
      attrs: { "http.request.method": "POST", "http.route": "/oauth/token", "url.path": "/oauth/token", "http.response.status_code": fault === "suspended" ? 403 : 200, "customer.state": fault === "suspended" ? "suspended" : "active" },
    });
    t.span(r.oauth, { name: "SELECT customers", kind: "client", parent: server, at: made.serverAt + 1, for: made.serverFor * 0.4, attrs: { "db.system": "postgresql", "db.name": "account", "server.address": "pg.account" } });
    t.span(r.oauth, {
      name: "check scopes", parent: server, at: made.serverAt + 1.2 + made.serverFor * 0.4, for: made.serverFor * 0.3,
      ...(fault === "suspended" ? { error: `customer ${customer} lacks scope session:write` } : {}),
      attrs: { "oauth.scopes": "openid session:write" },
      events: fault === "suspended"
        ? [{ name: "exception", at: made.serverAt + 1.3 + made.serverFor * 0.6, attrs: { "exception.type": "InsufficientScope", "exception.message": `customer ${customer} lacks scope session:write`, "exception.stacktrace": "at checkScopes (scopes.js:41)\n  at issueToken (token.js:88)" } }]
        : [],
    });
  }
  return t;
}

// A small background job with another shape, so that the map and the services have more to show.
function refreshTrace(rng, startMs, version) {
  const t = new TraceWriter(rng, startMs);
  const r = resources(version, rng);
  const length = 6 + rng() * 40;
  const handler = t.span(r.api, { name: "GET /feature/:name", kind: "server", at: 0, for: length + 9, attrs: { "http.request.method": "GET", "http.route": "/feature/:name", "http.response.status_code": 200 } });
  const made = tracedCall(t, r.api, { parent: handler, at: 2, length: length + 4, host: "account.example", path: "/oauth/refresh", status: 200 });
  t.span(r.oauth, { name: "POST /oauth/refresh", kind: "server", parent: made.client, at: made.serverAt, for: made.serverFor, attrs: { "http.route": "/oauth/refresh", "http.response.status_code": 200 } });
  return t;
}

// `count` traces over the range, newest last. The first half by session-api 1.0, then 1.1 (fewer DNS failures).
export function loginStory({ seed = 7, startMs, endMs, count = 600 }) {
  const rng = random(seed);
  const traces = [];
  for (let i = 0; i < count; i++) {
    const at = startMs + ((i + rng() * 0.8) / count) * (endMs - startMs);
    const released = i >= count / 2;
    const version = released ? "1.1" : "1.0";
    if (rng() < 0.3) {
      traces.push(refreshTrace(rng, at, version).toOtlp());
      continue;
    }
    const dice = rng();
    const dns = released ? 0.01 : 0.05;
    const fault = dice < 0.03 ? "suspended" : dice < 0.03 + dns ? "dns" : dice < 0.055 + dns ? "timeout" : null;
    traces.push(loginTrace(rng, at, { fault, version, lostParent: rng() < 0.01, hidden: rng() < 0.3 }).toOtlp());
  }
  return traces;
}

// A shop whose context is lost on the way to a ledger: one call in ten is continued. Nobody owns the ledger; the
// shop's team is named by its resource. Version 2 of the shop brings an error of its own, and its client tells
// the phases of its calls by timing attributes.
export function brokenCalls({ startMs, endMs, count = 20 }) {
  const rng = random(23);
  const traces = [];
  for (let i = 0; i < count; i++) {
    const at = startMs + ((i + 0.5) / count) * (endMs - startMs);
    const released = i >= count / 2;
    const shop = { "service.name": "shop", team: "Payments", "service.version": released ? "2" : "1", "host.name": "shop-1" };
    const ledger = { "service.name": "ledger", "host.name": "ledger-1" };
    const refused = released && i % 4 === 0;
    const t = new TraceWriter(rng, at, i === count - 1 ? kLedgerTraceId : undefined);
    const handler = t.span(shop, { name: "POST /order", kind: "server", at: 0, for: 40, attrs: { "http.route": "/order" }, ...(refused ? { error: "order refused by the new ledger rules" } : {}) });
    const call = t.span(shop, {
      name: "POST", kind: "client", parent: handler, at: 3, for: 32,
      attrs: {
        "http.request.method": "POST", "server.address": "ledger.example", "url.full": "https://ledger.example/entries",
        "http.dns.duration_ms": 2.5, "http.connect.duration_ms": 3, "http.tls.duration_ms": 6, "http.wait.duration_ms": 20,
      },
    });
    const continued = i % 10 === 9;
    const server = continued ? t : new TraceWriter(rng, at);
    server.span(ledger, { name: "POST /entries", kind: "server", parent: continued ? call : "", at: 16, for: 14, attrs: { "http.route": "/entries" } });
    traces.push(t.toOtlp());
    if (!continued) traces.push(server.toOtlp());
  }
  return traces;
}

// A fan-out of `count` spans in one trace, eight deep.
export function hugeTrace({ seed = 11, startMs, count, traceId }) {
  const rng = random(seed);
  const t = new TraceWriter(rng, startMs, traceId);
  const services = Array.from({ length: 12 }, (_, i) => ({ "service.name": `shard-${String(i).padStart(2, "0")}`, "service.namespace": ["Search", "Index", "Storage"][i % 3], "host.name": `h${i}` }));
  const open = [{ id: t.span(services[0], { name: "rebuild index", kind: "server", at: 0, for: 60_000 }), at: 0, end: 60_000, depth: 0 }];
  const names = ["read page", "merge", "GET /segment", "decode", "write page", "fsync", "compact run"];
  for (let i = 1; i < count; i++) {
    const parent = open[Math.floor(rng() * rng() * open.length)];
    const at = parent.at + rng() * (parent.end - parent.at) * 0.9;
    const length = Math.min((parent.end - at) * (0.1 + rng() * 0.8), 4000);
    const id = t.span(services[(parent.depth * 5 + i) % 12], {
      name: names[i % names.length], kind: i % 5 === 0 ? "client" : "internal", parent: parent.id, at, for: length,
      ...(rng() < 0.004 ? { error: "checksum mismatch" } : {}),
      attrs: { "segment.id": i, "segment.tier": i % 4 },
    });
    if (parent.depth < 8 && open.length < 5000 && length > 1) open.push({ id, at, end: at + length, depth: parent.depth + 1 });
  }
  return t.toOtlp();
}

const kAttacks = [
  "<script>globalThis.__pwned=1</script>",
  "<img src=x onerror=\"globalThis.__pwned=1\">",
  "\"><svg onload=globalThis.__pwned=1>",
  "javascript:globalThis.__pwned=1",
  "{{constructor.constructor('globalThis.__pwned=1')()}}",
  "' onmouseover='globalThis.__pwned=1",
  "\u202eevil\u202c \u0000\u0007\u001b[31m",
  "__proto__",
  "<style>*{display:none}</style>",
  "</textarea><iframe srcdoc='<script>parent.__pwned=1</script>'>",
];

// Every string of the trace is an attempt to break out of the page.
export function hostileTrace({ startMs, traceId }) {
  const rng = random(3);
  const t = new TraceWriter(rng, startMs, traceId);
  let parent = "";
  kAttacks.forEach((attack, i) => {
    const resource = { "service.name": attack, "service.namespace": kAttacks[(i + 1) % kAttacks.length], "service.version": attack, "host.name": attack };
    parent = t.span(resource, {
      name: attack, kind: i % 2 ? "client" : "server", parent, at: i, for: 40 - i * 2, error: attack,
      attrs: { [attack]: attack, "http.route": attack, "url.full": "javascript:globalThis.__pwned=1", "http.url": attack },
      events: [{ name: attack, at: i + 1, attrs: { [attack]: attack, "exception.type": attack, "exception.message": attack } }],
    });
  });
  return t.toOtlp();
}

export const kLedgerTraceId = "1ed9e400000000000000000000000001";
export const kBigTraceId = "b16b00000000000000000000000000b1";
export const kHostileTraceId = "badbadbadbadbadbadbadbadbadbad01";
export const kLostTraceId = "1057000000000000000000000000aaaa";
export const kDnsTraceId = "d25d0000000000000000000000000001";
export const kTimeoutTraceId = "71e00700000000000000000000000001";
export const kSuspendedTraceId = "5a5bed00000000000000000000000001";
export const kHealthyTraceId = "4ea17400000000000000000000000001";

// Single journeys with known ids, near the end of the range.
export function namedTraces(endMs) {
  const make = (traceId, seed, options) => loginTrace(random(seed), endMs - 60_000 + seed * 1000, { traceId, ...options }).toOtlp();
  return [
    make(kHealthyTraceId, 1, {}),
    make(kSuspendedTraceId, 2, { fault: "suspended" }),
    make(kDnsTraceId, 3, { fault: "dns" }),
    make(kTimeoutTraceId, 4, { fault: "timeout" }),
    make(kLostTraceId, 5, { lostParent: true, hidden: true }),
  ];
}
