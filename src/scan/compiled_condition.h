// A condition prepared once and then asked for many values: what sources run over the entries of a
// dictionary and over decoded columns, and what the executor runs over batches. It gives the same
// answers as matches() of predicate.h, without allocating a Value.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "scan/predicate.h"

namespace re2 {
class RE2;
}

namespace weft {

class RegexPrefilter;

// Regular expressions of conditions: RE2's, matched against the whole value; a dot is any
// character. kInvalidArgument with RE2's reason when the pattern does not compile or needs too much
// memory.
Expected<std::shared_ptr<const re2::RE2>> compile_regex(std::string_view pattern);

// Copyable and immutable; one may be used from several threads.
class CompiledCondition {
 public:
  // kInvalidArgument for a regular expression that RE2 does not take.
  static Expected<CompiledCondition> create(CompareOp op, Value operand);

  // For kNone, kBool, kInt and kDouble: `word` is the value as columns keep it (0 or 1, two's
  // complement, the double's bits).
  bool matches_word(ValueType type, uint64_t word) const {
    switch (type) {
      case ValueType::kInt:
        return kind_ == Kind::kInt ? compare_int(static_cast<int64_t>(word))
                                   : matches_word_slow(type, word);
      default:
        return matches_word_slow(type, word);
    }
  }
  // For kString, kBytes, kArray and kKvlist: the bytes as columns keep them.
  bool matches_text(ValueType type, std::string_view text) const;
  // An absent value.
  bool matches_absent() const { return op_ == CompareOp::kNotExists; }
  // Any value, whichever column form it has: `text` is read for string-like types only.
  bool matches_value(ValueType type, uint64_t word, std::string_view text) const;

  CompareOp op() const { return op_; }
  const Value& operand() const { return operand_; }
  // Of kRegex and kNotRegex with a pattern: what rules out texts that do not match it. Else
  // nullptr.
  const RegexPrefilter* prefilter() const { return prefilter_.get(); }
  // True when a column that holds values of this type alone can match at all: lets a source skip
  // columns of other types.
  bool can_match(ValueType type) const;

 private:
  enum class Kind : uint8_t { kExistence, kNever, kString, kBytes, kBool, kInt, kDouble, kRegex };

  CompiledCondition() = default;
  bool compare_int(int64_t value) const {
    switch (op_) {
      case CompareOp::kEqual:
        return value == int_;
      case CompareOp::kNotEqual:
        return value != int_;
      case CompareOp::kLess:
        return value < int_;
      case CompareOp::kLessEqual:
        return value <= int_;
      case CompareOp::kGreater:
        return value > int_;
      case CompareOp::kGreaterEqual:
        return value >= int_;
      default:
        return false;
    }
  }
  bool matches_word_slow(ValueType type, uint64_t word) const;
  bool matches_array(std::string_view encoded) const;

  CompareOp op_ = CompareOp::kExists;
  Kind kind_ = Kind::kNever;
  int64_t int_ = 0;
  double double_ = 0;
  bool bool_ = false;
  std::string text_;
  std::shared_ptr<const re2::RE2> regex_;
  std::shared_ptr<const RegexPrefilter> prefilter_;
  Value operand_;
};

}  // namespace weft
