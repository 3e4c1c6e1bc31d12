#include "model/value.h"

#include <gtest/gtest.h>

#include "model/ids.h"

namespace weft {
namespace {

TEST(Value, NestedValuesSurviveEncoding) {
  const Value value(Value::Kvlist{
      {"list", Value(Value::Array{Value(1), Value(2.5), Value("three"), Value(true), Value()})},
      {"map", Value(Value::Kvlist{{"bytes", Value(Value::Bytes{std::string("\0\1", 2)})}})},
      {"negative", Value(int64_t{-7})}});
  EXPECT_EQ(decode_nested(ValueType::kKvlist, encode_nested(value)), value);
}

TEST(Value, DamagedNestedBytesAreKeptAsBytes) {
  const std::string damaged = "\x0a\x7f";
  EXPECT_EQ(decode_nested(ValueType::kArray, damaged), Value(Value::Bytes{damaged}));
}

TEST(Value, TooDeepNestingIsKeptAsBytes) {
  Value value(Value::Array{});
  for (int depth = 0; depth < kMaxValueDepth + 4; ++depth) {
    value = Value(Value::Array{std::move(value)});
  }
  const std::string encoded = encode_nested(value);
  EXPECT_EQ(decode_nested(ValueType::kArray, encoded).type(), ValueType::kBytes);
}

TEST(Value, DisplaysNestedValuesAsJson) {
  const Value value(Value::Kvlist{{"a", Value(Value::Array{Value(1), Value("x\"y"), Value()})},
                                  {"b", Value(Value::Bytes{"hi!"})}});
  EXPECT_EQ(to_display(value), R"({"a":[1,"x\"y",null],"b":"aGkh"})");
  EXPECT_EQ(to_display(Value("bare")), "bare");
}

TEST(Ids, HexComesWithAndWithoutLeadingZeros) {
  const auto id = TraceId::from_hex("463AC35C9F6413AD");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->to_hex(), "0000000000000000463ac35c9f6413ad");
  EXPECT_EQ(TraceId::from_hex(id->to_hex()), id);
  EXPECT_EQ(SpanId::from_hex("a")->to_hex(), "000000000000000a");
}

TEST(Ids, NoHexZeroOrTooLongIsNoId) {
  for (const char* bad : {"", "0", "00000000000000000000000000000000", "xyz",
                          "463ac35c9f6413ad463ac35c9f6413ad1", "46 3a"}) {
    EXPECT_FALSE(TraceId::from_hex(bad)) << bad;
  }
  EXPECT_FALSE(SpanId::from_hex("463ac35c9f6413ad1"));
}

}  // namespace
}  // namespace weft
