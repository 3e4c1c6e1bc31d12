// The map's layout, off the main thread. Two levels, because compound graphs defeat dagre: first the
// services within each squad, then the squads among each other.

import { Graph, layout } from "@dagrejs/dagre";
import { type Box, type LayoutAnswer, type LayoutRequest, type Route, spreadLabels } from "../base/map_model.ts";

const kPad = 14;
const kTitle = 24;

type EdgeIn = LayoutRequest["edges"][number];

interface Placed {
  boxes: Map<string, Box>;
  routes: Map<string, Route>;
  width: number;
  height: number;
}

type Sized = { id: string; width: number; height: number };

function place(nodes: Sized[], edges: EdgeIn[], rankGap: number, nodeGap: number): Placed {
  const graph = new Graph({ multigraph: false, compound: false });
  graph.setGraph({ rankdir: "LR", ranksep: rankGap, nodesep: nodeGap, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  // dagre keeps its nodes in objects by name, where names that telemetry made have no place.
  const number = new Map(nodes.map((n, i) => [n.id, String(i)]));
  nodes.forEach((n, i) => graph.setNode(String(i), { width: n.width, height: n.height }));
  for (const e of edges) {
    if (e.from === e.to) continue;
    const [from, to] = [number.get(e.from)!, number.get(e.to)!];
    // Edges between the same two share one way; their labels stand under each other.
    const known = graph.edge(from, to) as { width?: number; height?: number } | undefined;
    graph.setEdge(from, to, { width: Math.max(known?.width ?? 0, e.labelWidth), height: (known?.height ?? 0) + e.labelHeight, labelpos: "c" });
  }
  layout(graph);
  const boxes = new Map<string, Box>();
  nodes.forEach((n, i) => {
    const { x, y } = graph.node(String(i)) as { x: number; y: number };
    boxes.set(n.id, { x, y, width: n.width, height: n.height });
  });
  const routes = new Map<string, Route>();
  for (const { v, w } of graph.edges() as { v: string; w: string }[]) {
    const e = graph.edge(v, w) as { points: { x: number; y: number }[]; x?: number; y?: number; height?: number };
    const middle = e.points[e.points.length >> 1];
    const points = e.points.slice(1, -1).map((p): [number, number] => [p.x, p.y]);
    routes.set(`${nodes[Number(v)].id}\0${nodes[Number(w)].id}`, { points, x: e.x ?? middle.x, y: (e.y ?? middle.y) - (e.height ?? 0) / 2 });
  }
  const size = graph.graph() as { width?: number; height?: number };
  return { boxes, routes, width: size.width ?? 0, height: size.height ?? 0 };
}

export function layoutMap(request: LayoutRequest): LayoutAnswer {
  const group_of = new Map(request.nodes.map((n) => [n.id, n.group]));
  const groups = new Map<string, Sized[]>();
  const outer: Sized[] = [];
  for (const n of request.nodes) {
    if (n.group === null) outer.push({ id: `n:${n.id}`, width: n.width, height: n.height });
    else groups.set(n.group, [...(groups.get(n.group) ?? []), n]);
  }
  const inner = new Map<string, Placed>();
  for (const [group, members] of groups) {
    const own = request.edges.filter((e) => group_of.get(e.from) === group && group_of.get(e.to) === group);
    const placed = place(members, own, 40, 18);
    inner.set(group, placed);
    outer.push({ id: `g:${group}`, width: placed.width + kPad * 2, height: placed.height + kPad + kTitle });
  }
  const top = (id: string) => {
    const group = group_of.get(id);
    return group === null || group === undefined ? `n:${id}` : `g:${group}`;
  };
  const between = request.edges.filter((e) => top(e.from) !== top(e.to)).map((e) => ({ from: top(e.from), to: top(e.to), labelWidth: e.labelWidth, labelHeight: e.labelHeight }));
  const whole = place(outer, between, 34, 26);
  const answer: LayoutAnswer = { id: request.id, routes: new Map(), nodes: new Map(), groups: new Map(), width: whole.width, height: whole.height };
  for (const n of request.nodes) {
    if (n.group === null) {
      answer.nodes.set(n.id, whole.boxes.get(`n:${n.id}`)!);
      continue;
    }
    const box = whole.boxes.get(`g:${n.group}`)!;
    const at = inner.get(n.group)!.boxes.get(n.id)!;
    answer.groups.set(n.group, box);
    answer.nodes.set(n.id, { ...at, x: box.x - box.width / 2 + kPad + at.x, y: box.y - box.height / 2 + kTitle + at.y });
  }
  const labels: Box[] = []; // of `labelled`, by its keys in the answer's routes
  const labelled: string[] = [];
  const within_group: boolean[] = [];
  const used = new Map<string, number>(); // how far down the labels of a shared way reach
  for (const e of request.edges) {
    const [a, b] = [top(e.from), top(e.to)];
    const within = a === b ? inner.get(group_of.get(e.from) ?? "") : whole;
    const key = a === b ? `${e.from}\0${e.to}` : `${a}\0${b}`;
    const route = within?.routes.get(key);
    if (!route) continue;
    const box = a === b ? whole.boxes.get(a)! : null;
    const dx = box ? box.x - box.width / 2 + kPad : 0;
    const dy = box ? box.y - box.height / 2 + kTitle : 0;
    const down = used.get(key) ?? 0;
    used.set(key, down + e.labelHeight);
    answer.routes.set(`${e.from}\0${e.to}`, {
      points: route.points.map(([x, y]) => [x + dx, y + dy]),
      x: route.x + dx,
      y: route.y + dy + down + e.labelHeight / 2,
    });
    within_group.push(a === b);
    labels.push({ x: route.x + dx, y: route.y + dy + down + e.labelHeight / 2, width: e.labelWidth, height: e.labelHeight });
    labelled.push(`${e.from}\0${e.to}`);
  }
  const cards = [...answer.nodes.values()];
  const between_groups = [...answer.groups.values(), ...request.nodes.filter((n) => n.group === null).map((n) => answer.nodes.get(n.id)!)];
  const ys = spreadLabels(labels, (i) => (within_group[i] ? cards : between_groups));
  labelled.forEach((key, i) => {
    answer.routes.get(key)!.y = ys[i];
    answer.height = Math.max(answer.height, ys[i] + labels[i].height / 2 + 4);
  });
  return answer;
}

// In a worker: one request in, one answer out.
if (typeof self !== "undefined" && typeof window === "undefined" && typeof postMessage === "function") {
  self.onmessage = (event: MessageEvent<LayoutRequest>) => {
    try {
      postMessage(layoutMap(event.data));
    } catch (error) {
      postMessage({ id: event.data.id, routes: new Map(), nodes: new Map(), groups: new Map(), width: 0, height: 0, error: String((error as Error).message) } satisfies LayoutAnswer);
    }
  };
}
