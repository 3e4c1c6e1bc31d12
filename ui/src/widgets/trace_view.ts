// What the waterfall, the flame view, the minimap and the details share about one open trace: facts
// worked out once for each span looked at, and colours.

import { callOf, type Call, type ClockSkew, clockSkews, withClocksSet } from "../base/trace/calls.ts";
import { type CriticalPath, criticalPath } from "../base/trace/critical_path.ts";
import { isMissing, type SpanDetails, type Trace } from "../base/trace/model.ts";
import { type Phases, phasesOf } from "../base/trace/phases.ts";
import { colourOf } from "./service_name.tsx";

export interface TimeWindow {
  fromNs: number;
  toNs: number;
}

export class TraceView {
  readonly raw: Trace;
  readonly trace: Trace;
  readonly skews: Map<number, ClockSkew>;
  private path: CriticalPath | null = null;
  private segments: Map<number, [number, number][]> | null = null;
  private readonly detailsOf = new Map<number, SpanDetails>();
  private readonly phases = new Map<number, Phases | null>();
  private readonly calls = new Map<number, Call | null>();

  constructor(raw: Trace, clocksSet: boolean) {
    this.raw = raw;
    this.skews = clockSkews(raw);
    this.trace = clocksSet ? withClocksSet(raw, this.skews) : raw;
  }

  details(span: number): SpanDetails {
    let found = this.detailsOf.get(span);
    if (!found) {
      if (this.detailsOf.size > 2000) this.detailsOf.clear();
      this.detailsOf.set(span, (found = this.trace.details(span)));
    }
    return found;
  }

  phasesOf(span: number): Phases | null {
    let found = this.phases.get(span);
    if (found === undefined) {
      found = isMissing(this.trace, span) ? null : phasesOf(this.trace, span);
      this.phases.set(span, found);
    }
    return found;
  }

  callOf(span: number): Call | null {
    let found = this.calls.get(span);
    if (found === undefined) this.calls.set(span, (found = callOf(this.trace, span)));
    return found;
  }

  // The moments of this span on the critical path.
  critical(span: number): [number, number][] {
    if (!this.segments) {
      const path = this.criticalPath();
      this.segments = new Map();
      path.span.forEach((s, i) => {
        const list = this.segments!.get(s);
        const segment: [number, number] = [path.fromNs[i], path.toNs[i]];
        if (list) list.push(segment);
        else this.segments!.set(s, [segment]);
      });
    }
    return this.segments.get(span) ?? [];
  }

  criticalPath(): CriticalPath {
    return (this.path ??= criticalPath(this.trace));
  }

  colour(span: number) {
    const resource = this.trace.resources[this.trace.resourceId[span]];
    return colourOf(resource?.service ?? "", resource?.namespace ?? null);
  }

  whole(): TimeWindow {
    const { trace } = this;
    let from = trace.firstNs;
    let to = trace.endNs;
    for (let i = trace.received; i < trace.count; i++) {
      from = Math.min(from, trace.startNs[i]);
      to = Math.max(to, trace.startNs[i] + trace.durationNs[i]);
    }
    return { fromNs: from, toNs: Math.max(to, from + 1) };
  }
}

const rgb_cache = new Map<string, number>();
let probe: CanvasRenderingContext2D | null = null;

// A CSS colour as the 32 bits of ImageData (little endian RGBA).
export function pixel(css: string): number {
  let value = rgb_cache.get(css);
  if (value !== undefined) return value;
  probe ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true }) as unknown as CanvasRenderingContext2D;
  probe.fillStyle = css;
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
  value = (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
  rgb_cache.set(css, value);
  return value;
}

// Marks on the time axis of a trace, in ns after its base.
export function durationTicks(window: TimeWindow, zeroNs: number, count: number): { atNs: number; label: number }[] {
  const span = window.toNs - window.fromNs;
  const raw = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((s) => s * power).find((s) => s >= raw) ?? raw;
  const ticks: { atNs: number; label: number }[] = [];
  for (let t = Math.ceil((window.fromNs - zeroNs) / step) * step; t <= window.toNs - zeroNs; t += step) {
    ticks.push({ atNs: t + zeroNs, label: t / 1e6 });
  }
  return ticks;
}
