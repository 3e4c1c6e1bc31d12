#include "cli/time_option.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

constexpr uint64_t kNow = 1'700'000'000'000'000'000;  // 2023-11-14T22:13:20Z
constexpr uint64_t kSecond = 1'000'000'000;

TEST(TimeOptionTest, AcceptedForms) {
  const std::pair<const char*, uint64_t> cases[] = {
      {"now", kNow},
      {"now-15m", kNow - 900 * kSecond},
      {"-1.5h", kNow - 5'400 * kSecond},
      {"1700000000", kNow},
      {"1700000000000", kNow},
      {"1700000000000000000", kNow},
      {"2023-11-14T22:13:20Z", kNow},
      {"2023-11-14t22:13:20z", kNow},
      {"2023-11-14 22:13:20", kNow},
      {"2023-11-14T23:13:20+01:00", kNow},
      {"2023-11-14T20:43:20-0130", kNow},
      {"2023-11-14T22:13:20.25Z", kNow + kSecond / 4},
      {"2023-11-14T22:13:20.123456789Z", kNow + 123'456'789},
      {"2023-11-14", kNow - 80'000 * kSecond},
      {"2023-11-14 22:13", kNow - 20 * kSecond},
      {"2024-02-29", 1'709'164'800 * kSecond},
      {"1970-01-01", 0},
  };
  for (const auto& [text, expected] : cases) {
    const auto parsed = parse_time_ns(text, kNow);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().message;
    EXPECT_EQ(*parsed, expected) << text;
  }
}

TEST(TimeOptionTest, RefusedForms) {
  for (const char* text :
       {"", "yesterday", "2023-13-01", "2023-02-29", "2023-11-14T25:00:00Z",
        "2023-11-14T22:13:20Zx", "now+1h", "-1x", "1e9", "99999999999", "99999999999999",
        "99999999999999999999999", "2023-11-14T22:13:20.", "2023-11-14T2:1"}) {
    EXPECT_FALSE(parse_time_ns(text, kNow)) << text;
  }
}

TEST(TimeOptionTest, Spans) {
  EXPECT_EQ(parse_span_ns("90s").value(), 90 * kSecond);
  EXPECT_EQ(parse_span_ns("250ms").value(), kSecond / 4);
  EXPECT_EQ(parse_span_ns("2d").value(), 172'800 * kSecond);
  for (const char* text : {"", "15", "m", "-5m", "5 m", "nanm", "1e30d"}) {
    EXPECT_FALSE(parse_span_ns(text)) << text;
  }
}

TEST(TimeOptionTest, Ranges) {
  EXPECT_EQ(resolve_range({}, kNow).value(), TimeRange());
  EXPECT_EQ(resolve_range({.since = "1s", .start = "", .end = ""}, kNow).value(),
            (TimeRange{kNow - kSecond, UINT64_MAX}));
  EXPECT_EQ(resolve_range({.since = "", .start = "now-2s", .end = "now-1s"}, kNow).value(),
            (TimeRange{kNow - 2 * kSecond, kNow - kSecond}));
  EXPECT_FALSE(resolve_range({.since = "1s", .start = "now", .end = ""}, kNow));
  EXPECT_FALSE(resolve_range({.since = "", .start = "now", .end = "now"}, kNow));
}

}  // namespace
}  // namespace weft::cli
