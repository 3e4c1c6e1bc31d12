// The TraceQL box: a textarea whose text is coloured by a layer beneath it, completion of keys and
// values with their counts, and the server's complaint underlined at its place.

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { attributeKeys, attributeValues, checkQuery } from "../api/endpoints.ts";
import { ApiError, isAbort } from "../api/http.ts";
import type { ErrorBody } from "../api/types.ts";
import { formatCount } from "../base/format.ts";
import type { TimeRange } from "../base/permalink.ts";
import { indexOfByte, shownLine } from "../base/text.ts";
import {
  attributeKey,
  completionAt,
  type CompletionContext,
  isMetricsQuery,
  kIntrinsics,
  kMetrics,
  kPipeline,
  literal,
  tokenize,
} from "../base/traceql.ts";

interface Option {
  text: string; // what is written into the query
  label: string;
  detail: string;
}

const kMaxOptions = 60;
const kStarts: Option[] = [
  { text: "{ status = error }", label: "{ status = error }", detail: "spans that failed" },
  { text: "{ span:parentID = nil && duration > 1s }", label: "{ span:parentID = nil && duration > 1s }", detail: "slow traces" },
  { text: '{ resource.service.name = "" }', label: '{ resource.service.name = "…" }', detail: "one service" },
  { text: "{ kind = client && status = error } >> { kind = server }", label: "{ kind = client && status = error } >> { … }", detail: "by structure" },
  { text: "{ status = error } | rate() by(resource.service.name)", label: "{ … } | rate() by(resource.service.name)", detail: "a metric over time" },
];
const kFixed: Record<string, string[]> = {
  status: ["error", "ok", "unset"],
  "span:status": ["error", "ok", "unset"],
  kind: ["server", "client", "internal", "producer", "consumer"],
  "span:kind": ["server", "client", "internal", "producer", "consumer"],
  duration: ["100ms", "500ms", "1s", "5s"],
  "span:duration": ["100ms", "500ms", "1s", "5s"],
  traceDuration: ["100ms", "500ms", "1s", "5s"],
  "trace:duration": ["100ms", "500ms", "1s", "5s"],
};
const kIntrinsicValues: Record<string, string> = { "span:name": "name", "trace:rootName": "rootName", "trace:rootService": "rootServiceName" };

// span.http.route -> the key and scope that the values endpoint takes.
function valueTarget(key: string): { key: string; scope: string } | null {
  if (["name", "rootName", "rootServiceName"].includes(key)) return { key, scope: "" };
  if (key in kIntrinsicValues) return { key: kIntrinsicValues[key], scope: "" };
  const m = /^(?:parent\.)?(span|resource|event|link|instrumentation)?\.(.+)$/u.exec(key);
  if (!m) return null;
  return { key: m[2].startsWith('"') ? m[2].slice(1, -1) : m[2], scope: m[1] ?? "" };
}

function matches(text: string, prefix: string): boolean {
  const p = prefix.toLowerCase().replace(/^\./, "");
  return text.toLowerCase().includes(p);
}

async function optionsFor(context: CompletionContext, range: TimeRange, abort: AbortSignal): Promise<Option[]> {
  if (context.want === "start") return kStarts;
  if (context.want === "pipeline") {
    return [...kPipeline, ...kMetrics].filter((w) => w.startsWith(context.prefix)).map((w) => ({ text: `${w}(`, label: `${w}(…)`, detail: kMetrics.includes(w) ? "metric" : "pipeline" }));
  }
  if (context.want === "key") {
    const { attributes } = await attributeKeys(range, abort);
    const keys = attributes
      .map((a) => ({ text: attributeKey(a.scope, a.key), label: attributeKey(a.scope, a.key), detail: `${formatCount(a.spans)} spans · ${a.type}` }))
      .filter((o) => matches(o.label, context.prefix));
    const intrinsics = kIntrinsics.filter((i) => matches(i, context.prefix)).map((i) => ({ text: i, label: i, detail: "intrinsic" }));
    const short = context.prefix.length > 0 && /^[a-z]/.test(context.prefix) && !context.prefix.includes(".");
    return (short ? [...intrinsics.filter((i) => i.label.startsWith(context.prefix)), ...keys, ...intrinsics.filter((i) => !i.label.startsWith(context.prefix))] : [...keys, ...intrinsics]).slice(0, kMaxOptions);
  }
  if (context.want !== "value" || !context.key) return [];
  const fixed = kFixed[context.key];
  if (fixed) return fixed.filter((v) => v.startsWith(context.prefix)).map((v) => ({ text: v, label: v, detail: "" }));
  const target = valueTarget(context.key);
  if (!target) return [];
  const { values } = await attributeValues(target.key, target.scope, range, context.prefix, kMaxOptions, abort);
  return values.map((v) => ({ text: literal(v.value, v.type), label: shownLine(v.value, 120), detail: `${formatCount(v.spans)} spans` }));
}

// Where in the text the server complains, whose offsets are bytes; null when it names no place.
function placeOf(text: string, problem: ErrorBody | null): { from: number; to: number; line: number; column: number } | null {
  const at = problem?.position;
  if (!at) return null;
  const from = indexOfByte(text, at.offset);
  const lines = text.slice(0, from).split("\n");
  return { from, to: indexOfByte(text, at.offset + Math.max(1, at.length)), line: lines.length, column: [...lines[lines.length - 1]].length + 1 };
}

function Highlight({ text, problem }: { text: string; problem: ErrorBody | null }) {
  const place = placeOf(text, problem);
  // What lacks at the end is shown at the last character.
  const from = place ? Math.min(place.from, Math.max(0, text.length - 1)) : -1;
  const to = place ? Math.max(from + 1, place.to) : -1;
  const parts: preact.JSX.Element[] = [];
  tokenize(text).forEach((t, i) => {
    // A token may be cut by the edges of the error.
    const cuts = [t.start, ...[from, to].filter((c) => c > t.start && c < t.end), t.end];
    for (let c = 0; c + 1 < cuts.length; c++) {
      const wrong = cuts[c] >= from && cuts[c] < to;
      parts.push(<span key={`${i}.${c}`} class={`t-${t.kind}${wrong ? " wrong" : ""}`}>{text.slice(cuts[c], cuts[c + 1])}</span>);
    }
  });
  return <pre class="query-colours" aria-hidden="true">{parts}{"\n"}</pre>;
}

export interface QueryBoxProps {
  value: string;
  range: TimeRange;
  // The complaint of the query that was run, if any.
  problem: ErrorBody | null;
  onRun(query: string): void;
  label?: string;
  placeholder?: string;
  runLabel?: string;
}

export function QueryBox({ value, range, problem, onRun, label = "TraceQL query", placeholder, runLabel = "Search" }: QueryBoxProps) {
  const [text, setText] = useState(value);
  const [checked, setChecked] = useState<{ text: string; problem: ErrorBody | null } | null>(null);
  const [options, setOptions] = useState<Option[]>([]);
  const [chosen, setChosen] = useState(-1);
  const [open, setOpen] = useState(false);
  const context = useRef<CompletionContext | null>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const pending = useRef<AbortController | null>(null);
  const id = useId();

  useEffect(() => setText(value), [value]);
  useEffect(() => fit(area.current), [text]);

  // What is being typed is checked by the server, a moment after the last key.
  useEffect(() => {
    if (text === value || !text.trim()) return setChecked(null);
    const abort = new AbortController();
    const timer = setTimeout(() => {
      checkQuery(text, isMetricsQuery(text), abort.signal).then(
        () => setChecked({ text, problem: null }),
        (error) => !isAbort(error) && setChecked({ text, problem: error instanceof ApiError && error.status === 400 ? error.body : null }),
      );
    }, 350);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text, value]);

  const typed = checked?.text === text ? checked.problem : null;
  // What is complained of at the very end is not wrong, it is not finished; the query that was run is another matter.
  const unfinished = (placeOf(text, typed)?.from ?? -1) >= text.trimEnd().length;
  const current = typed && !unfinished ? typed : text === value ? problem : null;
  const place = placeOf(text, current);

  const complete = () => {
    const element = area.current!;
    const at = completionAt(element.value, element.selectionStart);
    context.current = at;
    pending.current?.abort();
    if (at.want === "none" || element.selectionStart !== element.selectionEnd) return setOpen(false);
    const abort = (pending.current = new AbortController());
    optionsFor(at, range, abort.signal).then(
      (found) => {
        if (abort.signal.aborted) return;
        const typed = element.value.slice(at.start, at.end);
        const useful = found.filter((o) => o.text !== typed);
        setOptions(useful);
        setChosen(-1);
        setOpen(useful.length > 0 && document.activeElement === element);
      },
      () => setOpen(false),
    );
  };

  const accept = (option: Option) => {
    const at = context.current!;
    const next = text.slice(0, at.start) + option.text + text.slice(at.end);
    const hole = option.text.indexOf('""');
    const cursor = at.start + (hole >= 0 ? hole + 1 : option.text.length);
    setText(next);
    setOpen(false);
    const element = area.current!;
    element.value = next;
    element.focus();
    element.setSelectionRange(cursor, cursor);
    if (at.want === "start" && hole >= 0) complete();
  };

  const run = () => {
    setOpen(false);
    pending.current?.abort();
    onRun(text.trim());
  };

  const onKey = (event: KeyboardEvent) => {
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setChosen((c) => (c + step + options.length + (c < 0 && step < 0 ? 1 : 0)) % options.length);
    } else if (open && event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      setOpen(false);
    } else if (open && chosen >= 0 && (event.key === "Enter" || event.key === "Tab")) {
      event.preventDefault();
      accept(options[chosen]);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      run();
    } else if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      complete();
    }
  };

  return (
    <form class="query" role="search" onSubmit={(e) => (e.preventDefault(), run())}>
      <div class={current ? "query-box invalid" : "query-box"}>
        <Highlight text={text} problem={current} />
        <textarea
          ref={area}
          rows={1}
          value={text}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          data-focus-key="/"
          aria-label={label}
          aria-autocomplete="list"
          aria-controls={`${id}-list`}
          aria-activedescendant={open && chosen >= 0 ? `${id}-${chosen}` : undefined}
          aria-invalid={current ? true : undefined}
          aria-describedby={current ? `${id}-problem` : undefined}
          placeholder={placeholder ?? "{ } finds every trace; type { to begin, / to come here"}
          onInput={(e) => {
            setText(e.currentTarget.value);
            complete();
          }}
          onKeyDown={onKey}
          onFocus={() => !text.trim() && complete()}
          onClick={complete}
          onBlur={() => setTimeout(() => setOpen(false), 150)}
        />
        <ul id={`${id}-list`} class="query-options" role="listbox" aria-label="Completions" hidden={!open}>
          {open &&
            options.map((option, i) => (
              <li
                key={option.label + i}
                id={`${id}-${i}`}
                role="option"
                aria-selected={i === chosen}
                ref={(e) => void (i === chosen && e?.scrollIntoView({ block: "nearest" }))}
                onPointerDown={(e) => (e.preventDefault(), accept(option))}
              >
                <span class="clip value">{option.label}</span>
                <span class="muted">{option.detail}</span>
              </li>
            ))}
        </ul>
        <span class="sr" role="status">{open ? `${options.length} completions` : ""}</span>
      </div>
      <button type="submit" class="button primary">{runLabel}</button>
      {current && (
        <p id={`${id}-problem`} class="query-problem" role="alert">
          {shownLine(current.message)}
          {place && <span> (at {place.line > 1 ? `line ${place.line}, ` : ""}column {place.column})</span>}
          {place || current.expected?.length || current.hint ? "." : ""}
          {current.expected?.length ? <span class="muted"> Expected {current.expected.map((e) => shownLine(e)).join(", ")}.</span> : null}
          {current.hint ? <span> Hint: {shownLine(current.hint)}</span> : null}
        </p>
      )}
    </form>
  );
}

function fit(element: HTMLTextAreaElement | null): void {
  if (!element) return;
  element.style.height = "auto";
  element.style.height = `${Math.min(element.scrollHeight, 160)}px`;
}
