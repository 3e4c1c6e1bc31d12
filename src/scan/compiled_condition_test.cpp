#include "scan/compiled_condition.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace weft {
namespace {

struct Columnar {
  ValueType type;
  uint64_t word = 0;
  std::string text;
};

Columnar columnar(const Value& value) {
  Columnar out{value.type(), 0, {}};
  switch (value.type()) {
    case ValueType::kString:
      out.text = std::get<std::string>(value.data);
      break;
    case ValueType::kBytes:
      out.text = std::get<Value::Bytes>(value.data).data;
      break;
    case ValueType::kBool:
      out.word = std::get<bool>(value.data);
      break;
    case ValueType::kInt:
      out.word = static_cast<uint64_t>(std::get<int64_t>(value.data));
      break;
    case ValueType::kDouble:
      out.word = std::bit_cast<uint64_t>(std::get<double>(value.data));
      break;
    case ValueType::kArray:
    case ValueType::kKvlist:
      out.text = encode_nested(value);
      break;
    case ValueType::kNone:
      break;
  }
  return out;
}

const std::vector<Value>& samples() {
  static const std::vector<Value> values = {
      Value(),
      Value(""),
      Value("GET"),
      Value("get"),
      Value("a\nb"),
      Value(true),
      Value(false),
      Value(0),
      Value(-7),
      Value(500),
      Value(int64_t{1} << 62),
      Value(0.5),
      Value(500.0),
      Value(std::numeric_limits<double>::quiet_NaN()),
      Value(Value::Bytes{"GET"}),
      Value(Value::Array{}),
      Value(Value::Array{Value("GET"), Value(500)}),
      Value(Value::Array{Value(true), Value(0.5), Value(Value::Array{Value("GET")})}),
      Value(Value::Kvlist{KeyValue{"a", Value("GET")}}),
      Value("G.*"),
      Value("G|P")};
  return values;
}

TEST(CompiledCondition, AgreesWithTheDefinitionForEveryPairAndOperator) {
  for (int op_number = 0; op_number <= static_cast<int>(CompareOp::kNotExists); ++op_number) {
    const auto op = static_cast<CompareOp>(op_number);
    for (const Value& operand : samples()) {
      const auto condition = CompiledCondition::create(op, operand);
      ASSERT_TRUE(condition) << condition.error().message;
      for (const Value& value : samples()) {
        const Columnar in = columnar(value);
        const bool expected = matches(value, op, operand);
        EXPECT_EQ(condition->matches_value(in.type, in.word, in.text), expected)
            << "operator " << op_number << ": " << to_display(value) << " with "
            << to_display(operand);
        EXPECT_TRUE(!expected || condition->can_match(value.type()));
      }
    }
  }
}

TEST(CompiledCondition, RegexMatchesTheWholeValue) {
  const auto condition = CompiledCondition::create(CompareOp::kRegex, Value("ab|c"));
  ASSERT_TRUE(condition);
  EXPECT_TRUE(condition->matches_text(ValueType::kString, "ab"));
  EXPECT_TRUE(condition->matches_text(ValueType::kString, "c"));
  EXPECT_FALSE(condition->matches_text(ValueType::kString, "abc"));
}

TEST(CompiledCondition, RegexMatchesTextOfSeveralLines) {
  const std::string trace = "java.io.IOException: timed out\n\tat Pool.take\n\tat Main\n";
  for (const auto& [pattern, expected] : {std::pair("java.*Pool.*", true),
                                          {"(?-s)java.*Pool.*", false},
                                          {"java.*Pool.*Main", false}}) {
    const auto condition = CompiledCondition::create(CompareOp::kRegex, Value(pattern));
    ASSERT_TRUE(condition);
    EXPECT_EQ(condition->matches_text(ValueType::kString, trace), expected) << pattern;
    EXPECT_EQ(matches(Value(trace), CompareOp::kRegex, Value(pattern)), expected) << pattern;
  }
}

TEST(CompiledCondition, RefusesARegexThatDoesNotCompile) {
  const auto condition = CompiledCondition::create(CompareOp::kRegex, Value("(a"));
  ASSERT_FALSE(condition);
  EXPECT_EQ(condition.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(condition.error().message.find("missing )"), std::string::npos)
      << condition.error().message;
}

}  // namespace
}  // namespace weft
