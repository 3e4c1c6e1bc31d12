// Search inside a trace: span names, services, ids first, then attributes, events and messages, in
// slices that leave the page responsive.

import { isMissing, nameOf, serviceOf, spanIdOf, type Trace } from "./model.ts";

const kSliceMs = 12;

function quick(trace: Trace, needle: string): Uint8Array {
  const names = trace.names.map((n) => n.toLowerCase().includes(needle));
  const services = trace.resources.map((r) => r.service.toLowerCase().includes(needle));
  const hit = new Uint8Array(trace.count);
  const id = /^[0-9a-f]{4,16}$/.test(needle);
  for (let i = 0; i < trace.count; i++) {
    if (names[trace.nameId[i]] || (trace.resourceId[i] >= 0 && services[trace.resourceId[i]]) || (id && spanIdOf(trace, i).includes(needle))) hit[i] = 1;
  }
  return hit;
}

export function spanText(trace: Trace, span: number): string {
  if (isMissing(trace, span)) return "";
  const d = trace.details(span);
  const parts = [d.statusMessage];
  for (const a of d.attributes) parts.push(a.key, a.text);
  for (const e of d.events) {
    parts.push(e.name);
    for (const a of e.attributes) parts.push(a.key, a.text);
  }
  return parts.join("\n").toLowerCase();
}

// Spans that contain the text, in row order; `found` is called as more become known, last with done.
export function findInTrace(trace: Trace, text: string, found: (rows: Int32Array, done: boolean) => void): () => void {
  const needle = text.trim().toLowerCase();
  let stopped = false;
  if (!needle) {
    found(new Int32Array(0), true);
    return () => {};
  }
  const hit = quick(trace, needle);
  const report = (done: boolean) => {
    let used = 0;
    const rows = new Int32Array(trace.count);
    for (const span of trace.order) if (hit[span]) rows[used++] = span;
    found(rows.slice(0, used), done);
  };
  let at = 0;
  let reported = 0;
  const slice = () => {
    if (stopped) return;
    const until = performance.now() + kSliceMs;
    while (at < trace.count && performance.now() < until) {
      for (let n = 0; n < 64 && at < trace.count; n++, at++) {
        if (!hit[at] && spanText(trace, at).includes(needle)) hit[at] = 1;
      }
    }
    if (at >= trace.count) report(true);
    else {
      if (performance.now() - reported > 250) {
        report(false);
        reported = performance.now();
      }
      setTimeout(slice, 0);
    }
  };
  slice();
  return () => (stopped = true);
}

export function describeSpan(trace: Trace, span: number): string {
  return `${serviceOf(trace, span)} ${nameOf(trace, span)}`;
}
