// The service map as it is drawn: squads as groups that open and close, edges merged where a group is
// closed, and what is said on an edge.

import { formatDuration, formatRate, formatShare } from "./format.ts";

export interface MapNodeIn {
  service: string;
  squad?: string | null;
  tribe?: string | null;
  spans: number;
  requests?: number;
  rate: number;
  errors: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  virtual?: boolean;
}

export interface MapEdgeIn {
  from: string;
  to: string;
  calls: number;
  rate: number;
  errors: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  continuedShare: number;
  kind?: string;
}

export interface DrawnNode {
  id: string; // the service, or "squad:" and the name of a closed group
  title: string;
  squad: string | null;
  closed: boolean; // stands for a whole squad, whose name is then its title, unless it is of one service
  members: string[];
  requests: number;
  rate: number;
  errors: number;
  p95Ms: number;
  virtual: boolean;
}

export interface DrawnEdge {
  id: string;
  from: string;
  to: string;
  calls: number;
  rate: number;
  errors: number;
  p95Ms: number;
  continuedShare: number;
  merged: number; // how many edges it stands for
  toVirtual: boolean;
}

export interface DrawnMap {
  nodes: DrawnNode[];
  edges: DrawnEdge[];
}

export const kBrokenBelow = 0.5;
export const kWholeFrom = 0.98;

export function drawnMap(nodes: readonly MapNodeIn[], edges: readonly MapEdgeIn[], closed: ReadonlySet<string>): DrawnMap {
  const place = new Map<string, string>();
  const drawn = new Map<string, DrawnNode>();
  const is_virtual = new Set(nodes.filter((n) => n.virtual).map((n) => n.service));
  for (const n of nodes) {
    const squad = n.squad ?? null;
    const shut = squad !== null && closed.has(squad);
    const id = shut ? `squad:${squad}` : n.service;
    place.set(n.service, id);
    const known = drawn.get(id);
    if (!known) {
      drawn.set(id, { id, title: n.service, squad, closed: shut, members: [n.service], requests: n.requests ?? n.spans, rate: n.rate, errors: n.errors, p95Ms: n.p95Ms, virtual: n.virtual ?? false });
      continue;
    }
    known.members.push(n.service);
    if (shut) known.title = squad;
    known.requests += n.requests ?? n.spans;
    known.rate += n.rate;
    known.errors += n.errors;
    known.p95Ms = Math.max(known.p95Ms, n.p95Ms);
  }
  const merged = new Map<string, DrawnEdge>();
  for (const e of edges) {
    const from = place.get(e.from);
    const to = place.get(e.to);
    if (from === undefined || to === undefined || (from === to && from.startsWith("squad:"))) continue;
    const id = `${from}\u0000${to}`;
    const known = merged.get(id);
    if (!known) {
      merged.set(id, { id, from, to, calls: e.calls, rate: e.rate, errors: e.errors, p95Ms: e.p95Ms, continuedShare: e.continuedShare, merged: 1, toVirtual: is_virtual.has(e.to) });
      continue;
    }
    const calls = known.calls + e.calls;
    known.continuedShare = calls ? (known.continuedShare * known.calls + e.continuedShare * e.calls) / calls : 0;
    known.calls = calls;
    known.rate += e.rate;
    known.errors += e.errors;
    known.p95Ms = Math.max(known.p95Ms, e.p95Ms);
    known.merged++;
    known.toVirtual &&= is_virtual.has(e.to);
  }
  return { nodes: [...drawn.values()], edges: [...merged.values()] };
}

// What is said on a card. A closed squad has the worst p95 of its services; a service that only works for
// itself takes no requests, which is not the same as answering in 0 ms.
export function nodeNumbers(n: DrawnNode): string {
  if (n.virtual) return "sends no spans";
  if (n.requests === 0) return "takes no requests";
  return `${formatRate(n.rate)} · p95 ${n.members.length > 1 ? "≤ " : ""}${formatDuration(n.p95Ms)}`;
}

// What is said on an edge, a line each: "42/s · p95 180 ms", what failed, what loses the context. A
// merged edge has the worst p95 of its parts.
export function edgeLines(e: DrawnEdge): { rate: string; failed: string; lost: string } {
  return {
    rate: `${formatRate(e.rate)} · p95 ${e.merged > 1 ? "≤ " : ""}${formatDuration(e.p95Ms)}`,
    failed: e.errors ? `${formatShare(e.errors / Math.max(1, e.calls))} failed` : "",
    lost: losesSome(e) ? `${formatShare(e.continuedShare)} continue` : "",
  };
}

export function isBroken(e: DrawnEdge): boolean {
  return !e.toVirtual && e.continuedShare < kBrokenBelow;
}

export function losesSome(e: DrawnEdge): boolean {
  return !e.toVirtual && e.continuedShare < kWholeFrom;
}

// What is handed to the layout worker and what comes back.
export interface LayoutRequest {
  id: number;
  nodes: { id: string; group: string | null; width: number; height: number }[];
  edges: { from: string; to: string; labelWidth: number; labelHeight: number }[];
}
export interface Box {
  x: number; // of the centre
  y: number;
  width: number;
  height: number;
}
export interface Route {
  points: [number, number][]; // between the two ends, which the cards give
  x: number; // of the label
  y: number;
}
// Labels that would stand on each other or on a card move up or down to the nearest place that is free.
// Boxes in and out are by their centres; `fixed` are what they must not cover.
export function spreadLabels(labels: readonly Box[], fixed: (label: number) => readonly Box[]): number[] {
  const kSteps = 400; // of a quarter of its height, each way
  const covers = (a: Box, b: Box, y: number) => Math.abs(a.x - b.x) * 2 < a.width + b.width && Math.abs(y - b.y) * 2 < a.height + b.height;
  const placed: Box[] = [];
  const ys = labels.map((l) => l.y);
  const order = labels.map((_, i) => i).sort((a, b) => labels[a].y - labels[b].y || a - b);
  for (const i of order) {
    const label = labels[i];
    const rivals = [...placed, ...fixed(i)].filter((b) => Math.abs(label.x - b.x) * 2 < label.width + b.width);
    const step = label.height / 4;
    for (let n = 0; n <= kSteps * 2; n++) {
      const y = label.y + Math.ceil(n / 2) * step * (n % 2 ? 1 : -1);
      if (y < label.height / 2 || rivals.some((b) => covers(label, b, y))) continue;
      ys[i] = y;
      break;
    }
    placed.push({ ...label, y: ys[i] });
  }
  return ys;
}

export interface LayoutAnswer {
  id: number;
  // Maps, not objects: a service may be called __proto__.
  routes: Map<string, Route>; // by the edge's "from\0to"
  nodes: Map<string, Box>;
  groups: Map<string, Box>;
  width: number;
  height: number;
  error?: string;
}
