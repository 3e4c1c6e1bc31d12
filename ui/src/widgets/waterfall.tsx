// The waterfall: rows in the DOM for the visible part alone (text can be selected, screen readers
// find a treegrid), their bars on one canvas that scrolls with them.

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatDuration } from "../base/format.ts";
import { shownLine } from "../base/text.ts";
import { isDark } from "../base/theme.ts";
import { Flag, isMissing, kKindNames, nameOf, serviceOf, spanIdOf, Status, visibleRows } from "../base/trace/model.ts";
import { kRowHeight, paintBar, palette } from "./bars.ts";
import { prepareCanvas, useSize } from "./hooks.ts";
import { config, squadOf } from "./service_name.tsx";
import { durationTicks, type TimeWindow, type TraceView } from "./trace_view.ts";

const kOverscan = 16;
// Rows and bars are laid out anew only after this many have passed: between, the browser scrolls.
const kScrollStep = 6 * kRowHeight;
const kMaxIndentLevels = 18;
// Of a level; less in a deep trace, where the indentation leaves most of the column to the names.
const kIndent = 13;
const kMinIndent = 4;
const kIndentShare = 0.4;
const kAxisHeight = 24;
// To the right of the time scale, so that the labels of the longest bars have room; less in a narrow window.
const kLabelMargin = 96;
const kLabelShare = 0.3;

export interface WaterfallProps {
  view: TraceView;
  window: TimeWindow;
  selected: number;
  collapsed: ReadonlySet<number>;
  hits: ReadonlySet<number>;
  showPath: boolean;
  onSelect(span: number): void;
  onToggle(span: number, all: boolean): void;
  onZoom(span: number): void;
}

export function Waterfall({ view, window: time, selected, collapsed, hits, showPath, onSelect, onToggle, onZoom }: WaterfallProps) {
  const { trace } = view;
  const rows = useMemo(() => visibleRows(trace, collapsed), [trace, collapsed]);
  const [scroller, width, height] = useSize<HTMLDivElement>();
  const [top, setTop] = useState(0);
  const bars = useRef<HTMLCanvasElement>(null);
  const axis = useRef<HTMLCanvasElement>(null);
  const dark = isDark.value;
  const names = Math.round(Math.min(Math.max(width * 0.36, Math.min(260, width * 0.5)), 560));
  const canvasWidth = Math.max(40, width - names - 8);
  const labelMargin = Math.min(kLabelMargin, Math.round(canvasWidth * kLabelShare));
  const barWidth = Math.max(20, canvasWidth - labelMargin);
  const levels = useMemo(() => Math.min(trace.depth.reduce((max, d) => Math.max(max, d), 1), kMaxIndentLevels), [trace]);
  const indent = Math.min(kIndent, Math.max(kMinIndent, Math.floor((names * kIndentShare) / levels)));
  const first = Math.max(0, Math.floor(top / kRowHeight) - kOverscan);
  const last = Math.min(rows.length, Math.ceil((top + height) / kRowHeight) + kOverscan);

  const settle = (scrollTop: number) => setTop(Math.floor(scrollTop / kScrollStep) * kScrollStep);
  const rowsKept = useRowCache([view, names, config.value, dark]);

  // The selected row comes into sight when it changes, not on every scroll.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || selected < 0) return;
    const at = rows.indexOf(selected);
    if (at < 0) return;
    const y = at * kRowHeight;
    const view_height = element.clientHeight;
    if (y < element.scrollTop) element.scrollTop = y - kRowHeight;
    else if (y + kRowHeight > element.scrollTop + view_height) element.scrollTop = y - view_height + kRowHeight * 3;
    settle(element.scrollTop);
  }, [selected, rows, height > 0]);

  useLayoutEffect(() => {
    if (!bars.current || width === 0) return;
    const c = prepareCanvas(bars.current, canvasWidth, Math.max(1, (last - first) * kRowHeight));
    const p = palette();
    c.strokeStyle = p.line;
    for (const tick of durationTicks(time, trace.firstNs, Math.max(2, barWidth / 110))) {
      const x = Math.round(((tick.atNs - time.fromNs) / (time.toNs - time.fromNs)) * barWidth) + 0.5;
      c.beginPath();
      c.moveTo(x, 0);
      c.lineTo(x, (last - first) * kRowHeight);
      c.stroke();
    }
    for (let i = first; i < last; i++) {
      paintBar(c, view, rows[i], { y: (i - first) * kRowHeight, left: 0, width: barWidth, margin: labelMargin, window: time }, p, showPath);
    }
  }, [view, rows, first, last, barWidth, time.fromNs, time.toNs, dark, showPath, config.value]);

  useEffect(() => {
    if (!axis.current || width === 0) return;
    const c = prepareCanvas(axis.current, canvasWidth, kAxisHeight);
    const p = palette();
    c.font = p.font;
    c.fillStyle = p.muted;
    c.textBaseline = "middle";
    for (const tick of durationTicks(time, trace.firstNs, Math.max(2, barWidth / 110))) {
      const x = ((tick.atNs - time.fromNs) / (time.toNs - time.fromNs)) * barWidth;
      const label = formatDuration(tick.label);
      const size = c.measureText(label).width;
      c.fillText(label, Math.min(Math.max(0, x + 4), canvasWidth - size), kAxisHeight / 2);
    }
  }, [view, barWidth, time.fromNs, time.toNs, dark]);

  const shown: number[] = [];
  for (let i = first; i < last; i++) shown.push(i);
  return (
    <div class="waterfall">
      <div class="waterfall-head">
        <span class="muted">Service and operation</span>
        <canvas ref={axis} aria-hidden="true" style={{ left: `${names}px` }} />
      </div>
      <div class="waterfall-scroll" ref={scroller} onScroll={(e) => settle(e.currentTarget.scrollTop)}>
        <div class="waterfall-body" style={{ height: `${rows.length * kRowHeight}px` }}>
          <canvas ref={bars} class="waterfall-bars" aria-hidden="true" style={{ left: `${names}px`, top: `${first * kRowHeight}px` }} />
          <div
            role="treegrid"
            aria-label="Spans of the trace"
            aria-rowcount={rows.length}
            aria-colcount={2}
            tabindex={0}
            class="waterfall-grid"
            onClick={(e) => {
              const span = spanUnder(e);
              if (span < 0) return;
              if ((e.target as Element).closest("button.row-toggle")) onToggle(span, e.altKey);
              else onSelect(span);
            }}
            onDblClick={(e) => {
              const span = spanUnder(e);
              if (span >= 0) onZoom(span);
            }}
            aria-activedescendant={selected >= 0 && shown.some((i) => rows[i] === selected) ? `row-${selected}` : undefined}
          >
            {shown.map((i) => rowsKept(view, rows[i], i, names, indent, rows[i] === selected, collapsed.has(rows[i]), hits.has(rows[i])))}
          </div>
        </div>
      </div>
    </div>
  );
}

function spanUnder(event: MouseEvent): number {
  const row = (event.target as Element).closest<HTMLElement>("[data-span]");
  return row ? Number(row.dataset.span) : -1;
}

interface KeptRow {
  node: JSX.Element;
  index: number;
  state: number;
}

// Rows that have not changed are handed to Preact as the very same node, which it then passes over;
// scrolling costs the rows that come into sight and no more. Emptied when `deps` change.
function useRowCache(deps: unknown[]) {
  const kept = useRef<{ deps: unknown[]; rows: Map<number, KeptRow> }>({ deps, rows: new Map() });
  if (deps.some((d, i) => d !== kept.current.deps[i]) || kept.current.rows.size > 2000) kept.current = { deps, rows: new Map() };
  const { rows } = kept.current;
  return (view: TraceView, span: number, index: number, names: number, indent: number, selected: boolean, collapsed: boolean, hit: boolean): JSX.Element => {
    const state = (selected ? 1 : 0) | (collapsed ? 2 : 0) | (hit ? 4 : 0);
    const known = rows.get(span);
    if (known && known.index === index && known.state === state) return known.node;
    const node = <Row key={span} view={view} span={span} index={index} names={names} indent={indent} selected={selected} collapsed={collapsed} hit={hit} />;
    rows.set(span, { node, index, state });
    return node;
  };
}

interface RowProps {
  view: TraceView;
  span: number;
  index: number;
  names: number;
  indent: number;
  selected: boolean;
  collapsed: boolean;
  hit: boolean;
}

function flagText(flags: number): string {
  if (flags & Flag.Missing) return "not received";
  if (flags & Flag.Cycle) return "parents form a circle";
  if (flags & Flag.ExtraRoot) return "context lost before it";
  return "";
}

function Row({ view, span, index, names, indent, selected, collapsed, hit }: RowProps) {
  const { trace } = view;
  const kids = trace.subtreeSize[span] - 1;
  const failed = trace.status[span] === Status.Error;
  const service = serviceOf(trace, span);
  const parent = trace.parent[span];
  const same = parent >= 0 && !isMissing(trace, parent) && serviceOf(trace, parent) === service;
  const skew = view.skews.get(trace.resourceId[span]);
  const note = flagText(trace.flags[span]);
  const level = Math.min(trace.depth[span], kMaxIndentLevels);
  const at = trace.startNs[span] - trace.firstNs;
  const said = [
    isMissing(trace, span) ? `Span ${spanIdOf(trace, span)} was not received; others name it as their parent` : `${shownLine(service, 80)}, ${shownLine(nameOf(trace, span), 120)}, ${kKindNames[trace.kind[span]] ?? ""}`,
    formatDuration(trace.durationNs[span] / 1e6),
    `starts at ${formatDuration(at / 1e6)}`,
    failed ? "failed" : "",
    isMissing(trace, span) ? "" : note,
    view.critical(span).length ? "on the critical path" : "",
  ].filter(Boolean);
  const style = { top: `${index * kRowHeight}px` };
  return (
    <div
      role="row"
      id={`row-${span}`}
      class={`row${selected ? " selected" : ""}${hit ? " hit" : ""}${failed ? " failed" : ""}${isMissing(trace, span) ? " missing" : ""}`}
      style={style}
      aria-level={trace.depth[span] + 1}
      aria-rowindex={index + 1}
      aria-expanded={kids ? !collapsed : undefined}
      aria-selected={selected}
      data-span={span}
    >
      <div role="gridcell" class="row-name" style={{ width: `${names}px`, paddingLeft: `${8 + level * indent}px` }}>
        {kids > 0 ? (
          <button type="button" class="row-toggle" tabindex={-1} aria-label={`${collapsed ? "Expand" : "Collapse"} ${kids} spans`}>
            {collapsed ? "▸" : "▾"}
          </button>
        ) : (
          <span class="row-toggle" />
        )}
        <span class="row-swatch" style={{ background: isMissing(trace, span) ? "none" : view.colour(span).fill }} />
        <span class="clip">
          {!same && service && <span class="row-service value">{shownLine(service, 60)} </span>}
          <span class="value">{isMissing(trace, span) ? `span ${spanIdOf(trace, span)}` : shownLine(nameOf(trace, span), 160) || "(no name)"}</span>
        </span>
        {collapsed && <span class="tag">{kids}</span>}
        {note && <span class="tag warn">{note}</span>}
        {skew && view.trace === view.raw && !same && <span class="tag warn" title="Compared with its callers' clocks">clock {skew.aheadNs > 0 ? "+" : ""}{formatDuration(skew.aheadNs / 1e6)}</span>}
        {skew && view.trace !== view.raw && !same && <span class="tag">clock set</span>}
      </div>
      <div role="gridcell" class="row-bar">
        <span class="sr">{said.join(", ")}</span>
      </div>
    </div>
  );
}

// The row above and below, parents and children, for the keyboard.
export function rowNeighbour(view: TraceView, collapsed: ReadonlySet<number>, span: number, step: number): number {
  const rows = visibleRows(view.trace, collapsed);
  if (!rows.length) return -1;
  const at = rows.indexOf(span);
  if (at < 0) return rows[Math.min(rows.length - 1, Math.max(0, step - 1))];
  return rows[Math.min(rows.length - 1, Math.max(0, at + step))];
}

// A span under collapsed ones: which of them must open for it to be seen?
export function collapsedAbove(view: TraceView, collapsed: ReadonlySet<number>, span: number): number[] {
  const found: number[] = [];
  for (let p = view.trace.parent[span]; p >= 0; p = view.trace.parent[p]) if (collapsed.has(p)) found.push(p);
  return found;
}

export function squadsIn(view: TraceView): Map<string, string[]> {
  const squads = new Map<string, string[]>();
  for (const r of view.trace.resources) {
    const squad = squadOf(r.service, r.namespace) ?? "";
    const list = squads.get(squad) ?? [];
    if (!list.includes(r.service)) list.push(r.service);
    squads.set(squad, list);
  }
  return squads;
}
