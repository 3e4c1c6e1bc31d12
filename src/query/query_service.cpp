#include "query/query_service.h"

#include <algorithm>

#include "query/batch_fields.h"
#include "query/budget.h"
#include "query/parallel_scan.h"
#include "query/parser.h"
#include "query/plan.h"
#include "query/trace_evaluator.h"
#include "query/validate.h"

namespace weft {
namespace {

using namespace traceql;

Op op_of(CompareOp op) {
  switch (op) {
    case CompareOp::kEqual:
      return Op::kEqual;
    case CompareOp::kNotEqual:
      return Op::kNotEqual;
    case CompareOp::kLess:
      return Op::kLess;
    case CompareOp::kLessEqual:
      return Op::kLessEqual;
    case CompareOp::kGreater:
      return Op::kGreater;
    case CompareOp::kGreaterEqual:
      return Op::kGreaterEqual;
    case CompareOp::kRegex:
      return Op::kRegex;
    case CompareOp::kNotRegex:
      return Op::kNotRegex;
    case CompareOp::kExists:
      return Op::kNotEqual;
    case CompareOp::kNotExists:
      return Op::kEqual;
  }
  return Op::kEqual;
}

std::optional<FieldRef> field_of(const ColumnRef& column) {
  FieldRef out;
  if (column.is_attribute()) {
    out.scope = column.scope;
    out.key = column.key;
    return out;
  }
  for (const IntrinsicName& entry : intrinsic_names()) {
    out.kind = entry.kind;
    if (!out.is_computed() && out.column() == column) return out;
  }
  return std::nullopt;
}

Literal literal_of(const FieldRef& field, const Condition& condition) {
  const Value& value = condition.operand;
  if (condition.op == CompareOp::kExists || condition.op == CompareOp::kNotExists) {
    return {StaticType::kNil, Value()};
  }
  if (field.type() == StaticType::kStatus || field.type() == StaticType::kKind) {
    return {field.type(), value};
  }
  if (const auto* bytes = std::get_if<Value::Bytes>(&value.data)) {
    return {StaticType::kString, Value(hex(bytes->data))};
  }
  switch (value.type()) {
    case ValueType::kString:
      return {StaticType::kString, value};
    case ValueType::kBool:
      return {StaticType::kBool, value};
    case ValueType::kInt:
      return {StaticType::kInt, value};
    case ValueType::kDouble:
      return {StaticType::kFloat, value};
    default:
      return {StaticType::kNil, Value()};
  }
}

FieldExpr literal_expr(Literal literal) {
  FieldExpr out;
  out.literal = std::move(literal);
  return out;
}

FieldExpr binary_expr(Op op, FieldExpr left, FieldExpr right) {
  FieldExpr out;
  out.kind = FieldExpr::Kind::kBinary;
  out.op = op;
  out.children.push_back(std::move(left));
  out.children.push_back(std::move(right));
  return out;
}

Expected<FieldExpr> expression_of(const Predicate& predicate) {
  switch (predicate.kind) {
    case Predicate::Kind::kTrue:
    case Predicate::Kind::kFalse:
      return literal_expr({StaticType::kBool, Value(predicate.kind == Predicate::Kind::kTrue)});
    case Predicate::Kind::kCondition: {
      const auto field = field_of(predicate.condition.column);
      if (!field) {
        return fail(ErrorCode::kInvalidArgument, "a query cannot compare " +
                                                     to_string(predicate.condition.column) +
                                                     "; give a time range");
      }
      FieldExpr left;
      left.kind = FieldExpr::Kind::kField;
      left.field = *field;
      return binary_expr(op_of(predicate.condition.op), std::move(left),
                         literal_expr(literal_of(*field, predicate.condition)));
    }
    case Predicate::Kind::kAnd:
    case Predicate::Kind::kOr:
      break;
  }
  std::optional<FieldExpr> out;
  const Op op = predicate.kind == Predicate::Kind::kAnd ? Op::kAnd : Op::kOr;
  for (const Predicate& child : predicate.children) {
    WEFT_ASSIGN(FieldExpr part, expression_of(child));
    out = out ? binary_expr(op, std::move(*out), std::move(part)) : std::move(part);
  }
  return out ? std::move(*out) : literal_expr({StaticType::kBool, Value(true)});
}

SpansetExpr filter_of(FieldExpr expression) {
  SpansetExpr out;
  out.filter = std::move(expression);
  return out;
}

Query query_of_spans(SpansetExpr spans) {
  Query query;
  Stage stage;
  stage.spanset = std::move(spans);
  query.pipeline.stages.push_back(std::move(stage));
  query.text = to_string(query.pipeline);
  return query;
}

}  // namespace

bool CompiledQuery::is_metrics() const {
  return plan_->query.metrics.has_value();
}

const std::string& CompiledQuery::text() const {
  return plan_->query.text;
}

const Predicate* CompiledQuery::exact_filter() const {
  const SpanPlan& spans = plan_->spans;
  return spans.filters_only && spans.candidates.exact ? &spans.candidates.predicate : nullptr;
}

bool CompiledQuery::names(Intrinsic which) const {
  return std::ranges::any_of(plan_->spans.fields, [&](const FieldRef& field) {
    return !field.is_computed() && field.column() == ColumnRef::of(which);
  });
}

std::string CompiledQuery::explain() const {
  return explain_plan(*plan_);
}

QueryExpected<CompiledQuery> compile_query(std::string_view text) {
  auto query = parse(text);
  if (!query) return std::unexpected(std::move(query).error());
  if (auto valid = validate(*query); !valid) return std::unexpected(std::move(valid).error());
  return CompiledQuery(make_plan(std::move(*query)));
}

Expected<CompiledQuery> query_of(const std::vector<Predicate>& conditions, bool same_span) {
  std::optional<SpansetExpr> spans;
  if (same_span) {
    WEFT_ASSIGN(FieldExpr all, expression_of(Predicate::all_of(conditions)));
    spans = filter_of(std::move(all));
  } else {
    for (const Predicate& condition : conditions) {
      WEFT_ASSIGN(FieldExpr one, expression_of(condition));
      if (!spans) {
        spans = filter_of(std::move(one));
        continue;
      }
      SpansetExpr both;
      both.kind = SpansetExpr::Kind::kOperation;
      both.op = Op::kAnd;
      both.operands.push_back(std::move(*spans));
      both.operands.push_back(filter_of(std::move(one)));
      spans = std::move(both);
    }
    if (!spans) spans = SpansetExpr{};
  }
  Query query = query_of_spans(std::move(*spans));
  if (auto valid = validate(query); !valid) {
    return std::unexpected(flatten(std::move(valid).error()));
  }
  return CompiledQuery(make_plan(std::move(query)));
}

TimeRange align_to_step(TimeRange range, uint64_t step_ns) {
  if (step_ns == 0) return range;
  range.from_ns -= range.from_ns % step_ns;
  const uint64_t rest = range.to_ns % step_ns;
  if (rest != 0 && __builtin_add_overflow(range.to_ns, step_ns - rest, &range.to_ns)) {
    range.to_ns = UINT64_MAX;
  }
  return range;
}

Expected<GroupTable> aggregate(SpanSource& source, const AggregateRequest& request,
                               const QueryBudget& budget, const CancelToken* cancel,
                               Inspected& inspected) {
  const BudgetMeter meter(budget, cancel);
  const Watchdog watchdog(meter);
  ScanStats stats;
  auto table = source.aggregate(request, watchdog.cancel(), stats);
  inspected = traceql::inspected(stats);
  WEFT_TRY(meter.check());
  return table;
}

}  // namespace weft
