// From the ids of matching traces to what a search answers about them: the traces are read whole,
// as far as the query and the answer look at them, the query runs over them once more, and their
// spans are counted. Part of search.
#pragma once

#include <memory>
#include <optional>

#include "query/budget.h"
#include "query/trace_evaluator.h"

namespace weft::traceql {

class Summarizer {
 public:
  // Borrows all of its arguments.
  static Expected<Summarizer> create(const Plan& plan, const SearchOptions& options);

  // What to scan for these traces' summaries; its batches are for summarize().
  ScanRequest request(std::vector<TraceId> ids) const;
  // Any thread. One summary for each trace of the batch that (still) matches. What they hold
  // (memory_bytes()) is taken from the meter and stays taken.
  Expected<std::vector<TraceSummary>> summarize(const ScanBatch& batch, BudgetMeter& meter) const;

 private:
  explicit Summarizer(const SearchOptions& options) : options_(&options) {}

  TraceSummary describe(BatchFields& fields, uint32_t trace) const;
  MatchedSpanset describe(const Spanset& set, BatchFields& fields) const;
  MatchedSpan describe_span(BatchFields& fields, uint32_t row) const;

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
