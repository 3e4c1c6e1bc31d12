// Paints one span's bar: the service's colour, the phases of a call, the server's span inset in its
// client's (what is left over is the network), events, the critical path. Red is for failure alone.

import { Flag, Kind, Status } from "../base/trace/model.ts";
import { kPhaseTitles, type PhaseName } from "../base/trace/phases.ts";
import { formatDuration } from "../base/format.ts";
import { token } from "../base/theme.ts";
import type { TimeWindow, TraceView } from "./trace_view.ts";

export const kRowHeight = 22;

export interface Palette {
  ink: string;
  muted: string;
  line: string;
  panel: string;
  error: string;
  warn: string;
  font: string;
  accentSoft: string;
  hover: string;
  phase: Record<PhaseName, string>;
}

export function palette(): Palette {
  const phase = {} as Record<PhaseName, string>;
  for (const name of ["dns", "connect", "tls", "send", "wait", "receive"] as const) phase[name] = token(`--phase-${name}`);
  return {
    ink: token("--ink"),
    muted: token("--muted"),
    line: token("--line"),
    panel: token("--panel"),
    error: token("--error"),
    warn: token("--warn"),
    accentSoft: token("--accent-soft"),
    hover: token("--hover"),
    font: `11px ${token("--sans")}`,
    phase,
  };
}

let hatch_cache: { key: string; pattern: CanvasPattern } | null = null;

function hatch(c: CanvasRenderingContext2D, colour: string): CanvasPattern {
  if (hatch_cache?.key === colour) return hatch_cache.pattern;
  const tile = new OffscreenCanvas(6, 6);
  const t = tile.getContext("2d")!;
  t.strokeStyle = colour;
  t.lineWidth = 1.2;
  t.beginPath();
  for (const x of [-6, 0, 6]) {
    t.moveTo(x, 6);
    t.lineTo(x + 6, 0);
  }
  t.stroke();
  const pattern = c.createPattern(tile, "repeat")!;
  hatch_cache = { key: colour, pattern };
  return pattern;
}

export interface BarPlace {
  y: number;
  left: number;
  // Of the time scale; labels may use `margin` more to its right.
  width: number;
  margin: number;
  window: TimeWindow;
}

const kMinBar = 1.5;

// What Painter needs to turn times into x.
function scaleOf(place: BarPlace): (ns: number) => number {
  const factor = place.width / (place.window.toNs - place.window.fromNs);
  return (ns) => place.left + (ns - place.window.fromNs) * factor;
}

export function paintBar(c: CanvasRenderingContext2D, view: TraceView, span: number, place: BarPlace, p: Palette, showPath: boolean): void {
  const { trace } = view;
  const x = scaleOf(place);
  const start = trace.startNs[span];
  const end = start + trace.durationNs[span];
  const right_edge = place.left + place.width;
  const x0 = x(start);
  const x1 = Math.max(x(end), x0 + kMinBar);
  if (x1 < place.left || x0 > right_edge + kMinBar) {
    paintOffscreenHint(c, x1 < place.left, place, p);
    return;
  }
  const top = place.y + 4;
  const height = kRowHeight - 9;
  c.save();
  c.beginPath();
  c.rect(place.left, place.y, place.width + 2, kRowHeight);
  c.clip();
  const failed = trace.status[span] === Status.Error;
  if (trace.flags[span] & Flag.Missing) {
    c.fillStyle = hatch(c, p.muted);
    c.fillRect(x0, top, x1 - x0, height);
    c.strokeStyle = p.muted;
    c.setLineDash([3, 2]);
    c.strokeRect(x0 + 0.5, top + 0.5, Math.max(1, x1 - x0 - 1), height - 1);
    c.setLineDash([]);
  } else {
    paintBody(c, view, span, x, x0, x1, top, height, p);
    if (failed) {
      c.fillStyle = p.error;
      c.fillRect(Math.max(x0, place.left), top - 1, 3, height + 2);
      c.strokeStyle = p.error;
      if (x1 - x0 > 6) c.strokeRect(x0 + 0.5, top - 0.5, x1 - x0 - 1, height + 1);
    }
    paintEvents(c, view, span, x, top, height, p, place);
  }
  if (showPath) {
    c.fillStyle = p.ink;
    for (const [from, to] of view.critical(span)) {
      const a = Math.max(x(from), place.left);
      const b = Math.min(Math.max(x(to), x(from) + 1), right_edge);
      if (b > a) c.fillRect(a, place.y + kRowHeight - 4, b - a, 2);
    }
  }
  c.restore();
  paintLabel(c, view, span, x0, Math.min(x1, right_edge), place, failed, p);
}

function paintBody(c: CanvasRenderingContext2D, view: TraceView, span: number, x: (ns: number) => number, x0: number, x1: number, top: number, height: number, p: Palette): void {
  const { trace } = view;
  const colour = view.colour(span);
  const kind = trace.kind[span];
  const outgoing = kind === Kind.Client || kind === Kind.Producer;
  if (!outgoing) {
    c.fillStyle = colour.fill;
    c.fillRect(x0, top, x1 - x0, height);
    return;
  }
  // A caller's bar is mostly waiting: a pale body, filled by what is known of the wait.
  c.fillStyle = colour.soft;
  c.fillRect(x0, top, x1 - x0, height);
  c.fillStyle = colour.fill;
  c.fillRect(x0, top, Math.min(2, x1 - x0), height);
  if (x1 - x0 < 4) {
    c.fillRect(x0, top, x1 - x0, height);
    return;
  }
  const call = view.callOf(span);
  const phases = view.phasesOf(span);
  const own = phases && phases.phases.length > 0;
  if (own) {
    const y = call ? top + height - 5 : top + 2;
    const h = call ? 5 : height - 4;
    for (const phase of phases.phases) {
      const a = Math.max(x(phase.startNs), x0);
      const b = Math.min(Math.max(x(phase.endNs), a + 1), x1);
      c.fillStyle = phase.failed ? p.error : p.phase[phase.name];
      if (b > a) c.fillRect(a, y, b - a, h);
    }
  }
  if (call) {
    const server = view.colour(call.server).fill;
    const room = trace.durationNs[call.client];
    const worked = Math.min(trace.durationNs[call.server], room);
    const from = call.placed ? trace.startNs[call.server] : trace.startNs[span] + (room - worked) / 2;
    const a = Math.max(x(from), x0);
    const b = Math.min(Math.max(x(from + worked), a + 1), x1);
    const h = own ? height - 6 : height - 4;
    const y = own ? top : top + 2;
    if (call.placed) {
      c.fillStyle = server;
      c.fillRect(a, y, b - a, h);
    } else {
      // Its clock disagrees: the length is true, the place is inferred.
      c.fillStyle = hatch(c, server);
      c.fillRect(a, y, b - a, h);
      c.strokeStyle = server;
      c.strokeRect(a + 0.5, y + 0.5, Math.max(1, b - a - 1), h - 1);
    }
  }
  c.strokeStyle = colour.fill;
  c.strokeRect(x0 + 0.5, top + 0.5, Math.max(1, x1 - x0 - 1), height - 1);
}

// Phases of browsers are events too; they are drawn as phases, not as dots.
const kPhaseEvents = /^(?:fetchStart|domainLookup|connect|secureConnection|request|response|redirect|unload|dom|load|first|http\.(?:dns|connect|tls|send|receive|getconn)\.)/;

function paintEvents(c: CanvasRenderingContext2D, view: TraceView, span: number, x: (ns: number) => number, top: number, height: number, p: Palette, place: BarPlace): void {
  if (!view.trace.eventCount[span]) return;
  const y = top + height / 2;
  for (const event of view.details(span).events.slice(0, 200)) {
    if (kPhaseEvents.test(event.name)) continue;
    const at = x(event.timeNs);
    if (at < place.left || at > place.left + place.width) continue;
    c.fillStyle = event.name === "exception" ? p.error : p.ink;
    c.strokeStyle = p.panel;
    c.beginPath();
    c.arc(at, y, 3.5, 0, Math.PI * 2);
    c.fill();
    c.stroke();
  }
}

function paintOffscreenHint(c: CanvasRenderingContext2D, toLeft: boolean, place: BarPlace, p: Palette): void {
  const y = place.y + kRowHeight / 2;
  const x = toLeft ? place.left + 3 : place.left + place.width - 3;
  const d = toLeft ? 4 : -4;
  c.fillStyle = p.muted;
  c.beginPath();
  c.moveTo(x, y);
  c.lineTo(x + d, y - 3);
  c.lineTo(x + d, y + 3);
  c.fill();
}

function paintLabel(c: CanvasRenderingContext2D, view: TraceView, span: number, x0: number, x1: number, place: BarPlace, failed: boolean, p: Palette): void {
  const { trace } = view;
  c.font = p.font;
  c.textBaseline = "middle";
  const call = view.callOf(span);
  const missing = trace.flags[span] & Flag.Missing;
  let text = missing ? "at least " + formatDuration(trace.durationNs[span] / 1e6) : formatDuration(trace.durationNs[span] / 1e6);
  const broken = view.phasesOf(span)?.phases.find((phase) => phase.failed);
  if (broken) text += `  ${kPhaseTitles[broken.name]} failed`;
  if (call && call.networkNs > 0) text += `  network ${formatDuration(call.networkNs / 1e6)}`;
  const size = c.measureText(text).width;
  const y = place.y + kRowHeight / 2;
  const right_edge = place.left + place.width + place.margin;
  let x = x1 + 6;
  if (x + size > right_edge) x = x0 - 6 - size > place.left ? x0 - 6 - size : NaN;
  if (Number.isNaN(x)) {
    // Neither beside it: on a plate within it.
    x = Math.max(place.left + 4, Math.min(x1, right_edge) - size - 8);
    c.fillStyle = p.panel;
    c.fillRect(x - 4, y - 7, size + 8, 14);
  }
  c.fillStyle = failed ? p.error : missing ? p.muted : p.ink;
  c.fillText(text, x, y + 0.5);
}
