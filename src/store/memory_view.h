// The unsealed spans as queries see them: grouped by trace, in pages. A view is made out of the one
// before it, so that a query in the midst of ingest does not order a million spans for the few
// that came since. Unsealed makes them; scans read them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "store/trace_order.h"

namespace weft::store {

// An immutable picture of all unsealed spans.
struct MemoryView {
  // A piece of work for a scan: traces [first_trace, end_trace) of `order`.
  struct Page {
    uint32_t first_trace = 0;
    uint32_t end_trace = 0;
    uint64_t min_start_ns = UINT64_MAX;
    uint64_t max_start_ns = 0;
  };
  std::vector<SpanBatchPtr> batches;  // oldest first
  TraceOrder order;
  std::vector<uint64_t> trace_last_ns;  // when the last span of each trace of `order` started
  std::vector<Page> pages;

  // Which moment it shows; grows. 0: of nobody's.
  uint64_t version = 0;
  // The version of the view that it was made out of, and the traces which that did not have; 0: it
  // was made from scratch, and new_traces is empty.
  uint64_t base_version = 0;
  std::vector<TraceId> new_traces;
};

// The view of `batches`. `base` may be nullptr, or a view of other batches: what the two lists have
// in common at their beginnings is taken from it. The answer is the same.
std::shared_ptr<MemoryView> make_view(std::vector<SpanBatchPtr> batches, const MemoryView* base);

}  // namespace weft::store
