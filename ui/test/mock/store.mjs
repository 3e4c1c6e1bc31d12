// The mock's memory: flattened spans and just enough TraceQL (conditions joined by && and ||, the
// structural operators > and >>) for what the page itself writes. The real server has the language.

function plain(v) {
  if (!v) return null;
  if (v.stringValue !== undefined) return v.stringValue;
  if (v.intValue !== undefined) return Number(v.intValue);
  if (v.doubleValue !== undefined) return v.doubleValue;
  if (v.boolValue !== undefined) return v.boolValue;
  if (v.arrayValue) return JSON.stringify((v.arrayValue.values ?? []).map(plain));
  return null;
}

const object = (list) => Object.fromEntries((list ?? []).map(({ key, value }) => [key, plain(value)]));
const kKinds = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const kStatuses = ["unset", "ok", "error"];

export class QueryError extends Error {
  constructor(message, offset, length, extra = {}) {
    super(message);
    this.body = { code: "invalid_argument", message, position: { offset, length, line: 1, column: offset + 1 }, ...extra };
  }
}

export class Store {
  constructor() {
    this.traces = new Map();
  }

  add(otlp) {
    for (const rs of otlp.resourceSpans) {
      const resource = object(rs.resource?.attributes);
      for (const ss of rs.scopeSpans) {
        for (const s of ss.spans) {
          let trace = this.traces.get(s.traceId);
          if (!trace) this.traces.set(s.traceId, (trace = { id: s.traceId, otlp: { resourceSpans: [] }, spans: [] }));
          trace.spans.push({
            raw: s,
            id: s.spanId,
            parent: s.parentSpanId ?? "",
            name: s.name,
            kind: kKinds[s.kind ?? 0],
            status: kStatuses[s.status?.code ?? 0],
            message: s.status?.message ?? "",
            service: resource["service.name"],
            resource,
            attrs: object(s.attributes),
            startNs: BigInt(s.startTimeUnixNano),
            startMs: Number(BigInt(s.startTimeUnixNano) / 1000n) / 1e3,
            durationMs: Number(BigInt(s.endTimeUnixNano) - BigInt(s.startTimeUnixNano)) / 1e6,
          });
        }
      }
      const first = rs.scopeSpans[0]?.spans[0];
      if (first) this.traces.get(first.traceId).otlp.resourceSpans.push(rs);
    }
  }

  finish() {
    for (const t of this.traces.values()) {
      t.byId = new Map(t.spans.map((s) => [s.id, s]));
      t.spans.forEach((s) => (s.trace = t));
      t.root = t.spans.find((s) => !s.parent) ?? null;
      t.startNs = t.spans.reduce((a, s) => (s.startNs < a ? s.startNs : a), t.spans[0].startNs);
      t.startMs = Math.min(...t.spans.slice(0, 5000).map((s) => s.startMs));
      t.durationMs = t.spans.reduce((a, s) => Math.max(a, s.startMs + s.durationMs), 0) - t.startMs;
    }
    this.list = [...this.traces.values()].sort((a, b) => b.startMs - a.startMs || (a.id < b.id ? -1 : 1));
  }

  // Matching spans of each trace that has some in the range.
  *find(q, startMs, endMs) {
    const query = compile(q);
    for (const trace of this.list) {
      const matched = query(trace).filter((s) => s.startMs >= startMs && s.startMs < endMs);
      if (matched.length) yield { trace, matched };
    }
  }
}

const kUnits = { ns: 1e-6, us: 1e-3, "µs": 1e-3, ms: 1, s: 1000, m: 60000, h: 3600000 };
const kToken = /\s*(?:(\{|\}|\(|\))|(&&|\|\||>>|=~|!~|!=|>=|<=|[=<>|])|("(?:[^"\\]|\\.)*"|`[^`]*`)|(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)?|((?:[a-z]+)?\.(?:"(?:[^"\\]|\\.)*"|[\w./-]+)|[a-z]+:[A-Za-z]+|[A-Za-z_]\w*))/uy;

function lex(text) {
  const tokens = [];
  let at = 0;
  while (text.slice(at).trim()) {
    kToken.lastIndex = at;
    const m = kToken.exec(text);
    if (!m) {
      const from = at + (text.slice(at).length - text.slice(at).trimStart().length);
      throw new QueryError(`unexpected ${JSON.stringify(text[from])}`, from, 1, { expected: ["an attribute", "}"] });
    }
    const start = at + m[0].length - m[0].trimStart().length;
    at += m[0].length;
    const t = m[0].trim();
    if (m[1]) tokens.push({ t: "brace", v: t, start });
    else if (m[2]) tokens.push({ t: "op", v: t, start });
    else if (m[3]) tokens.push({ t: "static", v: t[0] === "`" ? t.slice(1, -1) : JSON.parse(t), start, length: t.length });
    else if (m[4]) tokens.push({ t: "static", v: Number(m[4]) * (m[5] ? kUnits[m[5]] : 1), start, length: t.length });
    else tokens.push({ t: "name", v: t, start, length: t.length });
  }
  return tokens;
}

const kFields = {
  name: (s) => s.name,
  kind: (s) => s.kind,
  status: (s) => s.status,
  statusMessage: (s) => s.message,
  duration: (s) => s.durationMs,
  traceDuration: (s) => s.trace.durationMs,
  rootName: (s) => s.trace.root?.name,
  rootServiceName: (s) => s.trace.root?.service,
  "span:parentID": (s) => s.parent || null,
  "trace:id": (s) => s.trace.id,
};
const kConstants = new Set(["error", "ok", "unset", "nil", "true", "false", ...kKinds]);

function field(token) {
  if (kFields[token.v]) return kFields[token.v];
  const m = /^([a-z]*)\.(.+)$/u.exec(token.v);
  if (!m) {
    throw new QueryError(`unknown name "${token.v}"`, token.start, token.length, { expected: ["an attribute such as span.http.route", "an intrinsic such as duration"], hint: `did you mean .${token.v}?` });
  }
  const key = m[2].startsWith('"') ? JSON.parse(m[2]) : m[2];
  if (m[1] === "resource") return (s) => s.resource[key];
  if (m[1] === "span") return (s) => s.attrs[key];
  return (s) => s.attrs[key] ?? s.resource[key];
}

const kCompare = {
  "=": (a, b) => (b === null ? a == null : a === b),
  "!=": (a, b) => (b === null ? a != null : a !== undefined && a !== b),
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  "=~": (a, b) => typeof a === "string" && new RegExp(`^(?:${b})$`).test(a),
  "!~": (a, b) => typeof a === "string" && !new RegExp(`^(?:${b})$`).test(a),
};

export function compile(text) {
  const tokens = lex(text || "{}");
  let i = 0;
  const end = text.length;
  const fail = (message, expected) => {
    const t = tokens[i];
    throw new QueryError(message, t ? t.start : Math.max(0, end - 1), t?.length ?? 1, { expected });
  };
  const primary = () => {
    if (tokens[i]?.v === "(" ) {
      i++;
      const inner = expression();
      if (tokens[i]?.v !== ")") fail("a bracket is not closed", [")"]);
      i++;
      return inner;
    }
    if (tokens[i]?.t !== "name") fail("a condition is expected", ["an attribute", "an intrinsic"]);
    if (tokens[i].v === "true") {
      i++;
      return () => true;
    }
    const get = field(tokens[i++]);
    const op = tokens[i]?.v;
    if (!kCompare[op]) fail("a comparison is expected", ["=", "!=", ">", "<", "=~"]);
    i++;
    const right = tokens[i];
    if (!right || (right.t !== "static" && !kConstants.has(right.v))) fail("a value is expected", ["a string in quotes", "a number", "a duration"]);
    i++;
    const value = right.t === "static" ? right.v : right.v === "nil" ? null : right.v === "true" ? true : right.v === "false" ? false : right.v;
    return (s) => kCompare[op](get(s), value);
  };
  const expression = () => {
    let left = primary();
    while (tokens[i]?.v === "&&" || tokens[i]?.v === "||") {
      const and = tokens[i++].v === "&&";
      const a = left;
      const b = primary();
      left = and ? (s) => a(s) && b(s) : (s) => a(s) || b(s);
    }
    return left;
  };
  const spanset = () => {
    if (tokens[i]?.v !== "{") fail("a spanset is expected", ["{"]);
    i++;
    const filter = tokens[i]?.v === "}" ? () => true : expression();
    if (tokens[i]?.v !== "}") fail("the spanset is not closed", ["}", "&&", "||"]);
    i++;
    return (trace) => trace.spans.filter(filter);
  };
  let left = spanset();
  while (tokens[i] && (tokens[i].v === ">" || tokens[i].v === ">>" || tokens[i].v === "&&")) {
    const op = tokens[i++].v;
    const a = left;
    const b = spanset();
    left = (trace) => {
      const ls = a(trace);
      const rs = b(trace);
      if (!ls.length || !rs.length) return [];
      if (op === "&&") return [...new Set([...ls, ...rs])];
      const ids = new Set(ls.map((s) => s.id));
      return rs.filter((s) => {
        if (op === ">") return ids.has(s.parent);
        for (let p = trace.byId.get(s.parent); p; p = trace.byId.get(p.parent)) if (ids.has(p.id)) return true;
        return false;
      });
    };
  }
  if (tokens[i] && tokens[i].v !== "|") fail("the query goes on after its end", ["|", ">", ">>"]);
  return left;
}
