#include <bit>
#include <cmath>
#include <compare>

#include "query/filter_program.h"
#include "query/validate.h"

namespace weft::traceql {
namespace {

bool is_nil(const FieldExpr& expression) {
  return expression.kind == FieldExpr::Kind::kLiteral &&
         expression.literal.type == StaticType::kNil;
}

// Status and kind meet only their like: an attribute that holds 2 is not `error`.
bool can_meet(const FieldExpr& left, const FieldExpr& right) {
  const StaticType a = type_of(left);
  const StaticType b = type_of(right);
  const auto is_special = [](StaticType type) {
    return type == StaticType::kStatus || type == StaticType::kKind;
  };
  return (!is_special(a) && !is_special(b)) || a == b;
}

FieldValue literal_value(const Literal& literal) {
  const Value& value = literal.value;
  if (const auto* text = std::get_if<std::string>(&value.data)) {
    return {ValueType::kString, 0, *text};
  }
  if (const auto* flag = std::get_if<bool>(&value.data)) return FieldValue::of(*flag);
  if (const auto* integer = std::get_if<int64_t>(&value.data)) return FieldValue::of(*integer);
  if (const auto* number = std::get_if<double>(&value.data)) return FieldValue::of(*number);
  return {};
}

template <typename Order>
bool holds_order(Op op, Order order) {
  switch (op) {
    case Op::kEqual:
      return order == 0;
    case Op::kNotEqual:
      return order != 0;
    case Op::kLess:
      return order < 0;
    case Op::kLessEqual:
      return order <= 0;
    case Op::kGreater:
      return order > 0;
    case Op::kGreaterEqual:
      return order >= 0;
    default:
      return false;
  }
}

FieldValue integer_arithmetic(Op op, int64_t a, int64_t b) {
  int64_t out = 0;
  bool overflow = true;
  switch (op) {
    case Op::kAdd:
      overflow = __builtin_add_overflow(a, b, &out);
      break;
    case Op::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &out);
      break;
    case Op::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &out);
      break;
    case Op::kModulo:
      if (b == 0) return {};
      overflow = false;
      out = b == -1 ? 0 : a % b;
      break;
    default:
      break;
  }
  return overflow ? FieldValue{} : FieldValue::of(out);
}

}  // namespace

FieldValue arithmetic(Op op, const FieldValue& a, const FieldValue& b) {
  if (!a.is_number() || !b.is_number()) return {};
  if (a.type == ValueType::kInt && b.type == ValueType::kInt) {
    const FieldValue out =
        integer_arithmetic(op, static_cast<int64_t>(a.word), static_cast<int64_t>(b.word));
    if (out.type != ValueType::kNone || op == Op::kModulo) return out;
  }
  const double x = a.as_double();
  const double y = b.as_double();
  double out = 0;
  switch (op) {
    case Op::kAdd:
      out = x + y;
      break;
    case Op::kSubtract:
      out = x - y;
      break;
    case Op::kMultiply:
      out = x * y;
      break;
    case Op::kDivide:
      if (y == 0) return {};
      out = x / y;
      break;
    case Op::kModulo:
      if (y == 0) return {};
      out = std::fmod(x, y);
      break;
    case Op::kPower:
      out = std::pow(x, y);
      break;
    default:
      return {};
  }
  return std::isnan(out) ? FieldValue{} : FieldValue::of(out);
}

bool compare_values(Op op, const FieldValue& a, const FieldValue& b) {
  if (a.type == ValueType::kInt && b.type == ValueType::kInt) {
    return holds_order(op, static_cast<int64_t>(a.word) <=> static_cast<int64_t>(b.word));
  }
  if (a.is_number() && b.is_number()) return holds_order(op, a.as_double() <=> b.as_double());
  if (a.type != b.type) return false;
  switch (a.type) {
    case ValueType::kString:
    case ValueType::kBytes:
      return holds_order(op, a.text.compare(b.text) <=> 0);
    case ValueType::kBool:
      return holds_order(op, (a.word != 0) <=> (b.word != 0));
    default:
      return false;
  }
}

RowEvaluator::RowEvaluator(const FieldExpr& expression, BatchFields& fields)
    : fields_(fields), root_(build(expression)) {}

RowEvaluator::Node RowEvaluator::build(const FieldExpr& expression) {
  Node node{&expression, 0, nullptr, false, {}};
  if (expression.kind == FieldExpr::Kind::kField) {
    // The table holds every field of the query: this finds, it does not add.
    for (FieldTable::Slot slot = 0; slot < fields_.table().size(); ++slot) {
      if (fields_.table().field(slot) == expression.field) node.slot = slot;
    }
  }
  for (const FieldExpr& child : expression.children)
    node.children.push_back(build(child));
  if (expression.kind != FieldExpr::Kind::kBinary || !is_comparison(expression.op)) return node;
  node.never = !can_meet(expression.children[0], expression.children[1]);
  if (expression.op == Op::kRegex || expression.op == Op::kNotRegex) {
    auto regex = CompiledCondition::create(
        expression.op == Op::kRegex ? CompareOp::kRegex : CompareOp::kNotRegex,
        expression.children[1].literal.value);
    if (regex) {
      node.regex = std::make_shared<CompiledCondition>(std::move(*regex));
    } else {
      node.never = true;
    }
  }
  return node;
}

std::string_view RowEvaluator::keep(std::string text) {
  return kept_.emplace_back(std::move(text));
}

bool RowEvaluator::holds(uint32_t row) {
  kept_.clear();
  return truth(root_, row);
}

FieldValue RowEvaluator::first(uint32_t row) {
  kept_.clear();
  if (root_.expression->kind == FieldExpr::Kind::kField) {
    // The field as it is: an array is one value.
    FieldValue value = fields_.value(root_.slot, row);
    if (root_.expression->field.is_id() && value.type != ValueType::kNone) {
      value = {ValueType::kString, 0, keep(hex(value.text))};
    }
    return value;
  }
  Values out;
  values(root_, row, out);
  return out.empty() ? FieldValue{} : out.front();
}

void RowEvaluator::push_expanded(const FieldRef& field, const FieldValue& value, Values& out) {
  if (value.type == ValueType::kNone) return;
  if (field.is_id()) {
    out.push_back({ValueType::kString, 0, keep(hex(value.text))});
    return;
  }
  if (value.type != ValueType::kArray) {
    out.push_back(value);
    return;
  }
  const Value decoded = decode_nested(ValueType::kArray, value.text);
  const auto* array = std::get_if<Value::Array>(&decoded.data);
  if (array == nullptr) return;
  for (const Value& element : *array) {
    if (const auto* text = std::get_if<std::string>(&element.data)) {
      out.push_back({ValueType::kString, 0, keep(*text)});
    } else if (const auto* bytes = std::get_if<Value::Bytes>(&element.data)) {
      out.push_back({ValueType::kBytes, 0, keep(bytes->data)});
    } else if (element.type() != ValueType::kNone && element.type() != ValueType::kArray &&
               element.type() != ValueType::kKvlist) {
      out.push_back(literal_value({StaticType::kUnknown, element}));
    }
  }
}

void RowEvaluator::field_values(const Node& node, uint32_t row, Values& out) {
  const ValueColumn& column = fields_.column(node.slot);
  const FieldRef& field = node.expression->field;
  if (column.offsets.empty()) return push_expanded(field, value_at(column, row), out);
  for (uint32_t i = column.offsets[row]; i < column.offsets[row + 1]; ++i) {
    push_expanded(field, value_at(column, i), out);
  }
}

void RowEvaluator::values(const Node& node, uint32_t row, Values& out) {
  const FieldExpr& expression = *node.expression;
  switch (expression.kind) {
    case FieldExpr::Kind::kLiteral:
      if (expression.literal.type != StaticType::kNil) {
        out.push_back(literal_value(expression.literal));
      }
      return;
    case FieldExpr::Kind::kField:
      return field_values(node, row, out);
    case FieldExpr::Kind::kUnary:
      if (expression.op == Op::kNegate) {
        Values inner;
        values(node.children[0], row, inner);
        for (const FieldValue& value : inner) {
          const FieldValue negated = arithmetic(Op::kSubtract, FieldValue::of(int64_t{0}), value);
          if (negated.type != ValueType::kNone) out.push_back(negated);
        }
        return;
      }
      break;
    case FieldExpr::Kind::kBinary:
      if (is_arithmetic(expression.op)) {
        Values left;
        Values right;
        values(node.children[0], row, left);
        values(node.children[1], row, right);
        for (const FieldValue& a : left) {
          for (const FieldValue& b : right) {
            if (out.size() >= kMaxValues) return;
            const FieldValue value = arithmetic(expression.op, a, b);
            if (value.type != ValueType::kNone) out.push_back(value);
          }
        }
        return;
      }
      break;
  }
  out.push_back(FieldValue::of(truth(node, row)));
}

bool RowEvaluator::truth(const Node& node, uint32_t row) {
  const FieldExpr& expression = *node.expression;
  if (expression.kind == FieldExpr::Kind::kUnary && expression.op == Op::kNot) {
    const FieldExpr::Kind inner = node.children[0].expression->kind;
    if (inner != FieldExpr::Kind::kField) return !truth(node.children[0], row);
    // `!.a` holds where .a is false, not where it is missing.
    Values values_of_field;
    values(node.children[0], row, values_of_field);
    for (const FieldValue& value : values_of_field) {
      if (value.type == ValueType::kBool && value.word == 0) return true;
    }
    return false;
  }
  if (expression.kind == FieldExpr::Kind::kBinary) {
    if (expression.op == Op::kAnd)
      return truth(node.children[0], row) && truth(node.children[1], row);
    if (expression.op == Op::kOr)
      return truth(node.children[0], row) || truth(node.children[1], row);
    if (is_comparison(expression.op)) return compare(node, row);
  }
  Values all;
  values(node, row, all);
  for (const FieldValue& value : all) {
    if (value.type == ValueType::kBool && value.word != 0) return true;
  }
  return false;
}

bool RowEvaluator::compare_nil(const Node& node, uint32_t row) {
  const bool left_is_nil = is_nil(*node.children[0].expression);
  const Node& other = node.children[left_is_nil ? 1 : 0];
  const bool wants_nil = node.expression->op == Op::kEqual;
  if (other.expression->kind == FieldExpr::Kind::kField) {
    return (fields_.value(other.slot, row).type == ValueType::kNone) == wants_nil;
  }
  Values all;
  values(other, row, all);
  return all.empty() == wants_nil;
}

bool RowEvaluator::compare(const Node& node, uint32_t row) {
  const FieldExpr& expression = *node.expression;
  if (is_nil(expression.children[0]) || is_nil(expression.children[1])) {
    return compare_nil(node, row);
  }
  if (node.never) return false;
  Values left;
  values(node.children[0], row, left);
  if (node.regex) {
    for (const FieldValue& value : left) {
      if (node.regex->matches_value(value.type, value.word, value.text)) return true;
    }
    return false;
  }
  Values right;
  values(node.children[1], row, right);
  for (const FieldValue& a : left) {
    for (const FieldValue& b : right) {
      if (compare_values(expression.op, a, b)) return true;
    }
  }
  return false;
}

}  // namespace weft::traceql
