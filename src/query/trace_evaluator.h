// Runs a pipeline over the traces of a batch: filters as masks over the whole batch, everything
// else trace by trace. One worker's tool; search and metrics both use it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "query/batch_fields.h"
#include "query/filter_program.h"
#include "query/plan.h"

namespace weft::traceql {

// Spans of one trace that go through a pipeline together.
struct Spanset {
  std::vector<uint32_t> rows;  // of the batch, ascending
  std::vector<NamedValue> attributes;
};

// A pipeline with its filters compiled; immutable, shared by all workers.
class PipelineProgram {
 public:
  // Adds the fields it needs to `table`. `pipeline` must outlive the program.
  static Expected<std::shared_ptr<const PipelineProgram>> create(const Pipeline& pipeline,
                                                                 FieldTable& table);

  const Pipeline& pipeline() const { return *pipeline_; }

 private:
  friend class TraceEvaluator;
  Status compile(const Pipeline& pipeline, FieldTable& table);
  Status compile(const SpansetExpr& expression, FieldTable& table);
  Status compile(const ScalarExpr& expression, FieldTable& table);
  static void add_fields(const FieldExpr& expression, FieldTable& table);

  const Pipeline* pipeline_ = nullptr;
  // One a filter with a condition, found by the address of its expression.
  std::vector<std::pair<const FieldExpr*, FilterProgram>> filters_;
};

class TraceEvaluator {
 public:
  explicit TraceEvaluator(std::shared_ptr<const PipelineProgram> program);

  // Before the traces of a batch are evaluated. Borrows `fields` until the next call.
  void begin_batch(BatchFields& fields);
  // The final spansets of the batch's trace; empty when it does not match. kResourceExhausted when
  // the sets that a stage makes of one trace are more than the query's memory allows; kCancelled
  // when the query was given up meanwhile.
  Expected<std::vector<Spanset>> evaluate(uint32_t trace);
  // For a pipeline of filters alone: the mask of spans that pass all of them.
  void evaluate_filters(std::vector<uint8_t>& mask);

 private:
  using Spansets = std::vector<Spanset>;

  // These end early, with whatever they have, once stopped().
  Spansets run(const Pipeline& pipeline, Spansets input);
  Spansets run_stage(const Stage& stage, Spansets input);
  Spansets run_by(const FieldExpr& by, Spansets input);
  Spansets run_coalesce(Spansets input);
  Spansets run_scalar_filter(const Stage& stage, Spansets input);
  Spansets select(const SpansetExpr& expression, const Spanset& input);
  Spansets operate(const SpansetExpr& expression, const Spanset& input);
  FieldValue scalar(const ScalarExpr& expression, const Spanset& input, Spanset& output,
                    bool& uses_input, std::vector<uint32_t>& piped);
  FieldValue aggregate(const ScalarExpr& expression, const Spanset& input);
  // False when the masks alone tell that the trace cannot match: what spares most traces of a
  // structural query any further work.
  bool may_match(const Pipeline& pipeline, uint32_t trace);
  bool may_match(const SpansetExpr& expression, uint32_t trace);
  bool stopped() const { return !status_ || fields_->meter().given_up(); }
  const std::vector<uint8_t>& mask_of(const FieldExpr& filter);
  RowEvaluator& evaluator_of(const FieldExpr& expression);

  std::shared_ptr<const PipelineProgram> program_;
  BatchFields* fields_ = nullptr;
  Status status_;  // of the trace that is being evaluated
  std::vector<FilterState> states_;
  struct BatchMask {
    bool ready = false;
    std::vector<uint8_t> mask;
  };
  std::vector<BatchMask> masks_;
  std::vector<std::pair<const FieldExpr*, std::unique_ptr<RowEvaluator>>> evaluators_;
};

}  // namespace weft::traceql
