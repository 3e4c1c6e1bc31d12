// Everything known of one span: times, phases, network, attributes with copy / filter for / filter
// out, events, links, resource. All of it text.

import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { formatClock, formatDateTime, formatDuration, formatShare, zoneName } from "../base/format.ts";
import { linkTo } from "../base/router.ts";
import { safeHref, shown, shownLine } from "../base/text.ts";
import { looksContinued } from "../base/trace/calls.ts";
import { type Attribute, Flag, isMissing, Kind, kKindNames, kStatusNames, nameOf, serviceOf, spanIdOf, type SpanEvent } from "../base/trace/model.ts";
import { kPhaseTitles, type Phases } from "../base/trace/phases.ts";
import { attributeKey, literal, quoted } from "../base/traceql.ts";
import { copyText, toast } from "./announce.tsx";
import { Icon } from "./icons.tsx";
import { ServiceName } from "./service_name.tsx";
import type { TraceView } from "./trace_view.ts";

async function copy(what: string, text: string): Promise<void> {
  toast((await copyText(text)) ? `${what} copied.` : "The browser refused the clipboard; select the text instead.");
}

const kFilterable = new Set(["string", "int", "double", "bool"]);

function AttributeRow({ attribute, scope }: { attribute: Attribute; scope: string }) {
  const { key, type, text } = attribute;
  const condition = (op: string) => `{ ${attributeKey(scope, key)} ${op} ${literal(text, type)} }`;
  const href = type === "string" ? safeHref(text) : null;
  // TraceQL has no NaN and no infinity to compare with.
  const filterable = kFilterable.has(type) && (type !== "double" || Number.isFinite(Number(text)));
  const name = shownLine(key, 80);
  return (
    <tr>
      {/* A long key breaks between its parts. */}
      <th scope="row" class="value">{shownLine(key, 200).split(/(?<=[._/:-])/).map((part, i) => [i > 0 && <wbr />, part])}</th>
      <td>
        <span class={`value v-${type}`}>{shown(text)}</span>
        <span class="row-actions">
          <button type="button" class="mini" aria-label={`Copy the value of ${name}`} title="Copy" onClick={() => copy("Value", text)}><Icon.copy /></button>
          {filterable && <a class="mini" aria-label={`Filter for this ${name}`} title="Find spans with this value" href={linkTo("search", { params: { q: condition("=") } })}>=</a>}
          {filterable && <a class="mini" aria-label={`Filter out this ${name}`} title="Find spans with another value" href={linkTo("search", { params: { q: condition("!=") } })}>≠</a>}
          {href && <a class="mini" aria-label={`Open ${name} in a new tab`} title="Open" href={href} target="_blank" rel="noopener noreferrer">↗</a>}
        </span>
      </td>
    </tr>
  );
}

function Attributes({ title, attributes, scope, filter, dropped = 0, open = true }: { title: string; attributes: Attribute[]; scope: string; filter: string; dropped?: number; open?: boolean }) {
  const needle = filter.toLowerCase();
  const list = useMemo(
    () => attributes.filter((a) => !needle || a.key.toLowerCase().includes(needle) || a.text.toLowerCase().includes(needle)).sort((a, b) => (a.key < b.key ? -1 : 1)),
    [attributes, needle],
  );
  if (!attributes.length && !dropped) return null;
  return (
    <Section title={title} count={attributes.length} open={open}>
      <table class="attributes">
        <tbody>{list.map((a, i) => <AttributeRow key={`${a.key}${i}`} attribute={a} scope={scope} />)}</tbody>
      </table>
      {dropped > 0 && <p class="warn-text">{dropped} more were dropped before they reached Weft.</p>}
    </Section>
  );
}

function Section({ title, count, open = true, children }: { title: string; count?: number; open?: boolean; children: ComponentChildren }) {
  return (
    <details class="section" open={open}>
      <summary>
        {title} {count !== undefined && <span class="muted">{count}</span>}
      </summary>
      {children}
    </details>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt class="muted">{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function PhaseTable({ view, span, phases }: { view: TraceView; span: number; phases: Phases }) {
  const { trace } = view;
  const total = Math.max(1, trace.durationNs[span]);
  const start = trace.startNs[span];
  const from = { spans: "child spans", events: "span events", attributes: "timing attributes" }[phases.source];
  return (
    <Section title="Network phases">
      {phases.hiddenByBrowser && (
        <p class="warn-text">Hidden by the browser: DNS, connect, TLS and wait of this call are not known. The API can allow them with <code>Timing-Allow-Origin</code>.</p>
      )}
      {phases.phases.length > 0 && (
        <table class="phases">
          <tbody>
            {phases.phases.map((p) => (
              <tr key={`${p.name}${p.startNs}`}>
                <th scope="row">{kPhaseTitles[p.name]}</th>
                <td class="phase-cell">
                  <span class={p.failed ? "phase-bar p-failed" : `phase-bar p-${p.name}`} style={{ left: `${Math.min(99, ((p.startNs - start) / total) * 100)}%`, width: `${Math.max(0.8, Math.min(100, ((p.endNs - p.startNs) / total) * 100))}%` }} />
                </td>
                <td class={p.failed ? "num error-text" : "num"}>{formatDuration((p.endNs - p.startNs) / 1e6)}{p.failed ? " failed" : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p class="muted">From {from}.</p>
    </Section>
  );
}

function CallFacts({ view, span }: { view: TraceView; span: number }) {
  const call = view.callOf(span);
  const { trace } = view;
  if (!call) return null;
  return (
    <Section title="Across the network">
      <dl class="facts">
        <Fact name="waited here">{formatDuration(trace.durationNs[call.client] / 1e6)}</Fact>
        <Fact name="worked there">
          {formatDuration(trace.durationNs[call.server] / 1e6)} in <ServiceName service={serviceOf(trace, call.server)} />
        </Fact>
        <Fact name="network">
          {formatDuration(call.networkNs / 1e6)} <span class="muted">{formatShare(call.networkNs / Math.max(1, trace.durationNs[call.client]))} of the wait; the difference of two durations, free of clock skew</span>
        </Fact>
      </dl>
      {!call.placed && <p class="warn-text">By raw times the server's span does not lie within the call: where it stands in the bar is inferred (hatched).</p>}
    </Section>
  );
}

function Event({ event, zeroNs, filter }: { event: SpanEvent; zeroNs: number; filter: string }) {
  return (
    <li class={event.name === "exception" ? "event failed" : "event"}>
      <div>
        <span class="mono muted">{formatDuration((event.timeNs - zeroNs) / 1e6)}</span> <strong class="value">{shownLine(event.name, 200)}</strong>
      </div>
      {event.attributes.length > 0 && (
        <table class="attributes">
          <tbody>{event.attributes.filter((a) => !filter || (a.key + a.text).toLowerCase().includes(filter.toLowerCase())).map((a, i) => <AttributeRow key={i} attribute={a} scope="event" />)}</tbody>
        </table>
      )}
    </li>
  );
}

// Words about a span's place in the tree.
function placeNotes(view: TraceView, span: number): string[] {
  const { trace } = view;
  const notes: string[] = [];
  const flags = trace.flags[span];
  if (flags & Flag.ExtraRoot) notes.push("This span has no parent, though the trace has another root: the context was lost on the way here, or the caller sent no traceparent.");
  if (flags & Flag.Cycle) notes.push("Its parents form a circle; the circle is cut here so that the spans can be shown.");
  if (trace.kind[span] === Kind.Client && !isMissing(trace, span) && !looksContinued(trace, span)) {
    const attributes = view.details(span).attributes;
    const has = (prefix: string) => attributes.some((a) => a.key.startsWith(prefix));
    const phase_of_call = /^http\.(dns|connect|tls|send|receive|getconn)$/.test(nameOf(trace, span));
    if (!phase_of_call && (has("http.") || has("rpc.") || has("url.")) && !has("db.")) {
      const broken = view.phasesOf(span)?.phases.find((p) => p.failed);
      if (broken) notes.push(`The call ended in its ${kPhaseTitles[broken.name]} phase; no server saw it.`);
      else notes.push("No server span continues this call: it never arrived, the other side sends no spans, or the context was lost between.");
    }
  }
  return notes;
}

export function SpanPanel({ view, span, onClose }: { view: TraceView; span: number; onClose(): void }) {
  const { trace } = view;
  const [filter, setFilter] = useState("");
  if (isMissing(trace, span)) return <MissingPanel view={view} span={span} onClose={onClose} />;
  const details = view.details(span);
  const resource = trace.resources[trace.resourceId[span]];
  const scope = trace.scopes[trace.scopeId[span]];
  const start = trace.startNs[span];
  const absolute = Number(trace.baseNs / 1000n) / 1e3 + start / 1e6;
  const phases = view.phasesOf(span);
  const on_path = view.criticalPath().selfNs.get(span) ?? 0;
  const skew = view.skews.get(trace.resourceId[span]);
  return (
    <aside class="details" aria-label="Span details">
      <Head title={shownLine(nameOf(trace, span), 300) || "(no name)"} onClose={onClose}>
        <ServiceName service={resource.service} namespace={resource.namespace} withSquad />
      </Head>
      {placeNotes(view, span).map((note) => <p key={note} class="warn-text">{note}</p>)}
      {trace.status[span] === 2 && <p class="failure value">{details.statusMessage ? shown(details.statusMessage) : "Failed, without a message."}</p>}
      <dl class="facts">
        <Fact name="duration">
          <strong>{formatDuration(trace.durationNs[span] / 1e6)}</strong> <span class="muted">{formatShare(trace.durationNs[span] / Math.max(1, trace.endNs - trace.firstNs))} of the trace</span>
        </Fact>
        <Fact name="starts">
          {formatDuration((start - trace.firstNs) / 1e6)} <span class="muted" title={`${formatDateTime(absolute)}, ${zoneName(absolute)}`}>at {formatClock(absolute)}</span>
        </Fact>
        <Fact name="critical path">{on_path > 0 ? formatDuration(on_path / 1e6) : <span class="muted">not on it</span>}</Fact>
        <Fact name="kind">{kKindNames[trace.kind[span]] ?? trace.kind[span]}</Fact>
        <Fact name="status"><span class={trace.status[span] === 2 ? "error-text" : ""}>{kStatusNames[trace.status[span]] ?? trace.status[span]}</span></Fact>
        {skew && (
          <Fact name="clock">
            <span class="warn-text">{shownLine(skew.host || skew.service, 60)} is {formatDuration(Math.abs(skew.aheadNs) / 1e6)} {skew.aheadNs > 0 ? "ahead" : "behind"}</span>
          </Fact>
        )}
      </dl>
      <CallFacts view={view} span={span} />
      {phases && <PhaseTable view={view} span={span} phases={phases} />}
      {details.attributes.length + resource.attributes.length > 8 && (
        <input class="field" type="search" placeholder="Filter attributes" aria-label="Filter attributes" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />
      )}
      <Attributes title="Attributes" attributes={details.attributes} scope="span" filter={filter} dropped={details.droppedAttributes} />
      {(details.events.length > 0 || details.droppedEvents > 0) && (
        <Section title="Events" count={details.events.length} open={phases?.source !== "events" || details.events.some((e) => e.name === "exception")}>
          <ol>{details.events.map((e, i) => <Event key={i} event={e} zeroNs={start} filter={filter} />)}</ol>
          {details.droppedEvents > 0 && <p class="warn-text">{details.droppedEvents} more were dropped before they reached Weft.</p>}
        </Section>
      )}
      {details.links.length > 0 && (
        <Section title="Links" count={details.links.length}>
          <ul>
            {details.links.map((l, i) => (
              <li key={i}>
                <a class="mono" href={linkTo("trace", { id: l.traceId, params: { span: l.spanId } })}>{l.traceId.slice(0, 16)}… / {l.spanId}</a>
                {l.attributes.length > 0 && <table class="attributes"><tbody>{l.attributes.map((a, n) => <AttributeRow key={n} attribute={a} scope="link" />)}</tbody></table>}
              </li>
            ))}
          </ul>
        </Section>
      )}
      <Attributes title="Resource" attributes={resource.attributes} scope="resource" filter={filter} />
      <Section title="Identity" open={false}>
        <dl class="facts">
          <Fact name="span id"><span class="mono">{spanIdOf(trace, span)}</span></Fact>
          <Fact name="parent"><span class="mono">{trace.parent[span] >= 0 ? spanIdOf(trace, trace.parent[span]) : "none"}</span></Fact>
          <Fact name="scope"><span class="value">{shownLine(scope?.name ?? "")} {shownLine(scope?.version ?? "")}</span></Fact>
          {details.traceState && <Fact name="tracestate"><span class="value mono">{shown(details.traceState)}</span></Fact>}
        </dl>
        <button type="button" class="button small" onClick={() => copy("Span", spanJson(view, span))}><Icon.copy /> Copy as JSON</button>
      </Section>
      <p>
        <a href={linkTo("search", { params: { q: `{ resource.service.name = ${quoted(resource.service)} && name = ${quoted(nameOf(trace, span))} }` } })}>Find more of this operation</a>
      </p>
    </aside>
  );
}

function Head({ title, children, onClose }: { title: string; children: ComponentChildren; onClose(): void }) {
  return (
    <div class="details-head">
      <div class="grow">
        <h2 class="value">{title}</h2>
        {children}
      </div>
      <button type="button" class="button icon quiet" aria-label="Close the details" title="Close (Esc)" onClick={onClose}><Icon.close /></button>
    </div>
  );
}

function MissingPanel({ view, span, onClose }: { view: TraceView; span: number; onClose(): void }) {
  const { trace } = view;
  const count = trace.childStart[span + 1] - trace.childStart[span];
  const child = trace.children[trace.childStart[span]];
  return (
    <aside class="details" aria-label="Span details">
      <Head title="A span that was not received" onClose={onClose}>
        <span class="mono muted">{spanIdOf(trace, span)}</span>
      </Head>
      <p>
        {count === 1 ? "One span names" : `${count} spans name`} it as the parent; it never arrived. It began at <strong>{formatDuration((trace.startNs[span] - trace.firstNs) / 1e6)}</strong> or before and lasted at least{" "}
        <strong>{formatDuration(trace.durationNs[span] / 1e6)}</strong>, by its children.
      </p>
      <p>{count === 1 ? "Its child is in" : "Its first child is in"} <ServiceName service={serviceOf(trace, child)} withSquad />. Most often:</p>
      <ul class="reasons">
        <li>the service that made it ended before its spans were exported, or its exporter failed;</li>
        <li>a proxy or an agent passes <code>traceparent</code> on but sends its spans elsewhere;</li>
        <li>it was sampled out by its own service while its callees were kept.</li>
      </ul>
    </aside>
  );
}

function spanJson(view: TraceView, span: number): string {
  const { trace } = view;
  const d = view.details(span);
  const map = (list: Attribute[]) => Object.fromEntries(list.map((a) => [a.key, a.text]));
  return JSON.stringify(
    {
      traceId: trace.traceId,
      spanId: spanIdOf(trace, span),
      parentSpanId: trace.parent[span] >= 0 ? spanIdOf(trace, trace.parent[span]) : null,
      name: nameOf(trace, span),
      kind: kKindNames[trace.kind[span]],
      startTimeUnixNano: String(view.raw.baseNs + BigInt(Math.round(view.raw.startNs[span]))),
      durationMs: trace.durationNs[span] / 1e6,
      status: kStatusNames[trace.status[span]],
      statusMessage: d.statusMessage,
      attributes: map(d.attributes),
      events: d.events.map((e) => ({ name: e.name, attributes: map(e.attributes) })),
      resource: map(trace.resources[trace.resourceId[span]]?.attributes ?? []),
    },
    null,
    2,
  );
}
