// The flame view's layout: each span on the row of its depth, pushed further down where it would
// overlap one that is already there (concurrent siblings), so that nothing is hidden.

import type { Trace } from "./model.ts";

export interface Flame {
  lane: Int32Array; // by span
  lanes: number;
}

// When each lane is free again, below a tree of minima: among thousands of concurrent siblings the
// first lane that is free is found without asking all that are not.
class Lanes {
  private readonly leaves: number;
  private readonly free: Float64Array; // node n has the lower of 2n and 2n + 1; lanes are the leaves
  // For lanes 0 to count, of which the last is never taken.
  constructor(count: number) {
    this.leaves = 2 ** Math.ceil(Math.log2(count + 2));
    this.free = new Float64Array(2 * this.leaves).fill(-Infinity);
  }

  firstFree(from: number, atNs: number): number {
    let node = this.leaves + from;
    while (this.free[node] > atNs) {
      while (node & 1) node >>= 1;
      node++;
    }
    while (node < this.leaves) {
      node *= 2;
      if (this.free[node] > atNs) node++;
    }
    return node - this.leaves;
  }

  take(lane: number, untilNs: number): void {
    let node = this.leaves + lane;
    this.free[node] = Math.max(this.free[node], untilNs);
    while ((node >>= 1)) this.free[node] = Math.min(this.free[2 * node], this.free[2 * node + 1]);
  }
}

export function layoutFlame(trace: Trace): Flame {
  const lane = new Int32Array(trace.count);
  const taken = new Lanes(trace.count);
  let lanes = 0;
  // By start over the whole trace, but never before their parents (a clock may say otherwise).
  const key = new Float64Array(trace.count);
  for (const span of trace.order) {
    const parent = trace.parent[span];
    key[span] = parent < 0 ? trace.startNs[span] : Math.max(trace.startNs[span], key[parent]);
  }
  const by_start = trace.order.slice().sort((a, b) => key[a] - key[b] || trace.position[a] - trace.position[b]);
  for (const span of by_start) {
    const parent = trace.parent[span];
    const at = taken.firstFree(parent < 0 ? 0 : lane[parent] + 1, trace.startNs[span]);
    lane[span] = at;
    taken.take(at, trace.startNs[span] + trace.durationNs[span]);
    if (at + 1 > lanes) lanes = at + 1;
  }
  return { lane, lanes };
}
