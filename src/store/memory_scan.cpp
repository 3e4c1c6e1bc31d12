#include "store/memory_scan.h"

#include <algorithm>

#include "store/batch_columns.h"

namespace weft::store {

MemoryScan::MemoryScan(std::shared_ptr<const MemoryView> view, const CompiledPredicate& filter,
                       TimeRange range)
    : view_(std::move(view)),
      filter_(filter),
      range_(range),
      evaluated_(view_->batches.size()),
      masks_(view_->batches.size()),
      known_(view_->batches.size()) {}

const uint8_t* MemoryScan::evaluate_batch(uint32_t batch) {
  std::call_once(evaluated_[batch], [&] {
    const SpanBatch& spans = *view_->batches[batch];
    std::vector<uint8_t> mask = evaluate(filter_, spans);
    bool any = false;
    for (auto at = std::ranges::find(mask, 1); at != mask.end();
         at = std::find(at, mask.end(), 1)) {
      const bool within = range_.contains(spans.start_ns[static_cast<size_t>(at - mask.begin())]);
      any = any || within;
      *at++ = within ? 1 : 0;
    }
    if (any) masks_[batch] = std::move(mask);
    known_[batch].store(any ? masks_[batch].data() : kNobody, std::memory_order_release);
  });
  return known_[batch].load(std::memory_order_acquire);
}

std::optional<ScanBatch> MemoryScan::read(size_t page_index, const ScanRequest& request,
                                          const std::vector<uint8_t>& skip) {
  const TraceOrder& order = view_->order;
  const MemoryView::Page& page = view_->pages[page_index];
  std::vector<RowRef> rows;
  std::vector<uint8_t> candidates;
  std::vector<uint32_t> trace_begin{0};
  for (uint32_t t = page.first_trace; t < page.end_trace; ++t) {
    if (!skip.empty() && skip[t] != 0) continue;
    const size_t before = rows.size();
    bool any = false;
    for (uint32_t i = order.trace_begin[t]; i < order.trace_begin[t + 1]; ++i) {
      const RowRef ref = order.rows[i];
      const bool candidate = is_candidate(ref);
      any = any || candidate;
      if (!candidate && !request.whole_traces) continue;
      rows.push_back(ref);
      candidates.push_back(candidate ? 1 : 0);
    }
    if (!any) {
      rows.resize(before);
      candidates.resize(before);
      continue;
    }
    trace_begin.push_back(static_cast<uint32_t>(rows.size()));
  }
  if (rows.empty()) return std::nullopt;
  auto gathered = std::make_shared<SpanBatch>(gather_rows(view_->batches, rows));
  return make_scan_batch(gathered, trace_begin, candidates, request);
}

}  // namespace weft::store
