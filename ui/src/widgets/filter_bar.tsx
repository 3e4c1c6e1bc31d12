// The TraceQL filter of the map, the errors and the services: one box, kept in the address as q.

import { ApiError } from "../api/http.ts";
import type { TimeRange } from "../base/permalink.ts";
import { address, patchAddress } from "../base/router.ts";
import { QueryBox } from "./query_box.tsx";

export function FilterBar({ range, error, onAgain, placeholder }: { range: TimeRange; error: unknown; onAgain(): void; placeholder: string }) {
  const q = address.value.params.q ?? "";
  const problem = error instanceof ApiError && error.status === 400 ? error.body : null;
  return <QueryBox value={q} range={range} problem={problem} onRun={(next) => (next === q ? onAgain() : patchAddress({ params: { q: next } }))} label="TraceQL filter" placeholder={placeholder} runLabel="Apply" />;
}

export function isQueryError(error: unknown): boolean {
  return error instanceof ApiError && error.status === 400;
}
