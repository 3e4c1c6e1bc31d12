import { describe, expect, it } from "vitest";
import { bucketFromMs, countIn, type HeatmapData, intensity, logTicks, regionOf, rowAt, timeTicks, toGrid } from "../../src/base/heatmap_bins.ts";

function data(cells: HeatmapData["cells"], perOctave = 4): HeatmapData {
  const used = [...new Set(cells.map((c) => c[1]))];
  return {
    startMs: 1000,
    endMs: 11_000,
    columnMs: 1000,
    bucketsPerOctave: perOctave,
    buckets: used.map((index) => ({ index, fromMs: bucketFromMs(index, perOctave), toMs: bucketFromMs(index + 1, perOctave) })),
    cells,
    spans: cells.reduce((n, c) => n + c[2], 0),
  };
}

describe("the heatmap", () => {
  it("keeps every count, folding rows only where they would be too thin", () => {
    const spread = data(Array.from({ length: 100 }, (_, i) => [i % 10, i, i + 1, i % 2] as [number, number, number, number]));
    const grid = toGrid(spread);
    expect(grid.rows).toBeLessThanOrEqual(51);
    expect(grid.counts.reduce((a, b) => a + b, 0)).toBe(5050);
    expect(grid.errors.reduce((a, b) => a + b, 0)).toBe(50);
    expect(grid.columns).toBe(10);
  });

  it("gives a few spans an axis around them", () => {
    const grid = toGrid(data([[0, 10, 1, 0]]));
    expect(grid.rows).toBeGreaterThanOrEqual(12);
    expect(grid.counts.reduce((a, b) => a + b, 0)).toBe(1);
    const empty = toGrid(data([]));
    expect(empty.maxCount).toBe(0);
    expect(logTicks(empty.minMs, empty.maxMs).length).toBeGreaterThan(0);
    expect(logTicks(0, 0)).toEqual([]);
  });

  it("turns a rectangle into the region that holds exactly its spans", () => {
    const d = data([[1, 94, 1, 0], [2, 98, 5, 1], [3, 110, 7, 7]]);
    const grid = toGrid(d);
    const row = grid.counts.findIndex((c) => c === 5);
    const cell = { column: row % grid.columns, row: Math.floor(row / grid.columns) };
    const region = regionOf(d, grid, cell, cell);
    expect(region.startMs).toBe(3000);
    expect(region.endMs).toBe(4000);
    expect(region).toMatchObject({ minMs: d.buckets[1].fromMs, maxMs: d.buckets[1].toMs });
    expect(countIn(grid, cell, cell)).toEqual({ count: 5, errors: 1 });
    const all = regionOf(d, grid, { column: 0, row: 0 }, { column: 99, row: 99 });
    expect(all).toMatchObject({ startMs: 1000, endMs: 11_000, minMs: 0, maxMs: Infinity });
  });

  it("has the server's buckets: equal parts of each doubling", () => {
    expect([96, 97, 98, 99, 100].map((i) => bucketFromMs(i, 4) * 1e6)).toEqual([1, 1.25, 1.5, 1.75, 2].map((part) => 2 ** 24 * part));
    const grid = toGrid(data([[0, 96, 1, 0], [0, 119, 1, 0]]));
    for (let row = 0; row <= grid.rows; row++) expect(rowAt(grid, bucketFromMs(96 + row, 4))).toBeCloseTo(row, 9);
  });

  it("never paints something as nothing", () => {
    expect(intensity(0, 1e6)).toBe(0);
    expect(intensity(1, 1e6)).toBeGreaterThan(0.1);
    expect(intensity(1e6, 1e6)).toBe(1);
  });

  it("marks round durations and times", () => {
    expect(logTicks(0.9, 1100)).toEqual([1, 3, 10, 30, 100, 300, 1000]);
    const ticks = timeTicks(0, 3_600_000, 8);
    expect(ticks.length).toBeLessThanOrEqual(8);
    expect(ticks.every((t) => t % 600_000 === 0)).toBe(true);
  });

  it("marks the reader's midnights, also where the clock changes", () => {
    const before = process.env.TZ;
    process.env.TZ = "Europe/Berlin";
    try {
      // The 25th of October 2026 has 25 hours there, the 29th of March 23.
      for (const [from, days] of [["2026-10-23T12:00:00Z", [24, 25, 26, 27, 28]], ["2026-03-27T12:00:00Z", [28, 29, 30, 31, 1]]] as const) {
        const startMs = Date.parse(from);
        const ticks = timeTicks(startMs, startMs + 5 * 86_400_000, 5).map((t) => new Date(t));
        expect(ticks.map((t) => t.getDate())).toEqual(days);
        expect(ticks.map((t) => t.getHours())).toEqual([0, 0, 0, 0, 0]);
      }
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
  });
});
