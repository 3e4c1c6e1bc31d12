// The map's layout, off the main thread. Two levels, because compound graphs defeat dagre: first the
// services within each squad, then the squads among each other.

import { Graph, layout } from "@dagrejs/dagre";
import type { Box, LayoutAnswer, LayoutRequest } from "../base/map_model.ts";

const kPad = 14;
const kTitle = 24;

interface Placed {
  boxes: Map<string, Box>;
  width: number;
  height: number;
}

type Sized = { id: string; width: number; height: number };

function place(nodes: Sized[], edges: { from: string; to: string; labelWidth: number }[], rankGap: number, nodeGap: number): Placed {
  const graph = new Graph({ multigraph: false, compound: false });
  graph.setGraph({ rankdir: "LR", ranksep: rankGap, nodesep: nodeGap, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const n of nodes) graph.setNode(n.id, { width: n.width, height: n.height });
  for (const e of edges) {
    if (e.from === e.to) continue;
    const known = graph.edge(e.from, e.to) as { width?: number } | undefined;
    graph.setEdge(e.from, e.to, { width: Math.max(known?.width ?? 0, e.labelWidth), height: 14, labelpos: "c" });
  }
  layout(graph);
  const boxes = new Map<string, Box>();
  for (const n of nodes) {
    const { x, y } = graph.node(n.id) as { x: number; y: number };
    boxes.set(n.id, { x, y, width: n.width, height: n.height });
  }
  const size = graph.graph() as { width?: number; height?: number };
  return { boxes, width: size.width ?? 0, height: size.height ?? 0 };
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
  const between = request.edges.filter((e) => top(e.from) !== top(e.to)).map((e) => ({ from: top(e.from), to: top(e.to), labelWidth: e.labelWidth }));
  const whole = place(outer, between, 34, 26);
  const answer: LayoutAnswer = { id: request.id, nodes: {}, groups: {}, width: whole.width, height: whole.height };
  for (const n of request.nodes) {
    if (n.group === null) {
      answer.nodes[n.id] = whole.boxes.get(`n:${n.id}`)!;
      continue;
    }
    const box = whole.boxes.get(`g:${n.group}`)!;
    const at = inner.get(n.group)!.boxes.get(n.id)!;
    answer.groups[n.group] = box;
    answer.nodes[n.id] = { ...at, x: box.x - box.width / 2 + kPad + at.x, y: box.y - box.height / 2 + kTitle + at.y };
  }
  return answer;
}

// In a worker: one request in, one answer out.
if (typeof self !== "undefined" && typeof window === "undefined" && typeof postMessage === "function") {
  self.onmessage = (event: MessageEvent<LayoutRequest>) => {
    try {
      postMessage(layoutMap(event.data));
    } catch (error) {
      postMessage({ id: event.data.id, nodes: {}, groups: {}, width: 0, height: 0, error: String((error as Error).message) } satisfies LayoutAnswer);
    }
  };
}
