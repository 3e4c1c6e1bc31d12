// Columns of a SpanBatch in the form in which a scan hands them out. Used for unsealed spans, for
// traces gathered from several places and for what sealed blocks do not read column by column.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "scan/scan.h"
#include "store/trace_order.h"

namespace weft::store {

// The column for all rows. The result shares the batch's strings and keeps the batch alive.
ValueColumn extract_column(const SpanBatchPtr& batch, const ColumnRef& column);

// The given rows of a column, in that order.
ValueColumn take_rows(const ValueColumn& column, std::span<const uint32_t> rows);

// What of a batch a scan returns. `batch` holds whole traces as TraceOrder orders them
// (trace_begin has one entry more than there are traces); `candidate` is one byte a row, filter
// and range applied. nullopt when nothing is a candidate.
std::optional<ScanBatch> make_scan_batch(const SpanBatchPtr& batch,
                                         const std::vector<uint32_t>& trace_begin,
                                         const std::vector<uint8_t>& candidate,
                                         const ScanRequest& request);

// Row of each parent within its trace, for ScanBatch::parent_row. `parents` is parallel to
// `span_ids`.
std::vector<int32_t> find_parents(const std::vector<uint32_t>& trace_begin,
                                  const std::vector<SpanId>& span_ids,
                                  const std::vector<SpanId>& parents);

// The rows, with every field, in that order.
SpanBatch gather_rows(std::span<const SpanBatchPtr> batches, std::span<const RowRef> rows);

}  // namespace weft::store
