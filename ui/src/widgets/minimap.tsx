// All spans of the trace in a strip, written pixel by pixel (100,000 spans in some milliseconds), with
// the window that the views below show. Drag for a window, double-click for the whole.

import { useEffect, useRef, useState } from "preact/hooks";
import { formatDuration } from "../base/format.ts";
import { isDark, token } from "../base/theme.ts";
import { isMissing, Status } from "../base/trace/model.ts";
import { useSize } from "./hooks.ts";
import { config } from "./service_name.tsx";
import { pixel, type TimeWindow, type TraceView } from "./trace_view.ts";

const kHeight = 52;

function paint(canvas: HTMLCanvasElement, width: number, view: TraceView): void {
  const { trace } = view;
  const whole = view.whole();
  canvas.width = width;
  canvas.height = kHeight;
  const c = canvas.getContext("2d")!;
  const image = c.createImageData(width, kHeight);
  const pixels = new Uint32Array(image.data.buffer);
  const scale = width / (whole.toNs - whole.fromNs);
  const rows = Math.min(kHeight, Math.max(trace.count, 6));
  const thick = Math.max(1, Math.floor(kHeight / rows));
  const muted = pixel(token("--line-strong"));
  const error = pixel(token("--error"));
  const colours = trace.resources.map((_, r) => {
    const span = trace.resourceId.indexOf(r);
    return span < 0 ? muted : pixel(view.colour(span).fill);
  });
  // Failures last, so that a single one among thousands is seen.
  for (const failures of [false, true]) {
    for (let i = 0; i < trace.count; i++) {
      const span = trace.order[i];
      if ((trace.status[span] === Status.Error) !== failures) continue;
      const y = Math.floor((i / trace.count) * rows) * thick;
      const x0 = Math.max(0, Math.floor((trace.startNs[span] - whole.fromNs) * scale));
      const x1 = Math.min(width - 1, Math.floor((trace.startNs[span] + trace.durationNs[span] - whole.fromNs) * scale));
      const colour = failures ? error : isMissing(trace, span) ? muted : colours[trace.resourceId[span]];
      const lines = thick > 2 ? thick - 1 : thick;
      for (let line = 0; line < lines && y + line < kHeight; line++) pixels.fill(colour, (y + line) * width + x0, (y + line) * width + x1 + 1);
    }
  }
  c.putImageData(image, 0, 0);
}

export function Minimap({ view, window: time, onWindow }: { view: TraceView; window: TimeWindow; onWindow(window: TimeWindow | null): void }) {
  const [box, width] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const dark = isDark.value;
  const whole = view.whole();
  useEffect(() => {
    if (canvas.current && width > 0) paint(canvas.current, width, view);
  }, [view, width, dark, config.value]);
  const at = (event: PointerEvent) => {
    const rect = box.current!.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - rect.left) / rect.width, 0), 1);
  };
  const share = (ns: number) => (ns - whole.fromNs) / (whole.toNs - whole.fromNs);
  const from = drag ? Math.min(...drag) : share(time.fromNs);
  const to = drag ? Math.max(...drag) : share(time.toNs);
  const zoomed = drag !== null || time.fromNs > whole.fromNs || time.toNs < whole.toNs;
  const ns = (s: number) => whole.fromNs + s * (whole.toNs - whole.fromNs);
  return (
    <div
      class="minimap"
      ref={box}
      role="img"
      aria-label={`Overview of ${view.trace.received} spans over ${formatDuration((whole.toNs - whole.fromNs) / 1e6)}. Shown: ${formatDuration((time.fromNs - whole.fromNs) / 1e6)} to ${formatDuration((time.toNs - whole.fromNs) / 1e6)}. Keys + and − zoom, 0 shows the whole.`}
      title="Drag to zoom, double-click for the whole trace"
      onPointerDown={(e) => {
        if (e.button !== 0) return;
        box.current!.setPointerCapture(e.pointerId);
        setDrag([at(e), at(e)]);
      }}
      onPointerMove={(e) => drag && setDrag([drag[0], at(e)])}
      onPointerUp={() => {
        if (drag && Math.abs(drag[1] - drag[0]) * width > 4) onWindow({ fromNs: ns(Math.min(...drag)), toNs: ns(Math.max(...drag)) });
        setDrag(null);
      }}
      onDblClick={() => onWindow(null)}
    >
      <canvas ref={canvas} />
      {zoomed && <span class="minimap-shade" style={{ left: "0", width: `${from * 100}%` }} />}
      {zoomed && <span class="minimap-shade" style={{ left: `${to * 100}%`, width: `${(1 - to) * 100}%` }} />}
      {zoomed && <span class="minimap-window" style={{ left: `${from * 100}%`, width: `${(to - from) * 100}%` }} />}
    </div>
  );
}
