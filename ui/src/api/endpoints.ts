// The endpoints of /api/v1 by name, with the page's time ranges turned into theirs.

import type { TimeRange } from "../base/permalink.ts";
import { buildTrace, type Trace } from "../base/trace/model.ts";
import { apiFetch, apiUrl, getJson, postJson } from "./http.ts";
import { decodeTracesData } from "./otlp_proto.ts";
import type * as t from "./types.ts";

// Whole milliseconds as decimal nanoseconds, exactly.
export function nanos(ms: number): string {
  return `${Math.round(ms)}000000`;
}

export function rangeParams(range: TimeRange | null): { start?: string; end?: string } {
  return range ? { start: nanos(range.startMs), end: nanos(range.endMs) } : {};
}

export const getConfig = (abort?: AbortSignal) => getJson<t.Config>("config", {}, abort);

export function search(q: string, range: TimeRange | null, limit: number, abort?: AbortSignal) {
  return getJson<t.SearchAnswer>("search", { q, ...rangeParams(range), limit }, abort);
}

// Only parses: an empty range is answered without reading spans.
export function checkQuery(q: string, metrics: boolean, abort?: AbortSignal) {
  return getJson<unknown>(metrics ? "metrics" : "search", { q, start: 1, end: 2, ...(metrics ? { step: "1s" } : { limit: 1 }) }, abort);
}

export function attributeKeys(range: TimeRange | null, abort?: AbortSignal) {
  return getJson<{ attributes: t.AttributeKey[]; limitReached: boolean }>("attributes", { ...rangeParams(range), limit: 1000 }, abort);
}

export function attributeValues(key: string, scope: string, range: TimeRange | null, prefix: string, limit: number, abort?: AbortSignal) {
  return getJson<{ values: t.AttributeValue[]; limitReached: boolean }>(
    `attributes/${encodeURIComponent(key)}/values`,
    { scope, ...rangeParams(range), prefix, limit },
    abort,
  );
}

export function metrics(q: string, range: TimeRange, stepMs: number, abort?: AbortSignal) {
  return getJson<t.MetricsAnswer>("metrics", { q, ...rangeParams(range), step: `${stepMs}ms` }, abort);
}

export function heatmap(q: string, range: TimeRange, columns: number, bucketsPerOctave: number, abort?: AbortSignal) {
  return getJson<t.HeatmapAnswer>("heatmap", { q, ...rangeParams(range), columns, bucketsPerOctave }, abort);
}

export const serviceMap = (q: string, range: TimeRange, abort?: AbortSignal) =>
  getJson<t.ServiceMapAnswer>("service-map", { q, ...rangeParams(range) }, abort);

export const errorGroups = (q: string, range: TimeRange, limit: number, abort?: AbortSignal) =>
  getJson<t.ErrorsAnswer>("errors", { q, ...rangeParams(range), limit }, abort);

export const services = (q: string, range: TimeRange, stepMs: number, abort?: AbortSignal) =>
  getJson<t.ServicesAnswer>("services", { q, ...rangeParams(range), step: `${stepMs}ms` }, abort);

export const releases = (range: TimeRange, abort?: AbortSignal) =>
  getJson<{ releases: t.Release[] }>("releases", rangeParams(range), abort);

export const makeLink = (path: string, traceIds: string[]) => postJson<{ id: string; url: string }>("links", { path, traceIds });

export const readLink = (id: string, abort?: AbortSignal) =>
  getJson<{ id: string; path: string; traceIds: string[] }>(`links/${encodeURIComponent(id)}`, {}, abort);

const kTraceId = /^[0-9a-f]{1,32}$/;

export function normalTraceId(text: string): string | null {
  const id = text.trim().toLowerCase();
  return kTraceId.test(id) ? id.padStart(32, "0") : null;
}

export async function trace(id: string, abort?: AbortSignal): Promise<Trace> {
  const response = await apiFetch(apiUrl(`traces/${encodeURIComponent(id)}`), {
    signal: abort,
    headers: { Accept: "application/protobuf" },
  });
  return buildTrace(decodeTracesData(new Uint8Array(await response.arrayBuffer()), id));
}

// The trace as OTLP JSON, for saving.
export async function traceJson(id: string): Promise<Blob> {
  const response = await apiFetch(apiUrl(`traces/${encodeURIComponent(id)}`), { headers: { Accept: "application/json" } });
  return response.blob();
}
