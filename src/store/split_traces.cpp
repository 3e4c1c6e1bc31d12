#include "store/split_traces.h"

#include <algorithm>
#include <functional>

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

// Calls each(block, page, the pieces there) for each page that holds some of the sorted pieces,
// until it fails.
template <typename Entry, typename PieceOf, typename Each>
Status for_each_page(const Snapshot& snapshot, const std::vector<Entry>& pieces, PieceOf&& piece_of,
                     Each&& each) {
  for (size_t begin = 0; begin < pieces.size();) {
    const Piece& first = piece_of(pieces[begin]);
    const Block& block = *snapshot.blocks->blocks[first.block];
    const size_t page = block.page_of_trace(first.trace);
    size_t end = begin + 1;
    while (end < pieces.size() && piece_of(pieces[end]).block == first.block &&
           block.page_of_trace(piece_of(pieces[end]).trace) == page) {
      ++end;
    }
    WEFT_TRY(each(block, page, std::span(pieces).subspan(begin, end - begin)));
    begin = end;
  }
  return {};
}

Status add_blocks(const Snapshot& snapshot, std::span<const SplitTrace> traces,
                  const PageReader::Wanted& wanted, std::vector<SpanBatchPtr>& batches) {
  Pieces pieces;
  for (const SplitTrace& trace : traces) {
    pieces.insert(pieces.end(), trace.pieces.begin(), trace.pieces.end());
  }
  std::ranges::sort(pieces);
  pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
  const auto read = [&](const Block& block, size_t page, std::span<const Piece> there) -> Status {
    auto batch = read_pieces(block, page, there, wanted);
    if (!batch) {
      if (batch.error().code == ErrorCode::kCorrupt) return {};  // reported; the rest is served
      return std::unexpected(std::move(batch).error());
    }
    batches.push_back(*std::move(batch));
    return {};
  };
  return for_each_page(snapshot, pieces, std::identity(), read);
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

bool any_in_memory(const Snapshot& snapshot, const SplitTrace& trace, MemoryScan& memory) {
  if (trace.memory_trace == UINT32_MAX) return false;
  const TraceOrder& order = snapshot.memory->order;
  return std::any_of(order.rows.begin() + order.trace_begin[trace.memory_trace],
                     order.rows.begin() + order.trace_begin[trace.memory_trace + 1],
                     [&](RowRef row) { return memory.is_candidate(row); });
}

struct PieceOf {
  Piece piece;
  uint32_t trace = 0;  // index among the traces in question
};

// Marks the traces whose piece in this page has a row that meets filter and range.
Status choose_in_page(const Block& block, size_t page_index, std::span<const PieceOf> pieces,
                      BlockFilters& filters, TimeRange range, std::vector<uint8_t>& chosen) {
  WEFT_ASSIGN(const BlockFilter* filter, filters.get(pieces.front().piece.block));
  if (filter->none()) return {};
  PageReader page(block, page_index);
  WEFT_ASSIGN(const auto mask, matching_rows(*filter, range, page));
  if (mask.empty()) return {};
  WEFT_ASSIGN(const auto* begin, page.trace_begin());
  for (const PieceOf& of : pieces) {
    const uint32_t local = of.piece.trace - page.info().first_trace;
    if (any_row(mask, (*begin)[local], (*begin)[local + 1])) chosen[of.trace] = 1;
  }
  return {};
}

void add_columns(const Predicate& filter, std::vector<ColumnRef>& columns) {
  if (filter.kind == Predicate::Kind::kCondition) columns.push_back(filter.condition.column);
  for (const Predicate& child : filter.children)
    add_columns(child, columns);
}

}  // namespace

Expected<std::vector<SplitTrace>> split_candidates(const Snapshot& snapshot,
                                                   std::span<const SplitTrace> traces,
                                                   BlockFilters& filters, MemoryScan& memory,
                                                   TimeRange range) {
  std::vector<PieceOf> pieces;
  std::vector<uint8_t> chosen(traces.size());
  for (uint32_t t = 0; t < traces.size(); ++t) {
    chosen[t] = any_in_memory(snapshot, traces[t], memory);
    for (const Piece& piece : traces[t].pieces)
      pieces.push_back({piece, t});
  }
  std::ranges::sort(pieces, {}, &PieceOf::piece);
  const auto choose = [&](const Block& block, size_t page,
                          std::span<const PieceOf> there) -> Status {
    Status status = choose_in_page(block, page, there, filters, range, chosen);
    if (status || status.error().code != ErrorCode::kCorrupt) return status;
    for (const PieceOf& piece : there)
      chosen[piece.trace] = 1;
    return {};
  };
  WEFT_TRY(for_each_page(snapshot, pieces, std::mem_fn(&PieceOf::piece), choose));
  std::vector<SplitTrace> out;
  for (size_t t = 0; t < traces.size(); ++t) {
    if (chosen[t] != 0) out.push_back(traces[t]);
  }
  return out;
}

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
