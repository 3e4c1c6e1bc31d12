// One trace: its facts, the minimap, the waterfall or the flame view, and the chosen span's details.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import * as api from "../api/endpoints.ts";
import { ApiError } from "../api/http.ts";
import { formatClock, formatCount, formatDateTime, formatDay, formatDuration, plural, zoneName } from "../base/format.ts";
import type { TimeRange } from "../base/permalink.ts";
import { address, linkTo, navigate, patchAddress } from "../base/router.ts";
import { shown, shownLine } from "../base/text.ts";
import { servicesIn } from "../base/trace/calls.ts";
import { mainRoot } from "../base/trace/critical_path.ts";
import { findInTrace } from "../base/trace/find.ts";
import { findSpan, Flag, isMissing, nameOf, serviceOf, spanIdOf, Status, type Trace } from "../base/trace/model.ts";
import { quoted } from "../base/traceql.ts";
import { copyText, toast } from "../widgets/announce.tsx";
import { evidence } from "../widgets/copy_link.tsx";
import { FlameView } from "../widgets/flame.tsx";
import { useLoad } from "../widgets/hooks.ts";
import { Icon } from "../widgets/icons.tsx";
import { Minimap } from "../widgets/minimap.tsx";
import { describeRange } from "../widgets/range_picker.tsx";
import { hearOwner, squadOf, Swatch } from "../widgets/service_name.tsx";
import { SpanPanel } from "../widgets/span_details.tsx";
import { Empty, Failed, LoadingBar } from "../widgets/states.tsx";
import { type TimeWindow, TraceView } from "../widgets/trace_view.ts";
import { collapsedAbove, rowNeighbour, Waterfall } from "../widgets/waterfall.tsx";

const kMaxCollapsedInUrl = 200; // of 17 characters; proxies take some kilobytes

export function TracePage() {
  const { id: typed, params } = address.value;
  const id = api.normalTraceId(typed);
  const loaded = useLoad(id ? (abort) => api.trace(id, abort) : null, [id]);
  useEffect(() => {
    evidence.value = id ? [id] : [];
    return () => void (evidence.value = []);
  }, [id]);
  if (!id) {
    return (
      <main class="page" id="main" tabindex={-1}>
        <h1 class="sr">Trace</h1>
        <Empty title="That is not a trace id">
          <p>A trace id is up to 32 hexadecimal digits; this is <code class="value">{shown(typed, 100) || "empty"}</code>.</p>
        </Empty>
      </main>
    );
  }
  // While another trace loads, the one before it is not passed off as that one.
  const answer = loaded.data?.traceId === id ? loaded.data : null;
  const found = answer && answer.received > 0 ? answer : null;
  return (
    <main class="page tight trace-page" id="main" tabindex={-1}>
      <LoadingBar on={loaded.loading} />
      {!found && <h1 class="sr">Trace {id}</h1>}
      {loaded.error != null && (
        <Failed error={loaded.error} retry={loaded.reload}>
          {loaded.error instanceof ApiError && loaded.error.status === 404 && (
            <p>It may be past retention, not have arrived yet, or have been sampled out; a pinned link would have kept it. <a href={linkTo("search")}>Search</a> for others of its time.</p>
          )}
        </Failed>
      )}
      {answer && !found && <Empty title="The trace holds no spans" />}
      {found && <OpenTrace raw={found} params={params} reload={loaded.reload} />}
    </main>
  );
}

interface State {
  span: number;
  flame: boolean;
  clocksSet: boolean;
  showPath: boolean;
  collapsed: ReadonlySet<number>;
}

const kAroundMs = 3600e3;

function aroundTrace(trace: Trace): TimeRange {
  const at = (ns: number) => Number(trace.baseNs / 1000n) / 1e3 + ns / 1e6;
  return { startMs: Math.max(0, Math.floor(at(trace.firstNs)) - kAroundMs), endMs: Math.ceil(at(trace.endNs)) + kAroundMs };
}

function parseWindow(text: string | undefined, whole: TimeWindow, firstNs: number): TimeWindow {
  const m = /^(-?[\d.]+)-([\d.]+)$/.exec(text ?? "");
  if (!m) return whole;
  const fromNs = Math.max(whole.fromNs, firstNs + Number(m[1]) * 1e6);
  const toNs = Math.min(whole.toNs, firstNs + Number(m[2]) * 1e6);
  return toNs > fromNs ? { fromNs, toNs } : whole;
}

function OpenTrace({ raw, params, reload }: { raw: Trace; params: Record<string, string>; reload(): void }) {
  const clocksSet = params.clocks === "set";
  const view = useMemo(() => new TraceView(raw, clocksSet), [raw, clocksSet]);
  const { trace } = view;
  useMemo(() => raw.resources.forEach((r) => hearOwner(r.service, r.namespace)), [raw]);
  const whole = useMemo(() => view.whole(), [view]);
  const time = useMemo(() => parseWindow(params.zoom, whole, trace.firstNs), [params.zoom, whole]);
  // Spans by their numbers in `raw`: loaded again, with late spans, they have others.
  const [localCollapsed, setLocalCollapsed] = useState<{ raw: Trace; spans: ReadonlySet<number> } | null>(null);
  const collapsed = useMemo(
    () => (localCollapsed?.raw === raw ? localCollapsed.spans : new Set((params.collapsed ?? "").split(".").map((s) => findSpan(raw, s)).filter((s) => s >= 0))),
    [localCollapsed, raw],
  );
  const state: State = {
    span: params.span ? findSpan(raw, params.span) : -1,
    flame: params.view === "flame",
    clocksSet,
    showPath: params.path !== "off",
    collapsed,
  };
  const find = useFind(raw, params.find ?? "");
  // What leads on from here (to spans like this one, to the map) looks at the trace's own time, not at the last hour.
  useEffect(() => {
    if (!address.peek().range) patchAddress({ range: aroundTrace(raw) }, true);
  }, [raw]);

  const setCollapsed = (next: ReadonlySet<number>) => {
    setLocalCollapsed({ raw, spans: next });
    const ids = [...next].map((s) => spanIdOf(raw, s));
    patchAddress({ params: { collapsed: ids.length <= kMaxCollapsedInUrl ? ids.join(".") : null } }, true);
  };
  const select = (span: number) => {
    if (span >= 0) {
      const closed = collapsedAbove(view, collapsed, span);
      if (closed.length) setCollapsed(new Set([...collapsed].filter((s) => !closed.includes(s))));
    }
    patchAddress({ params: { span: span >= 0 ? spanIdOf(raw, span) : null } }, true);
  };
  const toggle = (span: number, all: boolean) => {
    const next = new Set(collapsed);
    const closing = !next.has(span);
    if (closing) next.add(span);
    else next.delete(span);
    if (all) {
      // With Alt: the siblings too.
      const parent = trace.parent[span];
      for (let i = 0; i < trace.count; i++) {
        if (trace.parent[i] !== parent || trace.subtreeSize[i] < 2) continue;
        if (closing) next.add(i);
        else next.delete(i);
      }
    }
    setCollapsed(next);
  };
  const setWindow = (window: TimeWindow | null) => {
    const ms = (ns: number) => ((ns - trace.firstNs) / 1e6).toFixed(4).replace(/\.?0+$/, "");
    const all = !window || (window.fromNs <= whole.fromNs && window.toNs >= whole.toNs);
    patchAddress({ params: { zoom: all ? null : `${ms(window.fromNs)}-${ms(window.toNs)}` } }, true);
  };
  // To the span with some room around it.
  const zoomTo = (span: number) => {
    const room = Math.max(trace.durationNs[span] * 0.08, 100);
    setWindow({ fromNs: Math.max(whole.fromNs, trace.startNs[span] - room), toNs: Math.min(whole.toNs, trace.startNs[span] + trace.durationNs[span] + room) });
  };
  useKeys({ view, state, time, find, select, toggle, setWindow, zoomTo });

  return (
    <>
      <Header view={view} state={state} find={find} select={select} reload={reload} />
      <Notices view={view} clocksSet={clocksSet} select={select} />
      <section class="panel trace-panel" aria-label="Overview">
        <Minimap view={view} window={time} onWindow={setWindow} />
        <Services view={view} />
      </section>
      <div class={state.span >= 0 ? "trace-body with-details" : "trace-body"}>
        <section class="panel trace-main" aria-label={state.flame ? "Flame view" : "Waterfall"}>
          {state.flame ? (
            <FlameView view={view} window={time} selected={state.span} hits={find.set} onSelect={select} />
          ) : (
            <Waterfall view={view} window={time} selected={state.span} collapsed={collapsed} hits={find.set} showPath={state.showPath} onSelect={select} onToggle={toggle} onZoom={zoomTo} />
          )}
        </section>
        {state.span >= 0 && <SpanPanel key={state.span} view={view} span={state.span} onClose={() => select(-1)} />}
      </div>
    </>
  );
}

interface Find {
  text: string;
  rows: Int32Array;
  set: ReadonlySet<number>;
  done: boolean;
}

function useFind(trace: Trace, text: string): Find {
  const [found, setFound] = useState<Find>({ text: "", rows: new Int32Array(0), set: new Set(), done: true });
  useEffect(() => findInTrace(trace, text, (rows, done) => setFound({ text, rows, set: new Set(rows), done })), [trace, text]);
  return found;
}

function stepHit(find: Find, view: TraceView, from: number, step: number): number {
  const { rows } = find;
  if (!rows.length) return -1;
  const at = rows.indexOf(from);
  if (at >= 0) return rows[(at + step + rows.length) % rows.length];
  const place = from < 0 ? -1 : view.trace.position[from];
  if (step > 0) return rows.find((s) => view.trace.position[s] > place) ?? rows[0];
  return rows.findLast((s) => view.trace.position[s] < place) ?? rows[rows.length - 1];
}

function Header({ view, state, find, select, reload }: { view: TraceView; state: State; find: Find; select(span: number): void; reload(): void }) {
  const { trace } = view;
  const root = mainRoot(trace);
  const startMs = Number(trace.baseNs / 1000n) / 1e3 + trace.firstNs / 1e6;
  const rootless = root < 0 || isMissing(trace, root) || (trace.parent[root] < 0 && trace.roots.some((r) => isMissing(trace, r)) && trace.startNs[trace.roots[0]] < trace.startNs[root]);
  return (
    <header class="trace-header">
      <div class="trace-title">
        <h1 class="clip">
          <Swatch service={serviceOf(trace, root)} namespace={trace.resources[trace.resourceId[root]]?.namespace} /> <span class="row-service value">{shownLine(serviceOf(trace, root), 80)}</span>{" "}
          <span class="value">{shownLine(nameOf(trace, root), 160)}</span>
        </h1>
        <p class="trace-facts">
          <strong>{formatDuration((trace.endNs - trace.firstNs) / 1e6)}</strong>
          <time dateTime={new Date(startMs).toISOString()} title={`${formatDateTime(startMs)}, ${zoneName(startMs)}`}>{formatDay(startMs)} {formatClock(startMs)}</time>
          <span>{plural(trace.received, "span")}</span>
          {trace.errorCount > 0 ? <button type="button" class="tag error as-button" onClick={() => select(nextFailed(view, state.span, 1))} title="Go to the next failed span (n)">{formatCount(trace.errorCount)} failed</button> : <span class="ok-text">none failed</span>}
          {rootless && <span class="tag warn">root span not received</span>}
          <button type="button" class="mono id" title="Copy the trace id" onClick={async () => toast((await copyText(trace.traceId)) ? "Trace id copied." : trace.traceId)}>
            {trace.traceId} <Icon.copy />
          </button>
        </p>
      </div>
      <div class="toolbar">
        <FindBox view={view} find={find} selected={state.span} select={select} />
        <div class="segments" role="group" aria-label="View">
          <button type="button" class="button" aria-pressed={!state.flame} onClick={() => patchAddress({ params: { view: null } })}>Waterfall</button>
          <button type="button" class="button" aria-pressed={state.flame} onClick={() => patchAddress({ params: { view: "flame" } })}>Flame</button>
        </div>
        {!state.flame && <button type="button" class="button" aria-pressed={state.showPath} title="What the trace waited for, moment by moment (c)" onClick={() => patchAddress({ params: { path: state.showPath ? "off" : null } }, true)}>Critical path</button>}
        {view.skews.size > 0 && (
          <button type="button" class="button" aria-pressed={state.clocksSet} title="Show raw times, or set the clocks that disagree (t)" onClick={() => patchAddress({ params: { clocks: state.clocksSet ? null : "set" } }, true)}>
            Set clocks
          </button>
        )}
        <CompareMenu trace={trace} root={root} />
        <button type="button" class="button icon" aria-label="Download as OTLP JSON" title="Download as OTLP JSON" onClick={() => download(trace.traceId)}><Icon.download /></button>
        <button type="button" class="button icon" aria-label="Load again" title="Load again: late spans may have come" onClick={reload}><Icon.refresh /></button>
      </div>
    </header>
  );
}

// The other trace to compare with: a healthy one of the same root, near in time.
function CompareMenu({ trace, root }: { trace: Trace; root: number }) {
  const pick = async () => {
    const q = `{ span:parentID = nil && resource.service.name = ${quoted(serviceOf(trace, root))} && name = ${quoted(nameOf(trace, root))} }`;
    try {
      const range = address.peek().range ?? aroundTrace(trace);
      const { traces } = await api.search(q, range, 100);
      const others = traces.filter((t) => t.traceId !== trace.traceId);
      const best = others.find((t) => t.errorCount === 0) ?? others[0];
      if (!best) return toast(`No other trace of this operation was found in ${describeRange(range)}.`);
      navigate(linkTo("compare", { params: { a: best.traceId, b: trace.traceId } }));
    } catch (error) {
      toast(`No trace to compare with: ${shown((error as Error).message)}`);
    }
  };
  return (
    <button type="button" class="button" onClick={pick} title="Compare with a healthy trace of the same operation">
      <Icon.compare /> Compare
    </button>
  );
}

async function download(id: string): Promise<void> {
  try {
    const url = URL.createObjectURL(await api.traceJson(id));
    const anchor = document.createElement("a");
    anchor.href = url;
    anchor.download = `trace-${id}.json`;
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch (error) {
    toast(`The download failed: ${shown((error as Error).message)}`);
  }
}

function FindBox({ view, find, selected, select }: { view: TraceView; find: Find; selected: number; select(span: number): void }) {
  const text = address.value.params.find ?? "";
  const at = find.rows.indexOf(selected);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []); // what was typed belongs to this trace's address
  return (
    <div class="find" role="search">
      <input
        class="field"
        type="search"
        placeholder="Find in trace"
        aria-label="Find in this trace: names, services, attributes, events"
        data-focus-key="/"
        defaultValue={text}
        onInput={(e) => {
          const value = e.currentTarget.value;
          clearTimeout(timer.current);
          timer.current = window.setTimeout(() => patchAddress({ params: { find: value } }, true), 150);
        }}
        onKeyDown={(e) => {
          if (e.key === "Enter") select(stepHit(find, view, selected, e.shiftKey ? -1 : 1));
          else if (e.key === "Escape") e.currentTarget.blur();
        }}
      />
      {text && (
        <span class="muted" role="status">
          {at >= 0 ? `${at + 1} / ` : ""}{formatCount(find.rows.length)}{find.done ? "" : "…"}
        </span>
      )}
      {find.rows.length > 0 && (
        <span class="segments">
          <button type="button" class="button small icon" aria-label="Previous hit" onClick={() => select(stepHit(find, view, selected, -1))}><Icon.up /></button>
          <button type="button" class="button small icon" aria-label="Next hit" onClick={() => select(stepHit(find, view, selected, 1))}><Icon.down /></button>
        </span>
      )}
    </div>
  );
}

function Notices({ view, clocksSet, select }: { view: TraceView; clocksSet: boolean; select(span: number): void }) {
  const { trace } = view;
  const missing = trace.count - trace.received;
  let lost = -1;
  let lost_count = 0;
  let cycles = 0;
  for (let i = 0; i < trace.received; i++) {
    if (trace.flags[i] & Flag.ExtraRoot) {
      lost_count++;
      if (lost < 0) lost = i;
    }
    if (trace.flags[i] & Flag.Cycle) cycles++;
  }
  const skews = [...new Set(view.skews.values())]; // resources may share a clock
  if (!missing && !lost_count && !cycles && !skews.length) return null;
  return (
    <ul class="trace-notices">
      {missing > 0 && (
        <li>
          <button type="button" class="tag warn as-button" onClick={() => select(trace.received)}>{missing === 1 ? "1 parent was not received" : `${formatCount(missing)} parents were not received`}</button>
        </li>
      )}
      {lost_count > 0 && (
        <li>
          <button type="button" class="tag warn as-button" onClick={() => select(lost)}>context lost before {plural(lost_count, "span")}</button>
        </li>
      )}
      {cycles > 0 && <li><span class="tag warn">parents form a circle</span></li>}
      {skews.slice(0, 4).map((s) => (
        <li key={`${s.service}${s.host}`}>
          <span class="tag warn">
            clock of <span class="value">{shownLine(s.service, 40)}{s.host && ` on ${shownLine(s.host, 40)}`}</span> {formatDuration(Math.abs(s.aheadNs) / 1e6)} {s.aheadNs > 0 ? "ahead" : "behind"}: {clocksSet ? "set right here" : "raw times shown"}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Services({ view }: { view: TraceView }) {
  const list = useMemo(() => servicesIn(view.trace), [view.trace]);
  const groups = new Map<string, typeof list>();
  for (const s of list) {
    const squad = squadOf(s.service, view.trace.resources[s.resource].namespace) ?? "";
    groups.set(squad, [...(groups.get(squad) ?? []), s]);
  }
  return (
    <ul class="trace-services" tabindex={0} aria-label="Services by squad">
      {[...groups].slice(0, 12).map(([squad, members]) => (
        <li key={squad}>
          <span class="muted value">{squad ? shownLine(squad, 40) : "unowned"}</span>
          {members.slice(0, 8).map((s) => (
            <span key={s.service} class="trace-service">
              <Swatch service={s.service} namespace={view.trace.resources[s.resource].namespace} /> <span class="value">{shownLine(s.service, 40)}</span> <span class="muted">{formatCount(s.spans)}</span>
              {s.errors > 0 && <span class="error-text">{formatCount(s.errors)} failed</span>}
            </span>
          ))}
          {members.length > 8 && <span class="muted">+{members.length - 8}</span>}
        </li>
      ))}
      <PhaseLegend view={view} />
    </ul>
  );
}

function PhaseLegend({ view }: { view: TraceView }) {
  // Looked for among the first spans; a legend is not worth decoding a huge trace for.
  const has = useMemo(() => {
    const limit = Math.min(view.trace.count, 400);
    for (let i = 0; i < limit; i++) if (view.phasesOf(view.trace.order[i])?.phases.length) return true;
    return false;
  }, [view]);
  if (!has) return null;
  return (
    <li class="phase-legend">
      <span class="muted">phases</span>
      {(["dns", "connect", "tls", "send", "wait", "receive"] as const).map((name) => (
        <span key={name}>
          <span class={`swatch p-${name}`} aria-hidden="true" /> {name === "dns" || name === "tls" ? name.toUpperCase() : name}
        </span>
      ))}
    </li>
  );
}

function nextFailed(view: TraceView, from: number, step: number): number {
  const { trace } = view;
  const place = from < 0 ? Math.min(0, -step) : trace.position[from];
  for (let n = 1; n <= trace.count; n++) {
    const at = (((place + step * n) % trace.count) + trace.count) % trace.count;
    if (trace.status[trace.order[at]] === Status.Error) return trace.order[at];
  }
  return from;
}

interface Keys {
  view: TraceView;
  state: State;
  time: TimeWindow;
  find: Find;
  select(span: number): void;
  toggle(span: number, all: boolean): void;
  setWindow(window: TimeWindow | null): void;
  zoomTo(span: number): void;
}

function zoomed(k: Keys, factor: number): TimeWindow {
  const { view, state, time } = k;
  const whole = view.whole();
  const { trace } = view;
  const centre = state.span >= 0 ? Math.min(Math.max(trace.startNs[state.span] + trace.durationNs[state.span] / 2, time.fromNs), time.toNs) : (time.fromNs + time.toNs) / 2;
  const size = Math.min((time.toNs - time.fromNs) * factor, whole.toNs - whole.fromNs);
  const fromNs = Math.min(Math.max(whole.fromNs, centre - size / 2), whole.toNs - size);
  return { fromNs, toNs: fromNs + Math.max(size, 100) };
}

function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  // Before the first paint: what can be seen can be steered.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const k = latest.current;
      const { view, state } = k;
      const { trace } = view;
      const target = event.target as HTMLElement;
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName) || document.querySelector("dialog[open]")) return;
      const on_control = ["BUTTON", "A", "SUMMARY"].includes(target.tagName);
      if (on_control && (event.key === "Enter" || event.key === " ")) return;
      if (target.closest(".details") && event.key.startsWith("Arrow")) return; // scrolls the details
      const span = state.span;
      const actions: Record<string, () => void> = {
        j: () => k.select(rowNeighbour(view, state.collapsed, span, 1)),
        ArrowDown: () => k.select(rowNeighbour(view, state.collapsed, span, 1)),
        k: () => k.select(rowNeighbour(view, state.collapsed, span, -1)),
        ArrowUp: () => k.select(rowNeighbour(view, state.collapsed, span, -1)),
        ArrowLeft: () => {
          if (span < 0) return;
          if (trace.subtreeSize[span] > 1 && !state.collapsed.has(span)) k.toggle(span, false);
          else if (trace.parent[span] >= 0) k.select(trace.parent[span]);
        },
        ArrowRight: () => {
          if (span < 0) return;
          if (state.collapsed.has(span)) k.toggle(span, false);
          else if (trace.subtreeSize[span] > 1) k.select(trace.children[trace.childStart[span]]);
        },
        PageDown: () => k.select(rowNeighbour(view, state.collapsed, span, 20)),
        PageUp: () => k.select(rowNeighbour(view, state.collapsed, span, -20)),
        Home: () => k.select(trace.order[0]),
        End: () => k.select(rowNeighbour(view, state.collapsed, span, trace.count)),
        Enter: () => document.querySelector<HTMLElement>(".details button")?.focus(),
        n: () => k.select(nextFailed(view, span, 1)),
        p: () => k.select(nextFailed(view, span, -1)),
        f: () => patchAddress({ params: { view: state.flame ? null : "flame" } }),
        c: () => patchAddress({ params: { path: state.showPath ? "off" : null } }, true),
        t: () => view.skews.size > 0 && patchAddress({ params: { clocks: state.clocksSet ? null : "set" } }, true),
        z: () => span >= 0 && k.zoomTo(span),
        "+": () => k.setWindow(zoomed(k, 0.5)),
        "=": () => k.setWindow(zoomed(k, 0.5)),
        "-": () => k.setWindow(zoomed(k, 2)),
        "0": () => k.setWindow(null),
        Escape: () => k.select(-1),
      };
      const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
      if (!action) return;
      event.preventDefault();
      action();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}
