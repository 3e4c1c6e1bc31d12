#include "query/plan.h"

#include <algorithm>

#include "query/validate.h"

namespace weft::traceql {
namespace {

std::optional<CompareOp> compare_op(Op op) {
  switch (op) {
    case Op::kEqual:
      return CompareOp::kEqual;
    case Op::kNotEqual:
      return CompareOp::kNotEqual;
    case Op::kLess:
      return CompareOp::kLess;
    case Op::kLessEqual:
      return CompareOp::kLessEqual;
    case Op::kGreater:
      return CompareOp::kGreater;
    case Op::kGreaterEqual:
      return CompareOp::kGreaterEqual;
    case Op::kRegex:
      return CompareOp::kRegex;
    case Op::kNotRegex:
      return CompareOp::kNotRegex;
    default:
      return std::nullopt;
  }
}

// a OP b as b OP' a.
Op mirrored(Op op) {
  switch (op) {
    case Op::kLess:
      return Op::kGreater;
    case Op::kLessEqual:
      return Op::kGreaterEqual;
    case Op::kGreater:
      return Op::kLess;
    case Op::kGreaterEqual:
      return Op::kLessEqual;
    default:
      return op;
  }
}

Pushdown unknown() {
  return {Predicate::all(), false};
}

Pushdown push_condition(const FieldRef& field, CompareOp op, Value operand) {
  return {Predicate::of(Condition{field.column(), op, std::move(operand)}), true};
}

bool is_span_id(const FieldRef& field) {
  return field.kind == FieldKind::kSpanId || field.kind == FieldKind::kParentId ||
         field.kind == FieldKind::kLinkSpanId;
}

template <typename Id>
std::string raw_bytes(const Id& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

// The bytes of an id written in hex; nullopt when no such id can be.
std::optional<Value> id_operand(const FieldRef& field, std::string_view hex) {
  if (is_span_id(field)) {
    const auto id = SpanId::from_hex(hex);
    if (!id) return std::nullopt;
    return Value(Value::Bytes{raw_bytes(*id)});
  }
  const auto id = TraceId::from_hex(hex);
  if (!id) return std::nullopt;
  return Value(Value::Bytes{raw_bytes(*id)});
}

Pushdown push_id(const FieldRef& field, Op op, const Literal& literal) {
  const auto* hex = std::get_if<std::string>(&literal.value.data);
  if (hex == nullptr || (op != Op::kEqual && op != Op::kNotEqual)) return unknown();
  auto operand = id_operand(field, *hex);
  if (operand) return push_condition(field, *compare_op(op), std::move(*operand));
  if (op == Op::kEqual) return {Predicate::none(), true};
  return push_condition(field, CompareOp::kExists, {});
}

bool has_special_type(StaticType type) {
  return type == StaticType::kStatus || type == StaticType::kKind;
}

// field OP literal.
Pushdown push_comparison(const FieldRef& field, Op op, const Literal& literal) {
  if (field.is_computed() || field.of_parent) return unknown();
  if (literal.type == StaticType::kNil) {
    return push_condition(field, op == Op::kEqual ? CompareOp::kNotExists : CompareOp::kExists, {});
  }
  if (field.is_id()) return push_id(field, op, literal);
  // A status is never equal to an attribute, whatever number stands there.
  if (has_special_type(literal.type) && field.type() != literal.type) {
    return {Predicate::none(), true};
  }
  return push_condition(field, *compare_op(op), literal.value);
}

Pushdown push_literal(const FieldExpr& expression) {
  const auto* flag = std::get_if<bool>(&expression.literal.value.data);
  return {flag != nullptr && *flag ? Predicate::all() : Predicate::none(), true};
}

Pushdown combine(Pushdown a, Pushdown b, bool conjunction) {
  std::vector<Predicate> both;
  both.push_back(std::move(a.predicate));
  both.push_back(std::move(b.predicate));
  return {conjunction ? Predicate::all_of(std::move(both)) : Predicate::any_of(std::move(both)),
          a.exact && b.exact};
}

Pushdown push_binary(const FieldExpr& expression) {
  const FieldExpr& left = expression.children[0];
  const FieldExpr& right = expression.children[1];
  if (expression.op == Op::kAnd || expression.op == Op::kOr) {
    return combine(push_down(left), push_down(right), expression.op == Op::kAnd);
  }
  if (!is_comparison(expression.op)) return unknown();
  const bool left_is_field = left.kind == FieldExpr::Kind::kField;
  const bool right_is_field = right.kind == FieldExpr::Kind::kField;
  if (left_is_field && right.kind == FieldExpr::Kind::kLiteral) {
    return push_comparison(left.field, expression.op, right.literal);
  }
  if (right_is_field && left.kind == FieldExpr::Kind::kLiteral && expression.op != Op::kRegex &&
      expression.op != Op::kNotRegex) {
    return push_comparison(right.field, mirrored(expression.op), left.literal);
  }
  return unknown();
}

Pushdown push_down(const SpansetExpr& expression) {
  switch (expression.kind) {
    case SpansetExpr::Kind::kFilter:
      return expression.filter ? push_down(*expression.filter) : Pushdown{};
    case SpansetExpr::Kind::kPipeline:
      return push_down(expression.pipeline[0]);
    case SpansetExpr::Kind::kOperation:
      break;
  }
  Pushdown left = push_down(expression.operands[0]);
  Pushdown right = push_down(expression.operands[1]);
  const bool right_only = is_structural(expression.op) && expression.op < Op::kUnionChild;
  Pushdown out = right_only ? std::move(right) : combine(std::move(left), std::move(right), false);
  out.exact = false;
  return out;
}

// What a trace has to have a span for, each, so that the expression has a result.
void add_needed(const SpansetExpr& expression, std::vector<Predicate>& needed) {
  switch (expression.kind) {
    case SpansetExpr::Kind::kFilter: {
      if (!expression.filter) return;
      Predicate predicate = push_down(*expression.filter).predicate;
      if (predicate.kind != Predicate::Kind::kTrue) needed.push_back(std::move(predicate));
      return;
    }
    case SpansetExpr::Kind::kPipeline: {
      const Stage& first = expression.pipeline[0].stages.front();
      if (first.spanset) add_needed(*first.spanset, needed);
      return;
    }
    case SpansetExpr::Kind::kOperation:
      break;
  }
  if (expression.op == Op::kOr) return;
  const bool is_negated = expression.op >= Op::kNotChild && expression.op <= Op::kNotSibling;
  if (!is_negated) add_needed(expression.operands[0], needed);
  add_needed(expression.operands[1], needed);
}

bool is_plain(const SpansetExpr& expression) {
  return expression.kind == SpansetExpr::Kind::kFilter;
}

bool names_trace(const FieldRef& field) {
  return field.is_computed() || field.of_parent;
}

struct Collector {
  SpanPlan& plan;

  void add(const FieldRef& field) {
    if (std::find(plan.fields.begin(), plan.fields.end(), field) == plan.fields.end()) {
      plan.fields.push_back(field);
    }
    if (names_trace(field)) {
      plan.whole_traces = true;
      plan.parents = true;
    }
  }
  void add(const FieldExpr& expression) {
    for_each_field(expression, [this](const FieldRef& field) { add(field); });
  }
  void add(const SpansetExpr& expression) {
    if (expression.filter) add(*expression.filter);
    if (is_structural(expression.op) && expression.kind == SpansetExpr::Kind::kOperation) {
      plan.parents = true;
    }
    for (const SpansetExpr& operand : expression.operands)
      add(operand);
    for (const Pipeline& pipeline : expression.pipeline)
      add(pipeline);
  }
  void add(const ScalarExpr& expression) {
    if (expression.argument) add(*expression.argument);
    for (const ScalarExpr& child : expression.children)
      add(child);
    for (const Pipeline& pipeline : expression.pipeline)
      add(pipeline);
  }
  void add(const Pipeline& pipeline) {
    for (const Stage& stage : pipeline.stages) {
      if (stage.spanset) add(*stage.spanset);
      if (stage.left) add(*stage.left);
      if (stage.right) add(*stage.right);
      if (stage.by) add(*stage.by);
    }
  }
};

void simplify_in(SpansetExpr& expression);
void simplify_in(ScalarExpr& expression);

void simplify_in(Pipeline& pipeline) {
  for (Stage& stage : pipeline.stages) {
    if (stage.spanset) simplify_in(*stage.spanset);
    if (stage.left) simplify_in(*stage.left);
    if (stage.right) simplify_in(*stage.right);
  }
}

void simplify_in(SpansetExpr& expression) {
  if (expression.filter) expression.filter = simplify(std::move(*expression.filter));
  for (SpansetExpr& operand : expression.operands)
    simplify_in(operand);
  for (Pipeline& pipeline : expression.pipeline)
    simplify_in(pipeline);
}

void simplify_in(ScalarExpr& expression) {
  for (ScalarExpr& child : expression.children)
    simplify_in(child);
  for (Pipeline& pipeline : expression.pipeline)
    simplify_in(pipeline);
}

bool asks_for_root(const FieldExpr& expression) {
  if (expression.kind != FieldExpr::Kind::kBinary) return false;
  const FieldExpr& left = expression.children[0];
  const FieldExpr& right = expression.children[1];
  if (left.kind != FieldExpr::Kind::kField || left.field.kind != FieldKind::kNestedSetParent ||
      right.kind != FieldExpr::Kind::kLiteral || right.literal.type != StaticType::kInt) {
    return false;
  }
  const int64_t bound = std::get<int64_t>(right.literal.value.data);
  return (expression.op == Op::kLess && bound == 0) ||
         (expression.op == Op::kEqual && bound == -1) ||
         (expression.op == Op::kLessEqual && bound == -1);
}

// What a search shows of matching spans: what its filters compare, and what select() names.
void collect_shown(const SpanPlan& spans, std::vector<FieldRef>& shown) {
  const auto is_fixed = [](const FieldRef& field) {
    switch (field.kind) {
      case FieldKind::kDuration:
      case FieldKind::kName:
      case FieldKind::kKind:
      case FieldKind::kStatus:
      case FieldKind::kSpanId:
      case FieldKind::kParentId:
      case FieldKind::kTraceId:
        return true;
      default:
        return false;
    }
  };
  const auto add = [&](const FieldRef& field) {
    if (std::find(shown.begin(), shown.end(), field) == shown.end()) shown.push_back(field);
  };
  for (const Stage& stage : spans.pipeline.stages) {
    for (const FieldRef& field : stage.select)
      add(field);
  }
  for (const FieldRef& field : spans.fields) {
    if (!is_fixed(field)) add(field);
  }
}

}  // namespace

FieldExpr simplify(FieldExpr expression) {
  if (asks_for_root(expression)) {
    expression.op = Op::kEqual;
    expression.children[0].field.kind = FieldKind::kParentId;
    expression.children[1].literal = {StaticType::kNil, Value()};
    return expression;
  }
  for (FieldExpr& child : expression.children)
    child = simplify(std::move(child));
  return expression;
}

Pushdown push_down(const FieldExpr& expression) {
  switch (expression.kind) {
    case FieldExpr::Kind::kLiteral:
      return push_literal(expression);
    case FieldExpr::Kind::kField:
      if (names_trace(expression.field)) return unknown();
      return push_condition(expression.field, CompareOp::kEqual, Value(true));
    case FieldExpr::Kind::kUnary:
      return unknown();
    case FieldExpr::Kind::kBinary:
      return push_binary(expression);
  }
  return unknown();
}

Pushdown push_down(const Pipeline& pipeline) {
  Pushdown out;
  for (const Stage& stage : pipeline.stages) {
    switch (stage.kind) {
      case Stage::Kind::kSpanset:
        out = combine(std::move(out), push_down(*stage.spanset), true);
        break;
      // A scalar filter hands on its input or, where its numbers are nested pipelines', the spans
      // of those, which are spans of its input too.
      case Stage::Kind::kScalarFilter:
      case Stage::Kind::kBy:
      case Stage::Kind::kCoalesce:
        out.exact = false;
        break;
      case Stage::Kind::kSelect:
        break;
    }
  }
  return out;
}

SpanPlan plan_spans(Pipeline pipeline) {
  SpanPlan out;
  simplify_in(pipeline);
  out.candidates = push_down(pipeline);
  out.filters_only =
      std::all_of(pipeline.stages.begin(), pipeline.stages.end(), [](const Stage& stage) {
        return stage.kind == Stage::Kind::kSelect ||
               (stage.kind == Stage::Kind::kSpanset && is_plain(*stage.spanset));
      });
  out.whole_traces = !out.filters_only;
  if (out.whole_traces && pipeline.stages.front().spanset) {
    add_needed(*pipeline.stages.front().spanset, out.needed);
    // The source looks for the candidates anyway.
    const std::string candidates = weft::to_string(out.candidates.predicate);
    std::erase_if(out.needed, [&](const Predicate& predicate) {
      return weft::to_string(predicate) == candidates;
    });
  }
  Collector{out}.add(pipeline);
  out.pipeline = std::move(pipeline);
  return out;
}

std::shared_ptr<const Plan> make_plan(Query query) {
  auto plan = std::make_shared<Plan>();
  if (!query.metrics) {
    plan->spans = plan_spans(query.pipeline);
    collect_shown(plan->spans, plan->shown);
  } else if (query.metrics->kind == MetricsExpr::Kind::kQuery) {
    plan->spans = plan_spans(query.metrics->spans);
  }
  plan->query = std::move(query);
  return plan;
}

}  // namespace weft::traceql
