// A stand-in for `weft serve`: the shapes of docs/http-api.md over a small store, beside the built page.

import { createHash } from "node:crypto";
import { readFileSync, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { encodeTracesData } from "./otlp_encode.mjs";
import { QueryError, Store } from "./store.mjs";
import { hostileTrace, hugeTrace, kBigTraceId, kHostileTraceId, kSquads, loginStory, namedTraces } from "./story.mjs";

const kCsp = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const kTypes = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json", ".map": "application/json" };
const namespaces = new Map();
const squadOf = (service) => kSquads.find((s) => s.services.includes(service)) ?? (namespaces.get(service) ? { name: namespaces.get(service), tribe: null } : undefined);
const quantile = (sorted, q) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] : 0);
const ms = (nano) => (nano == null ? null : /^\d+$/.test(nano) ? Number(nano) / 1e6 : Date.parse(nano));
const nano = (value) => `${Math.floor(value)}${String(Math.round((value % 1) * 1e6)).padStart(6, "0").slice(0, 6)}`;

function stats(durations) {
  const sorted = durations.slice().sort((a, b) => a - b);
  return { p50Ms: quantile(sorted, 0.5), p95Ms: quantile(sorted, 0.95), p99Ms: quantile(sorted, 0.99) };
}

function summary({ trace, matched }) {
  const serviceStats = Object.create(null);
  for (const s of trace.spans) {
    const entry = (serviceStats[s.service] ??= { spanCount: 0, errorCount: 0 });
    entry.spanCount++;
    if (s.status === "error") entry.errorCount++;
  }
  return {
    traceId: trace.id,
    rootServiceName: trace.root?.service ?? "<root span not received>",
    rootTraceName: trace.root?.name ?? "",
    startTimeUnixNano: String(trace.startNs),
    durationMs: trace.durationMs,
    spanCount: trace.spans.length,
    errorCount: trace.spans.filter((s) => s.status === "error").length,
    serviceStats,
    spanSet: {
      matched: matched.length,
      spans: matched.slice(0, 3).map((s) => ({ spanId: s.id, name: s.name, serviceName: s.service, startTimeUnixNano: String(s.startNs), durationMs: s.durationMs, status: s.status, attributes: [] })),
    },
  };
}

export function demoStore({ startMs, endMs, count = 600, big = 0, hostile = true }) {
  const store = new Store();
  for (const t of loginStory({ startMs, endMs, count })) store.add(t);
  for (const t of namedTraces(endMs)) store.add(t);
  if (big) store.add(hugeTrace({ startMs: endMs - 600_000, count: big, traceId: kBigTraceId }));
  if (hostile) store.add(hostileTrace({ startMs: endMs - 300_000, traceId: kHostileTraceId }));
  store.finish();
  const huge = store.traces.get(kBigTraceId);
  if (huge) huge.encoded = encodeTracesData(huge.otlp);
  for (const t of store.list) for (const s of t.spans) if (s.resource["service.namespace"]) namespaces.set(s.service, s.resource["service.namespace"]);
  return store;
}

export function emptyStore() {
  const store = new Store();
  store.finish();
  return store;
}

// Starts on 127.0.0.1; resolves to {url, close, links, requests}.
export function startMock({ store, port = 0, dist = new URL("../../dist", import.meta.url).pathname, token = "", slowMs = 0 } = {}) {
  const links = new Map();
  const requests = [];
  const api = makeApi(store, links);
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://mock");
    requests.push(`${request.method} ${request.url}`);
    try {
      if (url.pathname.startsWith("/api/v1/")) {
        if (token && request.headers.authorization !== `Bearer ${token}`) return json(response, 401, { error: { code: "unauthenticated", message: "A query token is needed: send Authorization: Bearer <token>." } });
        if (slowMs) await new Promise((done) => setTimeout(done, slowMs));
        return await api(request, response, url);
      }
      if (url.pathname.startsWith("/s/") && links.has(url.pathname.slice(3))) {
        response.writeHead(302, { Location: links.get(url.pathname.slice(3)).path }).end();
        return;
      }
      serveFile(response, dist, url.pathname);
    } catch (error) {
      if (error instanceof QueryError) return json(response, 400, { error: error.body });
      json(response, 500, { error: { code: "internal", message: String(error.stack) } });
    }
  });
  return new Promise((resolve) =>
    server.listen(port, "127.0.0.1", () =>
      resolve({
        url: `http://127.0.0.1:${server.address().port}`,
        links,
        requests,
        close: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
      }),
    ),
  );
}

function json(response, status, body) {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(JSON.stringify(body));
}

function serveFile(response, dist, path) {
  const file = join(dist, normalize(path));
  const name = extname(path) && existsSync(file) ? file : join(dist, "index.html");
  if (extname(path) && name !== file) return response.writeHead(404).end();
  const bytes = readFileSync(name);
  response.writeHead(200, { "Content-Type": kTypes[extname(name)] ?? "application/octet-stream", "Content-Security-Policy": kCsp, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer" });
  response.end(bytes);
}

function makeApi(store, links) {
  const range = (url) => ({ start: ms(url.searchParams.get("start")) ?? 0, end: ms(url.searchParams.get("end")) ?? Infinity });
  const inspected = () => ({ spans: store.list.reduce((n, t) => n + t.spans.length, 0), bytes: store.list.length * 3100, blocks: 4, blocksSkipped: 2 });
  const found = (url, fallback = "{}") => {
    const { start, end } = range(url);
    return [...store.find(url.searchParams.get("q") || fallback, start, end)];
  };
  const matchedSpans = (url, fallback) => found(url, fallback).flatMap((f) => f.matched);

  return async (request, response, url) => {
    const path = url.pathname.slice("/api/v1/".length);
    const p = url.searchParams;
    const { start, end } = range(url);
    const seconds = Number.isFinite(end) && end > start ? (end - start) / 1000 : 3600;
    const trace = /^traces\/([0-9a-f]+)$/.exec(path);
    const values = /^attributes\/(.+)\/values$/.exec(path);
    const link = /^links\/(.+)$/.exec(path);
    if (path === "config") return json(response, 200, { version: "0.1.0", otlpHttp: "http://127.0.0.1:4318", otlpGrpc: "127.0.0.1:4317", retention: {}, squads: kSquads, authRequired: false });
    if (trace) {
      const t = store.traces.get(trace[1].padStart(32, "0"));
      if (!t) return json(response, 404, { error: { code: "not_found", message: `No trace ${trace[1]} is stored.` } });
      if ((request.headers.accept ?? "").includes("protobuf")) {
        response.writeHead(200, { "Content-Type": "application/protobuf" });
        return response.end((t.encoded ??= encodeTracesData(t.otlp)));
      }
      return json(response, 200, t.otlp);
    }
    if (path === "search" || path === "search/stream") {
      const limit = Number(p.get("limit") ?? 20);
      const all = found(url);
      const traces = all.slice(0, limit).map(summary);
      const tail = { inspected: inspected(), limitReached: all.length > limit, elapsedMs: 4.2 };
      if (path === "search") return json(response, 200, { traces, ...tail });
      response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
      const send = (event, data) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      send("progress", { inspected: { ...inspected(), spans: 1000 } });
      for (let i = 0; i < traces.length; i += 8) send("traces", { traces: traces.slice(i, i + 8) });
      send("done", tail);
      return response.end();
    }
    if (path === "attributes") return json(response, 200, attributeKeys(store));
    if (values) return json(response, 200, attributeValues(store, decodeURIComponent(values[1]), p));
    if (path === "heatmap") return json(response, 200, heatmap(matchedSpans(url, "{ span:parentID = nil }"), start, end, p, inspected()));
    if (path === "service-map") return json(response, 200, { ...serviceMap(found(url), seconds), inspected: inspected() });
    if (path === "errors") return json(response, 200, { groups: errorGroups(found(url), start, end), stepMs: (end - start) / 60, inspected: inspected() });
    if (path === "services") return json(response, 200, { services: servicesOf(matchedSpans(url), start, seconds, ms(`${parseFloat(p.get("step")) || 60000}000000`)), stepMs: parseFloat(p.get("step")) || 60000, inspected: inspected() });
    if (path === "releases") return json(response, 200, { releases: releasesOf(store) });
    if (path === "metrics") return json(response, 200, rate(store, p, start, end));
    if (path === "links" && request.method === "POST") {
      let body = "";
      for await (const chunk of request) body += chunk;
      const { path: target, traceIds } = JSON.parse(body);
      const id = createHash("sha256").update(target).digest("base64url").slice(0, 10);
      links.set(id, { id, path: target, traceIds, createdUnixNano: "1" });
      return json(response, 200, { id, url: `/s/${id}` });
    }
    if (link) {
      const known = links.get(link[1]);
      return known ? json(response, 200, known) : json(response, 404, { error: { code: "not_found", message: "No such link is stored." } });
    }
    return json(response, 404, { error: { code: "not_found", message: `No endpoint ${path}` } });
  };
}

function tally(store, each) {
  const counts = new Map();
  for (const t of store.list) {
    for (const s of t.spans.slice(0, 2000)) {
      each(s, (scope, key, value) => {
        const id = `${scope}\u0000${key}\u0000${value}`;
        counts.set(id, (counts.get(id) ?? 0) + 1);
      });
    }
  }
  return counts;
}

function attributeKeys(store) {
  const types = { number: "int", string: "string", boolean: "bool" };
  const counts = tally(store, (s, add) => {
    for (const [k, v] of Object.entries(s.attrs)) add("span", k, types[typeof v]);
    for (const [k, v] of Object.entries(s.resource)) add("resource", k, types[typeof v]);
  });
  const attributes = [...counts].map(([id, spans]) => {
    const [scope, key, type] = id.split("\u0000");
    return { scope, key, type, spans };
  });
  return { attributes: attributes.sort((a, b) => b.spans - a.spans), limitReached: false };
}

function attributeValues(store, key, p) {
  const scope = p.get("scope") ?? "";
  const types = { number: "int", string: "string", boolean: "bool" };
  const intrinsic = { name: (s) => s.name, kind: (s) => s.kind, status: (s) => s.status, rootName: (s) => s.trace.root?.name, rootServiceName: (s) => s.trace.root?.service };
  const seen = new Map();
  tally(store, (s) => {
    const value = intrinsic[key] && !scope ? intrinsic[key](s) : scope === "resource" ? s.resource[key] : scope === "span" ? s.attrs[key] : (s.attrs[key] ?? s.resource[key]);
    if (value === undefined || value === null || s.startMs < (ms(p.get("start")) ?? 0) || s.startMs >= (ms(p.get("end")) ?? Infinity)) return;
    const entry = seen.get(value) ?? { value: String(value), type: key === "kind" || key === "status" ? key : types[typeof value], spans: 0 };
    entry.spans++;
    seen.set(value, entry);
  });
  const prefix = (p.get("prefix") ?? "").toLowerCase();
  const values = [...seen.values()].filter((v) => v.value.toLowerCase().startsWith(prefix)).sort((a, b) => b.spans - a.spans);
  const limit = Number(p.get("limit") ?? 100);
  return { values: values.slice(0, limit), limitReached: values.length > limit };
}

function heatmap(spans, start, end, p, inspected) {
  const columns = Number(p.get("columns") ?? 120);
  const per = Number(p.get("bucketsPerOctave") ?? 4);
  const columnMs = (end - start) / columns;
  const cells = new Map();
  const used = new Set();
  for (const s of spans) {
    const bucket = Math.floor(Math.log2(Math.max(s.durationMs * 1e6, 1)) * per);
    const key = `${Math.floor((s.startMs - start) / columnMs)}:${bucket}`;
    used.add(bucket);
    const cell = cells.get(key) ?? [Math.floor((s.startMs - start) / columnMs), bucket, 0, 0];
    cell[2]++;
    // The mock counts a trace's failure at its root, so that the picture shows the story.
    if (s.status === "error" || (!s.parent && s.trace.spans.some((x) => x.status === "error"))) cell[3]++;
    cells.set(key, cell);
  }
  const buckets = [...used].sort((a, b) => a - b).map((index) => ({ index, fromMs: 2 ** (index / per) / 1e6, toMs: 2 ** ((index + 1) / per) / 1e6 }));
  return { startUnixNano: nano(start), endUnixNano: nano(end), columnMs, bucketsPerOctave: per, buckets, cells: [...cells.values()], spans: spans.length, inspected };
}

function serviceMap(found, seconds) {
  const nodes = new Map();
  const edges = new Map();
  const node = (service, virtual) => {
    if (!nodes.has(service)) nodes.set(service, { service, squad: squadOf(service)?.name ?? null, tribe: squadOf(service)?.tribe ?? null, virtual, durations: [], errors: 0 });
    return nodes.get(service);
  };
  for (const { matched, trace } of found) {
    const children = new Map();
    for (const s of trace.spans) if (s.parent) children.set(s.parent, [...(children.get(s.parent) ?? []), s]);
    for (const s of matched) {
      const n = node(s.service, false);
      n.durations.push(s.durationMs);
      if (s.status === "error") n.errors++;
      if (s.kind !== "client" || s.name.startsWith("http.")) continue;
      const server = (children.get(s.id) ?? []).find((c) => c.kind === "server");
      const hosts = { "account.example": "account-oauth", "api.example": "session-api", "legacy.account.example": "account-legacy" };
      const to = server?.service ?? hosts[s.attrs["server.address"]] ?? s.attrs["db.system"] ?? s.attrs["server.address"];
      if (!to) continue;
      const isVirtual = !server && !hosts[s.attrs["server.address"]];
      node(to, isVirtual);
      const key = `${s.service}>${to}`;
      const e = edges.get(key) ?? { from: s.service, to, durations: [], errors: 0, continued: 0, kind: s.attrs["db.system"] ? "db" : "http" };
      e.durations.push(s.durationMs);
      if (s.status === "error") e.errors++;
      if (server || isVirtual) e.continued++;
      edges.set(key, e);
    }
  }
  return {
    nodes: [...nodes.values()].map(({ durations, ...n }) => ({ ...n, spans: durations.length, rate: durations.length / seconds, ...stats(durations) })),
    edges: [...edges.values()].map(({ durations, continued, ...e }) => ({ ...e, calls: durations.length, rate: durations.length / seconds, ...stats(durations), continuedShare: continued / durations.length })),
  };
}

function errorGroups(found, start, end) {
  const groups = new Map();
  const step = (end - start) / 60;
  for (const { trace, matched } of found) {
    for (const s of matched) {
      if (s.status !== "error" || (!s.message && !s.attrs["error.type"])) continue;
      const exception = (s.raw.events ?? []).find((e) => e.name === "exception");
      const type = exception?.attributes.find((a) => a.key === "exception.type")?.value.stringValue ?? s.attrs["error.type"] ?? "error";
      const template = (s.message || `HTTP ${s.attrs["http.response.status_code"]}`).replace(/\d{4,}/g, "<num>");
      const id = createHash("sha256").update(`${s.service}\u0000${type}\u0000${template}`).digest("hex").slice(0, 16);
      let g = groups.get(id);
      if (!g) {
        g = { id, service: s.service, squad: squadOf(s.service)?.name ?? null, type, template, count: 0, first: Infinity, last: 0, services: new Set(), samples: [], overTime: new Map() };
        groups.set(id, g);
      }
      g.count++;
      g.first = Math.min(g.first, s.startMs);
      g.last = Math.max(g.last, s.startMs);
      trace.spans.forEach((x) => g.services.add(x.service));
      if (g.samples.length < 5) g.samples.push(trace.id);
      const bucket = start + Math.floor((s.startMs - start) / step) * step;
      g.overTime.set(bucket, (g.overTime.get(bucket) ?? 0) + 1);
    }
  }
  return [...groups.values()]
    .map(({ first, last, services, samples, overTime, ...g }) => ({ ...g, firstSeenUnixNano: nano(first), lastSeenUnixNano: nano(last), services: [...services], sampleTraceIds: samples, overTime: [...overTime].sort((a, b) => a[0] - b[0]), newSince: g.service === "session-api" && first > (start + end) / 2 ? { service: "session-api", version: "1.1" } : null }))
    .sort((a, b) => b.count - a.count);
}

function servicesOf(spans, start, seconds, stepMs) {
  const services = new Map();
  for (const s of spans) {
    if (s.parent && s.kind !== "server" && s.kind !== "consumer") continue;
    const e = services.get(s.service) ?? { service: s.service, all: [], ops: new Map(), time: new Map() };
    services.set(s.service, e);
    e.all.push(s);
    const op = e.ops.get(s.name) ?? { name: s.name, kind: s.kind, all: [] };
    op.all.push(s);
    e.ops.set(s.name, op);
    const at = start + Math.floor((s.startMs - start) / stepMs) * stepMs;
    e.time.set(at, [...(e.time.get(at) ?? []), s]);
  }
  const measure = (list) => ({ spans: list.length, rate: list.length / seconds, errorRate: list.filter((s) => s.status === "error").length / list.length, ...stats(list.map((s) => s.durationMs)) });
  return [...services.values()].map((e) => ({
    service: e.service,
    squad: squadOf(e.service)?.name ?? null,
    tribe: squadOf(e.service)?.tribe ?? null,
    ...measure(e.all),
    operations: [...e.ops.values()].map(({ all, ...op }) => ({ ...op, ...measure(all) })),
    overTime: [...e.time].sort((a, b) => a[0] - b[0]).map(([at, list]) => ({ timeUnixNano: nano(at), spans: list.length, errors: list.filter((s) => s.status === "error").length, p95Ms: stats(list.map((s) => s.durationMs)).p95Ms })),
  }));
}

function releasesOf(store) {
  const seen = new Map();
  for (const t of store.list) {
    for (const s of t.spans.slice(0, 100)) {
      const version = s.resource["service.version"];
      if (!version) continue;
      const key = `${s.service}\u0000${version}`;
      const e = seen.get(key) ?? { service: s.service, version, first: Infinity, last: 0, spans: 0 };
      e.first = Math.min(e.first, s.startMs);
      e.last = Math.max(e.last, s.startMs);
      e.spans++;
      seen.set(key, e);
    }
  }
  return [...seen.values()].map(({ first, last, ...e }) => ({ ...e, firstSeenUnixNano: nano(first), lastSeenUnixNano: nano(last) }));
}

function rate(store, p, start, end) {
  const q = p.get("q") ?? "";
  const [filter, metric = ""] = q.split(/\|(?=\s*\w+\()/);
  const step = parseFloat(p.get("step")) || 60000;
  const by = /by\(([^)]+)\)/.exec(metric)?.[1]?.trim();
  const series = new Map();
  for (const { matched } of store.find(filter.trim() || "{}", start, end)) {
    for (const s of matched) {
      const label = by ? String(by === "resource.service.name" ? s.service : by === "name" ? s.name : (s.attrs[by.replace(/^span\./, "")] ?? "nil")) : "";
      const points = series.get(label) ?? new Map();
      series.set(label, points);
      const at = start + Math.floor((s.startMs - start) / step) * step;
      points.set(at, (points.get(at) ?? 0) + (metric.includes("rate") ? 1000 / step : 1));
    }
  }
  return {
    stepMs: step,
    series: [...series].map(([label, points]) => ({ labels: by ? { [by]: label } : {}, points: [...points].sort((a, b) => a[0] - b[0]).map(([at, value]) => ({ timeUnixNano: nano(at), value })), exemplars: [] })),
  };
}
