// Scanning of unsealed spans: the filter is evaluated batch by batch, then the traces that have a
// candidate are gathered. Used by the scan cursor and by aggregates.
#pragma once

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
  // One byte a row of the batch: filter and range. Evaluated at the first call. Any thread.
  const std::vector<uint8_t>& mask(uint32_t batch);

 private:
  std::shared_ptr<const MemoryView> view_;
  const CompiledPredicate& filter_;
  TimeRange range_;
  std::vector<std::once_flag> evaluated_;
  std::vector<std::vector<uint8_t>> masks_;
};

}  // namespace weft::store
