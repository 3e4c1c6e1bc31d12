#include "scan/compiled_condition.h"

#include <re2/re2.h>

#include <algorithm>
#include <compare>

#include "scan/regex_options.h"
#include "scan/regex_prefilter.h"

namespace weft {
namespace {

template <typename Order>
bool holds(CompareOp op, Order order) {
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

bool is_regex(CompareOp op) {
  return op == CompareOp::kRegex || op == CompareOp::kNotRegex;
}

}  // namespace

Expected<std::shared_ptr<const re2::RE2>> compile_regex(std::string_view pattern) {
  auto regex =
      std::make_shared<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), regex_options());
  if (!regex->ok()) {
    return fail(ErrorCode::kInvalidArgument,
                "the regular expression does not compile: " + regex->error());
  }
  return regex;
}

Expected<CompiledCondition> CompiledCondition::create(CompareOp op, Value operand) {
  CompiledCondition out;
  out.op_ = op;
  if (op == CompareOp::kExists || op == CompareOp::kNotExists) {
    out.kind_ = Kind::kExistence;
  } else if (is_regex(op)) {
    if (const auto* pattern = std::get_if<std::string>(&operand.data)) {
      WEFT_ASSIGN(out.regex_, compile_regex(*pattern));
      out.prefilter_ = std::make_shared<const RegexPrefilter>(*pattern);
      out.kind_ = Kind::kRegex;
    }
  } else if (const auto* text = std::get_if<std::string>(&operand.data)) {
    out.kind_ = Kind::kString;
    out.text_ = *text;
  } else if (const auto* bytes = std::get_if<Value::Bytes>(&operand.data)) {
    out.kind_ = Kind::kBytes;
    out.text_ = bytes->data;
  } else if (const auto* flag = std::get_if<bool>(&operand.data)) {
    out.kind_ = Kind::kBool;
    out.bool_ = *flag;
  } else if (const auto* integer = std::get_if<int64_t>(&operand.data)) {
    out.kind_ = Kind::kInt;
    out.int_ = *integer;
    out.double_ = static_cast<double>(*integer);
  } else if (const auto* number = std::get_if<double>(&operand.data)) {
    out.kind_ = Kind::kDouble;
    out.double_ = *number;
  }
  out.operand_ = std::move(operand);
  return out;
}

bool CompiledCondition::matches_word_slow(ValueType type, uint64_t word) const {
  if (type == ValueType::kNone) return matches_absent();
  if (kind_ == Kind::kExistence) return op_ == CompareOp::kExists;
  switch (type) {
    case ValueType::kInt:
      return kind_ == Kind::kDouble &&
             holds(op_, static_cast<double>(static_cast<int64_t>(word)) <=> double_);
    case ValueType::kDouble:
      return (kind_ == Kind::kDouble || kind_ == Kind::kInt) &&
             holds(op_, std::bit_cast<double>(word) <=> double_);
    case ValueType::kBool:
      return kind_ == Kind::kBool && holds(op_, (word != 0) <=> bool_);
    default:
      return false;
  }
}

bool CompiledCondition::matches_text(ValueType type, std::string_view text) const {
  if (kind_ == Kind::kExistence) return op_ == CompareOp::kExists;
  switch (type) {
    case ValueType::kString:
      if (kind_ == Kind::kString) return holds(op_, text.compare(text_) <=> 0);
      if (kind_ == Kind::kRegex) {
        const bool match = re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *regex_);
        return match == (op_ == CompareOp::kRegex);
      }
      return false;
    case ValueType::kBytes:
      return kind_ == Kind::kBytes && holds(op_, text.compare(text_) <=> 0);
    case ValueType::kArray:
      return matches_array(text);
    default:
      return false;
  }
}

bool CompiledCondition::matches_array(std::string_view encoded) const {
  if (kind_ == Kind::kNever) return false;
  const Value decoded = decode_nested(ValueType::kArray, encoded);
  const auto* array = std::get_if<Value::Array>(&decoded.data);
  if (array == nullptr) return matches_text(ValueType::kBytes, encoded);
  return std::any_of(array->begin(), array->end(), [this](const Value& element) {
    switch (element.type()) {
      case ValueType::kString:
        return matches_text(ValueType::kString, std::get<std::string>(element.data));
      case ValueType::kBytes:
        return matches_text(ValueType::kBytes, std::get<Value::Bytes>(element.data).data);
      case ValueType::kBool:
        return matches_word(ValueType::kBool, std::get<bool>(element.data));
      case ValueType::kInt:
        return matches_word(ValueType::kInt,
                            static_cast<uint64_t>(std::get<int64_t>(element.data)));
      case ValueType::kDouble:
        return matches_word(ValueType::kDouble,
                            std::bit_cast<uint64_t>(std::get<double>(element.data)));
      default:
        return false;
    }
  });
}

bool CompiledCondition::matches_value(ValueType type, uint64_t word, std::string_view text) const {
  switch (type) {
    case ValueType::kString:
    case ValueType::kBytes:
    case ValueType::kArray:
    case ValueType::kKvlist:
      return matches_text(type, text);
    default:
      return matches_word(type, word);
  }
}

bool CompiledCondition::can_match(ValueType type) const {
  if (type == ValueType::kNone) return matches_absent();
  if (kind_ == Kind::kExistence) return op_ == CompareOp::kExists;
  if (type == ValueType::kArray) return kind_ != Kind::kNever;
  switch (kind_) {
    case Kind::kString:
    case Kind::kRegex:
      return type == ValueType::kString;
    case Kind::kBytes:
      return type == ValueType::kBytes;
    case Kind::kBool:
      return type == ValueType::kBool;
    case Kind::kInt:
    case Kind::kDouble:
      return type == ValueType::kInt || type == ValueType::kDouble;
    default:
      return false;
  }
}

}  // namespace weft
