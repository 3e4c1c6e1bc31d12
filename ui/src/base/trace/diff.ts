// Two traces side by side by structure: spans are matched by what they are (service, name, kind) and
// where they stand, not by when they ran. Says what was added, what is missing and what took longer.

import { Kind, nameOf, serviceOf, type Trace } from "./model.ts";

export type Change = "same" | "slower" | "faster" | "added" | "missing";

export interface DiffRow {
  change: Change;
  depth: number;
  left: number; // span of the left trace, -1 when added
  right: number; // span of the right trace, -1 when missing
  service: string;
  name: string;
  kind: Kind;
  leftNs: number;
  rightNs: number;
  // The status turned into an error, or out of it.
  brokeNow: boolean;
  healedNow: boolean;
}

export interface DiffOptions {
  // Slower or faster only beyond both: a share of the left duration and an absolute difference.
  minShare: number;
  minNs: number;
  maxRows: number;
}

export const kDiffDefaults: DiffOptions = { minShare: 0.2, minNs: 1e6, maxRows: 50_000 };

export interface Diff {
  rows: DiffRow[];
  counts: Record<Change, number>;
  limitReached: boolean;
}

function signature(trace: Trace, span: number): string {
  return `${trace.kind[span]}\u0000${serviceOf(trace, span)}\u0000${nameOf(trace, span)}`;
}

function kids(trace: Trace, span: number): number[] {
  const found: number[] = [];
  for (let c = trace.childStart[span]; c < trace.childStart[span + 1]; c++) found.push(trace.children[c]);
  return found;
}

// Pairs siblings of the same signature in order, and keeps the left order with the right's additions
// where they stand.
function pairUp(left: Trace, ls: number[], right: Trace, rs: number[]): [number, number][] {
  const waiting = new Map<string, number[]>();
  rs.forEach((r, i) => {
    const key = signature(right, r);
    const list = waiting.get(key);
    if (list) list.push(i);
    else waiting.set(key, [i]);
  });
  const heads = new Map<string, number>(); // how many of a list are taken
  const partner = ls.map((l) => {
    const key = signature(left, l);
    const at = heads.get(key) ?? 0;
    heads.set(key, at + 1);
    return waiting.get(key)?.[at] ?? -1;
  });
  const taken = new Uint8Array(rs.length);
  for (const p of partner) if (p >= 0) taken[p] = 1;
  const pairs: [number, number][] = [];
  let next = 0; // right siblings before this one are said
  const additionsUpTo = (end: number) => {
    for (; next < end; next++) if (!taken[next]) pairs.push([-1, rs[next]]);
  };
  ls.forEach((l, i) => {
    if (partner[i] >= 0) additionsUpTo(partner[i]);
    pairs.push([l, partner[i] >= 0 ? rs[partner[i]] : -1]);
  });
  additionsUpTo(rs.length);
  return pairs;
}

export function diffTraces(left: Trace, right: Trace, options: DiffOptions = kDiffDefaults): Diff {
  const rows: DiffRow[] = [];
  const counts: Record<Change, number> = { same: 0, slower: 0, faster: 0, added: 0, missing: 0 };
  const stack: { l: number; r: number; depth: number }[] = [];
  const push = (pairs: [number, number][], depth: number) => {
    for (let i = pairs.length - 1; i >= 0; i--) stack.push({ l: pairs[i][0], r: pairs[i][1], depth });
  };
  push(pairUp(left, left.roots, right, right.roots), 0);
  while (stack.length) {
    const { l, r, depth } = stack.pop()!;
    const row = compareSpans(left, l, right, r, depth, options);
    counts[row.change]++;
    if (rows.length < options.maxRows) rows.push(row);
    push(pairUp(left, l < 0 ? [] : kids(left, l), right, r < 0 ? [] : kids(right, r)), depth + 1);
  }
  return { rows, counts, limitReached: rows.length >= options.maxRows };
}

function compareSpans(left: Trace, l: number, right: Trace, r: number, depth: number, options: DiffOptions): DiffRow {
  const from = l >= 0 ? left : right;
  const span = l >= 0 ? l : r;
  const leftNs = l >= 0 ? left.durationNs[l] : 0;
  const rightNs = r >= 0 ? right.durationNs[r] : 0;
  let change: Change = "same";
  if (l < 0) change = "added";
  else if (r < 0) change = "missing";
  else {
    const grown = rightNs - leftNs;
    if (Math.abs(grown) >= options.minNs && Math.abs(grown) >= options.minShare * Math.max(leftNs, 1)) {
      change = grown > 0 ? "slower" : "faster";
    }
  }
  const was_error = l >= 0 && left.status[l] === 2;
  const is_error = r >= 0 && right.status[r] === 2;
  return {
    change,
    depth,
    left: l,
    right: r,
    service: serviceOf(from, span),
    name: nameOf(from, span),
    kind: from.kind[span],
    leftNs,
    rightNs,
    brokeNow: is_error && !was_error && r >= 0,
    healedNow: was_error && !is_error && l >= 0 && r >= 0,
  };
}
