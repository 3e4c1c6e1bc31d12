// Compare: two traces side by side by structure; what was added, what is missing, what took longer.

import { useEffect, useMemo, useState } from "preact/hooks";
import * as api from "../api/endpoints.ts";
import { formatClock, formatCount, formatDay, formatDuration } from "../base/format.ts";
import { address, linkTo, patchAddress } from "../base/router.ts";
import { shown, shownLine } from "../base/text.ts";
import { mainRoot } from "../base/trace/critical_path.ts";
import { type Change, type DiffRow, diffTraces } from "../base/trace/diff.ts";
import { nameOf, serviceOf, spanIdOf, type Trace } from "../base/trace/model.ts";
import { evidence } from "../widgets/copy_link.tsx";
import { useLoad, useSize } from "../widgets/hooks.ts";
import { ServiceName, Swatch } from "../widgets/service_name.tsx";
import { Empty, Failed, LoadingBar } from "../widgets/states.tsx";

const kRow = 22;
const kOverscan = 12;
// A shorter bar (in percent of its column) has its label beside it.
const kRoomForLabel = 25;
const kMarks: Record<Change, string> = { same: "", slower: "slower", faster: "faster", added: "added", missing: "missing" };

export function ComparePage() {
  const { params } = address.value;
  const a = api.normalTraceId(params.a ?? "");
  const b = api.normalTraceId(params.b ?? "");
  const wrong = [params.a, params.b].filter((typed) => typed && !api.normalTraceId(typed));
  const left = useLoad(a ? (abort) => api.trace(a, abort) : null, [a]);
  const right = useLoad(b ? (abort) => api.trace(b, abort) : null, [b]);
  useEffect(() => {
    evidence.value = [a, b].filter((id): id is string => id !== null);
    return () => void (evidence.value = []);
  }, [a, b]);
  return (
    <main class="page tight map-page" id="main" tabindex={-1}>
      <h1 class="sr">Compare two traces</h1>
      <Choose a={params.a ?? ""} b={params.b ?? ""} />
      <LoadingBar on={left.loading || right.loading} />
      {left.error != null && <Failed error={left.error} retry={left.reload} />}
      {right.error != null && <Failed error={right.error} retry={right.reload} />}
      {(!a || !b) && (
        <Empty title={wrong.length ? "That is not a trace id" : "Choose two traces"}>
          {wrong.length > 0 && <p>A trace id is up to 32 hexadecimal digits; this is <code class="value">{shown(wrong[0], 100)}</code>.</p>}
          <p>Paste their ids above, tick two in the <a href={linkTo("search")}>search results</a>, or use Compare on a trace to set it beside a healthy one of the same operation.</p>
        </Empty>
      )}
      {/* While another one loads, the one before it is not compared in its place. */}
      {left.data?.traceId === a && right.data?.traceId === b && <Result left={left.data!} right={right.data!} />}
    </main>
  );
}

function Choose({ a, b }: { a: string; b: string }) {
  const submit = (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    patchAddress({ params: { a: String(form.get("a") ?? "").trim(), b: String(form.get("b") ?? "").trim() } });
  };
  return (
    <form class="toolbar" onSubmit={submit}>
      <label class="compare-id">Before <input class="field mono" name="a" defaultValue={a} key={`a${a}`} placeholder="trace id" spellcheck={false} autocomplete="off" data-focus-key="/" /></label>
      <label class="compare-id">After <input class="field mono" name="b" defaultValue={b} key={`b${b}`} placeholder="trace id" spellcheck={false} autocomplete="off" /></label>
      <button type="submit" class="button primary">Compare</button>
      {a && b && <button type="button" class="button" onClick={() => patchAddress({ params: { a: b, b: a } })}>Swap</button>}
    </form>
  );
}

function Fact({ label, trace, other }: { label: string; trace: Trace; other: Trace }) {
  const root = mainRoot(trace);
  const at = Number(trace.baseNs / 1000n) / 1e3 + trace.firstNs / 1e6;
  const length = (t: Trace) => (t.endNs - t.firstNs) / 1e6;
  const grown = length(trace) - length(other);
  return (
    <div class="compare-fact">
      <h2>{label}: <a href={linkTo("trace", { id: trace.traceId })}><Swatch service={serviceOf(trace, root)} /> <span class="value">{shownLine(serviceOf(trace, root), 60)} {shownLine(nameOf(trace, root), 80)}</span></a></h2>
      <p class="muted">
        {formatDay(at)} {formatClock(at)} · <strong class={label === "After" && grown > 1 ? "warn-text" : "ink"}>{formatDuration(length(trace))}</strong> · {formatCount(trace.received)} spans{trace.errorCount > 0 && <> · <span class="error-text">{formatCount(trace.errorCount)} failed</span></>}
      </p>
    </div>
  );
}

function Result({ left, right }: { left: Trace; right: Trace }) {
  const only = address.value.params.only === "changed";
  const diff = useMemo(() => diffTraces(left, right), [left, right]);
  const rows = useMemo(() => (only ? diff.rows.filter((r) => r.change !== "same" || r.brokeNow || r.healedNow) : diff.rows), [diff, only]);
  const said = (["added", "missing", "slower", "faster"] as const).filter((c) => diff.counts[c] > 0);
  const broke = diff.rows.filter((r) => r.brokeNow).length;
  return (
    <>
      <div class="compare-facts">
        <Fact label="Before" trace={left} other={right} />
        <Fact label="After" trace={right} other={left} />
      </div>
      <div class="toolbar">
        <p>
          {said.length ? said.map((c) => <span key={c} class={`change c-${c}`}>{formatCount(diff.counts[c])} {kMarks[c]}</span>) : !broke && "The two have the same structure and durations."}
          {broke > 0 && <span class="change c-failed">{formatCount(broke)} failed now</span>}
          <span class="muted"> {formatCount(diff.counts.same)} alike</span>
          {diff.limitReached && <span class="tag warn">cut at {formatCount(diff.rows.length)} rows</span>}
        </p>
        <span class="grow" />
        <div class="segments" role="group" aria-label="Rows">
          <button type="button" class="button small" aria-pressed={!only} onClick={() => patchAddress({ params: { only: null } }, true)}>All</button>
          <button type="button" class="button small" aria-pressed={only} onClick={() => patchAddress({ params: { only: "changed" } }, true)}>Changed</button>
        </div>
      </div>
      <DiffTable rows={rows} left={left} right={right} />
    </>
  );
}

function DiffTable({ rows, left, right }: { rows: DiffRow[]; left: Trace; right: Trace }) {
  const [box, , height] = useSize<HTMLDivElement>();
  const [top, setTop] = useState(0);
  const longest = Math.max(1, left.endNs - left.firstNs, right.endNs - right.firstNs);
  const first = Math.max(0, Math.floor(top / kRow) - kOverscan);
  const last = Math.min(rows.length, Math.ceil((top + height) / kRow) + kOverscan);
  const shown = rows.slice(first, last);
  return (
    <section class="panel compare-table" aria-label="Differences">
      <div class="compare-head muted" aria-hidden="true">
        <span>Service and operation</span>
        <span>Change</span>
        <span>Before</span>
        <span>After</span>
        <span class="num">Difference</span>
      </div>
      <div class="compare-scroll" ref={box} tabindex={0} onScroll={(e) => setTop(e.currentTarget.scrollTop)} role="table" aria-label="Spans of both traces" aria-rowcount={rows.length}>
        <div class="compare-body" role="rowgroup" style={{ height: `${rows.length * kRow}px` }}>
          {shown.map((r, i) => <DiffLine key={i} row={r} index={first + i} longest={longest} left={left} right={right} />)}
        </div>
      </div>
    </section>
  );
}

function Bar({ ns, longest, failed, href, title }: { ns: number; longest: number; failed: boolean; href: string | null; title: string }) {
  if (href === null) return <span class="compare-bar" />;
  const percent = Math.max(0.6, (ns / longest) * 100);
  return (
    <a class="compare-bar" href={href} aria-label={title}>
      <span class={failed ? "compare-fill failed" : "compare-fill"} style={{ width: `${percent}%` }} />
      <span style={percent < kRoomForLabel ? { marginLeft: `${percent}%` } : undefined}>{formatDuration(ns / 1e6)}</span>
    </a>
  );
}

function DiffLine({ row, index, longest, left, right }: { row: DiffRow; index: number; longest: number; left: Trace; right: Trace }) {
  const both = row.left >= 0 && row.right >= 0;
  const name = `${shownLine(row.service, 60)} ${shownLine(row.name, 100)}`;
  const change = row.brokeNow ? "failed now" : row.healedNow ? "recovered" : kMarks[row.change];
  const link = (trace: Trace, span: number) => (span < 0 ? null : linkTo("trace", { id: trace.traceId, params: { span: spanIdOf(trace, span) } }));
  const grown = (row.rightNs - row.leftNs) / 1e6;
  return (
    <div role="row" aria-rowindex={index + 1} class={`compare-row c-${row.brokeNow ? "failed" : row.change}`} style={{ top: `${index * kRow}px` }}>
      <span role="cell" class="clip" style={{ paddingLeft: `${10 + Math.min(row.depth, 18) * 13}px` }}>
        <ServiceName service={row.service} /> <span class="value">{shownLine(row.name, 160)}</span>
      </span>
      <span role="cell">{change && <span class={`change c-${row.brokeNow ? "failed" : row.change}`}>{change}</span>}</span>
      <span role="cell"><Bar ns={row.leftNs} longest={longest} failed={row.left >= 0 && left.status[row.left] === 2} href={link(left, row.left)} title={`Before: ${name}, ${formatDuration(row.leftNs / 1e6)}`} /></span>
      <span role="cell"><Bar ns={row.rightNs} longest={longest} failed={row.right >= 0 && right.status[row.right] === 2} href={link(right, row.right)} title={`After: ${name}, ${formatDuration(row.rightNs / 1e6)}`} /></span>
      <span role="cell" class="num">{both ? `${grown > 0 ? "+" : ""}${formatDuration(grown)}` : ""}</span>
    </div>
  );
}
