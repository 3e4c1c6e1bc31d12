// The flame view: the same trace by depth over time, wide where time went. Painted for the visible
// lanes and the shown window alone.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatDuration } from "../base/format.ts";
import { shownLine } from "../base/text.ts";
import { isDark, token } from "../base/theme.ts";
import { layoutFlame } from "../base/trace/flame.ts";
import { isMissing, nameOf, serviceOf, Status } from "../base/trace/model.ts";
import { palette } from "./bars.ts";
import { prepareCanvas, useSize } from "./hooks.ts";
import { config } from "./service_name.tsx";
import type { TimeWindow, TraceView } from "./trace_view.ts";

const kLane = 20;

export function FlameView({ view, window: time, selected, hits, onSelect }: { view: TraceView; window: TimeWindow; selected: number; hits: ReadonlySet<number>; onSelect(span: number): void }) {
  const { trace } = view;
  const [box, width, height] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [top, setTop] = useState(0);
  const [hover, setHover] = useState<{ span: number; x: number; y: number } | null>(null);
  const dark = isDark.value;
  const flame = useMemo(() => layoutFlame(trace), [trace]);
  // Spans by lane, each lane by start.
  const lanes = useMemo(() => {
    const list: number[][] = Array.from({ length: flame.lanes }, () => []);
    for (let i = 0; i < trace.count; i++) list[flame.lane[i]].push(i);
    for (const lane of list) lane.sort((a, b) => trace.startNs[a] - trace.startNs[b]);
    return list;
  }, [flame]);
  const scale = width / (time.toNs - time.fromNs);

  useEffect(() => {
    if (!canvas.current || width === 0 || height === 0) return;
    const c = prepareCanvas(canvas.current, width, height);
    const p = palette();
    c.font = p.font;
    c.textBaseline = "middle";
    const first = Math.max(0, Math.floor(top / kLane));
    for (let lane = first; lane < lanes.length && (lane - first) * kLane < height + kLane; lane++) {
      const y = lane * kLane - top;
      let drawn_to = -Infinity;
      for (const span of lanes[lane]) {
        const x0 = (trace.startNs[span] - time.fromNs) * scale;
        const x1 = Math.max(x0 + 1, (trace.startNs[span] + trace.durationNs[span] - time.fromNs) * scale);
        if (x1 < 0) continue;
        if (x0 > width) break;
        const failed = trace.status[span] === Status.Error;
        if (x1 - x0 <= 1 && x0 < drawn_to && !failed && span !== selected) continue; // under a pixel already painted
        drawn_to = Math.max(drawn_to, x1);
        const a = Math.max(0, x0);
        const w = Math.min(width, x1) - a;
        c.globalAlpha = hits.size && !hits.has(span) ? 0.3 : 1;
        c.fillStyle = isMissing(trace, span) ? p.line : view.colour(span).fill;
        c.fillRect(a, y + 1, Math.max(1, w - 0.5), kLane - 2);
        if (failed) {
          c.fillStyle = p.error;
          c.fillRect(a, y + kLane - 5, Math.max(2, w - 0.5), 4);
        }
        if (span === selected) {
          c.strokeStyle = token("--ink");
          c.lineWidth = 2;
          c.strokeRect(a + 1, y + 2, Math.max(1, w - 2.5), kLane - 4);
          c.lineWidth = 1;
        }
        if (w > 34) {
          c.fillStyle = isMissing(trace, span) ? p.ink : view.colour(span).ink;
          c.save();
          c.beginPath();
          c.rect(a, y, w - 4, kLane);
          c.clip();
          c.fillText(`${shownLine(nameOf(trace, span), 80)}  ${formatDuration(trace.durationNs[span] / 1e6)}`, a + 5, y + kLane / 2);
          c.restore();
        }
        c.globalAlpha = 1;
      }
    }
  }, [view, lanes, time.fromNs, time.toNs, width, height, top, dark, selected, hits, config.value]);

  const spanAt = (event: MouseEvent): number => {
    const rect = canvas.current!.getBoundingClientRect();
    const lane = lanes[Math.floor((event.clientY - rect.top + top) / kLane)];
    const ns = time.fromNs + (event.clientX - rect.left) / scale;
    const slack = 2 / scale;
    return lane?.find((s) => ns >= trace.startNs[s] - slack && ns <= trace.startNs[s] + trace.durationNs[s] + slack) ?? -1;
  };
  return (
    <div
      class="flame"
      ref={box}
      tabindex={0}
      role="img"
      aria-label={`Flame view of ${trace.received} spans in ${flame.lanes} lanes. Arrow keys move between parents, children and siblings; the waterfall lists the same spans as rows.`}
      onScroll={(e) => setTop(e.currentTarget.scrollTop)}
    >
      <canvas
        ref={canvas}
        onClick={(e) => {
          const span = spanAt(e);
          if (span >= 0) onSelect(span);
        }}
        onPointerMove={(e) => {
          const span = spanAt(e);
          setHover(span >= 0 ? { span, x: e.offsetX, y: e.offsetY } : null);
        }}
        onPointerLeave={() => setHover(null)}
      />
      <div class="flame-space" style={{ height: `${Math.max(0, flame.lanes * kLane - height)}px` }} />
      {hover && (
        <div class="tip" style={{ left: `${Math.min(hover.x + 12, width - 280)}px`, top: `${top + hover.y + 16}px` }}>
          <strong class="value">{shownLine(nameOf(trace, hover.span), 120)}</strong>
          <span class="muted value">{shownLine(serviceOf(trace, hover.span), 80)}</span>
          <span>{formatDuration(trace.durationNs[hover.span] / 1e6)}, from {formatDuration((trace.startNs[hover.span] - trace.firstNs) / 1e6)}</span>
        </div>
      )}
    </div>
  );
}
