// The service map: who calls whom, how often, how well, and where the context is lost.

import { useMemo } from "preact/hooks";
import * as api from "../api/endpoints.ts";
import type { ServiceMapAnswer } from "../api/types.ts";
import { formatCount, formatDuration, formatRate, formatShare } from "../base/format.ts";
import { type DrawnEdge, type DrawnMap, drawnMap, type DrawnNode, isBroken, losesSome } from "../base/map_model.ts";
import { address, linkTo, patchAddress } from "../base/router.ts";
import { shownLine } from "../base/text.ts";
import { conditionsOf, fromConditions, quoted, withCondition, withSpanset } from "../base/traceql.ts";
import { FilterBar, isQueryError } from "../widgets/filter_bar.tsx";
import { useLoad } from "../widgets/hooks.ts";
import { Icon } from "../widgets/icons.tsx";
import { NothingHere } from "../widgets/nothing_here.tsx";
import { requireRange } from "../widgets/range_picker.tsx";
import { ServiceGraph } from "../widgets/service_graph.tsx";
import { hearOwner, ServiceName, squadOf } from "../widgets/service_name.tsx";
import { Failed, LoadingBar } from "../widgets/states.tsx";

// More services than this start with their squads closed.
const kOpenUpTo = 24;

function owned(answer: ServiceMapAnswer): ServiceMapAnswer {
  for (const n of answer.nodes) hearOwner(n.service, n.squad);
  return { ...answer, nodes: answer.nodes.map((n) => ({ ...n, squad: n.virtual ? null : squadOf(n.service, n.squad) })) };
}

export function MapPage() {
  const range = requireRange();
  const { params } = address.value;
  const q = params.q ?? "";
  const loaded = useLoad((abort) => api.serviceMap(q, range, abort).then(owned), [q, range.startMs, range.endMs]);
  const answer = loaded.data;
  const squads = useMemo(() => [...new Set((answer?.nodes ?? []).map((n) => n.squad).filter((s): s is string => !!s))].sort(), [answer]);
  const closed_at_first = (answer?.nodes.length ?? 0) > kOpenUpTo;
  const toggled = new Set((params.toggled ?? "").split("\n").filter(Boolean));
  const table = params.view === "table";
  // The table has every service, whatever the map has closed.
  const closed_key = table ? "" : squads.filter((s) => toggled.has(s) !== closed_at_first).join("\n");
  const map = useMemo(() => (answer ? drawnMap(answer.nodes, answer.edges, new Set(closed_key.split("\n").filter(Boolean))) : null), [answer, closed_key]);
  const toggle = (squad: string) => {
    const next = new Set(toggled);
    if (!next.delete(squad)) next.add(squad);
    patchAddress({ params: { toggled: [...next].join("\n"), chosen: null } }, true);
  };
  const all = (closed: boolean) => patchAddress({ params: { toggled: closed === closed_at_first ? null : squads.join("\n"), chosen: null } }, true);
  const chosen = params.chosen?.replace(" → ", "\u0000") ?? null;
  const choose = (id: string | null) => patchAddress({ params: { chosen: id?.replace("\u0000", " → ") ?? null } }, true);
  const node = map?.nodes.find((n) => n.id === chosen) ?? null;
  const edge = map?.edges.find((e) => e.id === chosen) ?? null;
  const broken = map?.edges.filter(isBroken).length ?? 0;
  return (
    <main class="page tight map-page" id="main" tabindex={-1}>
      <h1 class="sr">Service map</h1>
      <FilterBar range={range} error={loaded.error} onAgain={loaded.reload} placeholder="All calls; filter with TraceQL, for example { span.http.route = &quot;/login&quot; && status = error }" />
      <div class="toolbar">
        <div class="segments" role="group" aria-label="Show as">
          <button type="button" class="button" aria-pressed={!table} onClick={() => patchAddress({ params: { view: null } })}>Map</button>
          <button type="button" class="button" aria-pressed={table} onClick={() => patchAddress({ params: { view: "table" } })}>Table</button>
        </div>
        {squads.length > 0 && !table && (
          <div class="segments" role="group" aria-label="Squads">
            <button type="button" class="button" onClick={() => all(false)}>Open squads</button>
            <button type="button" class="button" onClick={() => all(true)}>Close squads</button>
          </div>
        )}
        <span class="grow" />
        {answer && (
          <span class="inspected">
            {answer.nodes.length} services, {answer.edges.length} connections{answer.inspected && `, ${formatCount(answer.inspected.spans)} spans scanned`}
          </span>
        )}
        {answer?.limitReached && <span class="tag warn">cut at a limit: narrow the range or the filter</span>}
        {broken > 0 && <span class="tag warn">{broken === 1 ? "1 connection loses" : `${broken} connections lose`} the context</span>}
      </div>
      <div class={node || edge ? "trace-body with-details" : "trace-body"}>
        <section class="panel map-panel" aria-label="Map">
          <LoadingBar on={loaded.loading} />
          {loaded.error != null && !isQueryError(loaded.error) && <Failed error={loaded.error} retry={loaded.reload} />}
          {answer && answer.nodes.length === 0 && <NothingHere range={range} what="No calls in this range" retry={loaded.reload} />}
          {map && map.nodes.length > 0 && (table ? <MapTable map={map} chosen={chosen} onChoose={choose} /> : <ServiceGraph map={map} chosen={chosen} onChoose={choose} onToggleGroup={toggle} />)}
        </section>
        {map && node && <NodePanel map={map} node={node} q={q} onClose={() => choose(null)} onChoose={choose} onToggle={toggle} />}
        {map && edge && <EdgePanel map={map} edge={edge} q={q} onClose={() => choose(null)} />}
      </div>
    </main>
  );
}

function nameOfNode(map: DrawnMap, id: string): string {
  return map.nodes.find((n) => n.id === id)?.title ?? id;
}

function MapTable({ map, chosen, onChoose }: { map: DrawnMap; chosen: string | null; onChoose(id: string): void }) {
  const edges = [...map.edges].sort((a, b) => b.rate - a.rate);
  return (
    <div class="scroll" tabindex={0} role="region" aria-label="Connections">
      <table class="grid">
        <thead>
          <tr>
            <th>From</th>
            <th>To</th>
            <th class="num">Rate</th>
            <th class="num">Failed</th>
            <th class="num">p95</th>
            <th class="num">Continued</th>
          </tr>
        </thead>
        <tbody>
          {edges.map((e) => (
            <tr key={e.id} class={chosen === e.id ? "selected" : ""}>
              <td><ServiceName service={nameOfNode(map, e.from)} /></td>
              <td><button type="button" class="link" onClick={() => onChoose(e.id)}><ServiceName service={nameOfNode(map, e.to)} /></button></td>
              <td class="num">{formatRate(e.rate)}</td>
              <td class={e.errors ? "num error-text" : "num muted"}>{formatShare(e.errors / Math.max(1, e.calls))}</td>
              <td class="num">{formatDuration(e.p95Ms)}</td>
              <td class={losesSome(e) ? "num warn-text" : "num"}>{e.toVirtual ? "sends no spans" : formatShare(e.continuedShare)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function servicePattern(members: string[]): string {
  if (members.length === 1) return `resource.service.name = ${quoted(members[0])}`;
  return `resource.service.name =~ ${quoted(members.map((m) => m.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|"))}`;
}

function NodePanel({ map, node, q, onClose, onChoose, onToggle }: { map: DrawnMap; node: DrawnNode; q: string; onClose(): void; onChoose(id: string): void; onToggle(squad: string): void }) {
  const calls = map.edges.filter((e) => e.from === node.id);
  const callers = map.edges.filter((e) => e.to === node.id);
  const query = node.virtual ? q || "{ }" : withCondition(q, servicePattern(node.members));
  return (
    <aside class="details" aria-label="Service">
      <div class="details-head">
        <div class="grow">
          <h2 class="value">{shownLine(node.title)}</h2>
          <span class="muted">{node.members.length > 1 ? `squad of ${node.members.length} services` : node.virtual ? "sends no spans; known from its callers" : node.squad ? `owned by ${shownLine(node.squad, 60)}` : "unowned"}</span>
        </div>
        <button type="button" class="button icon quiet" aria-label="Close" onClick={onClose}><Icon.close /></button>
      </div>
      {!node.virtual && (
        <dl class="facts">
          <dt class="muted">rate</dt><dd>{formatRate(node.rate)}</dd>
          <dt class="muted">failed</dt><dd class={node.errors ? "error-text" : ""}>{formatShare(node.errors / Math.max(1, node.requests))}</dd>
          <dt class="muted">p95</dt><dd>{node.requests ? <>{node.members.length > 1 && "≤ "}{formatDuration(node.p95Ms)}</> : "takes no requests"}</dd>
        </dl>
      )}
      <Ends title="Called by" list={callers} name={(e) => nameOfNode(map, e.from)} onChoose={onChoose} />
      <Ends title="Calls" list={calls} name={(e) => nameOfNode(map, e.to)} onChoose={onChoose} />
      {!node.virtual && (
        <ul class="links">
          <li><a href={linkTo("search", { params: { q: query } })}>Traces with {node.members.length > 1 ? "this squad" : "this service"}</a></li>
          <li><a href={linkTo("search", { params: { q: withCondition(query, "status = error") } })}>Its failed spans</a></li>
          {node.members.length === 1 && <li><a href={linkTo("services", { params: { service: node.members[0] } })}>Rate, errors and duration over time</a></li>}
          {node.closed && <li><button type="button" class="link" onClick={() => onToggle(node.squad!)}>Open the squad</button></li>}
        </ul>
      )}
    </aside>
  );
}

function Ends({ title, list, name, onChoose }: { title: string; list: DrawnEdge[]; name(e: DrawnEdge): string; onChoose(id: string): void }) {
  if (!list.length) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul>
        {list.map((e) => (
          <li key={e.id} class="end">
            <button type="button" class="link" onClick={() => onChoose(e.id)}><ServiceName service={name(e)} /></button>
            <span class={e.errors ? "error-text" : "muted"}>{formatRate(e.rate)}{e.errors ? `, ${formatShare(e.errors / Math.max(1, e.calls))} failed` : ""}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

// Spans of the called side under the caller's; calls that nobody continues are found by their peer.
export function edgeQuery(from: string[], to: string[], virtual: boolean, q: string): string {
  const filter = conditionsOf(q);
  const caller = fromConditions([...(filter ?? []), servicePattern(from)]);
  const peers = to.flatMap((name) => ["peer.service", "server.address", "db.system"].map((key) => `span.${key} = ${quoted(name)}`));
  const call = virtual ? withCondition(caller, `(${peers.join(" || ")})`) : `${caller} > ${fromConditions([servicePattern(to)])}`;
  return filter ? call : withSpanset(q, call);
}

function EdgePanel({ map, edge, q, onClose }: { map: DrawnMap; edge: DrawnEdge; q: string; onClose(): void }) {
  const from = map.nodes.find((n) => n.id === edge.from)!;
  const to = map.nodes.find((n) => n.id === edge.to)!;
  const traces = edgeQuery(from.members, to.members, edge.toVirtual, q);
  const callers = withCondition(withCondition(q, servicePattern(from.members)), "kind = client");
  return (
    <aside class="details" aria-label="Connection">
      <div class="details-head">
        <div class="grow">
          <h2><span class="value">{shownLine(from.title)}</span> → <span class="value">{shownLine(to.title)}</span></h2>
          <span class="muted">{formatCount(edge.calls)} calls{edge.merged > 1 ? ` over ${edge.merged} connections` : ""}</span>
        </div>
        <button type="button" class="button icon quiet" aria-label="Close" onClick={onClose}><Icon.close /></button>
      </div>
      <dl class="facts">
        <dt class="muted">rate</dt><dd>{formatRate(edge.rate)}</dd>
        <dt class="muted">failed</dt><dd class={edge.errors ? "error-text" : ""}>{formatShare(edge.errors / Math.max(1, edge.calls))} <span class="muted">{formatCount(edge.errors)} calls</span></dd>
        <dt class="muted">p95</dt><dd>{edge.merged > 1 && "≤ "}{formatDuration(edge.p95Ms)}</dd>
        <dt class="muted">continued</dt><dd class={losesSome(edge) ? "warn-text" : ""}>{edge.toVirtual ? "the other side sends no spans" : `${formatShare(edge.continuedShare)} of calls`}</dd>
      </dl>
      {losesSome(edge) && <p class="warn-text">{isBroken(edge) ? "Most calls are not continued by a server span: " : "Some calls are not continued by a server span: "}they never arrived, or <code>traceparent</code> is lost between the two.</p>}
      <ul class="links">
        <li><a href={linkTo("search", { params: { q: traces } })}>Traces with this call</a></li>
        <li><a href={linkTo("search", { params: { q: withCondition(callers, "status = error") } })}>Failed calls of {shownLine(from.title, 40)}</a></li>
      </ul>
    </aside>
  );
}
