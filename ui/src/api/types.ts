// The answers of /api/v1 as docs/http-api.md describes them.

export interface Inspected {
  spans: number;
  bytes: number;
  blocks: number;
  blocksSkipped: number;
}

export interface OtlpValue {
  stringValue?: string;
  intValue?: string | number;
  doubleValue?: number;
  boolValue?: boolean;
  bytesValue?: string;
  arrayValue?: { values?: OtlpValue[] };
  kvlistValue?: { values?: { key: string; value?: OtlpValue }[] };
}

export interface MatchedSpan {
  spanId: string;
  name: string;
  serviceName: string;
  startTimeUnixNano: string;
  durationMs: number;
  status: "unset" | "ok" | "error";
  attributes?: { key: string; value: OtlpValue }[];
}

export interface TraceSummary {
  traceId: string;
  rootServiceName: string;
  rootTraceName: string;
  startTimeUnixNano: string;
  durationMs: number;
  spanCount: number;
  errorCount: number;
  serviceStats: Record<string, { spanCount: number; errorCount: number }>;
  spanSet?: { matched: number; spans: MatchedSpan[] };
  spanSets?: { matched: number; spans: MatchedSpan[] }[];
}

export interface SearchAnswer {
  traces: TraceSummary[];
  inspected?: Inspected;
  limitReached?: boolean;
  elapsedMs?: number;
}

export interface AttributeKey {
  scope: string;
  key: string;
  type: string;
  spans: number;
}

export interface AttributeValue {
  value: string;
  type: string;
  spans: number;
}

export interface MetricsAnswer {
  series: {
    labels: Record<string, string>;
    points: { timeUnixNano: string; value: number }[];
    exemplars?: { traceId: string; timeUnixNano: string; value: number }[];
  }[];
  stepMs: number;
}

export interface HeatmapAnswer {
  startUnixNano: string;
  endUnixNano: string;
  columnMs: number;
  bucketsPerOctave: number;
  buckets: { index: number; fromMs: number; toMs: number }[];
  cells: [number, number, number, number][];
  spans: number;
  inspected?: Inspected;
}

export interface MapNode {
  service: string;
  squad?: string | null;
  tribe?: string | null;
  spans: number;
  // Entry spans: what rate, errors and the percentiles are of.
  requests?: number;
  rate: number;
  errors: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  virtual?: boolean;
}

export interface MapEdge {
  from: string;
  to: string;
  calls: number;
  rate: number;
  errors: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  continuedShare: number;
  kind?: string;
}

export interface ServiceMapAnswer {
  nodes: MapNode[];
  edges: MapEdge[];
  limitReached?: boolean;
  inspected?: Inspected;
}

export interface ErrorGroup {
  id: string;
  service: string;
  squad?: string | null;
  type: string;
  template: string;
  count: number;
  firstSeenUnixNano: string;
  lastSeenUnixNano: string;
  services: string[];
  // The newest failed spans, of different traces.
  samples: { traceId: string; startUnixNano: string; durationMs: number; service: string; name: string; message: string }[];
  overTime: [number, number][];
  newSince?: { service: string; version: string } | null;
}

export interface ErrorsAnswer {
  groups: ErrorGroup[];
  stepMs: number;
  inspected?: Inspected;
  limitReached?: boolean;
}

export interface OperationStats {
  name: string;
  kind: string;
  spans: number;
  rate: number;
  errorRate: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  overTime?: { timeUnixNano: string; spans: number; errors: number; p95Ms: number }[];
}

export interface ServiceStats {
  service: string;
  squad?: string | null;
  tribe?: string | null;
  spans: number;
  rate: number;
  errorRate: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  operations: OperationStats[];
  overTime: { timeUnixNano: string; spans: number; errors: number; p95Ms: number }[];
}

export interface ServicesAnswer {
  services: ServiceStats[];
  stepMs: number;
  inspected?: Inspected;
}

export interface Release {
  service: string;
  version: string;
  firstSeenUnixNano: string;
  lastSeenUnixNano: string;
  spans: number;
}

export interface Squad {
  name: string;
  tribe?: string | null;
  services: string[];
}

export interface Config {
  version: string;
  otlpHttp?: string;
  otlpGrpc?: string;
  squads?: Squad[];
  authRequired?: boolean;
  oldestSpanUnixNano?: string; // "0": nothing is stored
}

export interface ErrorBody {
  code: string;
  message: string;
  position?: { offset: number; length: number; line: number; column: number };
  expected?: string[];
  hint?: string;
}

// Nanoseconds in a decimal string -> milliseconds. Good to a microsecond, which is what is shown.
export function nanoToMs(nano: string | number): number {
  const text = String(nano);
  if (text.length <= 6 || !/^\d+$/.test(text)) return Number(text) / 1e6;
  return Number(text.slice(0, -6)) + Number(text.slice(-6)) / 1e6;
}
