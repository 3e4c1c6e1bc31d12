#include "cli/last_line.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace weft::cli {
namespace {

std::string last_of(std::initializer_list<std::string_view> parts) {
  LastLine line;
  for (const std::string_view part : parts)
    line.add(part);
  return line.text();
}

TEST(LastLineTest, TheSameHoweverItIsCut) {
  const std::string_view text = "one\ntwo\nthree\n";
  for (size_t a = 0; a <= text.size(); ++a) {
    for (size_t b = a; b <= text.size(); ++b) {
      EXPECT_EQ(last_of({text.substr(0, a), text.substr(a, b - a), text.substr(b)}), "three")
          << a << " " << b;
    }
  }
  EXPECT_EQ(last_of({}), "");
  EXPECT_EQ(last_of({"one\ntw", "o"}), "two");
}

TEST(LastLineTest, KeepsTheBeginningOfALongLine) {
  const std::string line = "begin" + std::string(2 * LastLine::kMaxBytes, 'x');
  EXPECT_EQ(last_of({line, line, "\n"}), line.substr(0, LastLine::kMaxBytes));
  EXPECT_EQ(last_of({line, "\n", "end\n"}), "end");
}

}  // namespace
}  // namespace weft::cli
