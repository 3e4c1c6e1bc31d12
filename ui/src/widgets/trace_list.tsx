// The traces of a search, newest first: when, what, how long, who took part, what failed.

import { nanoToMs, type TraceSummary } from "../api/types.ts";
import { formatClock, formatCount, formatDay, formatDuration } from "../base/format.ts";
import { linkTo } from "../base/router.ts";
import { shownLine } from "../base/text.ts";
import { colourOf, ServiceName } from "./service_name.tsx";

export interface TraceListProps {
  traces: readonly TraceSummary[];
  chosen: readonly string[];
  onChoose(traceId: string): void;
}

const kRootless = "<root span not received>";

export function TraceList({ traces, chosen, onChoose }: TraceListProps) {
  const longest = traces.reduce((max, t) => Math.max(max, t.durationMs), 0.001);
  const shortest = traces.reduce((min, t) => Math.min(min, Math.max(t.durationMs, 0.001)), longest);
  // Logarithmic, so that both a 2 ms and a 6 s trace can be read off the same column.
  const share = (ms: number) => (longest <= shortest ? 1 : 0.04 + (0.96 * Math.log(Math.max(ms, shortest) / shortest)) / Math.log(longest / shortest));
  let day = "";
  return (
    <ol class="traces" aria-label="Traces, newest first">
      {traces.map((t) => {
        const at = nanoToMs(t.startTimeUnixNano);
        const new_day = formatDay(at) !== day;
        day = formatDay(at);
        return (
          <li key={t.traceId} class={t.errorCount ? "trace failed" : "trace"}>
            {new_day && <div class="trace-day">{day}</div>}
            <div class="trace-line">
              <input type="checkbox" checked={chosen.includes(t.traceId)} onChange={() => onChoose(t.traceId)} title="Tick two traces to compare them" aria-label={`Choose for comparison: ${shownLine(t.rootTraceName, 60)} at ${formatClock(at)}`} />
              <a class="trace-link" href={linkTo("trace", { id: t.traceId })}>
                <time class="trace-time mono" dateTime={new Date(at).toISOString()}>{formatClock(at)}</time>
                <span class="trace-root clip">
                  {t.rootServiceName === kRootless ? <Rootless trace={t} endMs={at + t.durationMs} /> : <ServiceName service={t.rootServiceName} />}{" "}
                  <span class="value trace-name">{shownLine(t.rootTraceName, 160)}</span>
                </span>
                <span class="trace-duration">
                  <span class="trace-bar" style={{ width: `${(share(t.durationMs) * 100).toFixed(1)}%` }} />
                  <span>{formatDuration(t.durationMs)}</span>
                </span>
                <span class="num muted">{formatCount(t.spanCount)} <span class="unit">{t.spanCount === 1 ? "span" : "spans"}</span></span>
                <span class="trace-errors">{t.errorCount > 0 && <span class="tag error">{formatCount(t.errorCount)} failed</span>}</span>
                <Strip trace={t} />
              </a>
            </div>
            <Matched trace={t} />
          </li>
        );
      })}
    </ol>
  );
}

const servicesOf = (trace: TraceSummary) => Object.entries(trace.serviceStats ?? {}).sort((a, b) => b[1].spanCount - a[1].spanCount);

// A root ends last and comes last: of a trace of this moment it is not missing yet.
const kStillComingMs = 30_000;

function Rootless({ trace, endMs }: { trace: TraceSummary; endMs: number }) {
  const services = servicesOf(trace);
  const coming = Date.now() - endMs < kStillComingMs;
  return (
    <>
      <span class={coming ? "tag" : "tag warn"}>{coming ? "root span still to come" : "root span not received"}</span>{" "}
      {services.length > 0 && <ServiceName service={services[0][0]} />}
      {services.length > 1 && <span class="muted"> and {services.length - 1} more</span>}
    </>
  );
}

// The services of a trace as one strip, by their spans.
function Strip({ trace }: { trace: TraceSummary }) {
  const services = servicesOf(trace);
  const total = services.reduce((n, [, s]) => n + s.spanCount, 0) || 1;
  const title = services.map(([name, s]) => `${shownLine(name, 60)}: ${s.spanCount} spans${s.errorCount ? `, ${s.errorCount} failed` : ""}`).join("\n");
  return (
    <span class="strip" title={title}>
      <span class="sr">{services.length} services</span>
      {services.slice(0, 12).map(([name, s]) => (
        <span key={name} class={s.errorCount ? "strip-part failed" : "strip-part"} style={{ flexGrow: String(Math.max(0.08, s.spanCount / total)), background: colourOf(name).fill }} />
      ))}
    </span>
  );
}

// The spans that matched, unless all that matched is the root itself.
function Matched({ trace }: { trace: TraceSummary }) {
  const sets = trace.spanSets?.length ? trace.spanSets : trace.spanSet ? [trace.spanSet] : [];
  const spans = sets.flatMap((s) => s.spans).slice(0, 3);
  const matched = sets.reduce((n, s) => n + s.matched, 0);
  if (!spans.length || matched >= trace.spanCount || (matched === 1 && spans[0].name === trace.rootTraceName)) return null;
  return (
    <ul class="matched">
      {spans.map((s) => (
        <li key={s.spanId}>
          <a href={linkTo("trace", { id: trace.traceId, params: { span: s.spanId } })} class="matched-span">
            <ServiceName service={s.serviceName} /> <span class="value">{shownLine(s.name, 100)}</span>
            <span class={s.status === "error" ? "error-text" : "muted"}>{formatDuration(s.durationMs)}{s.status === "error" ? " failed" : ""}</span>
          </a>
        </li>
      ))}
      {matched > spans.length && <li class="muted">+{formatCount(matched - spans.length)} more</li>}
    </ul>
  );
}
