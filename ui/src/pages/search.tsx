// Search: the query, its quick filters, the heatmap above, the traces below as they stream in.

import { useEffect, useMemo, useState } from "preact/hooks";
import * as api from "../api/endpoints.ts";
import { ApiError, isAbort, tokenVersion } from "../api/http.ts";
import { searchStream } from "../api/search_stream.ts";
import type { Inspected, TraceSummary } from "../api/types.ts";
import { nanoToMs } from "../api/types.ts";
import { formatAgo, formatBytes, formatCount, formatDateTime, formatDuration, plural, traceqlDuration } from "../base/format.ts";
import type { Region } from "../base/heatmap_bins.ts";
import type { TimeRange } from "../base/permalink.ts";
import { address, linkTo, patchAddress } from "../base/router.ts";
import { conditionsOf, isMetricsQuery, withCondition } from "../base/traceql.ts";
import { announce } from "../widgets/announce.tsx";
import { evidence } from "../widgets/copy_link.tsx";
import { Facets } from "../widgets/facets.tsx";
import { Heatmap } from "../widgets/heatmap.tsx";
import { useLoad } from "../widgets/hooks.ts";
import { Icon } from "../widgets/icons.tsx";
import { Onboarding } from "../widgets/onboarding.tsx";
import { QueryBox } from "../widgets/query_box.tsx";
import { requireRange } from "../widgets/range_picker.tsx";
import { Empty, Failed, LoadingBar } from "../widgets/states.tsx";
import { TraceList } from "../widgets/trace_list.tsx";
import { MetricsResult } from "./search_metrics.tsx";

const kLimits = [50, 200, 1000];
const kRootSpans = "span:parentID = nil";

interface Result {
  traces: TraceSummary[];
  inspected: Inspected | null;
  limitReached: boolean;
  elapsedMs: number | null;
  running: boolean;
  error: unknown;
}
const kNothing: Result = { traces: [], inspected: null, limitReached: false, elapsedMs: null, running: true, error: null };

// Merges what has come so far, newest first; a trace that comes again replaces itself.
export function mergeTraces(old: readonly TraceSummary[], more: readonly TraceSummary[], limit: number): TraceSummary[] {
  const by_id = new Map(old.map((t) => [t.traceId, t]));
  for (const t of more) by_id.set(t.traceId, t);
  const start = new Map([...by_id.values()].map((t) => [t.traceId, BigInt(t.startTimeUnixNano)]));
  return [...by_id.values()]
    .sort((a, b) => {
      const x = start.get(a.traceId)!;
      const y = start.get(b.traceId)!;
      return x === y ? (a.traceId < b.traceId ? -1 : 1) : x > y ? -1 : 1;
    })
    .slice(0, limit);
}

function useSearch(q: string, range: TimeRange, limit: number, round: number): Result {
  const [result, setResult] = useState<Result>(kNothing);
  useEffect(() => {
    const abort = new AbortController();
    let first = true;
    setResult((old) => ({ ...old, running: true, error: null }));
    const update = (change: (old: Result) => Result) => {
      if (abort.signal.aborted) return;
      const fresh = first;
      first = false;
      setResult((old) => change(fresh ? kNothing : old));
    };
    searchStream(
      q,
      range,
      limit,
      {
        progress: (inspected) => update((old) => ({ ...old, inspected })),
        traces: (traces) => update((old) => ({ ...old, traces: mergeTraces(old.traces, traces, limit) })),
        done: (d) => update((old) => ({ ...old, inspected: d.inspected ?? old.inspected, limitReached: d.limitReached ?? false, elapsedMs: d.elapsedMs ?? null, running: false })),
      },
      abort.signal,
    ).catch((error) => {
      if (!isAbort(error) && !abort.signal.aborted) setResult((old) => ({ ...(first ? kNothing : old), running: false, error }));
    });
    return () => abort.abort();
  }, [q, range.startMs, range.endMs, limit, round, tokenVersion.value]);
  return result;
}

export function SearchPage() {
  const range = requireRange();
  const { params } = address.value;
  const q = params.q ?? "";
  const limit = kLimits.includes(Number(params.limit)) ? Number(params.limit) : kLimits[0];
  const chosen = (params.chosen ?? "").split(",").filter(Boolean).slice(0, 2);
  const [round, setRound] = useState(0);
  const metrics = isMetricsQuery(q);
  const run = (query: string) => {
    if (query === q) setRound((n) => n + 1);
    else patchAddress({ params: { q: query, limit: null, chosen: null } });
  };
  const narrow = (region: Region) => {
    let query = q.trim();
    // The picture of an empty query is of root spans; so is what is cut out of it.
    if (!conditionsOf(query)?.length && conditionsOf(query)) query = `{ ${kRootSpans} }`;
    if (region.minMs > 0) query = withCondition(query, `duration >= ${traceqlDuration(region.minMs)}`);
    if (region.maxMs !== Infinity) query = withCondition(query, `duration < ${traceqlDuration(region.maxMs)}`);
    patchAddress({ range: { startMs: Math.floor(region.startMs), endMs: Math.ceil(region.endMs) }, params: { q: query, limit: null } });
  };
  return (
    <main class="page" id="main" tabindex={-1}>
      <h1 class="sr">Search</h1>
      {metrics ? (
        <MetricsResult q={q} range={range} onRun={run} round={round} />
      ) : (
        <Traces q={q} range={range} limit={limit} chosen={chosen} round={round} onRun={run} onNarrow={narrow} again={() => setRound((n) => n + 1)} />
      )}
    </main>
  );
}

interface TracesProps {
  q: string;
  range: TimeRange;
  limit: number;
  chosen: string[];
  round: number;
  onRun(q: string): void;
  onNarrow(region: Region): void;
  again(): void;
}

function Traces({ q, range, limit, chosen, round, onRun, onNarrow, again }: TracesProps) {
  const result = useSearch(q || "{}", range, limit, round);
  const problem = result.error instanceof ApiError && result.error.status === 400 ? result.error.body : null;
  const picture = useLoad((abort) => api.heatmap(conditionsOf(q)?.length === 0 ? "" : q, range, 160, 4, abort), [q, range.startMs, range.endMs, round]);
  const releases = useLoad((abort) => api.releases(range, abort), [range.startMs, range.endMs]);
  const nothing = !result.running && !result.error && result.traces.length === 0;
  // Nothing here: is there anything at all?
  const newest = useLoad(nothing ? (abort) => api.search("{}", null, 1, abort) : null, [nothing, round]);
  const found = useMemo(() => result.traces, [result.traces]);
  useEffect(() => {
    evidence.value = found.map((t) => t.traceId);
    return () => void (evidence.value = []);
  }, [found]);
  useEffect(() => {
    if (!result.running && !result.error) announce(plural(result.traces.length, "trace"));
  }, [result.running]);
  const choose = (id: string) => {
    const next = chosen.includes(id) ? chosen.filter((c) => c !== id) : [...chosen, id].slice(-2);
    patchAddress({ params: { chosen: next.join(",") } }, true);
  };
  if (nothing && newest.data && newest.data.traces.length === 0) return <Onboarding retry={again} />;
  return (
    <>
      <QueryBox value={q} range={range} problem={problem} onRun={onRun} />
      <div class="search-body">
        <Facets query={q} range={range} onChange={onRun} />
        <div class="search-main">
          <section class="panel" aria-label="Heatmap" hidden={problem !== null}>
            <LoadingBar on={picture.loading} />
            {picture.data ? <Heatmap answer={picture.data} releases={releases.data?.releases ?? []} what={conditionsOf(q)?.length === 0 ? "root spans" : "spans"} onNarrow={onNarrow} /> : problem ? null : picture.error ? <Failed error={picture.error} retry={picture.reload} /> : <div class="heatmap-wait" />}
          </section>
          <section class="panel" aria-label="Results" aria-busy={result.running}>
            <LoadingBar on={result.running} />
            <Summary result={result} limit={limit} chosen={chosen} />
            {result.traces.length > 0 && <TraceList traces={result.traces} chosen={chosen} onChoose={choose} />}
            {problem ? (
              <Empty title="The query cannot be read">
                <p>The place is underlined above. Ctrl+Space lists what can stand at the cursor.</p>
              </Empty>
            ) : (
              result.error != null && <Failed error={result.error} retry={again} />
            )}
            {nothing && newest.data && <NoTraces q={q} newest={newest.data.traces[0]} range={range} />}
            {result.limitReached && limit < kLimits[kLimits.length - 1] && (
              <div class="more">
                <button type="button" class="button" onClick={() => patchAddress({ params: { limit: kLimits[kLimits.indexOf(limit) + 1] } }, true)}>
                  Show up to {kLimits[kLimits.indexOf(limit) + 1]}
                </button>
              </div>
            )}
          </section>
        </div>
      </div>
    </>
  );
}

function Summary({ result, limit, chosen }: { result: Result; limit: number; chosen: string[] }) {
  const { inspected } = result;
  return (
    <div class="results-head">
      <h2>{result.traces.length ? `${result.limitReached ? "The newest " : ""}${plural(result.traces.length, "trace")}` : result.running ? "Searching" : "Traces"}</h2>
      <span class="inspected">
        {inspected && (
          <>
            {/* Spans that are still in memory cost no reading. */}
            {plural(inspected.spans, "span")}{inspected.bytes > 0 && `, ${formatBytes(inspected.bytes)}`} scanned{inspected.bytes > 0 && ` in ${plural(inspected.blocks, "block")}`}
            {inspected.blocksSkipped > 0 && `, ${formatCount(inspected.blocksSkipped)} skipped`}
            {result.elapsedMs !== null && ` · ${formatDuration(result.elapsedMs)}`}
          </>
        )}
        {result.limitReached && <span class="tag warn">cut at {limit}: more match</span>}
      </span>
      <span class="grow" />
      {chosen.length === 2 ? (
        <a class="button small primary" href={linkTo("compare", { params: { a: chosen[0], b: chosen[1] } })}>
          <Icon.compare /> Compare the two
        </a>
      ) : (
        <span class="muted compare-hint">{chosen.length === 1 ? "choose one more to compare" : ""}</span>
      )}
    </div>
  );
}

function NoTraces({ q, newest, range }: { q: string; newest: TraceSummary; range: TimeRange }) {
  const at = nanoToMs(newest.startTimeUnixNano);
  const inside = at >= range.startMs && at < range.endMs;
  const span = range.endMs - range.startMs;
  return (
    <Empty title="No trace matches here">
      {!inside && (
        <>
          <p>
            The newest stored trace is of {formatDateTime(at)} ({formatAgo(at, Date.now())}), outside this range.
          </p>
          <button type="button" class="button" onClick={() => patchAddress({ range: { startMs: Math.floor(at - span * 0.95), endMs: Math.ceil(at + span * 0.05) } })}>
            Go to the newest
          </button>
        </>
      )}
      {q && (
        <>
          <p>{inside ? "There are traces in this range, but none that the query matches. " : ""}Take a condition away, or widen the range.</p>
          <button type="button" class="button" onClick={() => patchAddress({ params: { q: null } })}>
            Clear the query
          </button>
        </>
      )}
    </Empty>
  );
}
