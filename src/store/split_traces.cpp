#include "store/split_traces.h"

#include <algorithm>

#include "store/batch_columns.h"
#include "store/block_filter.h"

namespace weft::store {
namespace {

// The pieces of one page, as a batch of just their rows.
Expected<SpanBatchPtr> read_pieces(const Block& block, size_t page_index,
                                   std::span<const Piece> pieces,
                                   const PageReader::Wanted& wanted) {
  PageReader page(block, page_index);
  WEFT_ASSIGN(const auto* begin, page.trace_begin());
  const auto local = [&](const Piece& piece) { return piece.trace - page.info().first_trace; };
  const uint32_t first = (*begin)[local(pieces.front())];
  const uint32_t end = (*begin)[local(pieces.back()) + 1];
  WEFT_ASSIGN(SpanBatch read, page.read_rows(first, end, wanted));
  std::vector<uint32_t> rows;
  for (const Piece& piece : pieces) {
    for (uint32_t row = (*begin)[local(piece)]; row < (*begin)[local(piece) + 1]; ++row) {
      rows.push_back(row - first);
    }
  }
  if (rows.size() == read.size()) return std::make_shared<const SpanBatch>(std::move(read));
  auto chosen = std::make_shared<SpanBatch>();
  append_rows(*chosen, read, rows);
  return chosen;
}

Status add_blocks(const Snapshot& snapshot, std::span<const SplitTrace> traces,
                  const PageReader::Wanted& wanted, std::vector<SpanBatchPtr>& batches) {
  Pieces pieces;
  for (const SplitTrace& trace : traces) {
    pieces.insert(pieces.end(), trace.pieces.begin(), trace.pieces.end());
  }
  std::ranges::sort(pieces);
  pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
  for (size_t i = 0; i < pieces.size();) {
    const Block& block = *snapshot.blocks->blocks[pieces[i].block];
    const size_t page = block.page_of_trace(pieces[i].trace);
    size_t end = i + 1;
    while (end < pieces.size() && pieces[end].block == pieces[i].block &&
           block.page_of_trace(pieces[end].trace) == page) {
      ++end;
    }
    auto batch = read_pieces(block, page, std::span(pieces).subspan(i, end - i), wanted);
    i = end;
    if (!batch) {
      if (batch.error().code == ErrorCode::kCorrupt) continue;  // reported; the rest is served
      return std::unexpected(std::move(batch).error());
    }
    batches.push_back(*std::move(batch));
  }
  return {};
}

void add_memory(const Snapshot& snapshot, std::span<const SplitTrace> traces,
                std::vector<SpanBatchPtr>& batches) {
  const TraceOrder& order = snapshot.memory->order;
  std::vector<RowRef> rows;
  for (const SplitTrace& trace : traces) {
    if (trace.memory_trace == UINT32_MAX) continue;
    rows.insert(rows.end(), order.rows.begin() + order.trace_begin[trace.memory_trace],
                order.rows.begin() + order.trace_begin[trace.memory_trace + 1]);
  }
  if (rows.empty()) return;
  batches.push_back(std::make_shared<SpanBatch>(gather_rows(snapshot.memory->batches, rows)));
}

void add_columns(const Predicate& filter, std::vector<ColumnRef>& columns) {
  if (filter.kind == Predicate::Kind::kCondition) columns.push_back(filter.condition.column);
  for (const Predicate& child : filter.children)
    add_columns(child, columns);
}

}  // namespace

Expected<GatheredTraces> gather_split_traces(const Snapshot& snapshot,
                                             std::span<const SplitTrace> traces,
                                             const PageReader::Wanted& wanted) {
  // In the order in which they were stored: of duplicates the first copy counts.
  std::vector<SpanBatchPtr> batches;
  WEFT_TRY(add_blocks(snapshot, traces, wanted, batches));
  add_memory(snapshot, traces, batches);
  TraceOrder order = order_by_trace(batches);
  GatheredTraces out;
  out.spans = std::make_shared<SpanBatch>(gather_rows(batches, order.rows));
  out.trace_begin = std::move(order.trace_begin);
  if (out.trace_begin.empty()) out.trace_begin.push_back(0);
  return out;
}

PageReader::Wanted columns_for(const Predicate& filter, std::vector<ColumnRef> columns) {
  add_columns(filter, columns);
  return [columns = std::move(columns)](const ColumnMeta& meta) {
    return std::ranges::any_of(
        columns, [&](const ColumnRef& column) { return column_serves(meta, column); });
  };
}

}  // namespace weft::store
