#include "query/testing/reference.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "query/testing/span_values.h"

namespace weft::testing {
namespace {

using namespace traceql;

using Trace = std::vector<const Span*>;  // by (start, span id)
using Values = std::vector<Value>;

const Span* parent_in(const Trace& trace, const Span& span) {
  if (span.parent_span_id.is_zero()) return nullptr;
  for (const Span* other : trace) {
    if (other->span_id == span.parent_span_id) return other;
  }
  return nullptr;
}

std::vector<const Span*> children_in(const Trace& trace, const Span& span) {
  std::vector<const Span*> out;
  for (const Span* other : trace) {
    if (other->parent_span_id == span.span_id) out.push_back(other);
  }
  return out;
}

const Span* root_of(const Trace& trace) {
  for (const Span* span : trace) {
    if (span->parent_span_id.is_zero()) return span;
  }
  return nullptr;
}

// ---- nested sets ----

struct Nested {
  int64_t left = 0;
  int64_t right = 0;
  int64_t parent = 0;
};

void number_from(const Trace& trace, const Span& span, int64_t parent, int64_t& counter,
                 std::map<const Span*, Nested>& out) {
  Nested& mine = out[&span];
  mine.parent = parent;
  mine.left = ++counter;
  const int64_t left = mine.left;
  for (const Span* child : children_in(trace, span)) {
    number_from(trace, *child, left, counter, out);
  }
  out[&span].right = ++counter;
}

Nested nested_of(const Trace& trace, const Span& span) {
  std::map<const Span*, Nested> out;
  int64_t counter = 0;
  for (const Span* root : trace) {
    if (root->parent_span_id.is_zero()) number_from(trace, *root, -1, counter, out);
  }
  return out[&span];
}

// ---- fields ----

std::string hex_of(const std::string& bytes) {
  std::string out;
  for (char c : bytes) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", static_cast<unsigned char>(c));
    out += digits.data();
  }
  return out;
}

int64_t end_of(const Span& span) {
  return static_cast<int64_t>(span.start_ns + span.duration_ns());
}

Values raw_values(const FieldRef& field, const Span& span, const Trace& trace) {
  if (field.of_parent) {
    const Span* parent = parent_in(trace, span);
    if (parent == nullptr) return {};
    FieldRef own = field;
    own.of_parent = false;
    return raw_values(own, *parent, trace);
  }
  const Span* root = root_of(trace);
  switch (field.kind) {
    case FieldKind::kChildCount:
      return {Value(static_cast<int64_t>(children_in(trace, span).size()))};
    case FieldKind::kNestedSetLeft:
      return {Value(nested_of(trace, span).left)};
    case FieldKind::kNestedSetRight:
      return {Value(nested_of(trace, span).right)};
    case FieldKind::kNestedSetParent:
      return {Value(nested_of(trace, span).parent)};
    case FieldKind::kTraceDuration: {
      int64_t first = INT64_MAX;
      int64_t last = 0;
      for (const Span* other : trace) {
        first = std::min(first, static_cast<int64_t>(other->start_ns));
        last = std::max(last, end_of(*other));
      }
      return {Value(last - first)};
    }
    case FieldKind::kRootName:
      return root == nullptr ? Values{} : Values{Value(root->name)};
    case FieldKind::kRootService:
      return root == nullptr ? Values{}
                             : column_values(*root, ColumnRef::attribute(AttributeScope::kResource,
                                                                         "service.name"));
    default:
      return column_values(span, field.column());
  }
}

// The values that operators see: arrays by element, ids as text.
Values operand_values(const FieldRef& field, const Span& span, const Trace& trace) {
  Values out;
  for (const Value& value : raw_values(field, span, trace)) {
    if (const auto* bytes = std::get_if<Value::Bytes>(&value.data); bytes && field.is_id()) {
      out.push_back(Value(hex_of(bytes->data)));
    } else if (const auto* array = std::get_if<Value::Array>(&value.data)) {
      for (const Value& element : *array) {
        const ValueType type = element.type();
        if (type != ValueType::kNone && type != ValueType::kArray && type != ValueType::kKvlist) {
          out.push_back(element);
        }
      }
    } else {
      out.push_back(value);
    }
  }
  return out;
}

// ---- expressions ----

bool is_nil(const FieldExpr& expression) {
  return expression.kind == FieldExpr::Kind::kLiteral &&
         expression.literal.type == StaticType::kNil;
}

std::optional<double> number_of(const Value& value) {
  if (const auto* integer = std::get_if<int64_t>(&value.data)) {
    return static_cast<double>(*integer);
  }
  if (const auto* number = std::get_if<double>(&value.data)) return *number;
  return std::nullopt;
}

std::optional<Value> calculate(Op op, const Value& a, const Value& b) {
  const auto x = number_of(a);
  const auto y = number_of(b);
  if (!x || !y) return std::nullopt;
  if (a.type() == ValueType::kInt && b.type() == ValueType::kInt) {
    const auto i = std::get<int64_t>(a.data);
    const auto j = std::get<int64_t>(b.data);
    __extension__ typedef __int128 Wide;
    Wide wide = 0;
    bool whole = true;
    switch (op) {
      case Op::kAdd:
        wide = Wide{i} + j;
        break;
      case Op::kSubtract:
        wide = Wide{i} - j;
        break;
      case Op::kMultiply:
        wide = Wide{i} * j;
        break;
      case Op::kModulo:
        if (j == 0) return std::nullopt;
        wide = Wide{i} % j;
        break;
      default:
        whole = false;
    }
    if (whole && wide >= INT64_MIN && wide <= INT64_MAX) return Value(static_cast<int64_t>(wide));
  }
  double out = 0;
  switch (op) {
    case Op::kAdd:
      out = *x + *y;
      break;
    case Op::kSubtract:
      out = *x - *y;
      break;
    case Op::kMultiply:
      out = *x * *y;
      break;
    case Op::kDivide:
      if (*y == 0) return std::nullopt;
      out = *x / *y;
      break;
    case Op::kModulo:
      if (*y == 0) return std::nullopt;
      out = std::fmod(*x, *y);
      break;
    default:
      out = std::pow(*x, *y);
      break;
  }
  if (std::isnan(out)) return std::nullopt;
  return Value(out);
}

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

// Status and kind are types of their own.
StaticType special_type(const FieldExpr& expression) {
  StaticType type = StaticType::kUnknown;
  if (expression.kind == FieldExpr::Kind::kLiteral) type = expression.literal.type;
  if (expression.kind == FieldExpr::Kind::kField) type = expression.field.type();
  return type == StaticType::kStatus || type == StaticType::kKind ? type : StaticType::kUnknown;
}

// An id literal means the id, however many leading zeros and in whichever case it is written.
Value normal_id(const FieldRef& field, const Value& literal) {
  const auto* text = std::get_if<std::string>(&literal.data);
  if (text == nullptr) return literal;
  const bool is_trace = field.kind == FieldKind::kTraceId || field.kind == FieldKind::kLinkTraceId;
  if (is_trace) {
    const auto id = TraceId::from_hex(*text);
    return id ? Value(id->to_hex()) : literal;
  }
  const auto id = SpanId::from_hex(*text);
  return id ? Value(id->to_hex()) : literal;
}

class Expression {
 public:
  Expression(const Span& span, const Trace& trace) : span_(span), trace_(trace) {}

  bool holds(const FieldExpr& expression) const {
    const Values values = evaluate(expression);
    return std::any_of(values.begin(), values.end(),
                       [](const Value& value) { return value == Value(true); });
  }

  Values evaluate(const FieldExpr& expression) const {
    switch (expression.kind) {
      case FieldExpr::Kind::kLiteral:
        return is_nil(expression) ? Values{} : Values{expression.literal.value};
      case FieldExpr::Kind::kField:
        return operand_values(expression.field, span_, trace_);
      case FieldExpr::Kind::kUnary:
        return unary(expression);
      case FieldExpr::Kind::kBinary:
        return binary(expression);
    }
    return {};
  }

 private:
  Values unary(const FieldExpr& expression) const {
    const FieldExpr& child = expression.children[0];
    // `!.a` holds where .a is false; `!` of a condition holds wherever that does not.
    if (expression.op == Op::kNot && child.kind != FieldExpr::Kind::kField) {
      return {Value(!holds(child))};
    }
    Values out;
    for (const Value& value : evaluate(child)) {
      if (expression.op == Op::kNot) {
        if (const auto* flag = std::get_if<bool>(&value.data)) out.push_back(Value(!*flag));
      } else if (auto negated = calculate(Op::kSubtract, Value(0), value)) {
        out.push_back(*negated);
      }
    }
    return out;
  }

  Values binary(const FieldExpr& expression) const {
    const FieldExpr& left = expression.children[0];
    const FieldExpr& right = expression.children[1];
    switch (expression.op) {
      case Op::kAnd:
        return {Value(holds(left) && holds(right))};
      case Op::kOr:
        return {Value(holds(left) || holds(right))};
      default:
        break;
    }
    if (is_comparison(expression.op)) return {Value(compare(expression))};
    Values out;
    const Values rights = evaluate(right);
    for (const Value& a : evaluate(left)) {
      for (const Value& b : rights) {
        if (auto value = calculate(expression.op, a, b)) out.push_back(*value);
      }
    }
    return out;
  }

  bool exists(const FieldExpr& expression) const {
    if (expression.kind == FieldExpr::Kind::kField) {
      return !raw_values(expression.field, span_, trace_).empty();
    }
    return !evaluate(expression).empty();
  }

  bool compare(const FieldExpr& expression) const {
    const FieldExpr& left = expression.children[0];
    const FieldExpr& right = expression.children[1];
    if (is_nil(left)) return exists(right) == (expression.op == Op::kNotEqual);
    if (is_nil(right)) return exists(left) == (expression.op == Op::kNotEqual);
    if (special_type(left) != special_type(right)) return false;
    Values lefts = evaluate(left);
    Values rights = evaluate(right);
    const bool is_regex = expression.op == Op::kRegex || expression.op == Op::kNotRegex;
    if (!is_regex) {
      if (left.kind == FieldExpr::Kind::kField && left.field.is_id()) {
        for (Value& value : rights)
          value = normal_id(left.field, value);
      } else if (right.kind == FieldExpr::Kind::kField && right.field.is_id()) {
        for (Value& value : lefts)
          value = normal_id(right.field, value);
      }
    }
    for (const Value& a : lefts) {
      for (const Value& b : rights) {
        if (matches(a, *compare_op(expression.op), b)) return true;
      }
    }
    return false;
  }

  const Span& span_;
  const Trace& trace_;
};

// ---- spansets ----

struct Set {
  std::vector<const Span*> spans;
  std::vector<std::pair<std::string, Value>> attributes;
};
using Sets = std::vector<Set>;

bool contains(const std::vector<const Span*>& spans, const Span* span) {
  return std::find(spans.begin(), spans.end(), span) != spans.end();
}

std::vector<const Span*> ancestors_of(const Trace& trace, const Span& span) {
  std::vector<const Span*> out;
  const Span* at = parent_in(trace, span);
  while (at != nullptr && at != &span && !contains(out, at)) {
    out.push_back(at);
    at = parent_in(trace, *at);
  }
  return out;
}

// Whether `b` is op's relative of `a`: a > b, b is a child of a.
bool related(Op relation, const Trace& trace, const Span& a, const Span& b) {
  if (&a == &b) return false;
  switch (relation) {
    case Op::kChild:
      return parent_in(trace, b) == &a;
    case Op::kParent:
      return parent_in(trace, a) == &b;
    case Op::kDescendant:
      return contains(ancestors_of(trace, b), &a);
    case Op::kAncestor:
      return contains(ancestors_of(trace, a), &b);
    default: {
      const Span* parent = parent_in(trace, a);
      return parent != nullptr && parent == parent_in(trace, b);
    }
  }
}

class Evaluator {
 public:
  explicit Evaluator(Trace trace) : trace_(std::move(trace)) {}

  Sets run(const Pipeline& pipeline) const { return run(pipeline, {Set{trace_, {}}}); }

 private:
  std::vector<const Span*> in_order(const std::vector<const Span*>& spans) const {
    std::vector<const Span*> out;
    for (const Span* span : trace_) {
      if (contains(spans, span)) out.push_back(span);
    }
    return out;
  }

  std::vector<const Span*> all_of(const Sets& sets) const {
    std::vector<const Span*> out;
    for (const Set& set : sets)
      out.insert(out.end(), set.spans.begin(), set.spans.end());
    return in_order(out);
  }

  Sets run(const Pipeline& pipeline, Sets sets) const {
    for (const Stage& stage : pipeline.stages) {
      if (sets.empty()) return {};
      Sets out;
      switch (stage.kind) {
        case Stage::Kind::kSpanset:
          for (const Set& set : sets) {
            for (Set& selected : select(*stage.spanset, set))
              out.push_back(std::move(selected));
          }
          break;
        case Stage::Kind::kScalarFilter:
          for (const Set& set : sets) {
            if (auto kept = scalar_filter(stage, set)) out.push_back(std::move(*kept));
          }
          break;
        case Stage::Kind::kBy:
          for (const Set& set : sets)
            group(*stage.by, set, out);
          break;
        case Stage::Kind::kCoalesce:
          out.push_back(Set{all_of(sets), {}});
          break;
        case Stage::Kind::kSelect:
          out = sets;
          break;
      }
      sets = std::move(out);
    }
    return sets;
  }

  Sets select(const SpansetExpr& expression, const Set& input) const {
    Set out{{}, input.attributes};
    switch (expression.kind) {
      case SpansetExpr::Kind::kPipeline:
        return run(expression.pipeline[0], {input});
      case SpansetExpr::Kind::kFilter:
        for (const Span* span : input.spans) {
          if (!expression.filter || Expression(*span, trace_).holds(*expression.filter)) {
            out.spans.push_back(span);
          }
        }
        break;
      case SpansetExpr::Kind::kOperation:
        out.spans = operate(expression.op, all_of(select(expression.operands[0], input)),
                            all_of(select(expression.operands[1], input)));
        break;
    }
    if (out.spans.empty()) return {};
    return {out};
  }

  std::vector<const Span*> operate(Op op, const std::vector<const Span*>& left,
                                   const std::vector<const Span*>& right) const {
    std::vector<const Span*> both = left;
    both.insert(both.end(), right.begin(), right.end());
    if (op == Op::kAnd) {
      if (left.empty() || right.empty()) return {};
      return in_order(both);
    }
    if (op == Op::kOr) return in_order(both);
    const int number = static_cast<int>(op) - static_cast<int>(Op::kChild);
    const auto relation = static_cast<Op>(static_cast<int>(Op::kChild) + number % 5);
    const bool negated = number / 5 == 1;
    const bool is_union = number / 5 == 2;
    std::vector<const Span*> out;
    for (const Span* b : right) {
      const bool found = std::any_of(left.begin(), left.end(), [&](const Span* a) {
        return related(relation, trace_, *a, *b);
      });
      if (found != negated) out.push_back(b);
    }
    for (const Span* a : left) {
      const bool found = std::any_of(right.begin(), right.end(), [&](const Span* b) {
        return related(relation, trace_, *a, *b);
      });
      if (is_union && found) out.push_back(a);
    }
    return in_order(out);
  }

  // by() looks at one value: a field's own (an array whole), else the expression's first.
  Value group_value(const FieldExpr& by, const Span& span) const {
    if (by.kind == FieldExpr::Kind::kField) return reference_value(by.field, span, trace_);
    const Values values = Expression(span, trace_).evaluate(by);
    return values.empty() ? Value() : values[0];
  }

  void group(const FieldExpr& by, const Set& input, Sets& out) const {
    const std::string name = "by(" + to_string(by) + ")";
    const size_t first = out.size();
    for (const Span* span : input.spans) {
      const Value value = group_value(by, *span);
      bool placed = false;
      for (size_t i = first; i < out.size(); ++i) {
        if (!(attribute(out[i], name) == value)) continue;
        out[i].spans.push_back(span);
        placed = true;
        break;
      }
      if (placed) continue;
      Set set{{span}, input.attributes};
      set_attribute(set, name, value);
      out.push_back(std::move(set));
    }
  }

  static Value attribute(const Set& set, const std::string& name) {
    for (const auto& [key, value] : set.attributes) {
      if (key == name) return value;
    }
    return {};
  }

  static void set_attribute(Set& set, const std::string& name, const Value& value) {
    for (auto& [key, existing] : set.attributes) {
      if (key == name) {
        existing = value;
        return;
      }
    }
    set.attributes.emplace_back(name, value);
  }

  struct Scalars {
    Set result;
    bool uses_input = false;
    std::vector<const Span*> piped;
  };

  std::optional<Set> scalar_filter(const Stage& stage, const Set& input) const {
    Scalars scalars;
    scalars.result.attributes = input.attributes;
    const auto left = scalar(*stage.left, input, scalars);
    const auto right = scalar(*stage.right, input, scalars);
    if (!left || !right || !matches(*left, *compare_op(stage.op), *right)) return std::nullopt;
    const bool keeps_input = scalars.uses_input || scalars.piped.empty();
    scalars.result.spans = keeps_input ? input.spans : in_order(scalars.piped);
    return scalars.result;
  }

  std::optional<Value> scalar(const ScalarExpr& expression, const Set& input, Scalars& out) const {
    switch (expression.kind) {
      case ScalarExpr::Kind::kLiteral:
        return expression.literal.value;
      case ScalarExpr::Kind::kNegate: {
        const auto inner = scalar(expression.children[0], input, out);
        return inner ? calculate(Op::kSubtract, Value(0), *inner) : std::nullopt;
      }
      case ScalarExpr::Kind::kBinary: {
        const auto a = scalar(expression.children[0], input, out);
        const auto b = scalar(expression.children[1], input, out);
        return a && b ? calculate(expression.op, *a, *b) : std::nullopt;
      }
      case ScalarExpr::Kind::kAggregate: {
        out.uses_input = true;
        const auto value = aggregate(expression, input);
        set_attribute(out.result, to_string(expression), value ? *value : Value());
        return value;
      }
      case ScalarExpr::Kind::kPipeline: {
        const Set inner{all_of(run(expression.pipeline[0], {input})), {}};
        out.piped.insert(out.piped.end(), inner.spans.begin(), inner.spans.end());
        Scalars own;
        const auto value = scalar(expression.children[0], inner, own);
        for (const auto& [key, attribute_value] : own.result.attributes) {
          set_attribute(out.result, key, attribute_value);
        }
        out.piped.insert(out.piped.end(), own.piped.begin(), own.piped.end());
        return value;
      }
    }
    return std::nullopt;
  }

  std::optional<Value> aggregate(const ScalarExpr& expression, const Set& input) const {
    if (expression.aggregate == Aggregate::kCount) {
      return Value(static_cast<int64_t>(input.spans.size()));
    }
    Values values;
    for (const Span* span : input.spans) {
      const Value value = group_value(*expression.argument, *span);
      const auto number = number_of(value);
      if (number && !std::isnan(*number)) values.push_back(value);
    }
    if (values.empty()) return std::nullopt;
    Value out = values[0];
    for (size_t i = 1; i < values.size(); ++i) {
      switch (expression.aggregate) {
        case Aggregate::kMin:
          if (matches(values[i], CompareOp::kLess, out)) out = values[i];
          break;
        case Aggregate::kMax:
          if (matches(values[i], CompareOp::kGreater, out)) out = values[i];
          break;
        default: {
          const auto sum = calculate(Op::kAdd, out, values[i]);
          if (!sum) return std::nullopt;
          out = *sum;
        }
      }
    }
    if (expression.aggregate != Aggregate::kAvg) return out;
    return calculate(Op::kDivide, out, Value(static_cast<int64_t>(values.size())));
  }

  Trace trace_;
};

std::map<TraceId, Trace> traces_of(const std::vector<Span>& spans) {
  std::map<TraceId, Trace> out;
  for (const Span& span : spans)
    out[span.trace_id].push_back(&span);
  for (auto& [id, trace] : out) {
    std::sort(trace.begin(), trace.end(), [](const Span* a, const Span* b) {
      return a->start_ns != b->start_ns ? a->start_ns < b->start_ns : a->span_id < b->span_id;
    });
  }
  return out;
}

bool in_range(const Set& set, const TimeRange& range) {
  return std::any_of(set.spans.begin(), set.spans.end(),
                     [&](const Span* span) { return range.contains(span->start_ns); });
}

}  // namespace

Value reference_value(const FieldRef& field, const Span& span,
                      const std::vector<const Span*>& trace) {
  const Values values = raw_values(field, span, trace);
  if (values.empty()) return {};
  constexpr std::array kStatus = {"unset", "ok", "error"};
  constexpr std::array kKinds = {"unspecified", "internal", "server",
                                 "client",      "producer", "consumer"};
  const auto name = [&](const auto& names) {
    const auto number = static_cast<uint64_t>(std::get<int64_t>(values[0].data));
    return Value(number < names.size() ? names[number] : "unknown");
  };
  if (field.type() == StaticType::kStatus) return name(kStatus);
  if (field.type() == StaticType::kKind) return name(kKinds);
  if (const auto* bytes = std::get_if<Value::Bytes>(&values[0].data); bytes && field.is_id()) {
    return Value(hex_of(bytes->data));
  }
  return values[0];
}

std::vector<ReferenceTrace> reference_search(const Query& query, const std::vector<Span>& spans,
                                             TimeRange range) {
  std::vector<ReferenceTrace> out;
  for (const auto& [id, trace] : traces_of(spans)) {
    const Sets sets = Evaluator(trace).run(query.pipeline);
    const bool found =
        std::any_of(sets.begin(), sets.end(), [&](const Set& set) { return in_range(set, range); });
    if (!found) continue;
    ReferenceTrace entry{id, trace[0]->start_ns, {}};
    for (const Set& set : sets)
      entry.spansets.push_back({set.spans, set.attributes});
    out.push_back(std::move(entry));
  }
  std::stable_sort(out.begin(), out.end(), [](const ReferenceTrace& a, const ReferenceTrace& b) {
    return a.start_ns > b.start_ns;
  });
  return out;
}

std::vector<const Span*> reference_matches(const Pipeline& pipeline, const std::vector<Span>& spans,
                                           TimeRange range) {
  std::vector<const Span*> out;
  for (const auto& [id, trace] : traces_of(spans)) {
    std::set<const Span*> seen;
    for (const Set& set : Evaluator(trace).run(pipeline)) {
      for (const Span* span : set.spans) {
        if (range.contains(span->start_ns) && seen.insert(span).second) out.push_back(span);
      }
    }
  }
  return out;
}

}  // namespace weft::testing
