#include "wire/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace weft::json {
namespace {

std::string json_of(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}
std::string number(double value) {
  std::string out;
  append_double(out, value);
  return out;
}

TEST(JsonWriter, Strings) {
  EXPECT_EQ(json_of(""), "\"\"");
  EXPECT_EQ(json_of("a\"\\/\n\r\t\x01\x7f"), "\"a\\\"\\\\/\\n\\r\\t\\u0001\x7f\"");
  EXPECT_EQ(json_of("ä€😀"), "\"ä€😀\"");
  EXPECT_EQ(json_of(std::string("\0", 1)), "\"\\u0000\"");
}

TEST(JsonWriter, IllFormedUtf8IsReplacedPartByPart) {
  EXPECT_EQ(json_of("a\xff"
                    "b"),
            "\"a\uFFFDb\"");
  EXPECT_EQ(json_of("\xc0\xaf"), "\"\uFFFD\uFFFD\"");            // overlong
  EXPECT_EQ(json_of("\xed\xa0\x80"), "\"\uFFFD\uFFFD\uFFFD\"");  // a surrogate
  EXPECT_EQ(json_of("\xf4\x90\x80\x80"), "\"\uFFFD\uFFFD\uFFFD\uFFFD\"");
  EXPECT_EQ(json_of("\xe2\x82"), "\"\uFFFD\"");  // cut off: one part
  EXPECT_EQ(json_of("\xe2\x82"
                    "a"),
            "\"\uFFFDa\"");
  EXPECT_EQ(json_of("\xf0\x9f\x98"), "\"\uFFFD\"");
  EXPECT_EQ(to_valid_utf8("ok\xff€"), "ok\uFFFD€");
}

TEST(JsonWriter, Numbers) {
  EXPECT_EQ(number(0.1), "0.1");
  EXPECT_EQ(number(3), "3");
  EXPECT_EQ(number(-0.0), "-0.0");
  EXPECT_EQ(number(1e300), "1e+300");
  EXPECT_EQ(number(403522526612396441600.0), "403522526612396441600.0");
  EXPECT_EQ(number(NAN), "\"NaN\"");
  EXPECT_EQ(number(-INFINITY), "\"-Infinity\"");
  std::string out;
  append_int(out, std::numeric_limits<int64_t>::min());
  append_uint(out, UINT64_MAX);
  EXPECT_EQ(out, "-922337203685477580818446744073709551615");
}

TEST(JsonWriter, Base64) {
  for (size_t size = 0; size < 10; ++size) {
    const std::string bytes = std::string("\x00\xff\x10zabc\x80\x7f", 9).substr(0, size);
    std::string text;
    std::string back;
    append_base64(text, bytes);
    EXPECT_EQ(text.size() % 4, 0);
    ASSERT_TRUE(decode_base64(text, back));
    EXPECT_EQ(back, bytes);
  }
  std::string out;
  EXPECT_TRUE(decode_base64("YWI", out));
  EXPECT_EQ(out, "ab");
  EXPECT_FALSE(decode_base64("YWI*", out));
  EXPECT_FALSE(decode_base64("Y", out));
  EXPECT_FALSE(decode_base64("YW I=", out));
  EXPECT_FALSE(decode_base64("YWI===", out));
}

}  // namespace
}  // namespace weft::json
