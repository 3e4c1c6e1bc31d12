// A TraceQL metric (… | rate() by(…)) in the search box: its series over time.

import { useMemo } from "preact/hooks";
import * as api from "../api/endpoints.ts";
import { ApiError } from "../api/http.ts";
import { type MetricsAnswer, nanoToMs } from "../api/types.ts";
import { squadHue } from "../base/color.ts";
import { formatCount, formatDuration, formatRate, plural } from "../base/format.ts";
import type { TimeRange } from "../base/permalink.ts";
import { patchAddress } from "../base/router.ts";
import { shownLine } from "../base/text.ts";
import { isDark } from "../base/theme.ts";
import { Chart, type Series } from "../widgets/chart.tsx";
import { useLoad } from "../widgets/hooks.ts";
import { QueryBox } from "../widgets/query_box.tsx";
import { colourOf, config } from "../widgets/service_name.tsx";
import { Empty, Failed, LoadingBar } from "../widgets/states.tsx";

const kMaxSeries = 30;

// About 120 steps, of a round length.
export function stepFor(range: TimeRange, steps = 120): number {
  const round = [1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5, 864e5];
  return round.find((s) => (range.endMs - range.startMs) / s <= steps) ?? 864e5;
}

function labelOf(labels: Record<string, string>): string {
  const entries = Object.entries(labels);
  return entries.length ? entries.map(([k, v]) => (entries.length === 1 ? shownLine(v, 80) : `${k}=${shownLine(v, 60)}`)).join(", ") : "all";
}

export function toSeries(answer: MetricsAnswer, dark: boolean): { timesMs: number[]; series: Series[] } {
  const times = new Set<number>();
  for (const s of answer.series) for (const p of s.points) times.add(nanoToMs(p.timeUnixNano));
  const timesMs = [...times].sort((a, b) => a - b);
  const series = answer.series.slice(0, kMaxSeries).map((s) => {
    const at = new Map(s.points.map((p) => [nanoToMs(p.timeUnixNano), p.value]));
    const label = labelOf(s.labels);
    const service = s.labels["resource.service.name"];
    return {
      label,
      colour: service ? colourOf(service).fill : `oklch(${dark ? 0.75 : 0.5} 0.12 ${squadHue(label)})`,
      values: timesMs.map((t) => at.get(t) ?? null),
    };
  });
  return { timesMs, series };
}

// How the values of a metric are written: a rate by the second, durations (which TraceQL has in seconds) as such.
export function metricFormat(q: string): (value: number) => string {
  if (/\|\s*rate\s*\(/.test(q)) return formatRate;
  if (/duration/i.test(q) && !/count_over_time/.test(q)) return (v) => formatDuration(v * 1000);
  return formatCount;
}

export function MetricsResult({ q, range, onRun, round }: { q: string; range: TimeRange; onRun(q: string): void; round: number }) {
  const step = stepFor(range);
  const answer = useLoad((abort) => api.metrics(q, range, step, abort), [q, range.startMs, range.endMs, round]);
  const releases = useLoad((abort) => api.releases(range, abort), [range.startMs, range.endMs]);
  const problem = answer.error instanceof ApiError && answer.error.status === 400 ? answer.error.body : null;
  const dark = isDark.value;
  const drawn = useMemo(() => (answer.data ? toSeries(answer.data, dark) : null), [answer.data, dark, config.value]); // which has the squads' hues
  const format = useMemo(() => metricFormat(q), [q]);
  return (
    <>
      <QueryBox value={q} range={range} problem={problem} onRun={onRun} />
      <section class="panel" aria-label="Metric">
        <LoadingBar on={answer.loading} />
        {drawn && drawn.series.length > 0 && (
          <>
            <Chart title={`${plural(answer.data!.series.length, "series", "series")}, a point every ${formatDuration(answer.data!.stepMs)}; below, the last value of each`} timesMs={drawn.timesMs} series={drawn.series} range={range} format={format} releases={releases.data?.releases ?? []} onRange={(r) => patchAddress({ range: r })} height={300} />
            <ul class="legend">
              {drawn.series.map((s) => (
                <li key={s.label}>
                  <span class="swatch" style={{ background: s.colour }} /> <span class="value">{s.label}</span>
                  <span class="muted"> {format(s.values.reduce<number>((last, v) => v ?? last, 0))}</span>
                </li>
              ))}
              {answer.data!.series.length > kMaxSeries && <li class="muted">{answer.data!.series.length - kMaxSeries} more are not drawn; add topk({kMaxSeries})</li>}
            </ul>
          </>
        )}
        {drawn && drawn.series.length === 0 && <Empty title="The metric has no points in this range" />}
        {answer.error != null && !problem && <Failed error={answer.error} retry={answer.reload} />}
      </section>
    </>
  );
}
