// Puts the spans of many batches into whole traces: the order in which a block is written and in
// which unsealed spans are scanned.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/span_batch.h"

namespace weft::store {

using SpanBatchPtr = std::shared_ptr<const SpanBatch>;

// One row of one of several batches.
struct RowRef {
  uint32_t batch;
  uint32_t row;
};

struct TraceOrder {
  // Traces by (first start, trace id); the rows of a trace by (start, span id). Without
  // duplicates: of several spans with one id in a trace the first that was stored is kept.
  std::vector<RowRef> rows;
  // Trace t owns rows [trace_begin[t], trace_begin[t+1]).
  std::vector<uint32_t> trace_begin;
  std::vector<TraceId> trace_ids;
  std::vector<uint64_t> trace_start_ns;
  uint64_t duplicates = 0;

  size_t traces() const { return trace_ids.size(); }
};

// Batches in the order in which they were stored. Less than 2^32 rows in all.
TraceOrder order_by_trace(std::span<const SpanBatchPtr> batches);

}  // namespace weft::store
