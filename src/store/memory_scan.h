// Scanning of unsealed spans: the filter is evaluated batch by batch, then the traces that have a
// candidate are gathered. Used by the scan cursor and by aggregates.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "scan/scan.h"
#include "store/compiled_predicate.h"
#include "store/unsealed.h"

namespace weft::store {

class MemoryScan {
 public:
  MemoryScan(std::shared_ptr<const MemoryView> view, const CompiledPredicate& filter,
             TimeRange range);

  const MemoryView& view() const { return *view_; }
  // What one page of the view has for the request; nullopt when nothing. `skip` (one byte a trace
  // of the view, may be empty) leaves traces out. Any thread.
  std::optional<ScanBatch> read(size_t page, const ScanRequest& request,
                                const std::vector<uint8_t>& skip);
  // Whether a row meets the filter and lies in the range. A batch is evaluated when the first of
  // its rows is asked for. Any thread.
  bool is_candidate(RowRef ref) {
    const uint8_t* mask = known_[ref.batch].load(std::memory_order_acquire);
    if (mask == nullptr) mask = evaluate_batch(ref.batch);
    return mask != kNobody && mask[ref.row] != 0;
  }

 private:
  // Known of a batch without a candidate: its mask need not be looked at.
  static constexpr uint8_t kNobody[1] = {};

  const uint8_t* evaluate_batch(uint32_t batch);

  std::shared_ptr<const MemoryView> view_;
  const CompiledPredicate& filter_;
  TimeRange range_;
  std::vector<std::once_flag> evaluated_;
  std::vector<std::vector<uint8_t>> masks_;  // one byte a row
  std::vector<std::atomic<const uint8_t*>> known_;
};

}  // namespace weft::store
