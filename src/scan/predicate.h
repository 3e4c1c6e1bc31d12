// A filter on single spans, as data. Query makes it, sources evaluate as much of it as they can
// on encoded columns; matches() says what it means, and is the definition that all of them are
// tested against.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/value.h"
#include "scan/column.h"

namespace weft {

enum class CompareOp : uint8_t {
  kEqual,
  kNotEqual,  // needs a value: an absent attribute is not "not equal" (as in TraceQL)
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kRegex,      // RE2, anchored at both ends; a dot matches line ends too
  kNotRegex,   // needs a string value
  kExists,     // no operand
  kNotExists,  // no operand
};

// column OP operand. Ints and doubles compare with each other by value; strings (bytewise), bytes
// and bools with their own type only; any other pair of types does not match, whatever the
// operator. An array matches when one of its elements does.
struct Condition {
  ColumnRef column;
  CompareOp op = CompareOp::kExists;
  Value operand;
};

struct Predicate {
  enum class Kind : uint8_t { kTrue, kFalse, kCondition, kAnd, kOr };
  Kind kind = Kind::kTrue;
  Condition condition;              // for kCondition
  std::vector<Predicate> children;  // for kAnd, kOr; at least one

  static Predicate all() { return {}; }
  static Predicate none() { return {Kind::kFalse, {}, {}}; }
  static Predicate of(Condition c) { return {Kind::kCondition, std::move(c), {}}; }
  // Flattens nested conjunctions, drops kTrue; kFalse wins.
  static Predicate all_of(std::vector<Predicate> children);
  static Predicate any_of(std::vector<Predicate> children);
};

// "(span.a = 1 && duration > 5ms)": for --explain-plan and error messages.
std::string to_string(const Predicate& predicate);

// Whether one value meets `op operand`, by the rules above (kExists: the value is not kNone).
// Regular expressions compile at every call: for tests and slow paths. Sources and the executor
// use CompiledCondition.
bool matches(const Value& value, CompareOp op, const Value& operand);

}  // namespace weft
