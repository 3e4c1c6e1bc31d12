// The pieces of work that a question over a snapshot falls into: pages of blocks, pages of
// unsealed spans, and the traces that lie in several places. Scans and aggregates share them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "scan/scan.h"
#include "store/block_filter.h"
#include "store/memory_scan.h"
#include "store/snapshot.h"

namespace weft::store {

struct WorkUnit {
  enum class Kind : uint8_t { kBlockPage, kMemoryPage, kSplitTraces };
  Kind kind = Kind::kBlockPage;
  uint32_t block = 0;
  uint32_t page = 0;
  uint32_t first_split = 0;  // kSplitTraces: a range of SplitList::traces
  uint32_t end_split = 0;
  uint64_t max_start_ns = 0;  // no span of the unit starts later
};

// A trace that has to be gathered.
struct SplitTrace {
  Pieces pieces;
  uint32_t memory_trace = UINT32_MAX;
  uint64_t max_start_ns = 0;
};

struct WorkList {
  std::vector<SplitTrace> split;
  std::vector<WorkUnit> units;  // newest first
  uint64_t blocks = 0;          // with a unit
  uint64_t blocks_skipped = 0;
};

// The traces of a unit of kind kSplitTraces.
inline std::span<const SplitTrace> split_of(const WorkList& work, const WorkUnit& unit) {
  return std::span(work.split).subspan(unit.first_split, unit.end_split - unit.first_split);
}

// Units that can hold a span of the range, by page bounds on time.
WorkList make_work(const Snapshot& snapshot, TimeRange range);

// The filters of all blocks for one question, made when a block is first visited. Any thread.
class BlockFilters {
 public:
  BlockFilters(const Snapshot& snapshot, const CompiledPredicate& predicate)
      : snapshot_(snapshot),
        predicate_(predicate),
        made_(snapshot.blocks->blocks.size()),
        filters_(snapshot.blocks->blocks.size()) {}
  // nullptr with an error when the block is damaged where the filter needs it.
  Expected<const BlockFilter*> get(uint32_t block);

 private:
  const Snapshot& snapshot_;
  const CompiledPredicate& predicate_;
  std::vector<std::once_flag> made_;
  std::vector<std::optional<Expected<BlockFilter>>> filters_;
};

// Whether one of the rows [begin, end) is marked.
inline bool any_row(const std::vector<uint8_t>& mask, uint32_t begin, uint32_t end) {
  return std::find(mask.begin() + begin, mask.begin() + end, 1) != mask.begin() + end;
}

// Rows of a page that meet filter and range: one byte a row. Empty when there are none.
Expected<std::vector<uint8_t>> matching_rows(const BlockFilter& filter, TimeRange range,
                                             PageReader& page);
// Candidate rows of a page: filter, range and no split traces. Empty when there are none.
Expected<std::vector<uint8_t>> page_candidates(const Snapshot& snapshot, const WorkUnit& unit,
                                               const BlockFilter& filter, TimeRange range,
                                               PageReader& page);

}  // namespace weft::store
