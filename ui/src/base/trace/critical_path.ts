// The critical path: which span the trace waited for at each moment. Shortening anything else would
// not have made the trace faster. Walks back from the end of the root: the last child to finish is
// what its parent waited for, then the last child to finish before that one began, and so on.

import { endOf, isMissing, type Trace } from "./model.ts";

export interface CriticalPath {
  // Segments in order of time, not overlapping: span, from and to (ns after the trace's base).
  span: Int32Array;
  fromNs: Float64Array;
  toNs: Float64Array;
  // Time on the path by span, own segments alone.
  selfNs: Map<number, number>;
}

export function criticalPath(trace: Trace, root = mainRoot(trace)): CriticalPath {
  const spans: number[] = [];
  const from: number[] = [];
  const to: number[] = [];
  const emit = (span: number, a: number, b: number) => {
    if (b <= a) return;
    spans.push(span);
    from.push(a);
    to.push(b);
  };
  // Each frame walks one span's children backwards from `until`, never below `floor`.
  interface Frame {
    span: number;
    floor: number;
    until: number;
    readonly limit: number;
    byEnd: number[];
  }
  const stack: Frame[] = [];
  // A child that outlives its parent (asynchronous work, or a clock ahead) counts as ending with it.
  const enter = (span: number, floor: number, until: number) => {
    const children: number[] = [];
    for (let c = trace.childStart[span]; c < trace.childStart[span + 1]; c++) {
      children.push(trace.children[c]);
    }
    const end = (child: number) => Math.min(endOf(trace, child), until);
    children.sort((a, b) => end(a) - end(b) || trace.startNs[b] - trace.startNs[a]);
    stack.push({ span, floor, until, limit: until, byEnd: children });
  };
  if (root >= 0) enter(root, trace.startNs[root], endOf(trace, root));
  while (stack.length) {
    const frame = stack[stack.length - 1];
    const child = frame.byEnd.pop();
    if (child === undefined) {
      emit(frame.span, frame.floor, frame.until);
      stack.pop();
      continue;
    }
    const start = Math.max(trace.startNs[child], frame.floor);
    const end = Math.min(endOf(trace, child), frame.limit);
    // Still running when the next one on the path began: nobody waited for it.
    if (end > frame.until || end <= start) continue;
    emit(frame.span, end, frame.until);
    frame.until = start;
    enter(child, start, end);
  }
  const index = spans.map((_, i) => i).sort((a, b) => from[a] - from[b] || to[a] - to[b]);
  const self = new Map<number, number>();
  spans.forEach((span, i) => self.set(span, (self.get(span) ?? 0) + to[i] - from[i]));
  return {
    span: Int32Array.from(index, (i) => spans[i]),
    fromNs: Float64Array.from(index, (i) => from[i]),
    toNs: Float64Array.from(index, (i) => to[i]),
    selfNs: self,
  };
}

export function mainRoot(trace: Trace): number {
  return trace.roots.find((r) => !isMissing(trace, r)) ?? trace.roots[0] ?? -1;
}

export function isOnPath(path: CriticalPath, span: number): boolean {
  return path.selfNs.has(span);
}
