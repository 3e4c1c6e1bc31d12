// The duration heatmap: when (across) by how long (up, logarithmic), darker for more, red for failed.
// Drag a rectangle to narrow the search to it; by keyboard, arrows move a cell, Shift extends, Enter
// narrows.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { HeatmapAnswer, Release } from "../api/types.ts";
import { nanoToMs } from "../api/types.ts";
import { formatClock, formatCount, formatDay, formatDuration, formatWithin } from "../base/format.ts";
import { countIn, type HeatmapData, intensity, logTicks, type Region, regionOf, rowAt, timeTicks, toGrid } from "../base/heatmap_bins.ts";
import { shownLine } from "../base/text.ts";
import { isDark, token } from "../base/theme.ts";
import { prepareCanvas, useSize } from "./hooks.ts";
import { placeLabels } from "./release_labels.ts";

interface Cell {
  column: number;
  row: number;
}

const kLeft = 56;
const kBottom = 18;
const kTop = 14;
const kHeight = 172;

function mix(low: string, high: string, share: number): string {
  const a = low.split(" ").map(Number);
  const b = high.split(" ").map(Number);
  return `oklch(${a.map((v, i) => (v + (b[i] - v) * share).toFixed(3)).join(" ")})`;
}

export function heatmapData(answer: HeatmapAnswer): HeatmapData {
  return { ...answer, startMs: nanoToMs(answer.startUnixNano), endMs: nanoToMs(answer.endUnixNano) };
}

export interface HeatmapProps {
  answer: HeatmapAnswer;
  releases: readonly Release[];
  // What is counted: "root spans".
  what: string;
  onNarrow(region: Region): void;
}

export function Heatmap({ answer, releases, what, onNarrow }: HeatmapProps) {
  const [box, width] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [from, setFrom] = useState<Cell | null>(null);
  const [to, setTo] = useState<Cell | null>(null);
  const [dragging, setDragging] = useState(false);
  const data = useMemo(() => heatmapData(answer), [answer]);
  const grid = useMemo(() => toGrid(data), [data]);
  const dark = isDark.value;
  const plot = { x: kLeft, y: kTop, w: Math.max(1, width - kLeft - 8), h: kHeight - kTop - kBottom };
  const cw = plot.w / grid.columns;
  const rh = plot.h / grid.rows;

  useEffect(() => {
    if (!canvas.current || width === 0) return;
    const c = prepareCanvas(canvas.current, width, kHeight);
    paintCells(c);
    paintAxes(c);
    paintReleases(c);
    if (from && to) paintSelection(c);
  }, [data, width, dark, from, to, releases]);

  function paintCells(c: CanvasRenderingContext2D) {
    const tones = { low: token("--heat-low"), high: token("--heat-high"), errorLow: token("--heat-error-low"), errorHigh: token("--heat-error-high") };
    c.fillStyle = token("--panel");
    c.fillRect(plot.x, plot.y, plot.w, plot.h);
    for (let row = 0; row < grid.rows; row++) {
      for (let column = 0; column < grid.columns; column++) {
        const at = row * grid.columns + column;
        const count = grid.counts[at];
        if (!count) continue;
        const share = intensity(count, grid.maxCount);
        const errors = grid.errors[at];
        const x = plot.x + column * cw;
        const y = plot.y + plot.h - (row + 1) * rh;
        const w = Math.max(1, cw - 0.5);
        const h = Math.max(1.5, rh - 0.5);
        c.fillStyle = mix(tones.low, tones.high, share);
        c.fillRect(x, y, w, h);
        if (errors) {
          // The failed part fills the cell from below, and is never too small to see.
          const part = Math.max(0.35, errors / count);
          c.fillStyle = mix(tones.errorLow, tones.errorHigh, intensity(errors, grid.maxCount) * 0.6 + 0.4);
          c.fillRect(x, y + h * (1 - part), w, h * part);
        }
      }
    }
  }

  function paintAxes(c: CanvasRenderingContext2D) {
    c.font = `11px ${token("--sans")}`;
    c.strokeStyle = token("--line");
    c.fillStyle = token("--muted");
    c.lineWidth = 1;
    c.textAlign = "right";
    c.textBaseline = "middle";
    for (const tick of answer.spans ? logTicks(grid.minMs, grid.maxMs, 6) : []) {
      const y = plot.y + plot.h - (rowAt(grid, tick) / grid.rows) * plot.h;
      c.fillText(formatDuration(tick), plot.x - 7, y);
      c.fillRect(plot.x - 4, Math.round(y), 4, 1);
    }
    c.textAlign = "center";
    c.textBaseline = "alphabetic";
    const span = data.endMs - data.startMs;
    for (const tick of timeTicks(data.startMs, data.endMs, Math.max(2, Math.floor(plot.w / 110)))) {
      const x = plot.x + ((tick - data.startMs) / span) * plot.w;
      c.fillRect(Math.round(x), plot.y + plot.h, 1, 4);
      const label = span > 2 * 86400e3 ? formatDay(tick) : formatClock(tick, span < 10e3).replace(/:00$/, "");
      if (x > plot.x + 14 && x < plot.x + plot.w - 14) c.fillText(label, x, kHeight - 4);
    }
    c.strokeRect(plot.x - 0.5, plot.y - 0.5, plot.w + 1, plot.h + 1);
  }

  function paintReleases(c: CanvasRenderingContext2D) {
    paintReleaseLines(c, releases, data.startMs, data.endMs, plot.x, plot.y, plot.w, plot.h);
  }

  function paintSelection(c: CanvasRenderingContext2D) {
    const x0 = plot.x + Math.min(from!.column, to!.column) * cw;
    const x1 = plot.x + (Math.max(from!.column, to!.column) + 1) * cw;
    const y0 = plot.y + plot.h - (Math.max(from!.row, to!.row) + 1) * rh;
    const y1 = plot.y + plot.h - Math.min(from!.row, to!.row) * rh;
    c.strokeStyle = token("--accent");
    c.lineWidth = 2;
    c.strokeRect(x0, y0, x1 - x0, y1 - y0);
    c.lineWidth = 1;
  }

  const cellAt = (event: PointerEvent): Cell => {
    const rect = canvas.current!.getBoundingClientRect();
    const clamp = (v: number, max: number) => Math.min(Math.max(v, 0), max);
    return {
      column: clamp(Math.floor((event.clientX - rect.left - plot.x) / cw), grid.columns - 1),
      row: clamp(Math.floor((plot.y + plot.h - (event.clientY - rect.top)) / rh), grid.rows - 1),
    };
  };

  const narrow = () => {
    if (from && to) onNarrow(regionOf(data, grid, from, to));
    setFrom(null);
    setTo(null);
  };

  const onKey = (event: KeyboardEvent) => {
    const steps: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.key in steps) {
      event.preventDefault();
      const [dx, dy] = steps[event.key];
      const at = to ?? { column: grid.columns >> 1, row: grid.rows >> 1 };
      const next = { column: Math.min(grid.columns - 1, Math.max(0, at.column + dx)), row: Math.min(grid.rows - 1, Math.max(0, at.row + dy)) };
      setTo(next);
      if (!event.shiftKey || !from) setFrom(next);
    } else if (event.key === "Enter" && from) narrow();
    else if (event.key === "Escape") (setFrom(null), setTo(null));
  };

  const region = from && to ? regionOf(data, grid, from, to) : null;
  const inside = from && to ? countIn(grid, from, to) : null;
  const said = region && inside
    ? `${formatWithin(region.startMs, data.startMs, data.endMs)} – ${formatWithin(region.endMs, data.startMs, data.endMs)}, ${region.minMs ? formatDuration(region.minMs) : "0"} – ${region.maxMs === Infinity ? "longest" : formatDuration(region.maxMs)}: ${formatCount(inside.count)} ${inside.count === 1 ? "span" : "spans"}${inside.errors ? `, ${formatCount(inside.errors)} failed` : ""}`
    : "";

  return (
    <figure class="heatmap">
      <figcaption class="heatmap-caption">
        <h2>Duration over time</h2>
        <span class="muted grow">{said || (answer.spans ? `${formatCount(answer.spans)} ${what} · drag to narrow` : `no ${what}`)}</span>
        <span class="heatmap-legend muted" aria-hidden="true">
          few <span class="heat-scale" /> many <span class="heat-failed" /> failed
        </span>
      </figcaption>
      <div
        ref={box}
        role="application"
        tabindex={0}
        aria-label={`Heatmap of durations over time, ${formatCount(answer.spans)} ${what}. Arrow keys move, Shift and arrows select, Enter narrows the search.${describeReleases(releases, data.startMs, data.endMs)}`}
        aria-describedby="heatmap-said"
        onKeyDown={onKey}
        onPointerDown={(e) => {
          if (e.button !== 0) return;
          canvas.current!.setPointerCapture(e.pointerId);
          const cell = cellAt(e);
          setFrom(cell);
          setTo(cell);
          setDragging(true);
        }}
        onPointerMove={(e) => {
          const cell = cellAt(e);
          if (!dragging) setFrom(cell);
          setTo(cell);
        }}
        onPointerUp={() => {
          if (!dragging) return;
          setDragging(false);
          narrow();
        }}
        onPointerLeave={() => !dragging && (setFrom(null), setTo(null))}
      >
        <canvas ref={canvas} height={kHeight} />
      </div>
      <p id="heatmap-said" class="sr" role="status">{said}</p>
    </figure>
  );
}

export function releasesWithin(releases: readonly Release[], startMs: number, endMs: number): { r: Release; at: number }[] {
  // A service's only version is no release, it is where the story begins.
  const versions = new Map<string, number>();
  for (const r of releases) versions.set(r.service, (versions.get(r.service) ?? 0) + 1);
  return releases
    .filter((r) => versions.get(r.service)! > 1)
    .map((r) => ({ r, at: nanoToMs(r.firstSeenUnixNano) }))
    .filter(({ at }) => at > startMs + (endMs - startMs) * 0.002 && at < endMs)
    .sort((a, b) => a.at - b.at)
    .slice(0, 40);
}

// The same in words.
export function describeReleases(releases: readonly Release[], startMs: number, endMs: number): string {
  const said = releasesWithin(releases, startMs, endMs).map(({ r, at }) => `${shownLine(`${r.service} ${r.version}`, 40)} at ${formatWithin(at, startMs, endMs)}`);
  return said.length ? ` Releases: ${said.join(", ")}.` : "";
}

const kLabelRows = 4;
const kLabelRowPx = 14;

// A release of a service within the range: a dashed line with the version on every chart.
export function paintReleaseLines(
  c: CanvasRenderingContext2D,
  releases: readonly Release[],
  startMs: number,
  endMs: number,
  x: number,
  y: number,
  w: number,
  h: number,
  versions_alone = false,
): void {
  c.save();
  c.font = `11px ${token("--sans")}`;
  c.textAlign = "left";
  c.textBaseline = "alphabetic";
  const lines = releasesWithin(releases, startMs, endMs).map(({ r, at }) => {
    const text = shownLine(versions_alone ? r.version : `${r.service} ${r.version}`, 40);
    return { text, x: Math.round(x + ((at - startMs) / (endMs - startMs)) * w) + 0.5, width: c.measureText(text).width };
  });
  c.strokeStyle = token("--line-strong");
  c.setLineDash([3, 3]);
  for (const line of lines) {
    c.beginPath();
    c.moveTo(line.x, y - 2);
    c.lineTo(line.x, y + h);
    c.stroke();
  }
  // The first row lies above the plot, further ones over it.
  placeLabels(lines, x + w, kLabelRows).forEach((place, i) => {
    if (!place) return;
    const baseline = y - 4 + place.row * kLabelRowPx + (place.row > 0 ? 2 : 0);
    if (place.row > 0) {
      c.fillStyle = token("--panel");
      c.fillRect(place.left - 2, baseline - 10, lines[i].width + 4, 13);
    }
    c.fillStyle = token("--muted");
    c.fillText(lines[i].text, place.left, baseline);
  });
  c.restore();
}
