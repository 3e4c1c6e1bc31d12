// From the id of a matching trace to what a search answers about it: the trace is fetched whole,
// the query runs over it once more, and its spans are counted. Part of search.
#pragma once

#include <memory>
#include <optional>

#include "query/parallel_scan.h"
#include "query/trace_evaluator.h"

namespace weft::traceql {

class Summarizer {
 public:
  // Borrows all of its arguments.
  static Expected<Summarizer> create(SpanSource& source, const Plan& plan,
                                     const SearchOptions& options);

  // Any thread. nullopt when the trace does not match any more: spans arrived since, or it is gone.
  // What the summary holds (memory_bytes()) is taken from the meter and stays taken.
  Expected<std::optional<TraceSummary>> summarize(const TraceId& id, ScanStats& stats,
                                                  BudgetMeter& meter) const;

 private:
  Summarizer(SpanSource& source, const SearchOptions& options)
      : source_(&source), options_(&options) {}

  Expected<ScanBatch> fetch(const TraceId& id, ScanStats& stats) const;
  Expected<ScanBatch> fetch_by_scan(const TraceId& id, ScanStats& stats) const;
  TraceSummary describe(const TraceId& id, BatchFields& fields, uint32_t trace) const;
  MatchedSpanset describe(const Spanset& set, BatchFields& fields) const;
  MatchedSpan describe_span(BatchFields& fields, uint32_t row) const;

  SpanSource* source_;
  const SearchOptions* options_;
  // Columns of the query, of what is shown, and the fixed ones.
  FieldTable table_;
  std::shared_ptr<const PipelineProgram> program_;
  FieldTable::Slot name_ = 0;
  FieldTable::Slot kind_ = 0;
  FieldTable::Slot status_ = 0;
  FieldTable::Slot duration_ = 0;
  FieldTable::Slot parent_ = 0;
  FieldTable::Slot service_ = 0;
  std::vector<FieldTable::Slot> shown_;
};

// About what a summary occupies.
size_t memory_bytes(const TraceSummary& summary);

}  // namespace weft::traceql
