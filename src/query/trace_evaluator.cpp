#include "query/trace_evaluator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "query/structural.h"
#include "query/validate.h"

namespace weft::traceql {
namespace {

void merge_rows(std::vector<uint32_t>& into, const std::vector<uint32_t>& more) {
  if (into.empty()) {
    into = more;
    return;
  }
  std::vector<uint32_t> out;
  out.reserve(into.size() + more.size());
  std::set_union(into.begin(), into.end(), more.begin(), more.end(), std::back_inserter(out));
  into = std::move(out);
}

// Sorted once, since by() may have made a set of each span.
std::vector<uint32_t> all_rows(std::vector<Spanset> sets) {
  if (sets.size() == 1) return std::move(sets.front().rows);
  std::vector<uint32_t> out;
  for (const Spanset& set : sets)
    out.insert(out.end(), set.rows.begin(), set.rows.end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

size_t memory_bytes(const std::vector<Spanset>& sets) {
  size_t out = 0;
  for (const Spanset& set : sets) {
    out += sizeof(Spanset) + set.rows.size() * sizeof(uint32_t);
    for (const auto& [name, value] : set.attributes) {
      const auto* text = std::get_if<std::string>(&value.data);
      out += sizeof(NamedValue) + name.size() + (text != nullptr ? text->size() : 0);
    }
  }
  return out;
}

// Bytes of the query's budget, for as long as it lives.
class Held {
 public:
  explicit Held(BudgetMeter& meter) : meter_(meter) {}
  ~Held() { meter_.give_memory(bytes_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  Status set(size_t bytes) {
    meter_.give_memory(std::exchange(bytes_, bytes));
    return meter_.take_memory(bytes);
  }

 private:
  BudgetMeter& meter_;
  size_t bytes_ = 0;
};

// What groups are told apart by: type and bits.
struct GroupKey {
  ValueType type;
  uint64_t word;
  std::string text;
  friend auto operator<=>(const GroupKey&, const GroupKey&) = default;
};

Value group_value(const FieldExpr& by, const FieldValue& value) {
  if (by.kind == FieldExpr::Kind::kField && !by.field.is_id()) {
    return display_value(by.field, value);
  }
  return to_value(value);
}

void set_attribute(Spanset& set, std::string name, Value value) {
  for (NamedValue& existing : set.attributes) {
    if (existing.first == name) {
      existing.second = std::move(value);
      return;
    }
  }
  set.attributes.emplace_back(std::move(name), std::move(value));
}

}  // namespace

Expected<std::shared_ptr<const PipelineProgram>> PipelineProgram::create(const Pipeline& pipeline,
                                                                         FieldTable& table) {
  auto out = std::make_shared<PipelineProgram>();
  out->pipeline_ = &pipeline;
  WEFT_TRY(out->compile(pipeline, table));
  return out;
}

void PipelineProgram::add_fields(const FieldExpr& expression, FieldTable& table) {
  for_each_field(expression, [&](const FieldRef& field) { table.add(field); });
}

Status PipelineProgram::compile(const Pipeline& pipeline, FieldTable& table) {
  for (const Stage& stage : pipeline.stages) {
    if (stage.spanset) WEFT_TRY(compile(*stage.spanset, table));
    if (stage.left) WEFT_TRY(compile(*stage.left, table));
    if (stage.right) WEFT_TRY(compile(*stage.right, table));
    if (stage.by) add_fields(*stage.by, table);
  }
  return {};
}

Status PipelineProgram::compile(const SpansetExpr& expression, FieldTable& table) {
  if (expression.filter) {
    WEFT_ASSIGN(FilterProgram program, FilterProgram::create(*expression.filter, table));
    filters_.emplace_back(&*expression.filter, std::move(program));
  }
  for (const SpansetExpr& operand : expression.operands)
    WEFT_TRY(compile(operand, table));
  for (const Pipeline& pipeline : expression.pipeline)
    WEFT_TRY(compile(pipeline, table));
  return {};
}

Status PipelineProgram::compile(const ScalarExpr& expression, FieldTable& table) {
  if (expression.argument) add_fields(*expression.argument, table);
  for (const ScalarExpr& child : expression.children)
    WEFT_TRY(compile(child, table));
  for (const Pipeline& pipeline : expression.pipeline)
    WEFT_TRY(compile(pipeline, table));
  return {};
}

TraceEvaluator::TraceEvaluator(std::shared_ptr<const PipelineProgram> program)
    : program_(std::move(program)), masks_(program_->filters_.size()) {
  for (const auto& [expression, filter] : program_->filters_)
    states_.emplace_back(filter);
}

void TraceEvaluator::begin_batch(BatchFields& fields) {
  fields_ = &fields;
  for (BatchMask& mask : masks_)
    mask.ready = false;
  evaluators_.clear();
}

const std::vector<uint8_t>& TraceEvaluator::mask_of(const FieldExpr& filter) {
  for (size_t i = 0; i < masks_.size(); ++i) {
    if (program_->filters_[i].first != &filter) continue;
    if (!masks_[i].ready) states_[i].evaluate(*fields_, masks_[i].mask);
    masks_[i].ready = true;
    return masks_[i].mask;
  }
  static const std::vector<uint8_t> kNone;
  return kNone;  // not reached: every filter was compiled
}

RowEvaluator& TraceEvaluator::evaluator_of(const FieldExpr& expression) {
  for (auto& [key, evaluator] : evaluators_) {
    if (key == &expression) return *evaluator;
  }
  evaluators_.emplace_back(&expression, std::make_unique<RowEvaluator>(expression, *fields_));
  return *evaluators_.back().second;
}

Expected<std::vector<Spanset>> TraceEvaluator::evaluate(uint32_t trace) {
  if (!may_match(program_->pipeline(), trace)) return Spansets();
  const ScanBatch& batch = fields_->batch();
  Spanset all;
  all.rows.resize(batch.trace_begin[trace + 1] - batch.trace_begin[trace]);
  std::iota(all.rows.begin(), all.rows.end(), batch.trace_begin[trace]);
  Spansets input;
  if (!all.rows.empty()) input.push_back(std::move(all));
  status_ = {};
  Spansets out = run(program_->pipeline(), std::move(input));
  WEFT_TRY(std::exchange(status_, {}));
  if (fields_->meter().given_up()) return fail(ErrorCode::kCancelled, "the query has ended");
  return out;
}

bool TraceEvaluator::may_match(const Pipeline& pipeline, uint32_t trace) {
  const Stage& first = pipeline.stages.front();
  return !first.spanset || may_match(*first.spanset, trace);
}

bool TraceEvaluator::may_match(const SpansetExpr& expression, uint32_t trace) {
  switch (expression.kind) {
    case SpansetExpr::Kind::kPipeline:
      return may_match(expression.pipeline[0], trace);
    case SpansetExpr::Kind::kFilter: {
      if (!expression.filter) return true;
      const std::vector<uint8_t>& mask = mask_of(*expression.filter);
      const std::vector<uint32_t>& begin = fields_->batch().trace_begin;
      return std::find(mask.begin() + begin[trace], mask.begin() + begin[trace + 1], 1) !=
             mask.begin() + begin[trace + 1];
    }
    case SpansetExpr::Kind::kOperation:
      break;
  }
  const SpansetExpr& left = expression.operands[0];
  const SpansetExpr& right = expression.operands[1];
  if (expression.op == Op::kOr) return may_match(left, trace) || may_match(right, trace);
  const bool is_negated = expression.op >= Op::kNotChild && expression.op <= Op::kNotSibling;
  return may_match(right, trace) && (is_negated || may_match(left, trace));
}

void TraceEvaluator::evaluate_filters(std::vector<uint8_t>& mask) {
  mask.assign(fields_->batch().rows(), 1);
  for (const Stage& stage : program_->pipeline().stages) {
    if (!stage.spanset || !stage.spanset->filter) continue;
    const std::vector<uint8_t>& one = mask_of(*stage.spanset->filter);
    for (size_t row = 0; row < mask.size(); ++row)
      mask[row] &= one[row];
  }
}

std::vector<Spanset> TraceEvaluator::run(const Pipeline& pipeline, Spansets input) {
  Held held(fields_->meter());
  for (const Stage& stage : pipeline.stages) {
    if (input.empty() || stopped()) break;
    input = run_stage(stage, std::move(input));
    // One set is no more than the trace itself.
    if (input.size() <= 1) continue;
    if (auto taken = held.set(memory_bytes(input)); !taken) status_ = std::move(taken);
  }
  return input;
}

std::vector<Spanset> TraceEvaluator::run_stage(const Stage& stage, Spansets input) {
  switch (stage.kind) {
    case Stage::Kind::kSpanset: {
      Spansets out;
      for (const Spanset& set : input) {
        if (stopped()) break;
        Spansets selected = select(*stage.spanset, set);
        std::move(selected.begin(), selected.end(), std::back_inserter(out));
      }
      return out;
    }
    case Stage::Kind::kScalarFilter:
      return run_scalar_filter(stage, std::move(input));
    case Stage::Kind::kBy:
      return run_by(*stage.by, std::move(input));
    case Stage::Kind::kCoalesce:
      return run_coalesce(std::move(input));
    case Stage::Kind::kSelect:
      return input;
  }
  return {};
}

std::vector<Spanset> TraceEvaluator::run_by(const FieldExpr& by, Spansets input) {
  RowEvaluator& evaluator = evaluator_of(by);
  const std::string name = fmt::format("by({})", to_string(by));
  Spansets out;
  for (const Spanset& set : input) {
    std::map<GroupKey, size_t> groups;
    for (uint32_t row : set.rows) {
      if (stopped()) break;
      const FieldValue value = evaluator.first(row);
      GroupKey key{value.type, value.text.empty() ? value.word : 0, std::string(value.text)};
      const bool is_text = value.type == ValueType::kString || value.type == ValueType::kBytes ||
                           value.type == ValueType::kArray || value.type == ValueType::kKvlist;
      if (is_text) key.word = 0;
      const auto [found, is_new] = groups.emplace(std::move(key), out.size());
      if (is_new) {
        Spanset group;
        group.attributes = set.attributes;
        set_attribute(group, name, group_value(by, value));
        out.push_back(std::move(group));
      }
      out[found->second].rows.push_back(row);
    }
  }
  return out;
}

std::vector<Spanset> TraceEvaluator::run_coalesce(Spansets input) {
  Spanset one;
  one.rows = all_rows(std::move(input));
  Spansets out;
  out.push_back(std::move(one));
  return out;
}

std::vector<Spanset> TraceEvaluator::select(const SpansetExpr& expression, const Spanset& input) {
  switch (expression.kind) {
    case SpansetExpr::Kind::kFilter: {
      Spanset out;
      if (!expression.filter) {
        out.rows = input.rows;
      } else {
        const std::vector<uint8_t>& mask = mask_of(*expression.filter);
        for (uint32_t row : input.rows) {
          if (mask[row] != 0) out.rows.push_back(row);
        }
      }
      if (out.rows.empty()) return {};
      out.attributes = input.attributes;
      Spansets sets;
      sets.push_back(std::move(out));
      return sets;
    }
    case SpansetExpr::Kind::kOperation:
      return operate(expression, input);
    case SpansetExpr::Kind::kPipeline: {
      Spansets sets;
      sets.push_back(input);
      return run(expression.pipeline[0], std::move(sets));
    }
  }
  return {};
}

std::vector<Spanset> TraceEvaluator::operate(const SpansetExpr& expression, const Spanset& input) {
  if (stopped()) return {};
  Spanset out;
  std::vector<uint32_t> left = all_rows(select(expression.operands[0], input));
  if (expression.op == Op::kAnd && left.empty()) return {};
  std::vector<uint32_t> right = all_rows(select(expression.operands[1], input));
  if (expression.op == Op::kAnd || expression.op == Op::kOr) {
    if (expression.op == Op::kAnd && right.empty()) return {};
    out.rows = std::move(left);
    merge_rows(out.rows, right);
  } else if (!right.empty()) {
    const uint32_t trace = fields_->trace_of(right.front());
    const ScanBatch& batch = fields_->batch();
    const uint32_t begin = batch.trace_begin[trace];
    const uint32_t end = batch.trace_begin[trace + 1];
    std::vector<int32_t> parents(batch.parent_row.begin() + begin, batch.parent_row.begin() + end);
    for (int32_t& parent : parents) {
      if (parent >= 0) parent -= static_cast<int32_t>(begin);
    }
    for (uint32_t& row : left)
      row -= begin;
    for (uint32_t& row : right)
      row -= begin;
    out.rows = relate(expression.op, parents, left, right);
    for (uint32_t& row : out.rows)
      row += begin;
  }
  if (out.rows.empty()) return {};
  out.attributes = input.attributes;
  Spansets sets;
  sets.push_back(std::move(out));
  return sets;
}

std::vector<Spanset> TraceEvaluator::run_scalar_filter(const Stage& stage, Spansets input) {
  Spansets out;
  for (Spanset& set : input) {
    if (stopped()) break;
    Spanset result;
    result.attributes = set.attributes;
    bool uses_input = false;
    std::vector<uint32_t> piped;
    const FieldValue left = scalar(*stage.left, set, result, uses_input, piped);
    const FieldValue right = scalar(*stage.right, set, result, uses_input, piped);
    if (left.type == ValueType::kNone || right.type == ValueType::kNone ||
        !compare_values(stage.op, left, right)) {
      continue;
    }
    // All numbers from nested pipelines: their spans are what the comparison speaks of. Without
    // any ("no span is an error") it speaks of the input.
    result.rows = uses_input || piped.empty() ? std::move(set.rows) : std::move(piped);
    out.push_back(std::move(result));
  }
  return out;
}

FieldValue TraceEvaluator::scalar(const ScalarExpr& expression, const Spanset& input,
                                  Spanset& output, bool& uses_input, std::vector<uint32_t>& piped) {
  switch (expression.kind) {
    case ScalarExpr::Kind::kLiteral: {
      const Value& value = expression.literal.value;
      if (const auto* integer = std::get_if<int64_t>(&value.data)) return FieldValue::of(*integer);
      return FieldValue::of(std::get<double>(value.data));
    }
    case ScalarExpr::Kind::kAggregate: {
      uses_input = true;
      const FieldValue value = aggregate(expression, input);
      set_attribute(output, to_string(expression), to_value(value));
      return value;
    }
    case ScalarExpr::Kind::kNegate:
      return arithmetic(Op::kSubtract, FieldValue::of(int64_t{0}),
                        scalar(expression.children[0], input, output, uses_input, piped));
    case ScalarExpr::Kind::kBinary: {
      const FieldValue a = scalar(expression.children[0], input, output, uses_input, piped);
      const FieldValue b = scalar(expression.children[1], input, output, uses_input, piped);
      return arithmetic(expression.op, a, b);
    }
    case ScalarExpr::Kind::kPipeline: {
      Spansets sets;
      sets.push_back(input);
      Spanset inner;
      inner.rows = all_rows(run(expression.pipeline[0], std::move(sets)));
      merge_rows(piped, inner.rows);
      bool ignored = false;
      return scalar(expression.children[0], inner, output, ignored, piped);
    }
  }
  return {};
}

FieldValue TraceEvaluator::aggregate(const ScalarExpr& expression, const Spanset& input) {
  if (expression.aggregate == Aggregate::kCount) {
    return FieldValue::of(static_cast<int64_t>(input.rows.size()));
  }
  RowEvaluator& evaluator = evaluator_of(*expression.argument);
  FieldValue out;
  int64_t count = 0;
  for (uint32_t row : input.rows) {
    if (stopped()) break;
    const FieldValue value = evaluator.first(row);
    if (!value.is_number() || std::isnan(value.as_double())) continue;
    if (++count == 1) {
      out = value;
      continue;
    }
    switch (expression.aggregate) {
      case Aggregate::kMin:
        if (compare_values(Op::kLess, value, out)) out = value;
        break;
      case Aggregate::kMax:
        if (compare_values(Op::kGreater, value, out)) out = value;
        break;
      default:
        out = arithmetic(Op::kAdd, out, value);
        break;
    }
  }
  if (expression.aggregate == Aggregate::kAvg && count > 0) {
    return arithmetic(Op::kDivide, out, FieldValue::of(count));
  }
  return out;
}

}  // namespace weft::traceql
