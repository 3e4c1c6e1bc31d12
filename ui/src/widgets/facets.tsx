// Quick filters that write the TraceQL for you: service, squad, status, duration, route. A value is
// included by its name and left out by the sign beside it; what is set is read back from the query.

import { attributeValues } from "../api/endpoints.ts";
import type { AttributeValue } from "../api/types.ts";
import { formatCount } from "../base/format.ts";
import type { TimeRange } from "../base/permalink.ts";
import { shownLine } from "../base/text.ts";
import { conditionsOf, fromConditions, literal, quoted, withCondition } from "../base/traceql.ts";
import { useLoad } from "./hooks.ts";
import { config, squadOf, Swatch } from "./service_name.tsx";

interface Choice {
  label: string;
  include: string; // a condition
  exclude: string | null;
  count: number | null;
  service?: string;
}

const kShown = 8;
const kDurations: Choice[] = ["50ms", "250ms", "1s", "5s"].map((d) => ({ label: `> ${d.replace(/(\d)([a-z])/, "$1 $2")}`, include: `duration > ${d}`, exclude: `duration <= ${d}`, count: null }));

// Values by how the server counts them, as conditions on one attribute.
function choices(attribute: string, values: AttributeValue[], service = false): Choice[] {
  return values.map((v) => {
    const value = literal(v.value, v.type);
    return { label: v.value, include: `${attribute} = ${value}`, exclude: `${attribute} != ${value}`, count: v.spans, service: service ? v.value : undefined };
  });
}

const escapeRegex = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

// A squad's services as one pattern; "payments-*" is every service whose name begins so.
const servicePattern = (services: readonly string[]) => services.map((s) => (s.endsWith("*") ? `${escapeRegex(s.slice(0, -1))}.*` : escapeRegex(s))).join("|");

// Who owns what: the configuration first, else what resources say of themselves.
export function squadChoices(services: AttributeValue[], namespaces: AttributeValue[], teams: AttributeValue[]): Choice[] {
  const named = (config.value?.squads ?? []).filter((s) => s.services.length);
  const from_config = named.map((s) => {
    const pattern = quoted(servicePattern(s.services));
    return { label: s.name, include: `resource.service.name =~ ${pattern}`, exclude: `resource.service.name !~ ${pattern}`, count: services.filter((v) => squadOf(v.value) === s.name).reduce((n, v) => n + v.spans, 0) };
  });
  const known = new Set(named.map((s) => s.name));
  const rest = (values: AttributeValue[]) => values.filter((v) => !known.has(v.value) && known.add(v.value));
  return [...from_config, ...choices("resource.service.namespace", rest(namespaces)), ...choices("resource.team", rest(teams))];
}

// Conditions on the same left-hand side replace each other.
function leftSide(condition: string): string {
  return /^(.+?)\s*(?:=~|!~|!=|>=|<=|=|>|<)/.exec(condition)?.[1] ?? condition;
}

export function toggleCondition(query: string, condition: string, group: (c: string) => boolean): string {
  const set = conditionsOf(query);
  if (!set) return withCondition(query, condition);
  if (set.includes(condition)) return fromConditions(set.filter((c) => c !== condition));
  return fromConditions([...set.filter((c) => !group(c)), condition]);
}

export function Facets({ query, range, onChange }: { query: string; range: TimeRange; onChange(query: string): void }) {
  const { startMs, endMs } = range;
  const deps = [startMs, endMs];
  const services = useLoad((abort) => attributeValues("service.name", "resource", range, "", 50, abort), deps);
  const namespaces = useLoad((abort) => attributeValues("service.namespace", "resource", range, "", 20, abort), deps);
  const teams = useLoad((abort) => attributeValues("team", "resource", range, "", 20, abort), deps);
  const routes = useLoad((abort) => attributeValues("http.route", "span", range, "", 30, abort), deps);
  const statuses = useLoad((abort) => attributeValues("status", "", range, "", 3, abort), deps);
  const count_of = (status: string) => (statuses.data ? (statuses.data.values.find((v) => v.value === status)?.spans ?? 0) : null);
  const set = conditionsOf(query);
  const groups: { title: string; list: Choice[] }[] = [
    { title: "Status", list: ["error", "ok", "unset"].map((s) => ({ label: s, include: `status = ${s}`, exclude: `status != ${s}`, count: count_of(s) })) },
    { title: "Squad", list: squadChoices(services.data?.values ?? [], namespaces.data?.values ?? [], teams.data?.values ?? []) },
    { title: "Service", list: choices("resource.service.name", services.data?.values ?? [], true) },
    { title: "Duration", list: kDurations },
    { title: "Route", list: choices("span.http.route", routes.data?.values ?? []) },
  ];
  return (
    <nav class="facets" aria-label="Quick filters">
      {!set && <p class="muted facets-note">The query is more than a list of conditions; a filter chosen here is added to it.</p>}
      {groups.map(
        ({ title, list }) =>
          list.length > 0 && (
            <Facet
              key={title}
              title={title}
              list={list}
              set={set ?? []}
              onToggle={(condition) => onChange(toggleCondition(query, condition, (c) => list.some((x) => leftSide(x.include) === leftSide(c))))}
            />
          ),
      )}
    </nav>
  );
}

function Facet({ title, list, set, onToggle }: { title: string; list: Choice[]; set: string[]; onToggle(condition: string): void }) {
  const active = list.some((c) => set.includes(c.include) || (c.exclude && set.includes(c.exclude)));
  const head = list.slice(0, kShown);
  const rest = list.slice(kShown);
  const item = (c: Choice) => (
    <li key={c.include} class="facet-item">
      <button type="button" class="facet-value" aria-pressed={set.includes(c.include)} onClick={() => onToggle(c.include)} title={shownLine(c.label)}>
        {c.service !== undefined && <Swatch service={c.service} />}
        <span class={c.label === "error" && title === "Status" ? "clip value error-text" : "clip value"}>{shownLine(c.label, 80)}</span>
        {c.count !== null && <span class="muted facet-count">{formatCount(c.count)}</span>}
      </button>
      {c.exclude && (
        <button type="button" class="facet-not" aria-pressed={set.includes(c.exclude)} onClick={() => onToggle(c.exclude!)} aria-label={`Leave out ${shownLine(c.label, 80)}`} title="Leave out">
          ≠
        </button>
      )}
    </li>
  );
  return (
    <section class="facet" aria-label={title}>
      <h2>
        {title}
        {active && <span class="sr"> (filtered)</span>}
      </h2>
      <ul>{head.map(item)}</ul>
      {rest.length > 0 && (
        <details>
          <summary class="muted">{rest.length} more</summary>
          <ul>{rest.map(item)}</ul>
        </details>
      )}
    </section>
  );
}
