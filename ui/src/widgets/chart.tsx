// A time series (uPlot) in the page's colours, with the releases of its range. Drag to narrow the
// range; a summary in words stands in for the picture.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Release } from "../api/types.ts";
import { formatClock, formatDay, formatWithin } from "../base/format.ts";
import { timeTicks } from "../base/heatmap_bins.ts";
import type { TimeRange } from "../base/permalink.ts";
import { shownLine } from "../base/text.ts";
import { isDark, token } from "../base/theme.ts";
import { describeReleases, paintReleaseLines } from "./heatmap.tsx";
import { useSize } from "./hooks.ts";

export interface Series {
  label: string;
  colour: string; // a CSS colour, or a token such as --error
  values: (number | null)[];
  bars?: boolean;
}

export interface ChartProps {
  title: string;
  timesMs: number[];
  series: Series[];
  range: TimeRange;
  format(value: number): string;
  releases: readonly Release[];
  // All releases are of one service that the reader knows: their lines need the version alone.
  ownReleases?: boolean;
  onRange?(range: TimeRange): void;
  height?: number;
  stepMs?: number;
}

const resolve = (colour: string) => (colour.startsWith("--") ? token(colour) : colour);

function describe({ series, format, title, releases, range }: ChartProps): string {
  const parts = series.slice(0, 8).map((s) => {
    const values = s.values.filter((v): v is number => v !== null);
    if (!values.length) return `${shownLine(s.label, 60)}: nothing`;
    return `${shownLine(s.label, 60)}: from ${format(values[0])} to ${format(values[values.length - 1])}, at most ${format(Math.max(...values))}`;
  });
  return `${title}. ${parts.join(". ") || "No data"}.${describeReleases(releases, range.startMs, range.endMs)}`;
}

function axisTime(ms: number, span: number): string {
  return span > 2 * 86400e3 ? formatDay(ms) : formatClock(ms, span < 10e3).replace(/:00$/, "");
}

// Values with none beside them, through which no line goes; null when there are none.
export function lonePoints(values: readonly (number | null)[]): number[] | null {
  const alone = [...values.keys()].filter((i) => values[i] != null && values[i - 1] == null && values[i + 1] == null);
  return alone.length ? alone : null;
}

export function Chart(props: ChartProps) {
  const { title, timesMs, series, range, format, releases, ownReleases = false, onRange, height = 150 } = props;
  const [box, width] = useSize<HTMLDivElement>();
  const target = useRef<HTMLDivElement>(null);
  const dark = isDark.value;
  useEffect(() => {
    if (!target.current || width < 60) return;
    const font = `11px ${token("--sans")}`;
    const axis = { stroke: token("--muted"), font, grid: { stroke: token("--line"), width: 1 }, ticks: { show: false } };
    const span = range.endMs - range.startMs;
    const plot = new uPlot(
      {
        width,
        height,
        padding: [14, 8, 0, 0],
        ms: 1,
        legend: { show: false },
        cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 5 }, y: false },
        scales: { x: { time: false, range: () => [range.startMs, range.endMs] }, y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
        axes: [
          { ...axis, size: 20, gap: 4, splits: (u) => timeTicks(range.startMs, range.endMs, Math.max(2, Math.floor(u.bbox.width / uPlot.pxRatio / 100))), values: (_u, ticks) => ticks.map((t) => axisTime(t, span)), grid: { show: false } },
          { ...axis, size: 58, gap: 6, space: 34, values: (_u, ticks) => ticks.map((t) => format(t)) },
        ],
        series: [
          {},
          ...series.map((s) => ({
            label: shownLine(s.label, 60),
            stroke: resolve(s.colour),
            width: 1.5,
            spanGaps: false,
            points: { show: false, filter: () => (s.bars ? null : lonePoints(s.values)), size: 5, fill: resolve(s.colour) },
            ...(s.bars ? { fill: resolve(s.colour), width: 0, paths: uPlot.paths.bars!({ size: [0.8, 30], align: 1 }) } : {}),
          })),
        ],
        hooks: {
          draw: [
            (u) => {
              const ratio = uPlot.pxRatio;
              u.ctx.save();
              u.ctx.scale(ratio, ratio);
              paintReleaseLines(u.ctx, releases, range.startMs, range.endMs, u.bbox.left / ratio, u.bbox.top / ratio, u.bbox.width / ratio, u.bbox.height / ratio, ownReleases);
              u.ctx.restore();
            },
          ],
          setSelect: [
            (u) => {
              if (u.select.width < 4 || !onRange) return;
              const startMs = Math.round(u.posToVal(u.select.left, "x"));
              const endMs = Math.round(u.posToVal(u.select.left + u.select.width, "x"));
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              if (endMs > startMs) onRange({ startMs, endMs });
            },
          ],
          setCursor: [
            (u) => {
              const note = box.current?.querySelector<HTMLElement>(".chart-note");
              if (!note) return;
              const i = u.cursor.idx;
              if (i == null || u.cursor.left! < 0) note.textContent = "";
              else {
                const parts = series.slice(0, 6).map((s) => (s.values[i] == null ? null : `${shownLine(s.label, 40)} ${format(s.values[i]!)}`));
                note.textContent = `${formatWithin(timesMs[i], range.startMs, range.endMs)} · ${parts.filter(Boolean).join(" · ")}`;
              }
            },
          ],
        },
      },
      [timesMs, ...series.map((s) => s.values)],
      target.current,
    );
    return () => plot.destroy();
  }, [timesMs, series, range.startMs, range.endMs, width, dark, releases, ownReleases, height]);
  return (
    <figure class="chart" ref={box as never}>
      <figcaption class="chart-caption">
        <span class="chart-title">{title}</span>
        <span class="chart-note muted" />
      </figcaption>
      <div role="img" aria-label={describe(props)} ref={target} style={{ minHeight: `${height}px` }} />
    </figure>
  );
}
