import { describe, expect, it } from "vitest";
import { criticalPath } from "../../src/base/trace/critical_path.ts";
import { nameOf } from "../../src/base/trace/model.ts";
// @ts-expect-error plain JavaScript without types
import { random } from "../story/story.mjs";
import { makeTrace, type SpanIn, testSeed } from "./make_trace.ts";

function path(spans: SpanIn[]): [string, number, number][] {
  const t = makeTrace(spans);
  const p = criticalPath(t);
  return [...p.span].map((s, i) => [nameOf(t, s), p.fromNs[i] / 1e6, p.toNs[i] / 1e6]);
}

describe("the critical path", () => {
  it("is the root alone when it has no children", () => {
    expect(path([{ id: "root", at: 0, for: 10 }])).toEqual([["root", 0, 10]]);
  });

  it("follows the last child to finish, then the one before it began", () => {
    expect(
      path([
        { id: "root", at: 0, for: 100 },
        { id: "one", parent: "root", at: 10, for: 30 },
        { id: "two", parent: "root", at: 50, for: 40 },
        { id: "within", parent: "two", at: 55, for: 20 },
      ]),
    ).toEqual([
      ["root", 0, 10],
      ["one", 10, 40],
      ["root", 40, 50],
      ["two", 50, 55],
      ["within", 55, 75],
      ["two", 75, 90],
      ["root", 90, 100],
    ]);
  });

  it("leaves out what ran beside and was not waited for", () => {
    expect(
      path([
        { id: "root", at: 0, for: 100 },
        { id: "beside", parent: "root", at: 10, for: 40 },
        { id: "long", parent: "root", at: 5, for: 90 },
      ]),
    ).toEqual([
      ["root", 0, 5],
      ["long", 5, 95],
      ["root", 95, 100],
    ]);
  });

  it("counts a child that outlives its parent up to the parent's end", () => {
    expect(
      path([
        { id: "root", at: 0, for: 50 },
        { id: "async", parent: "root", at: 20, for: 100 },
      ]),
    ).toEqual([
      ["root", 0, 20],
      ["async", 20, 50],
    ]);
  });

  it("tiles the root's time without gaps or overlaps, whatever the spans", () => {
    const rng = random(testSeed());
    for (let round = 0; round < 300; round++) {
      const n = 2 + Math.floor(rng() * 30);
      const spans: SpanIn[] = [{ id: "s0", at: 0, for: 100 }];
      for (let i = 1; i < n; i++) spans.push({ id: `s${i}`, parent: `s${Math.floor(rng() * i)}`, at: Math.floor(rng() * 120) - 10, for: Math.floor(rng() * 60) });
      const segments = path(spans);
      // The trace's zero is its earliest span, which may be a child.
      const start = -Math.min(...spans.map((x) => x.at));
      let at = start;
      for (const [, from, to] of segments) {
        expect(from).toBeCloseTo(at, 6);
        expect(to).toBeGreaterThan(from);
        at = to;
      }
      expect(at - start).toBeCloseTo(100, 6);
    }
  });
});
