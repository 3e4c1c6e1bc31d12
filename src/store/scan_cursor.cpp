#include "store/scan_cursor.h"

#include <algorithm>
#include <atomic>
#include <deque>

#include "store/batch_columns.h"
#include "store/page_extract.h"
#include "store/split_traces.h"
#include "store/work_units.h"

namespace weft::store {
namespace {

class Cursor final : public ScanCursor {
 public:
  Cursor(SnapshotPtr snapshot, WorkList work, const ScanRequest& request, CompiledPredicate filter,
         std::vector<CompiledPredicate> needed, const CancelToken& cancel, ScanStats& stats)
      : request_(request),
        filter_(std::move(filter)),
        needed_(std::move(needed)),
        cancel_(cancel),
        stats_(stats),
        snapshot_(std::move(snapshot)),
        memory_(snapshot_->memory, filter_, request.range),
        filters_(*snapshot_, filter_),
        work_(std::move(work)),
        split_columns_(columns_for(request.filter, request.columns)) {
    for (const CompiledPredicate& predicate : needed_)
      needed_filters_.emplace_back(*snapshot_, predicate);
    stats_.blocks.fetch_add(work_.blocks);
    stats_.blocks_skipped.fetch_add(work_.blocks_skipped);
  }

  Expected<std::optional<ScanBatch>> next() override {
    while (true) {
      if (cancel_.cancelled()) return fail(ErrorCode::kCancelled, "the scan was cancelled");
      const size_t claimed = next_.fetch_add(1);
      if (claimed >= work_.units.size()) return std::nullopt;
      auto batch = read(work_.units[claimed]);
      if (!batch) {
        // Damage is fenced off: the block has reported it, the rest is served.
        if (batch.error().code == ErrorCode::kCorrupt) continue;
        return std::unexpected(batch.error());
      }
      if (!*batch) continue;
      (*batch)->remaining_before_ns = remaining_before(claimed + 1);
      return batch;
    }
  }

 private:
  uint64_t remaining_before(size_t unit) const {
    if (unit >= work_.units.size()) return 0;
    const uint64_t max = work_.units[unit].max_start_ns;
    return max == UINT64_MAX ? max : max + 1;
  }

  Expected<std::optional<ScanBatch>> read(const WorkUnit& unit) {
    switch (unit.kind) {
      case WorkUnit::Kind::kBlockPage:
        return read_page(unit);
      case WorkUnit::Kind::kMemoryPage: {
        const auto& page = snapshot_->memory->pages[unit.page];
        const auto& begin = snapshot_->memory->order.trace_begin;
        stats_.spans.fetch_add(begin[page.end_trace] - begin[page.first_trace],
                               std::memory_order_relaxed);
        return memory_.read(unit.page, request_, snapshot_->split->is_split);
      }
      default:
        return read_split(unit);
    }
  }

  Expected<std::optional<ScanBatch>> read_page(const WorkUnit& unit) {
    const Block& block = *snapshot_->blocks->blocks[unit.block];
    WEFT_ASSIGN(const BlockFilter* filter, filters_.get(unit.block));
    if (filter->none()) return std::nullopt;
    PageReader page(block, unit.page);
    WEFT_ASSIGN(auto mask, page_candidates(*snapshot_, unit, *filter, request_.range, page));
    stats_.spans.fetch_add(page.rows(), std::memory_order_relaxed);
    Expected<std::optional<ScanBatch>> out = std::nullopt;
    if (!mask.empty()) WEFT_TRY(drop_unneeded(page, unit.block, mask));
    if (!mask.empty()) out = take(page, mask);
    stats_.bytes.fetch_add(page.bytes_read(), std::memory_order_relaxed);
    return out;
  }

  // Takes the traces out of the mask that lack a span which they need: whole traces lie in one
  // page. Empty when none is left.
  Status drop_unneeded(PageReader& page, uint32_t block, std::vector<uint8_t>& mask) {
    for (BlockFilters& filters : needed_filters_) {
      WEFT_ASSIGN(const BlockFilter* filter, filters.get(block));
      std::vector<uint8_t> having;
      if (!filter->none()) {
        WEFT_ASSIGN(having, filter->evaluate(page));
      }
      if (having.empty()) {
        mask.clear();
        return {};
      }
      WEFT_ASSIGN(const auto* begin, page.trace_begin());
      bool any = false;
      for (size_t t = 0; t + 1 < begin->size(); ++t) {
        const uint32_t first = (*begin)[t];
        const uint32_t end = (*begin)[t + 1];
        if (!any_row(mask, first, end)) continue;
        if (any_row(having, first, end)) {
          any = true;
        } else {
          std::fill(mask.begin() + first, mask.begin() + end, 0);
        }
      }
      if (!any) {
        mask.clear();
        return {};
      }
    }
    return {};
  }

  // The candidates of a page (or the traces that have one) as a batch.
  Expected<std::optional<ScanBatch>> take(PageReader& page, const std::vector<uint8_t>& mask) {
    ScanBatch out;
    std::vector<uint32_t> rows;
    WEFT_ASSIGN(const auto* trace_ids, page.trace_ids());
    WEFT_ASSIGN(const auto* begin, page.trace_begin());
    out.trace_begin.push_back(0);
    for (size_t t = 0; t < trace_ids->size(); ++t) {
      if (!any_row(mask, (*begin)[t], (*begin)[t + 1])) continue;
      for (uint32_t row = (*begin)[t]; row < (*begin)[t + 1]; ++row) {
        if (request_.whole_traces || mask[row] != 0) rows.push_back(row);
      }
      out.trace_ids.push_back((*trace_ids)[t]);
      out.trace_begin.push_back(static_cast<uint32_t>(rows.size()));
    }
    WEFT_ASSIGN(const auto* starts, page.starts());
    WEFT_ASSIGN(const auto* span_ids, page.span_ids());
    out.start_ns.reserve(rows.size());
    out.span_ids.reserve(rows.size());
    for (uint32_t row : rows) {
      out.start_ns.push_back((*starts)[row]);
      out.span_ids.push_back((*span_ids)[row]);
    }
    if (request_.parents && request_.whole_traces) {
      WEFT_TRY(take_parents(page, rows, out));
    }
    for (const ColumnRef& column : request_.columns) {
      WEFT_ASSIGN(auto values, extract_column(page, column, rows));
      out.columns.push_back(std::move(values));
    }
    return out;
  }

  // Whole traces: the rows of a trace lie one behind the other, so parents keep their distance.
  Status take_parents(PageReader& page, const std::vector<uint32_t>& rows, ScanBatch& out) {
    WEFT_ASSIGN(const auto* parents, page.parents());
    for (size_t i = 0; i < rows.size(); ++i) {
      const int32_t parent = parents->row[rows[i]];
      if (parent < 0) {
        out.parent_row.push_back(parent == PageReader::Parents::kRoot ? ScanBatch::kRoot
                                                                      : ScanBatch::kOrphan);
      } else {
        const int64_t distance = int64_t{rows[i]} - parent;
        out.parent_row.push_back(static_cast<int32_t>(static_cast<int64_t>(i) - distance));
      }
    }
    return {};
  }

  Expected<std::optional<ScanBatch>> read_split(const WorkUnit& unit) {
    WEFT_ASSIGN(const auto candidates, split_candidates(*snapshot_, split_of(work_, unit), filters_,
                                                        memory_, request_.range));
    if (candidates.empty()) return std::nullopt;
    WEFT_ASSIGN(const GatheredTraces traces,
                gather_split_traces(*snapshot_, candidates, split_columns_));
    const SpanBatch& all = *traces.spans;
    stats_.spans.fetch_add(all.size(), std::memory_order_relaxed);
    std::vector<uint8_t> mask = evaluate(filter_, all);
    for (size_t row = 0; row < mask.size(); ++row) {
      mask[row] = mask[row] & static_cast<uint8_t>(request_.range.contains(all.start_ns[row]));
    }
    return make_scan_batch(traces.spans, traces.trace_begin, mask, request_);
  }

  ScanRequest request_;
  CompiledPredicate filter_;
  const std::vector<CompiledPredicate> needed_;
  const CancelToken& cancel_;
  ScanStats& stats_;
  SnapshotPtr snapshot_;
  MemoryScan memory_;
  BlockFilters filters_;
  std::deque<BlockFilters> needed_filters_;  // of needed_
  WorkList work_;
  PageReader::Wanted split_columns_;
  std::atomic<size_t> next_{0};
};

}  // namespace

Expected<std::unique_ptr<ScanCursor>> make_scan_cursor(SnapshotPtr snapshot, WorkList work,
                                                       const ScanRequest& request,
                                                       const CancelToken& cancel,
                                                       ScanStats& stats) {
  WEFT_ASSIGN(auto filter, CompiledPredicate::create(request.filter));
  std::vector<CompiledPredicate> needed;
  if (request.whole_traces) {
    for (const Predicate& predicate : request.needed) {
      WEFT_ASSIGN(auto compiled, CompiledPredicate::create(predicate));
      needed.push_back(std::move(compiled));
    }
  }
  return std::make_unique<Cursor>(std::move(snapshot), std::move(work), request, std::move(filter),
                                  std::move(needed), cancel, stats);
}

}  // namespace weft::store
