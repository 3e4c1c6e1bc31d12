// Calls from one service to another: a client span and the server span that continues it. What the
// client waited and the server did not work is the network (and queues and load balancers between),
// a difference of two durations and so free of clock skew. Clocks themselves are compared here too.

import { endOf, Kind, serviceOf, type Trace } from "./model.ts";

export interface Call {
  client: number;
  server: number;
  // Client's duration less the server's; never negative.
  networkNs: number;
  // The server's span lies within the client's by raw times; otherwise its place is inferred.
  placed: boolean;
  // How far the server's clock is ahead of the client's at the least (negative: behind), 0 if the
  // times can be true.
  skewNs: number;
}

// Less than this is no proof of anything: browsers round their clocks to as much, good clocks drift by it.
const kClockSlackNs = 1e6;
// A server may end its span after its answer has arrived: by so much of the call is no proof either.
const kLateShare = 0.1;

function isCaller(kind: number): boolean {
  return kind === Kind.Client || kind === Kind.Producer;
}

// The first server span directly under a client span of another process.
export function callOf(trace: Trace, client: number): Call | null {
  if (!isCaller(trace.kind[client])) return null;
  for (let c = trace.childStart[client]; c < trace.childStart[client + 1]; c++) {
    const server = trace.children[c];
    if (trace.kind[server] === Kind.Server) return measure(trace, client, server);
  }
  return null;
}

function measure(trace: Trace, client: number, server: number): Call {
  const early = trace.startNs[client] - trace.startNs[server]; // > 0: began before it was called
  const late = endOf(trace, server) - endOf(trace, client); // > 0: ended after the answer came
  const fits = trace.durationNs[server] <= trace.durationNs[client];
  let skew = 0;
  if (fits && early > kClockSlackNs) skew = -early;
  else if (fits && late > Math.max(kClockSlackNs, trace.durationNs[client] * kLateShare)) skew = late;
  return {
    client,
    server,
    networkNs: Math.max(0, trace.durationNs[client] - trace.durationNs[server]),
    placed: early <= 0 && late <= 0,
    skewNs: skew,
  };
}

// Does the call of this client span go to a service that should have answered with a span?
// Databases, queues and phases of the call itself do not.
export function looksContinued(trace: Trace, client: number): boolean {
  for (let c = trace.childStart[client]; c < trace.childStart[client + 1]; c++) {
    const kind = trace.kind[trace.children[c]];
    if (kind === Kind.Server || kind === Kind.Consumer) return true;
  }
  return false;
}

export interface ClockSkew {
  service: string;
  host: string;
  // Ahead of the clock of the trace's first span; what is to be taken off its raw times.
  aheadNs: number;
  calls: number;
}

// A clock is one resource's. Offsets are carried from the caller's clock to the callee's, from the
// root outwards; a clock gets the median midpoint offset of the calls whose times cannot be true.
export function clockSkews(trace: Trace): Map<number, ClockSkew> {
  const offsets = new Map<string, { client: number; server: number; list: number[]; bad: number }>();
  for (let i = 0; i < trace.received; i++) {
    const call = callOf(trace, i);
    if (!call) continue;
    const a = trace.resourceId[call.client];
    const b = trace.resourceId[call.server];
    if (a === b || sameClock(trace, a, b)) continue;
    const key = `${a}>${b}`;
    let entry = offsets.get(key);
    if (!entry) offsets.set(key, (entry = { client: a, server: b, list: [], bad: 0 }));
    if (entry.list.length < 1000) {
      entry.list.push(trace.startNs[call.server] + trace.durationNs[call.server] / 2 - trace.startNs[call.client] - trace.durationNs[call.client] / 2);
    }
    if (call.skewNs !== 0) entry.bad++;
  }
  const skews = new Map<number, ClockSkew>();
  const absolute = new Map<number, number>();
  const root = trace.roots.length ? trace.resourceId[trace.roots[0]] : -1;
  if (root >= 0) absolute.set(root, 0);
  // Spread from the root over the calls; bounded by the number of clocks.
  for (let round = 0; round < trace.resources.length; round++) {
    let changed = false;
    for (const { client, server, list, bad } of offsets.values()) {
      if (absolute.has(server)) continue;
      const base = absolute.get(client) ?? 0;
      const relative = bad ? median(list) : 0;
      absolute.set(server, base + relative);
      changed = true;
      if (base + relative !== 0) {
        const { service, host } = trace.resources[server];
        skews.set(server, { service, host, aheadNs: base + relative, calls: list.length });
      }
    }
    if (!changed) break;
  }
  return skews;
}

function sameClock(trace: Trace, a: number, b: number): boolean {
  const host = trace.resources[a].host;
  return host !== "" && host === trace.resources[b].host && trace.resources[a].service === trace.resources[b].service;
}

function median(values: number[]): number {
  const sorted = values.slice().sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

// The trace with every skewed clock set right; raw when there is nothing to set.
export function withClocksSet(trace: Trace, skews: Map<number, ClockSkew>): Trace {
  if (!skews.size) return trace;
  const startNs = trace.startNs.slice();
  let first = Infinity;
  let end = -Infinity;
  for (let i = 0; i < trace.received; i++) {
    startNs[i] -= skews.get(trace.resourceId[i])?.aheadNs ?? 0;
    first = Math.min(first, startNs[i]);
    end = Math.max(end, startNs[i] + trace.durationNs[i]);
  }
  const details = (span: number) => {
    const raw = trace.details(span);
    const ahead = skews.get(trace.resourceId[span])?.aheadNs ?? 0;
    return ahead ? { ...raw, events: raw.events.map((e) => ({ ...e, timeNs: e.timeNs - ahead })) } : raw;
  };
  return { ...trace, startNs, firstNs: first, endNs: end, details };
}

export function servicesIn(trace: Trace): { service: string; spans: number; errors: number; resource: number }[] {
  const found = new Map<string, { service: string; spans: number; errors: number; resource: number }>();
  for (let i = 0; i < trace.received; i++) {
    const service = serviceOf(trace, i);
    let entry = found.get(service);
    if (!entry) found.set(service, (entry = { service, spans: 0, errors: 0, resource: trace.resourceId[i] }));
    entry.spans++;
    if (trace.status[i] === 2) entry.errors++;
  }
  return [...found.values()].sort((a, b) => b.spans - a.spans || (a.service < b.service ? -1 : 1));
}
