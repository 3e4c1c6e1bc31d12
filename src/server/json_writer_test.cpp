#include "server/json_writer.h"

#include <gtest/gtest.h>

#include <limits>

namespace weft {
namespace {

std::string json_string(std::string_view text) {
  std::string out;
  JsonWriter(out).value(text);
  return out;
}

TEST(JsonWriter, PlacesCommasAndNests) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("a", 1).key("b").begin_array().value("x").value(true).null();
  json.begin_object().end_object().begin_array().end_array().end_array();
  json.field("c", 2.5).nanos_field("d", 17).millis_field("e", 1.5e6).end_object();
  EXPECT_EQ(out, R"({"a":1,"b":["x",true,null,{},[]],"c":2.5,"d":"17","e":1.5})");
}

TEST(JsonWriter, EscapesWhatJsonAsksFor) {
  EXPECT_EQ(json_string("a\"b\\c\n\t\r\x01"), "\"a\\\"b\\\\c\\n\\t\\r\\u0001\"");
  EXPECT_EQ(json_string(std::string_view("\0", 1)), "\"\\u0000\"");
  EXPECT_EQ(json_string("</script>"), "\"</script>\"");
}

TEST(JsonWriter, KeepsUtf8AndReplacesWhatIsNot) {
  EXPECT_EQ(json_string("grüß 漢 🧵"), "\"grüß 漢 🧵\"");
  EXPECT_EQ(json_string("a\xFFz"), "\"a\xEF\xBF\xBDz\"");
}

TEST(JsonWriter, NumbersReadBack) {
  std::string out;
  JsonWriter json(out);
  json.begin_array().value(std::numeric_limits<uint64_t>::max());
  json.value(std::numeric_limits<int64_t>::min()).value(0.1).value(-0.0);
  json.value(std::numeric_limits<double>::infinity()).decimal(int64_t{-5}).end_array();
  EXPECT_EQ(out, R"([18446744073709551615,-9223372036854775808,0.1,-0.0,null,"-5"])");
}

TEST(JsonWriter, AnyValueIsOtlpJson) {
  const Value value(Value::Kvlist{{"s", "x"},
                                  {"i", int64_t{-7}},
                                  {"d", 1.5},
                                  {"b", true},
                                  {"n", Value()},
                                  {"y", Value::Bytes{std::string("\x00\xFF\x10", 3)}},
                                  {"a", Value::Array{1, "two"}}});
  std::string any, plain;
  JsonWriter any_json(any), plain_json(plain);
  write_any_value(any_json, value);
  write_plain_value(plain_json, value);
  EXPECT_EQ(any, R"({"kvlistValue":{"values":[{"key":"s","value":{"stringValue":"x"}},)"
                 R"({"key":"i","value":{"intValue":"-7"}},{"key":"d","value":{"doubleValue":1.5}},)"
                 R"({"key":"b","value":{"boolValue":true}},{"key":"n","value":{}},)"
                 R"({"key":"y","value":{"bytesValue":"AP8Q"}},)"
                 R"({"key":"a","value":{"arrayValue":{"values":[{"intValue":"1"},)"
                 R"({"stringValue":"two"}]}}}]}})");
  EXPECT_EQ(plain, R"({"s":"x","i":-7,"d":1.5,"b":true,"n":null,"y":"AP8Q","a":[1,"two"]})");
}

}  // namespace
}  // namespace weft
