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
  closed: boolean; // stands for a whole squad
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
      drawn.set(id, { id, title: shut ? squad : n.service, squad, closed: shut, members: [n.service], requests: n.requests ?? n.spans, rate: n.rate, errors: n.errors, p95Ms: n.p95Ms, virtual: n.virtual ?? false });
      continue;
    }
    known.members.push(n.service);
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
