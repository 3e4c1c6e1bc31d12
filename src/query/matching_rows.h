// The rows of a batch that a pipeline selects; shared by match_spans and metrics.
#pragma once

#include <vector>

#include "query/plan.h"
#include "query/trace_evaluator.h"

namespace weft::traceql {

// Rows in any final spanset that start in the range, ascending, into `out`. The evaluator's
// begin_batch() was called with the batch. Errors are those of TraceEvaluator::evaluate().
Status matching_rows(const SpanPlan& plan, const TimeRange& range, TraceEvaluator& evaluator,
                     const ScanBatch& batch, std::vector<uint32_t>& out);

}  // namespace weft::traceql
