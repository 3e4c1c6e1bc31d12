import { describe, expect, it } from "vitest";
import { callOf, clockSkews, withClocksSet } from "../../src/base/trace/calls.ts";
import { byName, makeTrace } from "./make_trace.ts";

const kServer = 2;
const kClient = 3;

describe("calls between services", () => {
  it("say the network as the difference of two durations", () => {
    const t = makeTrace([
      { id: "c", service: "a", host: "h1", kind: kClient, at: 0, for: 100 },
      { id: "s", parent: "c", service: "b", host: "h2", kind: kServer, at: 10, for: 70 },
    ]);
    const call = callOf(t, byName(t, "c"))!;
    expect(call.networkNs).toBe(30e6);
    expect(call.placed).toBe(true);
    expect(clockSkews(t).size).toBe(0);
  });

  it("find a clock that is ahead, and its network stays the same", () => {
    const t = makeTrace([
      { id: "c", service: "a", host: "h1", kind: kClient, at: 0, for: 100 },
      { id: "s", parent: "c", service: "b", host: "h2", kind: kServer, at: 515, for: 70 },
      { id: "i", parent: "s", service: "b", host: "h2", at: 520, for: 10 },
    ]);
    const call = callOf(t, byName(t, "c"))!;
    expect(call.networkNs).toBe(30e6);
    expect(call.placed).toBe(false);
    const skews = clockSkews(t);
    const skew = skews.get(t.resourceId[byName(t, "s")])!;
    expect(skew.aheadNs).toBe(500e6);
    const set = withClocksSet(t, skews);
    expect(set.startNs[byName(t, "s")]).toBe(15e6);
    expect(t.startNs[byName(t, "s")]).toBe(515e6); // the raw trace is untouched
  });

  it("carry a clock's offset on to what it calls", () => {
    const t = makeTrace([
      { id: "c1", service: "a", host: "h1", kind: kClient, at: 0, for: 100 },
      { id: "s1", parent: "c1", service: "b", host: "h2", kind: kServer, at: 1010, for: 80 },
      { id: "c2", parent: "s1", service: "b", host: "h2", kind: kClient, at: 1020, for: 40 },
      { id: "s2", parent: "c2", service: "c", host: "h3", kind: kServer, at: 30, for: 20 },
    ]);
    const set = withClocksSet(t, clockSkews(t));
    const at = (name: string) => [set.startNs[byName(t, name)] / 1e6, (set.startNs[byName(t, name)] + set.durationNs[byName(t, name)]) / 1e6];
    expect(at("s1")[0]).toBeGreaterThanOrEqual(0);
    expect(at("s2")[0]).toBeGreaterThanOrEqual(at("c2")[0]);
    expect(at("s2")[1]).toBeLessThanOrEqual(at("c2")[1]);
  });

  it("carry it in whatever order the spans came", () => {
    const spans = [
      { id: "c1", service: "a", host: "h1", kind: kClient, at: 0, for: 100 },
      { id: "s1", parent: "c1", service: "b", host: "h2", kind: kServer, at: 1010, for: 80 },
      { id: "c2", parent: "s1", service: "b", host: "h2", kind: kClient, at: 1020, for: 60 },
      { id: "s2", parent: "c2", service: "c", host: "h3", kind: kServer, at: 1025, for: 50 },
      { id: "c3", parent: "s2", service: "c", host: "h3", kind: kClient, at: 1030, for: 40 },
      { id: "s3", parent: "c3", service: "d", host: "", kind: kServer, at: 1035, for: 30 },
    ];
    for (const order of [spans, spans.toReversed()]) {
      const t = makeTrace(order);
      const set = withClocksSet(t, clockSkews(t));
      expect(["c1", "s1", "c2", "s2", "c3", "s3"].map((name) => set.startNs[byName(t, name)] - set.firstNs)).toEqual([0, 10e6, 20e6, 25e6, 30e6, 35e6]);
    }
  });

  it("carry it to the stand-ins of spans that were not received", () => {
    const t = makeTrace([
      { id: "c", service: "a", host: "h1", kind: kClient, at: 0, for: 100 },
      { id: "s", parent: "c", service: "b", host: "h2", kind: kServer, at: 1010, for: 80 },
      { id: "i", parent: "lost", service: "b", host: "h2", at: 1020, for: 10 },
    ]);
    const set = withClocksSet(t, clockSkews(t));
    expect([set.startNs[t.received], set.durationNs[t.received]]).toEqual([20e6, 10e6]);
    expect([t.startNs[t.received], t.durationNs[t.received]]).toEqual([1020e6, 10e6]);
  });

  it("take no clock to be wrong for a server span that ends just after its answer has arrived", () => {
    const t = makeTrace([
      { id: "c", service: "a", host: "h1", kind: kClient, at: 0, for: 100 },
      { id: "s", parent: "c", service: "b", host: "h2", kind: kServer, at: 60, for: 45 },
    ]);
    expect(callOf(t, byName(t, "c"))!.placed).toBe(false);
    expect(clockSkews(t).size).toBe(0);
  });

  it("take no clock to be wrong by less than browsers round to", () => {
    const t = makeTrace([
      { id: "c", service: "a", host: "h1", kind: kClient, at: 1, for: 3 },
      { id: "s", parent: "c", service: "b", host: "h2", kind: kServer, at: 0.2, for: 2 },
    ]);
    expect(clockSkews(t).size).toBe(0);
  });

  it("leave asynchronous servers that outlive their callers alone", () => {
    const t = makeTrace([
      { id: "c", service: "a", host: "h1", kind: kClient, at: 0, for: 10 },
      { id: "s", parent: "c", service: "b", host: "h2", kind: kServer, at: 5, for: 500 },
    ]);
    expect(clockSkews(t).size).toBe(0);
  });
});
