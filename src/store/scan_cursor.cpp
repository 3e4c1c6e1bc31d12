#include "store/scan_cursor.h"

#include <algorithm>
#include <atomic>

#include "store/memory_scan.h"

namespace weft::store {
namespace {

struct Unit {
  size_t page = 0;
  uint64_t max_start_ns = 0;
};

class Cursor final : public ScanCursor {
 public:
  Cursor(std::shared_ptr<const MemoryView> memory, const ScanRequest& request,
         CompiledPredicate filter, const CancelToken& cancel, ScanStats& stats)
      : request_(request),
        filter_(std::move(filter)),
        cancel_(cancel),
        stats_(stats),
        memory_(std::move(memory), filter_, request.range) {
    const auto& pages = memory_.view().pages;
    for (size_t p = 0; p < pages.size(); ++p) {
      if (pages[p].max_start_ns < request.range.from_ns) continue;
      if (pages[p].min_start_ns >= request.range.to_ns) continue;
      units_.push_back({p, pages[p].max_start_ns});
    }
    std::ranges::sort(units_, std::greater{}, &Unit::max_start_ns);
  }

  Expected<std::optional<ScanBatch>> next() override {
    while (true) {
      if (cancel_.cancelled()) return fail(ErrorCode::kCancelled, "the scan was cancelled");
      const size_t claimed = next_.fetch_add(1);
      if (claimed >= units_.size()) return std::nullopt;
      const auto& view = memory_.view();
      const auto& page = view.pages[units_[claimed].page];
      stats_.spans.fetch_add(view.order.trace_begin[page.end_trace] -
                             view.order.trace_begin[page.first_trace]);
      auto batch = memory_.read(units_[claimed].page, request_, {});
      if (!batch) continue;
      batch->remaining_before_ns =
          claimed + 1 < units_.size() ? units_[claimed + 1].max_start_ns + 1 : 0;
      return batch;
    }
  }

 private:
  ScanRequest request_;
  CompiledPredicate filter_;
  const CancelToken& cancel_;
  ScanStats& stats_;
  MemoryScan memory_;
  std::vector<Unit> units_;
  std::atomic<size_t> next_{0};
};

}  // namespace

Expected<std::unique_ptr<ScanCursor>> make_scan_cursor(std::shared_ptr<const MemoryView> memory,
                                                       const ScanRequest& request,
                                                       const CancelToken& cancel,
                                                       ScanStats& stats) {
  WEFT_ASSIGN(auto filter, CompiledPredicate::create(request.filter));
  return std::make_unique<Cursor>(std::move(memory), request, std::move(filter), cancel, stats);
}

}  // namespace weft::store
