// TraceQL on the page: enough of a lexer to colour a query, to know what is being typed for
// completion, and to add and remove plain conditions for the facets. The server parses for real.

export type TokenKind = "string" | "number" | "attribute" | "intrinsic" | "keyword" | "operator" | "brace" | "space" | "bad";

export interface Token {
  kind: TokenKind;
  start: number;
  end: number;
}

export const kIntrinsics = [
  "name",
  "kind",
  "status",
  "statusMessage",
  "duration",
  "traceDuration",
  "rootName",
  "rootServiceName",
  "span:duration",
  "span:name",
  "span:kind",
  "span:status",
  "span:statusMessage",
  "span:id",
  "span:parentID",
  "span:childCount",
  "trace:duration",
  "trace:rootName",
  "trace:rootService",
  "trace:id",
  "event:name",
  "event:timeSinceStart",
  "link:traceID",
  "link:spanID",
  "instrumentation:name",
  "instrumentation:version",
  "nestedSetParent",
  "nestedSetLeft",
  "nestedSetRight",
  "childCount",
];
export const kPipeline = ["by", "coalesce", "select", "count", "avg", "min", "max", "sum"];
export const kMetrics = [
  "rate",
  "count_over_time",
  "min_over_time",
  "max_over_time",
  "avg_over_time",
  "sum_over_time",
  "quantile_over_time",
  "histogram_over_time",
  "compare",
  "topk",
  "bottomk",
];
const kConstants = ["true", "false", "nil", "ok", "error", "unset", "server", "client", "producer", "consumer", "internal", "unspecified", "with"];
const kIntrinsicSet = new Set(kIntrinsics);
const kKeywordSet = new Set([...kPipeline, ...kMetrics, ...kConstants]);

const kSpace = /\s+/y;
const kString = /"(?:[^"\\]|\\.)*"|`[^`]*`/y;
const kOpenString = /["`][^]*$/y;
const kNumber = /\d+(?:\.\d+)?(?:e[+-]?\d+)?(?:ns|us|µs|ms|s|m|h|d|w|y)?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))*/iy;
const kAttribute = /(?:(?:parent\.)?(?:span|resource|event|link|instrumentation)|parent)?\.(?:"(?:[^"\\]|\\.)*"|[\p{L}\p{N}_.\-/]*)+/uy;
const kScopedIntrinsic = /(?:span|trace|event|link|instrumentation):[A-Za-z]*/y;
const kWord = /[\p{L}_][\p{L}\p{N}_]*/uy;
const kOperator = /&>>|&<<|&>|&<|&~|!>>|!<<|!>(?!=)|!<(?!=)|!~|=~|!=|>=|<=|>>|<<|&&|\|\||[=<>~+\-*/%^!|,]/y;
const kBrace = /[{}()]/y;

function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}

export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (kind: TokenKind, length: number) => {
    tokens.push({ kind, start: at, end: at + length });
    at += length;
  };
  while (at < text.length) {
    let n: number;
    if ((n = match(kSpace, text, at))) take("space", n);
    else if ((n = match(kString, text, at))) take("string", n);
    else if ((n = match(kOpenString, text, at))) take("bad", n);
    else if ((n = match(kScopedIntrinsic, text, at))) take("intrinsic", n);
    else if ((n = match(kAttribute, text, at))) take("attribute", n);
    else if ((n = match(kNumber, text, at))) take("number", n);
    else if ((n = match(kWord, text, at))) {
      const word = text.slice(at, at + n);
      take(kIntrinsicSet.has(word) ? "intrinsic" : kKeywordSet.has(word) ? "keyword" : "bad", n);
    } else if ((n = match(kBrace, text, at))) take("brace", n);
    else if ((n = match(kOperator, text, at))) take("operator", n);
    else take("bad", 1);
  }
  return tokens;
}

export function isMetricsQuery(text: string): boolean {
  return tokenize(text).some((t, i, all) => {
    if (t.kind !== "keyword" || !kMetrics.includes(text.slice(t.start, t.end))) return false;
    const next = all.slice(i + 1).find((x) => x.kind !== "space");
    return next?.kind === "brace" && text[next.start] === "(";
  });
}

export interface CompletionContext {
  want: "key" | "value" | "pipeline" | "start" | "none";
  // The text that a completion replaces.
  start: number;
  end: number;
  prefix: string;
  // For values: what is compared.
  key?: string;
}

const kComparisons = new Set(["=", "!=", "=~", "!~", ">", ">=", "<", "<="]);

// What could stand at the cursor.
export function completionAt(text: string, cursor: number): CompletionContext {
  const tokens = tokenize(text);
  const none: CompletionContext = { want: "none", start: cursor, end: cursor, prefix: "" };
  let depth = 0;
  for (const t of tokens) {
    if (t.end > cursor) break;
    if (t.kind === "brace") depth += text[t.start] === "{" ? 1 : text[t.start] === "}" ? -1 : 0;
  }
  const here = tokens.find((t) => t.start < cursor && cursor <= t.end);
  const typing = here && ["attribute", "intrinsic", "keyword", "bad", "string", "number"].includes(here.kind) ? here : undefined;
  const start = typing ? typing.start : cursor;
  const end = typing ? typing.end : cursor;
  const before = tokens.filter((t) => t.end <= start && t.kind !== "space");
  const last = before[before.length - 1];
  const lastText = last ? text.slice(last.start, last.end) : "";
  const prefix = text.slice(start, cursor);
  if (!text.trim()) return { want: "start", start: 0, end: text.length, prefix: "" };
  if (depth > 0) {
    if (last?.kind === "operator" && kComparisons.has(lastText)) {
      const left = before[before.length - 2];
      if (!left || (left.kind !== "attribute" && left.kind !== "intrinsic")) return none;
      return { want: "value", start, end, prefix: prefix.replace(/^["`]|["`]$/g, ""), key: text.slice(left.start, left.end) };
    }
    const opens = lastText === "{" || lastText === "(" || lastText === "&&" || lastText === "||" || lastText === "!";
    if (!opens || typing?.kind === "string" || typing?.kind === "number") return none;
    return { want: "key", start, end, prefix };
  }
  if (lastText === "|") return { want: "pipeline", start, end, prefix };
  if (lastText === "(" && before.length > 1) return { want: "key", start, end, prefix };
  return none;
}

export function quoted(value: string): string {
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

// span + "a b" -> span."a b"
export function attributeKey(scope: string, key: string): string {
  const plain = /^[\p{L}_][\p{L}\p{N}_.\-/]*$/u.test(key);
  const prefix = scope === "span" || scope === "resource" || scope === "event" || scope === "link" || scope === "instrumentation" ? scope : "";
  return `${prefix}.${plain ? key : quoted(key)}`;
}

// A value of the given OTLP type as a TraceQL static.
export function literal(value: string, type: string): string {
  return type === "int" || type === "double" || type === "float" || type === "bool" || type === "status" || type === "kind"
    ? value
    : quoted(value);
}

// The top-level conditions of a query that is one plain spanset of &&-ed conditions; null for
// anything else (several spansets, ||, a pipeline).
export function conditionsOf(text: string): string[] | null {
  const trimmed = text.trim();
  if (!trimmed || /^\{\s*\}$/.test(trimmed)) return [];
  const tokens = tokenize(trimmed).filter((t) => t.kind !== "space");
  const slice = (t: Token) => trimmed.slice(t.start, t.end);
  if (tokens.length < 2 || slice(tokens[0]) !== "{" || slice(tokens[tokens.length - 1]) !== "}") return null;
  const conditions: string[] = [];
  let depth = 0;
  let from = tokens[0].end;
  for (const t of tokens.slice(1, -1)) {
    const s = slice(t);
    if (t.kind === "brace") depth += s === "(" ? 1 : s === ")" ? -1 : NaN;
    if (Number.isNaN(depth)) return null;
    if (depth === 0 && t.kind === "operator" && s === "||") return null;
    if (depth === 0 && t.kind === "operator" && s === "&&") {
      conditions.push(trimmed.slice(from, t.start).trim());
      from = t.end;
    }
  }
  conditions.push(trimmed.slice(from, tokens[tokens.length - 1].start).trim());
  return conditions;
}

export function fromConditions(conditions: readonly string[]): string {
  return conditions.length ? `{ ${conditions.join(" && ")} }` : "{ }";
}

// The query with one more condition on its spans.
export function withCondition(text: string, condition: string): string {
  const conditions = conditionsOf(text);
  if (conditions) return conditions.includes(condition) ? text : fromConditions([...conditions, condition]);
  const trimmed = text.trim();
  // One spanset with || inside: && and || bind alike in TraceQL, so the old part is bracketed.
  const inner = /^\{([^{}]*)\}$/.exec(trimmed);
  if (inner) return `{ (${inner[1].trim()}) && ${condition} }`;
  const bar = firstPipe(trimmed);
  if (bar >= 0) return `${withCondition(trimmed.slice(0, bar), condition)} ${trimmed.slice(bar)}`;
  return `(${trimmed}) && { ${condition} }`;
}

// The query with one more spanset that its traces must have.
export function withSpanset(text: string, spanset: string): string {
  const trimmed = text.trim();
  const bar = firstPipe(trimmed);
  if (bar < 0) return `(${trimmed}) && (${spanset})`;
  return `(${trimmed.slice(0, bar).trim()}) && (${spanset}) ${trimmed.slice(bar)}`;
}

function firstPipe(text: string): number {
  let depth = 0;
  for (const t of tokenize(text)) {
    if (t.kind === "brace") depth += "{(".includes(text[t.start]) ? 1 : -1;
    if (depth === 0 && t.kind === "operator" && text.slice(t.start, t.end) === "|") return t.start;
  }
  return -1;
}

export function withoutCondition(text: string, condition: string): string {
  const conditions = conditionsOf(text);
  return conditions ? fromConditions(conditions.filter((c) => c !== condition)) : text;
}
