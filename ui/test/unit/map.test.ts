import { describe, expect, it } from "vitest";
import { drawnMap, edgeLines, isBroken, type MapEdgeIn, type MapNodeIn, nodeNumbers, spreadLabels } from "../../src/base/map_model.ts";
import { edgeQuery } from "../../src/pages/map.tsx";
import { layoutMap } from "../../src/widgets/layout_worker.ts";
// @ts-expect-error plain JavaScript without types
import { random } from "../story/story.mjs";
import { testSeed } from "./make_trace.ts";

const node = (service: string, squad: string | null, extra: Partial<MapNodeIn> = {}): MapNodeIn => ({ service, squad, spans: 10, rate: 1, errors: 1, p50Ms: 1, p95Ms: 2, p99Ms: 3, ...extra });
const edge = (from: string, to: string, extra: Partial<MapEdgeIn> = {}): MapEdgeIn => ({ from, to, calls: 10, rate: 1, errors: 0, p50Ms: 1, p95Ms: 2, p99Ms: 3, continuedShare: 1, ...extra });

describe("the traces of a connection", () => {
  const call = '{ resource.service.name = "a" } > { resource.service.name = "b" }';
  it("are those that the map's filter lets through", () => {
    expect(edgeQuery(["a"], ["b"], false, "")).toBe(call);
    expect(edgeQuery(["a"], ["b"], false, "{ status = error }")).toBe('{ status = error && resource.service.name = "a" } > { resource.service.name = "b" }');
    expect(edgeQuery(["a"], ["b"], false, "{ .x = 1 } || { .y = 2 }")).toBe(`({ .x = 1 } || { .y = 2 }) && (${call})`);
    expect(edgeQuery(["a"], ["b"], false, "{ .x = 1 } | count() > 2")).toBe(`({ .x = 1 }) && (${call}) | count() > 2`);
  });
});

describe("the service map", () => {
  it("merges the edges of a closed squad, and leaves out those within it", () => {
    const map = drawnMap([node("a", "S"), node("b", "S"), node("c", "T")], [edge("a", "b"), edge("a", "c", { continuedShare: 0 }), edge("b", "c", { p95Ms: 9, errors: 5 })], new Set(["S"]));
    expect(map.nodes.map((n) => n.id).sort()).toEqual(["c", "squad:S"]);
    expect(map.edges).toHaveLength(1);
    expect(map.edges[0]).toMatchObject({ from: "squad:S", to: "c", calls: 20, errors: 5, p95Ms: 9, continuedShare: 0.5, merged: 2 });
    expect(edgeLines(map.edges[0])).toEqual({ rate: "2/s · p95 ≤ 9 ms", failed: "25 % failed", lost: "50 % continue" });
  });

  it("says of a card what there is: the worst of several services, the one service of a squad, no requests", () => {
    const nodes = [node("a", "S", { requests: 10 }), node("b", "S", { requests: 10, p95Ms: 9 }), node("c", "T", { requests: 10 }), node("w", null, { requests: 0, rate: 0, p95Ms: 0 }), node("pg", null, { virtual: true })];
    expect(drawnMap(nodes, [], new Set(["S", "T"])).nodes.map((n) => [n.title, nodeNumbers(n)])).toEqual([
      ["S", "2/s · p95 ≤ 9 ms"],
      ["c", "1/s · p95 2 ms"],
      ["w", "takes no requests"],
      ["pg", "sends no spans"],
    ]);
  });

  it("moves a label to the nearest free place, and leaves one alone that stands free", () => {
    const label = (x: number, y: number) => ({ x, y, width: 100, height: 20 });
    expect(spreadLabels([label(0, 100), label(300, 100)], () => [])).toEqual([100, 100]);
    const [first, second, third] = spreadLabels([label(0, 100), label(10, 104), label(20, 108)], () => [{ x: 0, y: 150, width: 100, height: 40 }]);
    expect(first).toBe(100);
    expect(Math.abs(second - 104)).toBeLessThanOrEqual(25);
    expect(Math.abs(third - second)).toBeGreaterThanOrEqual(20);
    for (const y of [second, third]) expect(Math.abs(y - 150)).toBeGreaterThanOrEqual(30);
  });

  it("draws an edge broken that loses the context, but not to what sends no spans", () => {
    const map = drawnMap([node("a", null), node("b", null), node("pg", null, { virtual: true })], [edge("a", "b", { continuedShare: 0.1 }), edge("a", "pg", { continuedShare: 0 })], new Set());
    expect(map.edges.map(isBroken)).toEqual([true, false]);
  });

  it("lays out services and squads whatever they are called", () => {
    const names = ["__proto__", "constructor", "toString", "a\u0001b", "", "n:x"];
    const nodes = names.map((id, i) => ({ id, group: i % 2 ? null : names[(i + 2) % names.length], width: 178, height: 46 }));
    const edges = names.flatMap((from) => names.map((to) => ({ from, to, labelWidth: 100, labelHeight: 20 })));
    const answer = layoutMap({ id: 1, nodes, edges });
    for (const box of [...answer.nodes.values(), ...answer.groups.values()]) expect(Number.isFinite(box.x + box.y + box.width + box.height)).toBe(true);
    expect(answer.nodes.size).toBe(names.length);
  });

  it("lays out any graph without two cards over each other", () => {
    const rng = random(testSeed());
    for (let round = 0; round < 20; round++) {
      const n = 1 + Math.floor(rng() * 40);
      const nodes = Array.from({ length: n }, (_, i) => ({ id: `n${i}`, group: rng() < 0.3 ? null : `g${Math.floor(rng() * 5)}`, width: 178, height: 46 }));
      const edges = Array.from({ length: Math.floor(rng() * n * 2) }, () => ({ from: `n${Math.floor(rng() * n)}`, to: `n${Math.floor(rng() * n)}`, labelWidth: 100, labelHeight: 20 }));
      const answer = layoutMap({ id: 1, nodes, edges });
      const boxes = nodes.map((x) => answer.nodes.get(x.id)!);
      const labels = [...answer.routes.values()];
      labels.forEach((a, i) => {
        for (const b of labels.slice(0, i)) expect(Math.abs(a.x - b.x) >= 100 || Math.abs(a.y - b.y) >= 20).toBe(true);
        for (const b of boxes) expect(Math.abs(a.x - b.x) >= (100 + 178) / 2 || Math.abs(a.y - b.y) >= (20 + 46) / 2).toBe(true);
      });
      boxes.forEach((a, i) => {
        expect(Number.isFinite(a.x) && Number.isFinite(a.y)).toBe(true);
        for (const b of boxes.slice(0, i)) expect(Math.abs(a.x - b.x) >= 178 || Math.abs(a.y - b.y) >= 46).toBe(true);
      });
    }
  });
});
