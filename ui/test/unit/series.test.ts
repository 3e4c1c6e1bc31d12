import { describe, expect, it } from "vitest";
import type { ErrorGroup, TraceSummary } from "../../src/api/types.ts";
import { totals } from "../../src/pages/errors.tsx";
import { mergeTraces } from "../../src/pages/search.tsx";
import { metricFormat, stepFor, toSeries } from "../../src/pages/search_metrics.tsx";
import { fillSteps } from "../../src/pages/services.tsx";
import { lonePoints } from "../../src/widgets/chart.tsx";

const point = (ms: number, spans: number, errors = 0) => ({ timeUnixNano: `${ms}000000`, spans, errors, p95Ms: 7 });

describe("a chart", () => {
  it("shows values that no line goes through as points", () => {
    expect(lonePoints([null, 1, null, 2, 3, null, 4])).toEqual([1, 6]);
    expect(lonePoints([5])).toEqual([0]);
    expect(lonePoints([1, 2, null])).toBeNull();
    expect(lonePoints([])).toBeNull();
  });
});

describe("time series", () => {
  it("fill the whole range: no spans is a rate of 0, no share of failures and no duration", () => {
    const filled = fillSteps([point(1000, 10, 5), point(3000, 20)], { startMs: 1000, endMs: 5000 }, 1000);
    expect(filled.timesMs).toEqual([1000, 2000, 3000, 4000]);
    expect(filled.rate).toEqual([10, 0, 20, 0]);
    expect(filled.errors).toEqual([0.5, null, 0, null]);
    expect(filled.p95).toEqual([7, null, 7, null]);
  });

  it("keep a first step that begins before the range", () => {
    expect(fillSteps([point(900, 3)], { startMs: 1000, endMs: 3000 }, 1000).rate[0]).toBe(3);
  });

  it("add up error groups without losing any", () => {
    const group = (overTime: [number, number][]) => ({ overTime }) as ErrorGroup;
    const { values, timesMs } = totals([group([[2000, 3], [4000, 1]]), group([[2000, 2]])], { startMs: 0, endMs: 6000 }, 1000);
    expect(values.reduce((a, b) => a + b, 0)).toBe(6);
    expect(values[timesMs.indexOf(2000)]).toBe(5);
  });

  it("line up the points of several metric series", () => {
    const at = (ms: number, value: number) => ({ timeUnixNano: `${ms}000000`, value });
    const { timesMs, series } = toSeries({ stepMs: 1, series: [{ labels: { name: "a" }, points: [at(1000, 1), at(2000, 2)] }, { labels: { name: "b" }, points: [at(2000, 3)] }] }, false);
    expect(timesMs).toEqual([1000, 2000]);
    expect(series.map((s) => [s.label, s.values])).toEqual([["a", [1, 2]], ["b", [null, 3]]]);
  });

  it("have the unit of their metric", () => {
    expect(metricFormat("{ status = error } | rate() by(resource.service.name)")(0.8)).toBe("0.8/s");
    expect(metricFormat("{ } | count_over_time()")(1200)).toBe("1.2k");
    expect(metricFormat("{ } | quantile_over_time(duration, .95)")(0.25)).toBe("250 ms");
    expect(metricFormat("{ duration > 1s } | rate()")(2)).toBe("2/s");
  });

  it("ask for round steps", () => {
    expect(stepFor({ startMs: 0, endMs: 3_600_000 })).toBe(30_000);
    expect(stepFor({ startMs: 0, endMs: 60_000 })).toBe(1000);
  });
});

describe("results that stream in", () => {
  it("stay newest first, then by id, each trace once and in its latest form", () => {
    const trace = (traceId: string, start: string, spanCount = 1) => ({ traceId, startTimeUnixNano: start, spanCount }) as TraceSummary;
    let all = mergeTraces([], [trace("b", "1700000000000000001"), trace("c", "1700000000000000002")], 3);
    all = mergeTraces(all, [trace("a", "1700000000000000001"), trace("c", "1700000000000000002", 9), trace("z", "1600000000000000000")], 3);
    expect(all.map((t) => [t.traceId, t.spanCount])).toEqual([["c", 9], ["a", 1], ["b", 1]]);
  });
});
