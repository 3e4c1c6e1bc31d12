#include "scan/predicate.h"

#include <re2/re2.h>

#include <algorithm>
#include <compare>
#include <optional>

#include "scan/regex_options.h"

namespace weft {
namespace {

// How two values of comparable types stand to each other; nullopt when their types do not compare.
std::optional<std::partial_ordering> compare(const Value& a, const Value& b) {
  if (const auto* x = std::get_if<int64_t>(&a.data)) {
    if (const auto* y = std::get_if<int64_t>(&b.data)) return *x <=> *y;
    if (const auto* y = std::get_if<double>(&b.data)) return static_cast<double>(*x) <=> *y;
    return std::nullopt;
  }
  if (const auto* x = std::get_if<double>(&a.data)) {
    if (const auto* y = std::get_if<int64_t>(&b.data)) return *x <=> static_cast<double>(*y);
    if (const auto* y = std::get_if<double>(&b.data)) return *x <=> *y;
    return std::nullopt;
  }
  if (a.type() != b.type()) return std::nullopt;
  if (const auto* x = std::get_if<std::string>(&a.data)) {
    return x->compare(std::get<std::string>(b.data)) <=> 0;
  }
  if (const auto* x = std::get_if<bool>(&a.data)) return *x <=> std::get<bool>(b.data);
  if (const auto* x = std::get_if<Value::Bytes>(&a.data)) {
    return x->data.compare(std::get<Value::Bytes>(b.data).data) <=> 0;
  }
  return std::nullopt;
}

bool holds(CompareOp op, std::partial_ordering order) {
  switch (op) {
    case CompareOp::kEqual:
      return order == 0;
    case CompareOp::kNotEqual:
      return order != 0;
    case CompareOp::kLess:
      return order < 0;
    case CompareOp::kLessEqual:
      return order <= 0;
    case CompareOp::kGreater:
      return order > 0;
    case CompareOp::kGreaterEqual:
      return order >= 0;
    default:
      return false;
  }
}

bool matches_regex(const Value& value, const Value& pattern, bool negated) {
  const auto* text = std::get_if<std::string>(&value.data);
  const auto* expression = std::get_if<std::string>(&pattern.data);
  if (text == nullptr || expression == nullptr) return false;
  const RE2 regex(*expression, regex_options());
  return regex.ok() && RE2::FullMatch(*text, regex) != negated;
}

std::string_view to_string(CompareOp op) {
  switch (op) {
    case CompareOp::kEqual:
      return "=";
    case CompareOp::kNotEqual:
      return "!=";
    case CompareOp::kLess:
      return "<";
    case CompareOp::kLessEqual:
      return "<=";
    case CompareOp::kGreater:
      return ">";
    case CompareOp::kGreaterEqual:
      return ">=";
    case CompareOp::kRegex:
      return "=~";
    case CompareOp::kNotRegex:
      return "!~";
    case CompareOp::kExists:
      return "!= nil";
    case CompareOp::kNotExists:
      return "= nil";
  }
  return "";
}

Predicate combine(Predicate::Kind kind, Predicate::Kind neutral, Predicate::Kind absorbing,
                  std::vector<Predicate> children) {
  Predicate out{kind, {}, {}};
  for (Predicate& child : children) {
    if (child.kind == neutral) continue;
    if (child.kind == absorbing) return {absorbing, {}, {}};
    if (child.kind == kind) {
      std::move(child.children.begin(), child.children.end(), std::back_inserter(out.children));
    } else {
      out.children.push_back(std::move(child));
    }
  }
  if (out.children.empty()) return {neutral, {}, {}};
  if (out.children.size() == 1) {
    Predicate only = std::move(out.children.front());
    return only;
  }
  return out;
}

}  // namespace

Predicate Predicate::all_of(std::vector<Predicate> children) {
  return combine(Kind::kAnd, Kind::kTrue, Kind::kFalse, std::move(children));
}

Predicate Predicate::any_of(std::vector<Predicate> children) {
  return combine(Kind::kOr, Kind::kFalse, Kind::kTrue, std::move(children));
}

std::string to_string(const Predicate& predicate) {
  switch (predicate.kind) {
    case Predicate::Kind::kTrue:
      return "true";
    case Predicate::Kind::kFalse:
      return "false";
    case Predicate::Kind::kCondition: {
      const Condition& condition = predicate.condition;
      std::string out = to_string(condition.column) + " " + std::string(to_string(condition.op));
      if (condition.op == CompareOp::kExists || condition.op == CompareOp::kNotExists) return out;
      const bool is_text = condition.operand.type() == ValueType::kString;
      return out + " " + (is_text ? "\"" : "") + to_display(condition.operand) +
             (is_text ? "\"" : "");
    }
    case Predicate::Kind::kAnd:
    case Predicate::Kind::kOr: {
      std::string out = "(";
      for (const Predicate& child : predicate.children) {
        if (out.size() > 1) out += predicate.kind == Predicate::Kind::kAnd ? " && " : " || ";
        out += to_string(child);
      }
      return out + ")";
    }
  }
  return "";
}

bool matches(const Value& value, CompareOp op, const Value& operand) {
  if (op == CompareOp::kExists) return value.type() != ValueType::kNone;
  if (op == CompareOp::kNotExists) return value.type() == ValueType::kNone;
  if (const auto* array = std::get_if<Value::Array>(&value.data)) {
    return std::any_of(array->begin(), array->end(), [&](const Value& element) {
      return element.type() != ValueType::kArray && matches(element, op, operand);
    });
  }
  if (op == CompareOp::kRegex || op == CompareOp::kNotRegex) {
    return matches_regex(value, operand, op == CompareOp::kNotRegex);
  }
  const auto order = compare(value, operand);
  return order && holds(op, *order);
}

}  // namespace weft
