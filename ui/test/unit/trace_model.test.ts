import { describe, expect, it } from "vitest";
import { findSpan, Flag, nameOf, serviceOf, spanIdOf, visibleRows } from "../../src/base/trace/model.ts";
// @ts-expect-error plain JavaScript without types
import { random } from "../story/story.mjs";
import { byName, hexId, kBaseMs, makeTrace, type SpanIn, testSeed } from "./make_trace.ts";

const names = (trace: ReturnType<typeof makeTrace>, rows: Int32Array) => [...rows].map((r) => nameOf(trace, r));

describe("a trace's tree", () => {
  it("orders parents before children and siblings by start", () => {
    const t = makeTrace([
      { id: "late", parent: "root", at: 5, for: 1 },
      { id: "early", parent: "root", at: 1, for: 1 },
      { id: "leaf", parent: "early", at: 1, for: 0.5 },
      { id: "root", at: 0, for: 10 },
    ]);
    expect(names(t, t.order)).toEqual(["root", "early", "leaf", "late"]);
    expect([...t.order].map((s) => t.depth[s])).toEqual([0, 1, 2, 1]);
    expect(t.subtreeSize[byName(t, "root")]).toBe(4);
    expect(t.baseNs).toBe(BigInt(kBaseMs) * 1_000_000n);
  });

  it("stands in once for a parent that was not received", () => {
    const t = makeTrace([
      { id: "root", at: 0, for: 10 },
      { id: "x", parent: "gone", at: 2, for: 3 },
      { id: "y", parent: "gone", at: 4, for: 4 },
    ]);
    expect(t.received).toBe(3);
    expect(t.count).toBe(4);
    const missing = 3;
    expect(t.flags[missing] & Flag.Missing).toBeTruthy();
    expect(spanIdOf(t, missing)).toBe(hexId("gone"));
    expect(t.startNs[missing]).toBe(2e6);
    expect(t.durationNs[missing]).toBe(6e6);
    expect(t.parent[byName(t, "y")]).toBe(missing);
  });

  it("marks later roots as having lost their context, the first one not", () => {
    const t = makeTrace([
      { id: "first", at: 0, for: 10 },
      { id: "second", at: 3, for: 2 },
    ]);
    expect(t.flags[byName(t, "first")]).toBe(Flag.None);
    expect(t.flags[byName(t, "second")]).toBe(Flag.ExtraRoot);
  });

  it("cuts circles of parents at their earliest span", () => {
    const t = makeTrace([
      { id: "a", parent: "b", at: 1, for: 1 },
      { id: "b", parent: "c", at: 0, for: 1 },
      { id: "c", parent: "a", at: 2, for: 1 },
      { id: "self", parent: "self", at: 5, for: 1 },
    ]);
    expect(new Set(t.order).size).toBe(4);
    expect(t.parent[byName(t, "b")]).toBe(-1);
    expect(t.flags[byName(t, "b")] & Flag.Cycle).toBeTruthy();
    expect(t.parent[byName(t, "self")]).toBe(-1);
  });

  it("hides what lies under collapsed spans", () => {
    const t = makeTrace([
      { id: "root", at: 0, for: 10 },
      { id: "a", parent: "root", at: 1, for: 5 },
      { id: "a1", parent: "a", at: 1, for: 1 },
      { id: "b", parent: "root", at: 7, for: 1 },
    ]);
    expect(names(t, visibleRows(t, new Set([byName(t, "a")])))).toEqual(["root", "a", "b"]);
    expect(names(t, visibleRows(t, new Set()))).toHaveLength(4);
  });

  it("finds spans by id and reads services, attributes and events when asked", () => {
    const t = makeTrace([{ id: "root", service: "web", at: 0, for: 1, error: true, attrs: { n: 7, s: "x", b: true, d: 1.5, l: ["p", "q"] }, events: [{ name: "e", at: 0.5 }] }]);
    const span = findSpan(t, hexId("root"));
    expect(serviceOf(t, span)).toBe("web");
    expect(findSpan(t, "nonsense")).toBe(-1);
    const d = t.details(span);
    expect(d.statusMessage).toBe("broke");
    expect(d.attributes.map((a) => [a.key, a.type, a.text])).toEqual([
      ["n", "int", "7"],
      ["s", "string", "x"],
      ["b", "bool", "true"],
      ["d", "double", "1.5"],
      ["l", "array", '["p","q"]'],
    ]);
    expect(d.events).toEqual([{ name: "e", timeNs: 500_000, attributes: [] }]);
  });

  it("survives deep chains without recursion", () => {
    const spans: SpanIn[] = Array.from({ length: 30_000 }, (_, i) => ({ id: i.toString(36), parent: i ? (i - 1).toString(36) : undefined, at: i * 0.001, for: 40 }));
    const t = makeTrace(spans);
    expect(t.order).toHaveLength(30_000);
    expect(t.depth[t.order[29_999]]).toBe(29_999);
  });

  it("keeps every span exactly once whatever the parents say", () => {
    const rng = random(testSeed());
    for (let round = 0; round < 200; round++) {
      const n = 1 + Math.floor(rng() * 40);
      const spans: SpanIn[] = Array.from({ length: n }, (_, i) => ({
        id: `s${i}`,
        parent: rng() < 0.2 ? undefined : rng() < 0.1 ? `lost${Math.floor(rng() * 3)}` : `s${Math.floor(rng() * n)}`,
        at: Math.floor(rng() * 100),
        for: Math.floor(rng() * 20),
      }));
      const t = makeTrace(spans);
      expect(new Set(t.order).size).toBe(t.count);
      for (const span of t.order) {
        if (t.parent[span] < 0) continue;
        expect(t.position[t.parent[span]]).toBeLessThan(t.position[span]);
        expect(t.depth[span]).toBe(t.depth[t.parent[span]] + 1);
      }
    }
  });
});
