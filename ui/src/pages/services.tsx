// Services: rate, errors and duration of each service and operation over time, with the releases.

import { useMemo } from "preact/hooks";
import * as api from "../api/endpoints.ts";
import { nanoToMs, type OperationStats, type Release, type ServiceStats } from "../api/types.ts";
import { formatCount, formatDuration, formatRate, formatShare } from "../base/format.ts";
import type { TimeRange } from "../base/permalink.ts";
import { address, linkTo, patchAddress } from "../base/router.ts";
import { shownLine } from "../base/text.ts";
import { quoted, withCondition } from "../base/traceql.ts";
import { Chart } from "../widgets/chart.tsx";
import { FilterBar, isQueryError } from "../widgets/filter_bar.tsx";
import { useLoad } from "../widgets/hooks.ts";
import { NothingHere } from "../widgets/nothing_here.tsx";
import { requireRange } from "../widgets/range_picker.tsx";
import { colourOf, hearOwner, ServiceName, squadOf } from "../widgets/service_name.tsx";
import { Sparkline } from "../widgets/sparkline.tsx";
import { Failed, LoadingBar } from "../widgets/states.tsx";
import { SortHeader } from "./errors.tsx";
import { stepFor } from "./search_metrics.tsx";

type Point = ServiceStats["overTime"][number];

export interface Filled {
  timesMs: number[];
  rate: (number | null)[];
  errors: (number | null)[];
  p95: (number | null)[];
}

// The whole range in steps: no spans is a rate of 0, and no share of failures nor duration at all.
export function fillSteps(points: readonly Point[], range: TimeRange, stepMs: number): Filled {
  const at = new Map(points.map((p) => [nanoToMs(p.timeUnixNano), p]));
  const first = points.length ? nanoToMs(points[0].timeUnixNano) : range.startMs;
  const origin = first - Math.max(0, Math.floor((first - range.startMs) / stepMs)) * stepMs;
  const filled: Filled = { timesMs: [], rate: [], errors: [], p95: [] };
  for (let t = origin, i = 0; t < range.endMs && i < 5000; t += stepMs, i++) {
    const p = at.get(t) ?? at.get(Math.round(t));
    filled.timesMs.push(t);
    filled.rate.push(p ? p.spans / (stepMs / 1000) : 0);
    filled.errors.push(p && p.spans ? p.errors / p.spans : null);
    filled.p95.push(p ? p.p95Ms : null);
  }
  return filled;
}

const kSorts: Record<string, (s: { rate: number; errorRate: number; p50Ms: number; p95Ms: number; p99Ms: number }) => number> = {
  rate: (s) => s.rate,
  errors: (s) => s.errorRate,
  p50: (s) => s.p50Ms,
  p95: (s) => s.p95Ms,
  p99: (s) => s.p99Ms,
};

export function ServicesPage() {
  const range = requireRange();
  const { params } = address.value;
  const q = params.q ?? "";
  const step = stepFor(range, 90);
  const loaded = useLoad((abort) => api.services(q, range, step, abort), [q, range.startMs, range.endMs]);
  const releases = useLoad((abort) => api.releases(range, abort), [range.startMs, range.endMs]);
  const sort = params.sort && Object.hasOwn(kSorts, params.sort) ? params.sort : "rate";
  const list = useMemo(() => {
    const all = loaded.data?.services ?? [];
    for (const s of all) hearOwner(s.service, s.squad);
    return [...all].sort((a, b) => kSorts[sort](b) - kSorts[sort](a) || (a.service < b.service ? -1 : 1));
  }, [loaded.data, sort]);
  const chosen = list.find((s) => s.service === params.service) ?? null;
  return (
    <main class="page" id="main" tabindex={-1}>
      <h1 class="sr">Services</h1>
      <FilterBar range={range} error={loaded.error} onAgain={loaded.reload} placeholder="All requests; filter with TraceQL, for example { span.http.route = &quot;/login&quot; }" />
      {loaded.error != null && !isQueryError(loaded.error) && <Failed error={loaded.error} retry={loaded.reload} />}
      <section class="panel" aria-label="Services">
        <LoadingBar on={loaded.loading} />
        {loaded.data && list.length === 0 && <NothingHere range={range} what="No requests in this range" retry={loaded.reload} />}
        {list.length > 0 && <ServiceTable list={list} range={range} stepMs={loaded.data?.stepMs ?? step} chosen={params.service ?? ""} sort={sort} />}
      </section>
      {chosen && <ServiceCharts key={chosen.service} service={chosen} range={range} stepMs={loaded.data?.stepMs ?? step} q={q} releases={releases.data?.releases ?? []} />}
    </main>
  );
}

function ServiceTable({ list, range, stepMs, chosen, sort }: { list: ServiceStats[]; range: TimeRange; stepMs: number; chosen: string; sort: string }) {
  return (
    <div class="table-scroll">
    <table class="grid">
      <thead>
        <tr>
          <th>Service</th>
          <th>Owner</th>
          <th>Requests</th>
          <SortHeader name="rate" title="Rate" sort={sort} />
          <SortHeader name="errors" title="Failed" sort={sort} />
          <SortHeader name="p50" title="p50" sort={sort} />
          <SortHeader name="p95" title="p95" sort={sort} />
          <SortHeader name="p99" title="p99" sort={sort} />
        </tr>
      </thead>
      <tbody>
        {list.map((s) => {
          const squad = squadOf(s.service, s.squad);
          const open = s.service === chosen;
          return (
            <tr key={s.service} class={open ? "selected" : ""}>
              <td>
                <button type="button" class="link" aria-expanded={open} onClick={() => patchAddress({ params: { service: open ? null : s.service, op: null } })}>
                  <ServiceName service={s.service} namespace={s.squad} />
                </button>
              </td>
              <td class="muted">{squad ? <>{shownLine(squad, 40)}{s.tribe && <> · {shownLine(s.tribe, 40)}</>}</> : "unowned"}</td>
              <td><Sparkline points={s.overTime.map((p) => [nanoToMs(p.timeUnixNano), p.spans] as const)} startMs={range.startMs} endMs={range.endMs} stepMs={stepMs} /></td>
              <Numbers stats={s} />
            </tr>
          );
        })}
      </tbody>
    </table>
    </div>
  );
}

function Numbers({ stats }: { stats: OperationStats | ServiceStats }) {
  return (
    <>
      <td class="num">{formatRate(stats.rate)}</td>
      <td class={stats.errorRate > 0 ? "num error-text" : "num muted"}>{formatShare(stats.errorRate)}</td>
      <td class="num">{formatDuration(stats.p50Ms)}</td>
      <td class="num">{formatDuration(stats.p95Ms)}</td>
      <td class="num">{formatDuration(stats.p99Ms)}</td>
    </>
  );
}

interface ChartsProps {
  service: ServiceStats;
  range: TimeRange;
  stepMs: number;
  q: string;
  releases: readonly Release[];
}

function ServiceCharts({ service, range, stepMs, q, releases }: ChartsProps) {
  const op = address.value.params.op ?? "";
  const known = service.operations.some((o) => o.name === op);
  // An operation's course is the service's, asked for that operation alone.
  const one = useLoad(
    known ? (abort) => api.services(withCondition(withCondition(q, `resource.service.name = ${quoted(service.service)}`), `name = ${quoted(op)}`), range, stepMs, abort) : null,
    [op, known, q, service.service, range.startMs, range.endMs],
  );
  const points = known ? (one.data?.services.find((s) => s.service === service.service)?.overTime ?? []) : service.overTime;
  const filled = useMemo(() => fillSteps(points, range, stepMs), [points, range.startMs, range.endMs, stepMs]);
  const own = releases.filter((r) => r.service === service.service);
  const narrow = (r: TimeRange) => patchAddress({ range: r });
  const colour = colourOf(service.service, service.squad).fill;
  const operations = [...service.operations].sort((a, b) => b.rate - a.rate);
  const chart = { timesMs: filled.timesMs, range, releases: own.length ? own : releases, ownReleases: own.length > 0, onRange: narrow };
  return (
    <section class="panel" aria-label={`Service ${shownLine(service.service, 80)}`}>
      <LoadingBar on={one.loading} />
      <div class="results-head">
        <h2><ServiceName service={service.service} /></h2>
        {known && <span class="tag">{shownLine(op, 80)} <button type="button" class="mini" aria-label="All operations" onClick={() => patchAddress({ params: { op: null } }, true)}>×</button></span>}
        <span class="grow" />
        <a href={linkTo("search", { params: { q: withCondition(q, `resource.service.name = ${quoted(service.service)}`) } })}>Traces</a>
        <a href={linkTo("errors", { params: { q: withCondition(q, `resource.service.name = ${quoted(service.service)}`) } })}>Errors</a>
        <a href={linkTo("map", { params: { chosen: service.service } })}>On the map</a>
      </div>
      {one.error != null && <Failed error={one.error} retry={one.reload} />}
      <div class="charts">
        <Chart title="Rate" {...chart} series={[{ label: "rate", colour, values: filled.rate }]} format={formatRate} />
        <Chart title="Failed" {...chart} series={[{ label: "failed", colour: "--error", values: filled.errors }]} format={formatShare} />
        <Chart title="Duration, p95" {...chart} series={[{ label: "p95", colour, values: filled.p95 }]} format={formatDuration} />
      </div>
      <div class="table-scroll">
      <table class="grid">
        <thead>
          <tr>
            <th>Operation</th>
            <th>Kind</th>
            <th class="num">Requests</th>
            <th class="num">Rate</th>
            <th class="num">Failed</th>
            <th class="num">p50</th>
            <th class="num">p95</th>
            <th class="num">p99</th>
          </tr>
        </thead>
        <tbody>
          {operations.map((o) => (
            <tr key={`${o.kind}${o.name}`} class={o.name === op ? "selected" : ""}>
              <td><button type="button" class="link" aria-pressed={o.name === op} onClick={() => patchAddress({ params: { op: o.name === op ? null : o.name } }, true)}><span class="value">{shownLine(o.name, 160) || "(no name)"}</span></button></td>
              <td class="muted">{shownLine(o.kind, 20)}</td>
              <td class="num">{formatCount(o.spans)}</td>
              <Numbers stats={o} />
            </tr>
          ))}
        </tbody>
      </table>
      </div>
    </section>
  );
}
