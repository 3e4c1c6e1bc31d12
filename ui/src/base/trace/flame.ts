// The flame view's layout: each span on the row of its depth, pushed further down where it would
// overlap one that is already there (concurrent siblings), so that nothing is hidden.

import type { Trace } from "./model.ts";

export interface Flame {
  lane: Int32Array; // by span
  lanes: number;
}

export function layoutFlame(trace: Trace): Flame {
  const lane = new Int32Array(trace.count);
  const ends: number[] = []; // last end by lane, for spans placed by start within a subtree
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
    let at = parent < 0 ? 0 : lane[parent] + 1;
    while (at < ends.length && ends[at] > trace.startNs[span]) at++;
    lane[span] = at;
    while (ends.length <= at) ends.push(-Infinity);
    ends[at] = Math.max(ends[at], trace.startNs[span] + trace.durationNs[span]);
    if (at + 1 > lanes) lanes = at + 1;
  }
  return { lane, lanes };
}
