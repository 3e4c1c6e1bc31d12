// What analyses are asked with and how they read spans: a range, an optional query, a budget, and
// a walk over batches of the columns that the analysis wants, shared among threads.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "query/query_service.h"
#include "scan/scan.h"

namespace weft::analysis {

// What a caller asks of an analysis. All references outlive the call; one call at a time.
struct AnalysisRequest {
  SpanSource& source;
  TimeRange range;
  // No metrics query. Which spans of a match count is said by each analysis.
  std::optional<CompiledQuery> query;  // none: every span
  QueryBudget budget;
  const CancelToken& cancel;
  // What was read is added to it.
  Inspected& inspected;

  unsigned workers() const { return worker_count(budget); }
};

// The request's range cut to the spans that are stored, so that it can be divided into columns
// and rates can be told; empty (from == to) when nothing is stored in it. Where the request gives
// both ends, they stay.
TimeRange bounded_range(const AnalysisRequest& request);

// Seconds of a bounded range, at least one millisecond.
double seconds_of(TimeRange range);

// A round step (1, 2 or 5 times a power of ten of milliseconds up to 10 s, then 15 s, 30 s,
// minutes, hours, days) that divides the range into at most `max_steps` steps.
uint64_t round_step_ns(TimeRange range, uint32_t max_steps);

struct ScanShape {
  std::vector<ColumnRef> columns;
  // Only spans that meet this can matter to the analysis; the visitor may see others.
  Predicate candidates;
  // Views hold whole traces with parent rows: every span of each trace that the query finds.
  bool whole_traces = false;
};

struct BatchView {
  const ScanBatch& batch;
  std::span<const ValueColumn* const> columns;
  // Ascending. Without whole_traces: the rows in range that match the query.
  std::span<const uint32_t> rows;

  const ValueColumn& column(size_t index) const { return *columns[index]; }
  uint64_t number(size_t index, size_t row) const { return column(index).words[row]; }
  bool has(size_t index, size_t row) const { return column(index).types[row] != ValueType::kNone; }
};

// Called from request.workers() threads at once, each with its own worker number, one batch after
// the other. What comes in which order is not deterministic.
using BatchVisitor = std::function<void(unsigned worker, const BatchView& view)>;

// Reads everything in `range`. Errors of the source and of the budget, and kCancelled.
Status scan_spans(const AnalysisRequest& request, TimeRange range, const ScanShape& shape,
                  const BatchVisitor& visit);

// SpanSource::aggregate with the request's filter, range and budget; kUnimplemented when the query
// is more than a filter or the source cannot do it. aggregate.filter is required as well.
Expected<GroupTable> aggregate_spans(const AnalysisRequest& request, AggregateRequest aggregate);

}  // namespace weft::analysis
