// Questions to a store: snapshots, single traces, export.
#include <algorithm>
#include <optional>
#include <utility>

#include "store/batch_columns.h"
#include "store/page_reader.h"
#include "store/scan_cursor.h"
#include "store/selected_traces.h"
#include "store/split_traces.h"
#include "store/store_impl.h"
#include "store/work_units.h"

namespace weft::store {

SnapshotPtr Store::Impl::snapshot() const {
  auto out = std::make_shared<Snapshot>();
  Unsealed::Capture capture;
  {
    const std::lock_guard guard(state_mutex);
    out->blocks = blocks;
    capture = unsealed.capture();
  }
  out->memory = unsealed.view(capture);
  out->split = memory_split(out->blocks, out->memory);
  return out;
}

std::shared_ptr<const MemorySplit> Store::Impl::memory_split(
    const BlockSetPtr& set, const std::shared_ptr<const MemoryView>& view) const {
  const std::lock_guard guard(split_mutex);
  if (split_blocks == set && split_view == view) return split;
  if (split_blocks != set) {
    split_checked = 0;
    split_known.clear();
  }
  auto fresh = std::make_shared<MemorySplit>();
  if (!set->blocks.empty()) {
    const auto& ids = view->order.trace_ids;
    std::span<const TraceId> unchecked;
    if (view->version > split_checked) {
      const bool base_checked = view->base_version != 0 && view->base_version <= split_checked;
      unchecked = base_checked ? view->new_traces : ids;
      if (!base_checked) split_known.clear();
      split_checked = view->version;
    }
    for (uint32_t b = 0; b < set->blocks.size(); ++b) {
      const auto found = set->blocks[b]->find_traces(unchecked);
      if (!found) continue;  // damaged: reported by the block
      for (const auto& [index, trace] : *found) {
        split_known[unchecked[index]].push_back({b, trace});
      }
    }
    if (!split_known.empty()) {
      fresh->is_split.assign(ids.size(), 0);
      fresh->taken.resize(set->blocks.size());
      for (uint32_t t = 0; t < ids.size(); ++t) {
        const auto at = split_known.find(ids[t]);
        if (at == split_known.end()) continue;
        fresh->is_split[t] = 1;
        fresh->pieces[t] = at->second;
        for (const Piece& piece : at->second)
          fresh->taken[piece.block].push_back(piece.trace);
      }
      for (auto& taken : fresh->taken)
        std::ranges::sort(taken);
    }
  }
  split_blocks = set;
  split_view = view;
  split = fresh;
  return fresh;
}

void Store::Impl::forget_views() const {
  unsealed.forget_view();
  const std::lock_guard guard(split_mutex);
  split_blocks.reset();
  split_view.reset();
  split.reset();
}

Expected<std::unique_ptr<ScanCursor>> Store::scan(const ScanRequest& request,
                                                  const CancelToken& cancel, ScanStats& stats) {
  if (request.traces.empty()) {
    const SnapshotPtr snapshot = impl_->snapshot();
    return make_scan_cursor(snapshot, make_work(*snapshot, request.range), request, cancel, stats);
  }
  BlockSetPtr blocks;
  Unsealed::Capture unsealed;
  {
    const std::lock_guard guard(impl_->state_mutex);
    blocks = impl_->blocks;
    unsealed = impl_->unsealed.capture();
  }
  WEFT_ASSIGN(SelectedTraces selected, select_traces(std::move(blocks), unsealed, request.traces));
  return make_scan_cursor(std::move(selected.snapshot), std::move(selected.work), request, cancel,
                          stats);
}

Expected<SpanBatch> Store::trace(const TraceId& id, size_t max_spans) {
  BlockSetPtr set;
  Unsealed::Capture capture;
  {
    const std::lock_guard guard(impl_->state_mutex);
    set = impl_->blocks;
    capture = impl_->unsealed.capture();
  }
  std::vector<SpanBatchPtr> pieces;
  for (const BlockPtr& block : set->blocks) {
    const auto found = block->find_trace(id);
    if (!found && found.error().code != ErrorCode::kCorrupt) return std::unexpected(found.error());
    if (!found || !*found) continue;
    PageReader page(*block, block->page_of_trace(**found));
    const auto begin = page.trace_begin();
    const uint32_t local = **found - page.info().first_trace;
    auto rows = begin ? page.read_rows((**begin)[local], (**begin)[local + 1])
                      : Expected<SpanBatch>(std::unexpected(begin.error()));
    if (!rows && rows.error().code != ErrorCode::kCorrupt) return std::unexpected(rows.error());
    if (rows) pieces.push_back(std::make_shared<SpanBatch>(std::move(*rows)));
  }
  std::vector<uint32_t> rows;
  for (const auto& batch : capture.batches) {
    rows.clear();
    for (uint32_t row = 0; row < batch->size(); ++row) {
      if (batch->trace_id[row] == id) rows.push_back(row);
    }
    if (rows.empty()) continue;
    auto piece = std::make_shared<SpanBatch>();
    append_rows(*piece, *batch, rows);
    pieces.push_back(std::move(piece));
  }
  const TraceOrder order = order_by_trace(pieces);
  if (order.rows.size() > max_spans) {
    return fail(ErrorCode::kResourceExhausted,
                "trace " + id.to_hex() + " has " + std::to_string(order.rows.size()) +
                    " spans, more than the limit of " + std::to_string(max_spans));
  }
  return gather_rows(pieces, order.rows);
}

namespace {

// Page after page; traces that lie in several places come at the end.
class ExportCursor final : public SpanSource::BatchCursor {
 public:
  ExportCursor(SnapshotPtr snapshot, TimeRange range, const CancelToken& cancel)
      : range_(range),
        cancel_(cancel),
        snapshot_(std::move(snapshot)),
        work_(make_work(*snapshot_, range)) {}

  Expected<std::optional<SpanBatch>> next() override {
    while (at_ < work_.units.size()) {
      if (cancel_.cancelled()) return fail(ErrorCode::kCancelled, "the export was cancelled");
      auto batch = read(work_.units[at_++]);
      if (!batch) {
        // Of a damaged store above all the rest is wanted, but not taken for the whole.
        if (batch.error().code != ErrorCode::kCorrupt) return std::unexpected(batch.error());
        if (!damage_) damage_ = std::move(batch.error());
        continue;
      }
      SpanBatch taken = in_range(std::move(*batch));
      if (!taken.empty()) return taken;
    }
    if (damage_) return std::unexpected(*std::exchange(damage_, std::nullopt));
    return std::nullopt;
  }

 private:
  Expected<SpanBatch> read(const WorkUnit& unit) {
    switch (unit.kind) {
      case WorkUnit::Kind::kBlockPage: {
        PageReader page(*snapshot_->blocks->blocks[unit.block], unit.page);
        WEFT_ASSIGN(SpanBatch rows, page.read_rows(0, static_cast<uint32_t>(page.rows())));
        const auto split = snapshot_->split_traces(unit.block, unit.page);
        if (split.empty()) return rows;
        WEFT_ASSIGN(const auto* begin, page.trace_begin());
        std::vector<uint32_t> whole;
        for (size_t t = 0; t < split.size(); ++t) {
          for (uint32_t row = (*begin)[t]; split[t] == 0 && row < (*begin)[t + 1]; ++row) {
            whole.push_back(row);
          }
        }
        SpanBatch out;
        append_rows(out, rows, whole);
        return out;
      }
      case WorkUnit::Kind::kMemoryPage: {
        const MemoryView& view = *snapshot_->memory;
        std::vector<RowRef> rows;
        for (uint32_t t = view.pages[unit.page].first_trace; t < view.pages[unit.page].end_trace;
             ++t) {
          if (!snapshot_->split->is_split.empty() && snapshot_->split->is_split[t] != 0) continue;
          rows.insert(rows.end(), view.order.rows.begin() + view.order.trace_begin[t],
                      view.order.rows.begin() + view.order.trace_begin[t + 1]);
        }
        return gather_rows(view.batches, rows);
      }
      default: {
        WEFT_ASSIGN(const GatheredTraces traces,
                    gather_split_traces(*snapshot_, split_of(work_, unit)));
        return *traces.spans;
      }
    }
  }

  SpanBatch in_range(SpanBatch batch) const {
    std::vector<uint32_t> rows;
    for (uint32_t row = 0; row < batch.size(); ++row) {
      if (range_.contains(batch.start_ns[row])) rows.push_back(row);
    }
    if (rows.size() == batch.size()) return batch;
    SpanBatch out;
    append_rows(out, batch, rows);
    return out;
  }

  TimeRange range_;
  const CancelToken& cancel_;
  SnapshotPtr snapshot_;
  WorkList work_;
  size_t at_ = 0;
  std::optional<Error> damage_;  // the first that was met
};

}  // namespace

Expected<std::unique_ptr<SpanSource::BatchCursor>> Store::export_all(TimeRange range,
                                                                     const CancelToken& cancel) {
  return std::make_unique<ExportCursor>(impl_->snapshot(), range, cancel);
}

}  // namespace weft::store
