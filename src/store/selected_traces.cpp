#include "store/selected_traces.h"

#include <algorithm>

#include "store/few_traces.h"

namespace weft::store {
namespace {

// What one unit gathers at most: neighbours in time lie in the same pages, each of which is read
// once a unit, and other threads should get work too.
constexpr size_t kTracesPerUnit = 128;
constexpr size_t kRowsPerUnit = 100'000;

std::shared_ptr<const MemoryView> view_of(const Unsealed::Capture& unsealed, const FewTraces& ids) {
  auto view = std::make_shared<MemoryView>();
  std::vector<uint32_t> rows;
  for (const SpanBatchPtr& batch : unsealed.batches) {
    rows.clear();
    for (uint32_t row = 0; row < batch->size(); ++row) {
      if (ids.find(batch->trace_id[row]) != FewTraces::kNone) rows.push_back(row);
    }
    if (rows.empty()) continue;
    auto chosen = std::make_shared<SpanBatch>();
    append_rows(*chosen, *batch, rows);
    view->batches.push_back(std::move(chosen));
  }
  view->order = order_by_trace(view->batches);
  return view;
}

// The rows of the pages that hold the trace and that the unit does not read yet.
class UnitPages {
 public:
  explicit UnitPages(const Snapshot& snapshot) : snapshot_(snapshot) {}
  size_t rows_with(const SplitTrace& trace) {
    for (const Piece& piece : trace.pieces) {
      const Block& block = *snapshot_.blocks->blocks[piece.block];
      const size_t page = block.page_of_trace(piece.trace);
      const std::pair entry(piece.block, page);
      if (std::ranges::find(pages_, entry) != pages_.end()) continue;
      pages_.push_back(entry);
      rows_ += block.pages()[page + 1].first_row - block.pages()[page].first_row;
    }
    return rows_;
  }

 private:
  const Snapshot& snapshot_;
  std::vector<std::pair<uint32_t, size_t>> pages_;
  size_t rows_ = 0;
};

}  // namespace

Expected<SelectedTraces> select_traces(BlockSetPtr blocks, const Unsealed::Capture& unsealed,
                                       std::span<const TraceId> ids) {
  const FewTraces index(ids);
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->blocks = std::move(blocks);
  snapshot->memory = view_of(unsealed, index);
  snapshot->split = std::make_shared<MemorySplit>();

  std::vector<SplitTrace> found(ids.size());
  const auto& all = snapshot->blocks->blocks;
  for (uint32_t b = 0; b < all.size(); ++b) {
    const auto traces = all[b]->find_traces(ids);
    if (!traces) {
      if (traces.error().code == ErrorCode::kCorrupt) continue;  // reported by the block
      return std::unexpected(traces.error());
    }
    for (const auto& [i, trace] : *traces)
      found[i].pieces.push_back({b, trace});
  }
  const auto& in_memory = snapshot->memory->order.trace_ids;
  for (uint32_t t = 0; t < in_memory.size(); ++t)
    found[index.find(in_memory[t])].memory_trace = t;
  std::erase_if(found, [](const SplitTrace& trace) {
    return trace.pieces.empty() && trace.memory_trace == UINT32_MAX;
  });
  // Neighbours in a block next to each other.
  std::ranges::sort(found, [](const SplitTrace& a, const SplitTrace& b) {
    return a.pieces != b.pieces ? a.pieces < b.pieces : a.memory_trace < b.memory_trace;
  });

  SelectedTraces out;
  for (size_t begin = 0; begin < found.size();) {
    UnitPages pages(*snapshot);
    size_t end = begin;
    while (end < found.size() && end - begin < kTracesPerUnit &&
           (pages.rows_with(found[end]) <= kRowsPerUnit || end == begin)) {
      ++end;
    }
    out.work.units.push_back({.kind = WorkUnit::Kind::kSplitTraces,
                              .first_split = static_cast<uint32_t>(begin),
                              .end_split = static_cast<uint32_t>(end),
                              .max_start_ns = UINT64_MAX});
    begin = end;
  }
  out.work.split = std::move(found);
  out.snapshot = std::move(snapshot);
  return out;
}

}  // namespace weft::store
