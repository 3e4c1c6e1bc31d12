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

// The clock that each resource's spans were timed by, as the number of the first resource that has
// it: a service's resources on one host share theirs, others are taken to have one each.
function clocksOf(trace: Trace): number[] {
  const by_host = new Map<string, number>();
  return trace.resources.map(({ service, host }, r) => {
    if (host === "") return r;
    const key = `${service}\u0000${host}`;
    if (!by_host.has(key)) by_host.set(key, r);
    return by_host.get(key)!;
  });
}

interface Offset {
  server: number; // a clock
  midpoints: number[]; // of the server's spans, after those of their callers
  bad: boolean; // the times of a call cannot be true
}

// What is known of one clock by another, by the caller's clock.
function offsetsOf(trace: Trace, clocks: number[]): Map<number, Offset[]> {
  const pairs = new Map<string, Offset>();
  const by_client = new Map<number, Offset[]>();
  for (let i = 0; i < trace.received; i++) {
    const call = callOf(trace, i);
    if (!call) continue;
    const client = clocks[trace.resourceId[call.client]];
    const server = clocks[trace.resourceId[call.server]];
    if (client === server) continue;
    const key = `${client}>${server}`;
    let offset = pairs.get(key);
    if (!offset) {
      pairs.set(key, (offset = { server, midpoints: [], bad: false }));
      by_client.set(client, [...(by_client.get(client) ?? []), offset]);
    }
    if (offset.midpoints.length < 1000) {
      offset.midpoints.push(trace.startNs[call.server] + trace.durationNs[call.server] / 2 - trace.startNs[call.client] - trace.durationNs[call.client] / 2);
    }
    if (call.skewNs !== 0) offset.bad = true;
  }
  return by_client;
}

// Offsets are carried from the caller's clock to the callee's, from the root outwards, in whatever
// order the spans came; a clock gets the median midpoint offset of its calls where the times of one
// cannot be true. By resource; those that share a clock share the entry.
export function clockSkews(trace: Trace): Map<number, ClockSkew> {
  const clocks = clocksOf(trace);
  const offsets = offsetsOf(trace, clocks);
  const called = new Set([...offsets.values()].flatMap((list) => list.map((o) => o.server)));
  const root = trace.roots.length ? trace.resourceId[trace.roots[0]] : -1;
  // Where the root was not received there are several beginnings: callers that nobody calls.
  const begins = [...(root >= 0 ? [clocks[root]] : []), ...[...offsets.keys()].filter((c) => !called.has(c)), ...offsets.keys()];
  const ahead = new Map<number, number>();
  const skewed = new Map<number, ClockSkew>();
  for (const begin of begins) {
    if (ahead.has(begin)) continue;
    ahead.set(begin, 0);
    const reached = [begin];
    for (const client of reached) {
      for (const { server, midpoints, bad } of offsets.get(client) ?? []) {
        if (ahead.has(server)) continue;
        const aheadNs = ahead.get(client)! + (bad ? median(midpoints) : 0);
        ahead.set(server, aheadNs);
        reached.push(server);
        const { service, host } = trace.resources[server];
        if (aheadNs !== 0) skewed.set(server, { service, host, aheadNs, calls: midpoints.length });
      }
    }
  }
  const skews = new Map<number, ClockSkew>();
  clocks.forEach((clock, resource) => {
    const skew = skewed.get(clock);
    if (skew) skews.set(resource, skew);
  });
  return skews;
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
  const durationNs = trace.durationNs.slice();
  for (let i = trace.received; i < trace.count; i++) [startNs[i], durationNs[i]] = spanOfChildren(trace, i, startNs);
  const details = (span: number) => {
    const raw = trace.details(span);
    const ahead = skews.get(trace.resourceId[span])?.aheadNs ?? 0;
    return ahead ? { ...raw, events: raw.events.map((e) => ({ ...e, timeNs: e.timeNs - ahead })) } : raw;
  };
  return { ...trace, startNs, durationNs, firstNs: first, endNs: end, details };
}

// Start and duration of a stand-in for a parent that was not received: it spans its children.
function spanOfChildren(trace: Trace, span: number, startNs: Float64Array): [startNs: number, durationNs: number] {
  let from = Infinity;
  let to = -Infinity;
  for (let c = trace.childStart[span]; c < trace.childStart[span + 1]; c++) {
    const child = trace.children[c];
    from = Math.min(from, startNs[child]);
    to = Math.max(to, startNs[child] + trace.durationNs[child]);
  }
  return [from, to - from];
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
