// The network phases of an HTTP call, whatever way its instrumentation wrote them down:
//  1. child spans http.dns, http.connect, http.tls, http.send, http.receive (otelhttptrace, Weft's SDK);
//  2. span events: the browser's fetchStart, domainLookupStart … responseEnd, or otelhttptrace's
//     <hook>.start and <hook>.done;
//  3. timing attributes, in milliseconds or with their unit in the key.
// Phases are waits, disjoint and in order; what is not known is left out, never shown as 0.

import { Kind, nameOf, type SpanDetails, type Trace } from "./model.ts";

export type PhaseName = "dns" | "connect" | "tls" | "send" | "wait" | "receive";
export const kPhaseNames: readonly PhaseName[] = ["dns", "connect", "tls", "send", "wait", "receive"];
export const kPhaseTitles: Record<PhaseName, string> = {
  dns: "DNS",
  connect: "connect",
  tls: "TLS",
  send: "send",
  wait: "wait",
  receive: "receive",
};

export interface Phase {
  name: PhaseName;
  startNs: number; // after the trace's base
  endNs: number;
  failed: boolean;
}

export interface Phases {
  source: "spans" | "events" | "attributes";
  phases: Phase[];
  // The browser keeps the phases of cross-origin calls to itself without Timing-Allow-Origin.
  hiddenByBrowser: boolean;
}

const kChildSpanPhase: Record<string, PhaseName> = {
  "http.dns": "dns",
  "http.connect": "connect",
  "http.tls": "tls",
  "http.send": "send",
  "http.receive": "receive",
};

const kStatusError = 2;

export function phasesOf(trace: Trace, span: number, details?: SpanDetails): Phases | null {
  if (trace.kind[span] !== Kind.Client && trace.kind[span] !== Kind.Internal) return null;
  return (
    fromChildSpans(trace, span) ??
    (trace.kind[span] === Kind.Client ? fromDetails(trace, span, details ?? trace.details(span)) : null)
  );
}

function fromDetails(trace: Trace, span: number, details: SpanDetails): Phases | null {
  return fromBrowserEvents(trace, span, details) ?? fromHookEvents(trace, span, details) ?? fromAttributes(trace, span, details);
}

function childSpans(trace: Trace, span: number): number[] {
  const found: number[] = [];
  for (let c = trace.childStart[span]; c < trace.childStart[span + 1]; c++) {
    const child = trace.children[c];
    const name = nameOf(trace, child);
    if (Object.hasOwn(kChildSpanPhase, name)) found.push(child);
    else if (name === "http.getconn") found.push(...childSpans(trace, child));
  }
  return found;
}

function fromChildSpans(trace: Trace, span: number): Phases | null {
  if (nameOf(trace, span) === "http.getconn") return null; // its parent shows them
  const phases: Phase[] = childSpans(trace, span).map((child) => ({
    name: kChildSpanPhase[nameOf(trace, child)],
    startNs: trace.startNs[child],
    endNs: trace.startNs[child] + trace.durationNs[child],
    failed: trace.status[child] === kStatusError,
  }));
  if (!phases.length) return null;
  return { source: "spans", phases: withWait(phases, trace.startNs[span] + trace.durationNs[span]), hiddenByBrowser: false };
}

// The wait for the first byte lies between what was sent and what was received.
function withWait(phases: Phase[], spanEndNs: number): Phase[] {
  phases.sort((a, b) => a.startNs - b.startNs || a.endNs - b.endNs);
  const receive = phases.find((p) => p.name === "receive");
  const before = phases.filter((p) => p !== receive && p.name !== "wait");
  const last = before.reduce((end, p) => Math.max(end, p.endNs), -Infinity);
  const sent = before.some((p) => p.name === "send" || p.name === "tls" || p.name === "connect");
  const failed = before.some((p) => p.failed && p.endNs === last);
  const until = receive ? receive.startNs : spanEndNs;
  if (!failed && sent && !phases.some((p) => p.name === "wait") && until > last) {
    phases.push({ name: "wait", startNs: last, endNs: until, failed: false });
  }
  return phases.sort((a, b) => a.startNs - b.startNs);
}

function eventTimes(details: SpanDetails): Map<string, number> {
  const times = new Map<string, number>();
  for (const event of details.events) if (!times.has(event.name)) times.set(event.name, event.timeNs);
  return times;
}

function fromBrowserEvents(trace: Trace, span: number, details: SpanDetails): Phases | null {
  const times = eventTimes(details);
  if (!times.has("fetchStart") && !times.has("requestStart")) return null;
  const start = trace.startNs[span];
  // Zero in the browser's clock stands before the span: a time that was withheld. Clocks of pages
  // are rounded to a millisecond, hence the tolerance.
  const at = (name: string): number | null => {
    const time = times.get(name);
    return time === undefined || time < start - 2e6 ? null : time;
  };
  const phases: Phase[] = [];
  const add = (name: PhaseName, from: number | null, to: number | null) => {
    if (from !== null && to !== null && to > from) phases.push({ name, startNs: from, endNs: to, failed: false });
  };
  const secure = at("secureConnectionStart");
  const connected = at("connectEnd");
  add("dns", at("domainLookupStart"), at("domainLookupEnd"));
  add("connect", at("connectStart"), secure ?? connected);
  add("tls", secure, connected);
  add("wait", at("requestStart"), at("responseStart"));
  add("receive", at("responseStart"), at("responseEnd"));
  return { source: "events", phases, hiddenByBrowser: at("requestStart") === null };
}

const kHooks: readonly [string, PhaseName][] = [
  ["http.dns", "dns"],
  ["http.connect", "connect"],
  ["http.tls", "tls"],
  ["http.send", "send"],
  ["http.receive", "receive"],
];

function fromHookEvents(trace: Trace, span: number, details: SpanDetails): Phases | null {
  const times = eventTimes(details);
  const phases: Phase[] = [];
  const end = trace.startNs[span] + trace.durationNs[span];
  for (const [hook, name] of kHooks) {
    const from = times.get(`${hook}.start`);
    if (from === undefined) continue;
    phases.push({ name, startNs: from, endNs: times.get(`${hook}.done`) ?? end, failed: !times.has(`${hook}.done`) && name !== "receive" });
  }
  if (!phases.length) return null;
  return { source: "events", phases: withWait(phases, end), hiddenByBrowser: false };
}

// Keys that instrumentations use for the length of a phase.
const kTimingKeys: readonly [PhaseName, RegExp][] = [
  ["dns", /^http\.(?:client\.)?(?:timing\.|time\.)?(?:dns|namelookup|dns_lookup)(?:[._]?duration|[._]?time)?(?:[._](ns|us|ms|s))?$/],
  ["connect", /^http\.(?:client\.)?(?:timing\.|time\.)?(?:connect|tcp)(?:[._]?duration|[._]?time)?(?:[._](ns|us|ms|s))?$/],
  ["tls", /^http\.(?:client\.)?(?:timing\.|time\.)?(?:tls|ssl|tls_handshake)(?:[._]?duration|[._]?time)?(?:[._](ns|us|ms|s))?$/],
  ["send", /^http\.(?:client\.)?(?:timing\.|time\.)?(?:send|request_sent)(?:[._]?duration|[._]?time)?(?:[._](ns|us|ms|s))?$/],
  ["wait", /^http\.(?:client\.)?(?:timing\.|time\.)?(?:wait|ttfb|first_byte)(?:[._]?duration|[._]?time)?(?:[._](ns|us|ms|s))?$/],
  ["receive", /^http\.(?:client\.)?(?:timing\.|time\.)?(?:receive|download)(?:[._]?duration|[._]?time)?(?:[._](ns|us|ms|s))?$/],
];
const kUnitNs: Record<string, number> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

function fromAttributes(trace: Trace, span: number, details: SpanDetails): Phases | null {
  const lengths = new Map<PhaseName, number>();
  for (const attribute of details.attributes) {
    if (attribute.type !== "int" && attribute.type !== "double") continue;
    for (const [name, pattern] of kTimingKeys) {
      const match = pattern.exec(attribute.key);
      const value = Number(attribute.text);
      if (match && value > 0) lengths.set(name, value * kUnitNs[match[1] ?? "ms"]);
    }
  }
  if (!lengths.size) return null;
  const phases: Phase[] = [];
  let at = trace.startNs[span];
  for (const name of kPhaseNames) {
    const length = lengths.get(name);
    if (length === undefined) continue;
    phases.push({ name, startNs: at, endNs: at + length, failed: false });
    at += length;
  }
  return { source: "attributes", phases, hiddenByBrowser: false };
}
