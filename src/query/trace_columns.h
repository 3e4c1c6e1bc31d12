// A SpanBatch as the columns of a ScanBatch: what the executor makes of a whole trace that a source
// handed out, and what the sources of tests deliver.
#pragma once

#include <memory>
#include <vector>

#include "scan/scan.h"

namespace weft::traceql {

// The given rows, which must be grouped by trace and ordered by (start, span id) within each.
// parent_row is filled too. Strings are shared with `batch`, which stays alive through them.
ScanBatch scan_batch_of(std::shared_ptr<const SpanBatch> batch, const std::vector<uint32_t>& rows,
                        const std::vector<ColumnRef>& columns);

// An estimate of the heap that the batch holds, shared string pools left out.
size_t memory_bytes(const ScanBatch& batch);

}  // namespace weft::traceql
