// Counts over time as small bars in one path; decoration beside the numbers that say it.

export function Sparkline({ points, startMs, endMs, stepMs, width = 120, height = 20, failed = false }: { points: readonly (readonly [number, number])[]; startMs: number; endMs: number; stepMs: number; width?: number; height?: number; failed?: boolean }) {
  const max = points.reduce((m, [, v]) => Math.max(m, v), 0) || 1;
  const scale = width / Math.max(1, endMs - startMs);
  const bar = Math.max(1.5, stepMs * scale - 0.5);
  let d = "";
  for (const [at, value] of points) {
    if (!value || at < startMs - stepMs || at >= endMs) continue;
    const x = Math.max(0, (at - startMs) * scale);
    const h = Math.max(1.5, Math.sqrt(value / max) * height);
    d += `M${x.toFixed(1)} ${height}v${(-h).toFixed(1)}h${bar.toFixed(1)}v${h.toFixed(1)}z`;
  }
  return (
    <svg class={failed ? "spark failed" : "spark"} width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <path d={`M0 ${height - 0.5}h${width}`} class="spark-base" />
      <path d={d} />
    </svg>
  );
}
