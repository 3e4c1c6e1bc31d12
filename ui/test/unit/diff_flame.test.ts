import { describe, expect, it } from "vitest";
import { diffTraces } from "../../src/base/trace/diff.ts";
import { layoutFlame } from "../../src/base/trace/flame.ts";
// @ts-expect-error plain JavaScript without types
import { random } from "../story/story.mjs";
import { makeTrace, type SpanIn, testSeed } from "./make_trace.ts";

describe("the difference of two traces", () => {
  const before: SpanIn[] = [
    { id: "root", at: 0, for: 100 },
    { id: "a", parent: "root", at: 0, for: 10 },
    { id: "b", parent: "root", at: 20, for: 10 },
    { id: "b1", parent: "b", at: 21, for: 2 },
  ];

  it("is nothing for a trace and itself", () => {
    const t = makeTrace(before);
    expect(diffTraces(t, t).counts).toEqual({ same: 4, slower: 0, faster: 0, added: 0, missing: 0 });
  });

  it("names what was added, what is missing, what is slower and what failed", () => {
    const after = makeTrace([
      { id: "root", at: 0, for: 200 },
      { id: "retry", parent: "root", at: 0, for: 5 },
      { id: "a", parent: "root", at: 10, for: 10.5, error: true },
      { id: "n", parent: "a", at: 11, for: 1, name: "new child" },
    ]);
    const diff = diffTraces(makeTrace(before), after);
    const said = diff.rows.map((r) => `${"  ".repeat(r.depth)}${r.name} ${r.change}${r.brokeNow ? " failed now" : ""}`);
    expect(said).toEqual(["root slower", "  retry added", "  a same failed now", "    new child added", "  b missing", "    b1 missing"]);
  });

  it("pairs repeated operations in order", () => {
    const loop = (n: number) => makeTrace([{ id: "root", at: 0, for: 100 }, ...Array.from({ length: n }, (_, i) => ({ id: `q${i}`, name: "query", parent: "root", at: i * 5, for: 4 }))]);
    expect(diffTraces(loop(3), loop(5)).counts).toEqual({ same: 4, slower: 0, faster: 0, added: 2, missing: 0 });
  });

  it("counts every span of both traces exactly once", () => {
    const rng = random(testSeed());
    const make = () => {
      const spans: SpanIn[] = [{ id: "s0", name: "n0", at: 0, for: 100 }];
      const n = 1 + Math.floor(rng() * 25);
      for (let i = 1; i < n; i++) spans.push({ id: `s${i}`, name: `n${Math.floor(rng() * 4)}`, parent: `s${Math.floor(rng() * i)}`, at: Math.floor(rng() * 90), for: Math.floor(rng() * 10) });
      return makeTrace(spans);
    };
    for (let round = 0; round < 200; round++) {
      const l = make();
      const r = make();
      const { rows } = diffTraces(l, r);
      expect(rows.filter((x) => x.left >= 0).map((x) => x.left).sort((a, b) => a - b)).toEqual([...Array(l.count).keys()]);
      expect(rows.filter((x) => x.right >= 0).map((x) => x.right).sort((a, b) => a - b)).toEqual([...Array(r.count).keys()]);
    }
  });
});

describe("the flame layout", () => {
  it("never lets two spans overlap on a lane, nor a child stand above its parent", () => {
    const rng = random(testSeed());
    for (let round = 0; round < 100; round++) {
      const n = 2 + Math.floor(rng() * 60);
      const spans: SpanIn[] = [{ id: "s0", at: 0, for: 100 }];
      for (let i = 1; i < n; i++) spans.push({ id: `s${i}`, parent: `s${Math.floor(rng() * i)}`, at: Math.floor(rng() * 95), for: 1 + Math.floor(rng() * 30) });
      const t = makeTrace(spans);
      const { lane, lanes } = layoutFlame(t);
      for (let i = 0; i < t.count; i++) {
        expect(lane[i]).toBeLessThan(lanes);
        if (t.parent[i] >= 0) expect(lane[i]).toBeGreaterThan(lane[t.parent[i]]);
        for (let j = 0; j < i; j++) {
          const apart = t.startNs[i] >= t.startNs[j] + t.durationNs[j] || t.startNs[j] >= t.startNs[i] + t.durationNs[i];
          if (lane[i] === lane[j]) expect(apart).toBe(true);
        }
        // No span stands lower than it must: its lane or one above it up to its parent's was taken.
        const above = t.parent[i] >= 0 ? lane[t.parent[i]] + 1 : 0;
        for (let free = above; free < lane[i]; free++) {
          const holds = [...lane.keys()].some((j) => lane[j] === free && t.startNs[j] + t.durationNs[j] > t.startNs[i]);
          expect(holds).toBe(true);
        }
      }
    }
  });

  it("has a lane for each of many siblings that run at once", () => {
    const spans: SpanIn[] = [{ id: "root", at: 0, for: 1000 }];
    for (let i = 0; i < 20_000; i++) spans.push({ id: `s${i}`, parent: "root", at: i * 0.001, for: 900 });
    expect(layoutFlame(makeTrace(spans)).lanes).toBe(20_001);
  });
});
