// A trace in memory: typed columns over its spans, built once and then read by the waterfall, the
// flame view, the minimap and the analyses. 100,000 spans must open within a second, so nothing
// here makes an object for each span, and nothing recurses.

export const enum Kind {
  Unspecified = 0,
  Internal = 1,
  Server = 2,
  Client = 3,
  Producer = 4,
  Consumer = 5,
}
export const enum Status {
  Unset = 0,
  Ok = 1,
  Error = 2,
}
export const kKindNames = ["unspecified", "internal", "server", "client", "producer", "consumer"];
export const kStatusNames = ["unset", "ok", "error"];

export interface Attribute {
  key: string;
  type: "string" | "int" | "double" | "bool" | "bytes" | "array" | "map" | "empty";
  // As shown and copied; arrays and maps as JSON, bytes as hex.
  text: string;
}

export interface SpanEvent {
  // Nanoseconds after the trace's base.
  timeNs: number;
  name: string;
  attributes: Attribute[];
}

export interface SpanLink {
  traceId: string;
  spanId: string;
  attributes: Attribute[];
}

export interface SpanDetails {
  attributes: Attribute[];
  events: SpanEvent[];
  links: SpanLink[];
  statusMessage: string;
  traceState: string;
  droppedAttributes: number;
  droppedEvents: number;
  droppedLinks: number;
}

export interface Resource {
  service: string;
  // service.namespace, else team; null when neither is given.
  namespace: string | null;
  // host.name, k8s.pod.name or service.instance.id: whose clock the spans were timed by.
  host: string;
  version: string;
  browser: boolean;
  attributes: Attribute[];
}

export interface Scope {
  name: string;
  version: string;
}

// Why a row deserves a word about its place in the tree.
export const enum Flag {
  None = 0,
  // Not a span that was received: stands for a parent that others name.
  Missing = 1,
  // Has no parent although it is not the trace's first root: context was lost before it.
  ExtraRoot = 2,
  // Its parents form a circle; cut here.
  Cycle = 4,
}

// What a decoder hands over. Arrays may be longer than count.
export interface RawSpans {
  traceId: string;
  baseNs: bigint;
  count: number;
  startNs: Float64Array; // after baseNs
  durationNs: Float64Array;
  idHi: Uint32Array;
  idLo: Uint32Array;
  parentHi: Uint32Array;
  parentLo: Uint32Array;
  nameId: Int32Array;
  names: string[];
  resourceId: Int32Array;
  resources: Resource[];
  scopeId: Int32Array;
  scopes: Scope[];
  kind: Uint8Array;
  status: Uint8Array;
  eventCount: Uint16Array;
  // Decodes the rest of one span when it is looked at.
  details(span: number): SpanDetails;
}

export interface Trace {
  traceId: string;
  baseNs: bigint;
  // Received spans are 0..received-1; stand-ins for missing parents follow up to count.
  received: number;
  count: number;
  startNs: Float64Array;
  durationNs: Float64Array;
  idHi: Uint32Array;
  idLo: Uint32Array;
  parent: Int32Array; // -1 for roots
  nameId: Int32Array;
  names: string[];
  resourceId: Int32Array; // -1 for missing spans
  resources: Resource[];
  scopeId: Int32Array;
  scopes: Scope[];
  kind: Uint8Array;
  status: Uint8Array;
  flags: Uint8Array;
  eventCount: Uint16Array;
  depth: Uint16Array;
  // Children of span s: children[childStart[s] .. childStart[s + 1]), by start.
  childStart: Int32Array;
  children: Int32Array;
  // All spans, parents before children, siblings by start; and how many rows a span's subtree has.
  order: Int32Array;
  position: Int32Array; // the inverse of order
  subtreeSize: Int32Array;
  roots: number[];
  // Of the received spans, after baseNs.
  firstNs: number;
  endNs: number;
  errorCount: number;
  details(span: number): SpanDetails;
}

// (hi, lo) -> index, open addressing. The first of equal ids counts, as on the server.
class IdTable {
  private readonly mask: number;
  private readonly slots: Int32Array;
  constructor(
    private readonly hi: Uint32Array,
    private readonly lo: Uint32Array,
    count: number,
  ) {
    let size = 16;
    while (size < count * 2) size *= 2;
    this.mask = size - 1;
    this.slots = new Int32Array(size).fill(-1);
    for (let i = 0; i < count; i++) {
      const slot = this.probe(hi[i], lo[i]);
      if (this.slots[slot] < 0) this.slots[slot] = i;
    }
  }
  find(hi: number, lo: number): number {
    return this.slots[this.probe(hi, lo)];
  }
  private probe(hi: number, lo: number): number {
    let slot = (Math.imul(hi ^ Math.imul(lo, 0x9e3779b1), 0x85ebca6b) >>> 7) & this.mask;
    for (;;) {
      const at = this.slots[slot];
      if (at < 0 || (this.hi[at] === hi && this.lo[at] === lo)) return slot;
      slot = (slot + 1) & this.mask;
    }
  }
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}

export function spanIdOf(trace: Trace, span: number): string {
  return hex32(trace.idHi[span]) + hex32(trace.idLo[span]);
}

export function findSpan(trace: Trace, spanId: string): number {
  if (!/^[0-9a-f]{16}$/.test(spanId)) return -1;
  const hi = parseInt(spanId.slice(0, 8), 16);
  const lo = parseInt(spanId.slice(8), 16);
  for (let i = 0; i < trace.count; i++) if (trace.idLo[i] === lo && trace.idHi[i] === hi) return i;
  return -1;
}

export function isMissing(trace: Trace, span: number): boolean {
  return (trace.flags[span] & Flag.Missing) !== 0;
}

export function serviceOf(trace: Trace, span: number): string {
  const resource = trace.resourceId[span];
  return resource < 0 ? "" : trace.resources[resource].service;
}

export function nameOf(trace: Trace, span: number): string {
  return trace.names[trace.nameId[span]];
}

export function endOf(trace: Trace, span: number): number {
  return trace.startNs[span] + trace.durationNs[span];
}

function grown<T extends Float64Array | Uint32Array | Int32Array | Uint8Array | Uint16Array>(
  from: T,
  used: number,
  size: number,
): T {
  const to = new (from.constructor as new (n: number) => T)(size);
  to.set(from.subarray(0, used) as never);
  return to;
}

// Links spans to their parents. Unknown parents get one stand-in each, appended after the spans.
function resolveParents(raw: RawSpans) {
  const n = raw.count;
  const table = new IdTable(raw.idHi, raw.idLo, n);
  const parent = new Int32Array(n);
  const missing = new Map<string, { hi: number; lo: number; index: number }>();
  for (let i = 0; i < n; i++) {
    const hi = raw.parentHi[i];
    const lo = raw.parentLo[i];
    if (hi === 0 && lo === 0) {
      parent[i] = -1;
      continue;
    }
    const found = table.find(hi, lo);
    if (found >= 0 && found !== i) {
      parent[i] = found;
      continue;
    }
    if (found === i) {
      parent[i] = -1; // names itself
      continue;
    }
    const key = `${hi}:${lo}`;
    let stand_in = missing.get(key);
    if (!stand_in) {
      stand_in = { hi, lo, index: n + missing.size };
      missing.set(key, stand_in);
    }
    parent[i] = stand_in.index;
  }
  return { parent, missing: [...missing.values()] };
}

// A few at a time by insertion, as most children come; more by the engine's sort.
function sortRange(list: Int32Array, from: number, to: number, startNs: Float64Array): void {
  if (to - from > 24) {
    list.subarray(from, to).sort((a, b) => startNs[a] - startNs[b] || a - b);
    return;
  }
  for (let i = from + 1; i < to; i++) {
    const span = list[i];
    const start = startNs[span];
    let at = i;
    for (; at > from && startNs[list[at - 1]] > start; at--) list[at] = list[at - 1];
    list[at] = span;
  }
}

function linkChildren(parent: Int32Array, startNs: Float64Array, count: number) {
  const childStart = new Int32Array(count + 1);
  for (let i = 0; i < count; i++) if (parent[i] >= 0) childStart[parent[i] + 1]++;
  for (let i = 0; i < count; i++) childStart[i + 1] += childStart[i];
  const fill = childStart.slice();
  const children = new Int32Array(childStart[count]);
  for (let i = 0; i < count; i++) if (parent[i] >= 0) children[fill[parent[i]]++] = i;
  for (let i = 0; i < count; i++) {
    if (childStart[i + 1] - childStart[i] > 1) sortRange(children, childStart[i], childStart[i + 1], startNs);
  }
  return { childStart, children };
}

// Pre-order from the roots, iteratively. Returns how many spans were reached.
function walk(
  roots: number[],
  childStart: Int32Array,
  children: Int32Array,
  order: Int32Array,
  depth: Uint16Array,
): number {
  let used = 0;
  const stack: number[] = [];
  for (let r = roots.length - 1; r >= 0; r--) stack.push(roots[r]);
  while (stack.length) {
    const span = stack.pop()!;
    order[used++] = span;
    const below = Math.min(depth[span] + 1, 65535);
    for (let c = childStart[span + 1] - 1; c >= childStart[span]; c--) {
      depth[children[c]] = below;
      stack.push(children[c]);
    }
  }
  return used;
}

// Spans that no root leads to sit on circles of parents. Each circle is cut at its earliest span.
function cutCycles(parent: Int32Array, flags: Uint8Array, startNs: Float64Array, count: number): void {
  const state = new Uint8Array(count); // 0 unknown, 1 on the present path, 2 leads to a root
  for (let first = 0; first < count; first++) {
    const path: number[] = [];
    let span = first;
    while (span >= 0 && state[span] === 0) {
      state[span] = 1;
      path.push(span);
      span = parent[span];
    }
    if (span >= 0 && state[span] === 1) {
      const circle = path.slice(path.indexOf(span));
      const cut = circle.reduce((a, b) => (startNs[b] < startNs[a] || (startNs[b] === startNs[a] && b < a) ? b : a));
      parent[cut] = -1;
      flags[cut] |= Flag.Cycle;
    }
    for (const s of path) state[s] = 2;
  }
}

export function buildTrace(raw: RawSpans): Trace {
  const { parent: known_parent, missing } = resolveParents(raw);
  const received = raw.count;
  const count = received + missing.length;
  const parent = grown(known_parent, received, count).fill(-1, received);
  const startNs = grown(raw.startNs, received, count);
  const durationNs = grown(raw.durationNs, received, count);
  const idHi = grown(raw.idHi, received, count);
  const idLo = grown(raw.idLo, received, count);
  const nameId = grown(raw.nameId, received, count);
  const resourceId = grown(raw.resourceId, received, count).fill(-1, received);
  const scopeId = grown(raw.scopeId, received, count).fill(-1, received);
  const flags = new Uint8Array(count);
  const names = raw.names.slice();
  if (missing.length) {
    names.push("span not received");
    nameId.fill(names.length - 1, received);
    startNs.fill(Infinity, received);
    const end = new Float64Array(missing.length).fill(-Infinity);
    for (let i = 0; i < received; i++) {
      const p = parent[i];
      if (p < received) continue;
      startNs[p] = Math.min(startNs[p], startNs[i]);
      end[p - received] = Math.max(end[p - received], startNs[i] + durationNs[i]);
    }
    for (const { hi, lo, index } of missing) {
      idHi[index] = hi;
      idLo[index] = lo;
      durationNs[index] = end[index - received] - startNs[index];
      flags[index] = Flag.Missing;
    }
  }
  cutCycles(parent, flags, startNs, count);
  const roots: number[] = [];
  for (let i = 0; i < count; i++) if (parent[i] < 0) roots.push(i);
  roots.sort((a, b) => startNs[a] - startNs[b] || a - b);
  // The first true root stands for the trace; other parentless spans lost their context.
  const main = roots.find((r) => r < received) ?? roots[0];
  for (const r of roots) if (r !== main && r < received) flags[r] |= Flag.ExtraRoot;

  const { childStart, children } = linkChildren(parent, startNs, count);
  const order = new Int32Array(count);
  const depth = new Uint16Array(count);
  walk(roots, childStart, children, order, depth);
  const subtreeSize = new Int32Array(count).fill(1);
  const position = new Int32Array(count);
  for (let i = count - 1; i >= 0; i--) {
    const span = order[i];
    position[span] = i;
    if (parent[span] >= 0) subtreeSize[parent[span]] += subtreeSize[span];
  }
  let first_ns = Infinity;
  let end_ns = -Infinity;
  let error_count = 0;
  for (let i = 0; i < received; i++) {
    if (startNs[i] < first_ns) first_ns = startNs[i];
    const end = startNs[i] + durationNs[i];
    if (end > end_ns) end_ns = end;
    if (raw.status[i] === Status.Error) error_count++;
  }
  return {
    traceId: raw.traceId,
    baseNs: raw.baseNs,
    received,
    count,
    startNs,
    durationNs,
    idHi,
    idLo,
    parent,
    nameId,
    names,
    resourceId,
    resources: raw.resources,
    scopeId,
    scopes: raw.scopes,
    kind: grown(raw.kind, received, count),
    status: grown(raw.status, received, count),
    flags,
    eventCount: grown(raw.eventCount, received, count),
    depth,
    childStart,
    children,
    order,
    position,
    subtreeSize,
    roots,
    firstNs: received ? first_ns : 0,
    endNs: received ? end_ns : 0,
    errorCount: error_count,
    details: raw.details,
  };
}

// The rows to show: spans in order without what lies under a collapsed one.
export function visibleRows(trace: Trace, collapsed: ReadonlySet<number>): Int32Array {
  if (collapsed.size === 0) return trace.order;
  const rows = new Int32Array(trace.count);
  let used = 0;
  for (let i = 0; i < trace.count; ) {
    const span = trace.order[i];
    rows[used++] = span;
    i += collapsed.has(span) ? trace.subtreeSize[span] : 1;
  }
  return rows.slice(0, used);
}
