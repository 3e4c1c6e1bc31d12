// The one way in which analyses read spans: a scan over a range and an optional TraceQL filter,
// shared among worker threads, each of which sees batches of the columns that the analysis asked
// for and the rows that count.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "scan/scan.h"

namespace weft::analysis {

// What a caller asks of an analysis. All references outlive the call.
struct AnalysisRequest {
  SpanSource& source;
  TimeRange range;
  // TraceQL without a metrics stage; "" is every span. What a match means is said by each analysis.
  std::string query;
  const CancelToken& cancel;
  ScanStats& stats;
  unsigned threads = 2;
  // steady clock, 0: no limit. Past it the analysis ends with kDeadlineExceeded.
  uint64_t deadline_steady_ns = 0;
};

// The request's range cut to the spans that are stored, so that it can be divided into columns
// and rates can be told; empty (from == to) when nothing is stored in it.
TimeRange bounded_range(const AnalysisRequest& request);

// Seconds of a bounded range, at least one millisecond.
double seconds_of(TimeRange range);

// A round step (1, 2, 5 times a power of ten of milliseconds, or whole minutes and hours) that
// divides the range into at most `max_steps` steps.
uint64_t round_step_ns(TimeRange range, uint32_t max_steps);

struct ScanShape {
  std::vector<ColumnRef> columns;
  // Only spans that meet this can matter to the analysis; the visitor may see others.
  Predicate candidates;
  // Batches hold whole traces with parent rows, and `rows` of the view is every row of each trace
  // that matches the query.
  bool whole_traces = false;
};

struct BatchView {
  const ScanBatch& batch;
  size_t first_column;
  // Ascending. Without whole_traces: the rows in range that match the query.
  std::span<const uint32_t> rows;

  const ValueColumn& column(size_t index) const { return batch.columns[first_column + index]; }
  uint64_t number(size_t index, size_t row) const { return column(index).words[row]; }
  bool has(size_t index, size_t row) const { return column(index).types[row] != ValueType::kNone; }
};

// Called from `threads` threads at once, each with its own worker number (below `threads`), one
// batch after the other. What comes in which order is not deterministic.
using BatchVisitor = std::function<void(unsigned worker, const BatchView& view)>;

// Reads everything. Errors of the query, of the source, of the deadline and kCancelled.
Status scan_spans(const AnalysisRequest& request, const ScanShape& shape,
                  const BatchVisitor& visit);

}  // namespace weft::analysis
