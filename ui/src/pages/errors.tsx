// Errors: failures grouped by their message's template, over time, with who owns them, since when, and
// in which traces.

import { useEffect, useMemo } from "preact/hooks";
import * as api from "../api/endpoints.ts";
import { type ErrorGroup, type ErrorsAnswer, nanoToMs, type Release } from "../api/types.ts";
import { formatAgo, formatClock, formatCount, formatDateTime, formatDay, formatDuration, plural } from "../base/format.ts";
import type { TimeRange } from "../base/permalink.ts";
import { address, linkTo, patchAddress } from "../base/router.ts";
import { shown, shownLine } from "../base/text.ts";
import { quoted } from "../base/traceql.ts";
import { Chart } from "../widgets/chart.tsx";
import { evidence } from "../widgets/copy_link.tsx";
import { FilterBar, isQueryError } from "../widgets/filter_bar.tsx";
import { useLoad } from "../widgets/hooks.ts";
import { Icon } from "../widgets/icons.tsx";
import { NothingHere } from "../widgets/nothing_here.tsx";
import { requireRange } from "../widgets/range_picker.tsx";
import { hearOwner, ServiceName, squadOf } from "../widgets/service_name.tsx";
import { Sparkline } from "../widgets/sparkline.tsx";
import { Empty, Failed, LoadingBar } from "../widgets/states.tsx";

const kLimit = 200;

// Counts in equal steps over the range, zero where nothing came.
export function totals(groups: readonly ErrorGroup[], range: TimeRange, stepMs: number): { timesMs: number[]; values: number[] } {
  const counts = new Map<number, number>();
  for (const g of groups) for (const [at, n] of g.overTime) counts.set(at, (counts.get(at) ?? 0) + n);
  const first = [...counts.keys()].sort((a, b) => a - b)[0] ?? range.startMs;
  const step = Math.max(stepMs, (range.endMs - range.startMs) / 2000, 1);
  const origin = first - Math.max(0, Math.floor((first - range.startMs) / step)) * step;
  const timesMs: number[] = [];
  const values: number[] = [];
  for (let at = origin; at < range.endMs; at += step) {
    timesMs.push(at);
    values.push(0);
  }
  for (const [at, n] of counts) {
    const i = Math.round((at - origin) / step);
    if (i >= 0 && i < values.length) values[i] += n;
  }
  return { timesMs, values };
}

export function ErrorsPage() {
  const range = requireRange();
  const { params } = address.value;
  const q = params.q ?? "";
  const loaded = useLoad((abort) => api.errorGroups(q, range, kLimit, abort), [q, range.startMs, range.endMs]);
  const releases = useLoad((abort) => api.releases(range, abort), [range.startMs, range.endMs]);
  const answer = loaded.data;
  const sort = params.sort ?? "count";
  const groups = useMemo(() => sorted(answer, sort), [answer, sort]);
  const chosen = groups.find((g) => g.id === params.group) ?? null;
  useEffect(() => {
    evidence.value = chosen ? chosen.samples.map((s) => s.traceId) : groups.flatMap((g) => g.samples.slice(0, 1).map((s) => s.traceId)).slice(0, 20);
    return () => void (evidence.value = []);
  }, [chosen, groups]);
  const all = useMemo(() => totals(groups, range, answer?.stepMs ?? 60_000), [groups, range.startMs, range.endMs]);
  const total = groups.reduce((n, g) => n + g.count, 0);
  return (
    <main class="page" id="main" tabindex={-1}>
      <h1 class="sr">Errors</h1>
      <FilterBar range={range} error={loaded.error} onAgain={loaded.reload} placeholder="All errors; filter with TraceQL, for example { span.http.route = &quot;/login&quot; }" />
      {loaded.error != null && !isQueryError(loaded.error) && <Failed error={loaded.error} retry={loaded.reload} />}
      <section class="panel" aria-label="Errors over time">
        <LoadingBar on={loaded.loading} />
        <Chart title={answer ? `${plural(total, "failed span")} over time` : "Failed spans over time"} timesMs={all.timesMs} series={[{ label: "failed", colour: "--error", values: all.values, bars: true }]} range={range} format={formatCount} releases={releases.data?.releases ?? []} onRange={(r) => patchAddress({ range: r })} height={130} />
      </section>
      <div class={chosen ? "split with-details" : "split"}>
        <section class="panel" aria-label="Groups">
          {answer && groups.length === 0 ? (
            q || answer.inspected?.spans ? <Empty title="No errors in this range"><p>Nothing failed{q ? " that the filter matches" : ""}. Widen the range to look further back.</p></Empty> : <NothingHere range={range} what="No errors in this range" retry={loaded.reload} />
          ) : (
            <>
            {answer?.limitReached && <p class="results-head"><span class="tag warn">cut at {groups.length} groups: there are more</span></p>}
            <GroupTable groups={groups} range={range} stepMs={answer?.stepMs ?? 60_000} chosen={chosen?.id ?? ""} sort={sort} />
            </>
          )}
        </section>
        {chosen && <GroupPanel group={chosen} range={range} stepMs={answer?.stepMs ?? 60_000} releases={releases.data?.releases ?? []} />}
      </div>
    </main>
  );
}

function sorted(answer: ErrorsAnswer | null, by: string): ErrorGroup[] {
  const groups = [...(answer?.groups ?? [])];
  for (const g of groups) hearOwner(g.service, g.squad);
  const keys: Record<string, (g: ErrorGroup) => number> = {
    count: (g) => g.count,
    first: (g) => nanoToMs(g.firstSeenUnixNano),
    last: (g) => nanoToMs(g.lastSeenUnixNano),
  };
  const key = Object.hasOwn(keys, by) ? keys[by] : keys.count;
  return groups.sort((a, b) => key(b) - key(a) || (a.id < b.id ? -1 : 1));
}

export function SortHeader({ name, title, sort, numeric = true }: { name: string; title: string; sort: string; numeric?: boolean }) {
  return (
    <th class={numeric ? "num" : ""} aria-sort={sort === name ? "descending" : undefined}>
      <button type="button" onClick={() => patchAddress({ params: { sort: name } }, true)}>
        {title}{sort === name ? " ↓" : ""}
      </button>
    </th>
  );
}

function When({ ms }: { ms: number }) {
  const today = formatDay(ms) === formatDay(Date.now());
  return (
    <time title={formatDateTime(ms)}>
      {formatClock(ms, false)}
      {!today && <div class="muted">{formatDay(ms)}</div>}
    </time>
  );
}

function GroupTable({ groups, range, stepMs, chosen, sort }: { groups: ErrorGroup[]; range: TimeRange; stepMs: number; chosen: string; sort: string }) {
  return (
    <table class="grid errors">
      <thead>
        <tr>
          <th>Message</th>
          <th>Where</th>
          <th>Over time</th>
          <SortHeader name="count" title="Count" sort={sort} />
          <SortHeader name="first" title="First seen" sort={sort} />
          <SortHeader name="last" title="Last seen" sort={sort} />
        </tr>
      </thead>
      <tbody>
        {groups.map((g) => (
          <tr key={g.id} class={g.id === chosen ? "selected" : ""}>
            <td class="error-message">
              <button type="button" class="link" aria-expanded={g.id === chosen} onClick={() => patchAddress({ params: { group: g.id === chosen ? null : g.id } }, true)}>
                <span class="value">{shownLine(g.template, 200) || "(no message)"}</span>
              </button>
              <div class="muted">
                <span class="value">{shownLine(g.type, 80)}</span>
                {g.newSince && <span class="tag warn">new since {shownLine(g.newSince.service, 40)} {shownLine(g.newSince.version, 30)}</span>}
              </div>
              <div class="where-narrow"><ServiceName service={g.service} withSquad /></div>
            </td>
            <td>
              <ServiceName service={g.service} />
              <div class="muted">{squadOf(g.service, g.squad) ? shownLine(squadOf(g.service, g.squad), 60) : "unowned"}</div>
            </td>
            <td><Sparkline points={g.overTime} startMs={range.startMs} endMs={range.endMs} stepMs={stepMs} failed /></td>
            <td class="num"><strong>{formatCount(g.count)}</strong></td>
            <td class="num"><When ms={nanoToMs(g.firstSeenUnixNano)} /></td>
            <td class="num"><When ms={nanoToMs(g.lastSeenUnixNano)} /></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function GroupPanel({ group, range, stepMs, releases }: { group: ErrorGroup; range: TimeRange; stepMs: number; releases: readonly Release[] }) {
  const squad = squadOf(group.service, group.squad);
  const series = useMemo(() => totals([group], range, stepMs), [group, range.startMs, range.endMs]);
  const operation = group.samples.length && group.samples.every((x) => x.name === group.samples[0].name && x.service === group.service) ? group.samples[0].name : "";
  const own = releases.filter((r) => group.services.includes(r.service) || r.service === group.service);
  return (
    <aside class="details" aria-label="Error group">
      <div class="details-head">
        <div class="grow">
          <h2 class="value">{shown(group.template, 1000) || "(no message)"}</h2>
          <span class="muted value">{shownLine(group.type)}</span>
        </div>
        <button type="button" class="button icon quiet" aria-label="Close" onClick={() => patchAddress({ params: { group: null } }, true)}><Icon.close /></button>
      </div>
      <dl class="facts">
        <dt class="muted">in</dt><dd><ServiceName service={group.service} /></dd>
        <dt class="muted">owner</dt><dd>{squad ? shownLine(squad, 60) : "unowned"}</dd>
        <dt class="muted">count</dt><dd>{formatCount(group.count)}</dd>
        <dt class="muted">first seen</dt><dd>{formatDateTime(nanoToMs(group.firstSeenUnixNano))}</dd>
        <dt class="muted">last seen</dt><dd>{formatDateTime(nanoToMs(group.lastSeenUnixNano))} <span class="muted">{formatAgo(nanoToMs(group.lastSeenUnixNano), Date.now())}</span></dd>
        {group.newSince && <><dt class="muted">new since</dt><dd class="warn-text">{shownLine(group.newSince.service)} {shownLine(group.newSince.version)}</dd></>}
      </dl>
      <Chart title="Over time" timesMs={series.timesMs} series={[{ label: "failed", colour: "--error", values: series.values, bars: true }]} range={range} format={formatCount} releases={own} height={110} />
      <section>
        <h3>Sample traces</h3>
        <ul class="samples">
          {group.samples.map((sample) => (
            <li key={sample.traceId}>
              <a href={linkTo("trace", { id: sample.traceId })}>
                {formatDateTime(nanoToMs(sample.startUnixNano))} <span class="mono muted">{shownLine(sample.traceId.slice(0, 8), 8)}</span>
              </a>
              <div>{shownLine(sample.service, 60)} {shownLine(sample.name, 80)} <span class="muted">{formatDuration(sample.durationMs)}</span></div>
              {sample.message !== sample.name && <div class="muted">{shownLine(sample.message, 200)}</div>}
            </li>
          ))}
        </ul>
      </section>
      {group.services.length > 1 && (
        <section>
          <h3>Services in its traces</h3>
          <ul>{group.services.slice(0, 20).map((s) => <li key={s}><ServiceName service={s} withSquad /></li>)}</ul>
        </section>
      )}
      <ul class="links">
        {operation && <li><a href={linkTo("search", { params: { q: `{ status = error && resource.service.name = ${quoted(group.service)} && name = ${quoted(operation)} }` } })}>Failed spans of <span class="value">{shownLine(operation, 60)}</span></a></li>}
        <li><a href={linkTo("search", { params: { q: `{ status = error && resource.service.name = ${quoted(group.service)} }` } })}>All failed spans of this service</a></li>
      </ul>
    </aside>
  );
}
