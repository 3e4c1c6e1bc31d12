// A range without spans: either nothing was ever received, or it lies elsewhere in time.

import * as api from "../api/endpoints.ts";
import { nanoToMs } from "../api/types.ts";
import { formatDateTime } from "../base/format.ts";
import type { TimeRange } from "../base/permalink.ts";
import { address, patchAddress } from "../base/router.ts";
import { useLoad } from "./hooks.ts";
import { Onboarding } from "./onboarding.tsx";
import { Empty } from "./states.tsx";

export function NothingHere({ range, what, retry }: { range: TimeRange; what: string; retry(): void }) {
  const newest = useLoad((abort) => api.search("{}", null, 1, abort), []);
  const trace = newest.data?.traces[0];
  if (newest.data && !trace) return <Onboarding retry={() => (newest.reload(), retry())} />;
  const at = trace ? nanoToMs(trace.startTimeUnixNano) : 0;
  const inside = at >= range.startMs && at < range.endMs;
  const span = range.endMs - range.startMs;
  return (
    <Empty title={what}>
      {trace && !inside && (
        <>
          <p>The newest stored trace is of {formatDateTime(at)}, outside this range.</p>
          <button type="button" class="button" onClick={() => patchAddress({ range: { startMs: Math.floor(at - span * 0.95), endMs: Math.ceil(at + span * 0.05) } })}>Go to the newest</button>
        </>
      )}
      {address.value.params.q && <button type="button" class="button" onClick={() => patchAddress({ params: { q: null } })}>Clear the filter</button>}
    </Empty>
  );
}
