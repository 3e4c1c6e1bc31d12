// Traces that lie in several places (blocks, and the unsealed spans), put together: what scans,
// aggregates and exports do with the traces that have no fast path.
#pragma once

#include <span>
#include <vector>

#include "scan/scan.h"
#include "store/page_reader.h"
#include "store/snapshot.h"
#include "store/work_units.h"

namespace weft::store {

// Whole traces, without duplicates: trace t owns rows [trace_begin[t], trace_begin[t+1]).
struct GatheredTraces {
  SpanBatchPtr spans;
  std::vector<uint32_t> trace_begin;
};

// Those of the traces that may have a span which meets the question's filter in its range: one of
// their pieces has, as it is stored. Gathering the others would be in vain, and costs far more than
// asking their pages. Pieces that cannot be read count as if they had (gathering deals with them).
Expected<std::vector<SplitTrace>> split_candidates(const Snapshot& snapshot,
                                                   std::span<const SplitTrace> traces,
                                                   BlockFilters& filters, MemoryScan& memory,
                                                   TimeRange range);

// Gathers the traces in one pass: a page that holds pieces of many of them is read once. With
// `wanted`, only what PageReader::read_rows fills in then. Damaged pieces are left out (the block
// has reported them).
Expected<GatheredTraces> gather_split_traces(const Snapshot& snapshot,
                                             std::span<const SplitTrace> traces,
                                             const PageReader::Wanted& wanted = nullptr);

// The columns of a block that the filter and these columns need.
PageReader::Wanted columns_for(const Predicate& filter, std::vector<ColumnRef> columns);

}  // namespace weft::store
