#include "cli/terminal.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

TEST(TerminalTest, ControlCharactersCannotReachTheTerminal) {
  EXPECT_EQ(printable("a\x1b[31mb"), "a\uFFFD[31mb");
  EXPECT_EQ(printable("a\nb\tc"), "a b c");
  EXPECT_EQ(printable("\x9b"), "\uFFFD");
  // U+009B is CSI in UTF-8 terminals; U+202E turns the text around.
  EXPECT_EQ(printable("\u009b\u202e"), "\uFFFD\uFFFD");
  EXPECT_EQ(printable(std::string("a\0b", 3)), "a\uFFFDb");
}

TEST(TerminalTest, InvalidUtf8IsReplacedByteByByte) {
  EXPECT_EQ(printable("\xff\xfe"), "\uFFFD\uFFFD");
  EXPECT_EQ(printable("\xe2\x82"), "\uFFFD\uFFFD");            // cut off
  EXPECT_EQ(printable("\xc0\xaf"), "\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");  // surrogate
  EXPECT_EQ(printable("Grüße €"), "Grüße €");
}

TEST(TerminalTest, WidthCountsWideAndCombiningCharacters) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("日本"), 4u);
  EXPECT_EQ(display_width("e\u0301"), 1u);
  EXPECT_EQ(display_width("🧵"), 2u);
}

TEST(TerminalTest, CutTextNeverExceedsItsWidth) {
  EXPECT_EQ(cut_to_width("abcdef", 6), "abcdef");
  EXPECT_EQ(cut_to_width("abcdef", 5), "abcd…");
  EXPECT_EQ(cut_to_width("日本語", 5), "日本…");
  EXPECT_EQ(cut_to_width("日本語", 4), "日…");
  EXPECT_EQ(cut_to_width("abc", 0), "");
  EXPECT_EQ(cut_to_width(std::string(1'000'000, 'x'), 4), "xxx…");
  EXPECT_EQ(fit_to_width("ab", 4), "ab  ");
}

TEST(TerminalTest, Durations) {
  EXPECT_EQ(format_duration_ns(0), "0 ns");
  EXPECT_EQ(format_duration_ns(999), "999 ns");
  EXPECT_EQ(format_duration_ns(1'000), "1.00 µs");
  EXPECT_EQ(format_duration_ns(12'345), "12.3 µs");
  EXPECT_EQ(format_duration_ns(999'499), "999 µs");
  EXPECT_EQ(format_duration_ns(999'500), "1.00 ms");
  EXPECT_EQ(format_duration_ns(123'456'789), "123 ms");
  EXPECT_EQ(format_duration_ns(59'999'000'000), "60.0 s");
  EXPECT_EQ(format_duration_ns(61'000'000'000), "1 m 01 s");
  EXPECT_EQ(format_duration_ns(3'720'000'000'000), "1 h 02 m");
}

TEST(TerminalTest, BytesAndThousands) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1'234), "1.2 kB");
  EXPECT_EQ(format_bytes(999'900), "1.0 MB");
  EXPECT_EQ(format_bytes(45'600'000'000), "45.6 GB");
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1'000), "1,000");
  EXPECT_EQ(with_thousands(1'234'567), "1,234,567");
}

TEST(TerminalTest, TimesAreUtcWithMilliseconds) {
  EXPECT_EQ(format_time_ns(1'700'000'000'123'456'789), "2023-11-14 22:13:20.123 UTC");
  EXPECT_EQ(format_time_ns(0), "1970-01-01 00:00:00.000 UTC");
  EXPECT_EQ(format_time_ns(UINT64_MAX), "2554-07-21 23:34:33.709 UTC");
}

}  // namespace
}  // namespace weft::cli
