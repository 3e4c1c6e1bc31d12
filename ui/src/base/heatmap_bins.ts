// From the server's heatmap cells to what is painted: rows on a log axis, colour by the square root
// of the count (so that a lone time-out is still seen), and the way back from pixels to a region.

export interface HeatmapData {
  startMs: number;
  endMs: number;
  columnMs: number;
  bucketsPerOctave: number;
  buckets: { index: number; fromMs: number; toMs: number }[];
  cells: [column: number, bucketIndex: number, count: number, errors: number][];
  spans: number;
}

export interface HeatmapGrid {
  columns: number;
  rows: number; // 0 is the shortest duration
  // A row is `fold` of the server's buckets, the lowest row begins at bucket `bottom * fold`.
  bottom: number;
  fold: number;
  bucketsPerOctave: number;
  minMs: number;
  maxMs: number;
  counts: Uint32Array; // row * columns + column
  errors: Uint32Array;
  maxCount: number;
}

const kMinRows = 12;
// More rows than this are folded by twos: they would be thinner than an eye can tell apart.
const kMaxRows = 36;

// Where a bucket of the server begins: equal parts of each doubling of nanoseconds.
export function bucketFromMs(index: number, perOctave: number): number {
  const octave = Math.floor(index / perOctave);
  return (2 ** octave * (1 + (index - octave * perOctave) / perOctave)) / 1e6;
}

function rowFromMs(grid: Pick<HeatmapGrid, "bottom" | "fold" | "bucketsPerOctave">, row: number): number {
  return bucketFromMs((grid.bottom + row) * grid.fold, grid.bucketsPerOctave);
}

// How many rows up a duration stands, with its fraction: the axis is as the rows are.
export function rowAt(grid: HeatmapGrid, ms: number): number {
  const octave = Math.floor(Math.log2(ms * 1e6));
  const index = (octave + (ms * 1e6) / 2 ** octave - 1) * grid.bucketsPerOctave;
  return index / grid.fold - grid.bottom;
}

export function toGrid(data: HeatmapData): HeatmapGrid {
  const columns = Math.max(1, Math.round((data.endMs - data.startMs) / data.columnMs));
  let low = Infinity;
  let high = -Infinity;
  for (const [, bucket] of data.cells) {
    if (bucket < low) low = bucket;
    if (bucket > high) high = bucket;
  }
  if (low > high) {
    // Without a span there is no scale to keep to: about a millisecond does.
    low = 20 * data.bucketsPerOctave - kMinRows / 2;
    high = low + kMinRows - 1;
  }
  // A few spans of one duration still get an axis around them.
  const lacking = kMinRows - (high - low + 1);
  if (lacking > 0) {
    low -= Math.ceil(lacking / 2);
    high += Math.floor(lacking / 2);
  }
  let fold = 1;
  while (Math.floor(high / fold) - Math.floor(low / fold) >= kMaxRows && fold < data.bucketsPerOctave * 8) fold *= 2;
  const bottom = Math.floor(low / fold);
  const rows = Math.floor(high / fold) - bottom + 1;
  const counts = new Uint32Array(columns * rows);
  const errors = new Uint32Array(columns * rows);
  let max_count = 0;
  for (const [column, bucket, count, error_count] of data.cells) {
    if (column < 0 || column >= columns) continue;
    const at = (Math.floor(bucket / fold) - bottom) * columns + column;
    counts[at] += count;
    errors[at] += error_count;
    if (counts[at] > max_count) max_count = counts[at];
  }
  const scale = { bottom, fold, bucketsPerOctave: data.bucketsPerOctave };
  return { columns, rows, ...scale, minMs: rowFromMs(scale, 0), maxMs: rowFromMs(scale, rows), counts, errors, maxCount: max_count };
}

// 0..1, never 0 for something.
export function intensity(count: number, maxCount: number): number {
  if (count === 0 || maxCount === 0) return 0;
  return 0.16 + 0.84 * Math.sqrt(count / maxCount);
}

export interface Region {
  startMs: number;
  endMs: number;
  minMs: number;
  maxMs: number; // Infinity at the top row
}

// The region between two cells, both included.
export function regionOf(data: HeatmapData, grid: HeatmapGrid, a: { column: number; row: number }, b: { column: number; row: number }): Region {
  const clamp = (v: number, max: number) => Math.min(Math.max(v, 0), max);
  const c0 = clamp(Math.min(a.column, b.column), grid.columns - 1);
  const c1 = clamp(Math.max(a.column, b.column), grid.columns - 1);
  const r0 = clamp(Math.min(a.row, b.row), grid.rows - 1);
  const r1 = clamp(Math.max(a.row, b.row), grid.rows - 1);
  return {
    startMs: data.startMs + c0 * data.columnMs,
    endMs: Math.min(data.endMs, data.startMs + (c1 + 1) * data.columnMs),
    minMs: r0 === 0 ? 0 : rowFromMs(grid, r0),
    maxMs: r1 === grid.rows - 1 ? Infinity : rowFromMs(grid, r1 + 1),
  };
}

export function countIn(grid: HeatmapGrid, a: { column: number; row: number }, b: { column: number; row: number }): { count: number; errors: number } {
  let count = 0;
  let errors = 0;
  for (let r = Math.min(a.row, b.row); r <= Math.max(a.row, b.row); r++) {
    for (let c = Math.min(a.column, b.column); c <= Math.max(a.column, b.column); c++) {
      if (r < 0 || c < 0 || r >= grid.rows || c >= grid.columns) continue;
      count += grid.counts[r * grid.columns + c];
      errors += grid.errors[r * grid.columns + c];
    }
  }
  return { count, errors };
}

// Round marks (1-2-5 thinned to decades where they crowd) within the axis.
export function logTicks(minMs: number, maxMs: number, maxTicks = 7): number[] {
  if (!(minMs > 0) || !(maxMs > minMs) || !Number.isFinite(maxMs)) return [];
  for (const steps of [[1, 2, 5], [1, 3], [1]]) {
    const ticks: number[] = [];
    for (let decade = Math.floor(Math.log10(minMs)); decade <= Math.ceil(Math.log10(maxMs)); decade++) {
      for (const step of steps) {
        const tick = step * 10 ** decade;
        if (tick >= minMs && tick <= maxMs) ticks.push(tick);
      }
    }
    if (ticks.length <= maxTicks || steps.length === 1) return ticks;
  }
  return [];
}

// Round times within a range, about `count` of them.
export function timeTicks(startMs: number, endMs: number, count: number): number[] {
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5];
  const step = steps.find((s) => (endMs - startMs) / s <= count) ?? 2592e6;
  // Hours and days are the reader's, whose clock may change within the range.
  const zoneAt = (ms: number) => (step >= 36e5 ? new Date(ms).getTimezoneOffset() * 6e4 : 0);
  const zone = zoneAt(startMs);
  const ticks: number[] = [];
  for (let local = Math.ceil((startMs - zone) / step) * step; ; local += step) {
    const t = local + zoneAt(local + zone);
    if (!(t < endMs)) return ticks;
    if (t >= startMs) ticks.push(t);
  }
}
