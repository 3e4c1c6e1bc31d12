#include "cli/progress.h"

#include <gtest/gtest.h>

#include "cli/terminal.h"

namespace weft::cli {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

TEST(ProgressTest, ShowsShareRateAndTimeLeft) {
  EXPECT_EQ(
      format_progress({.done = 50, .total = 100, .items = 20'000, .elapsed_ns = 10 * kSecond}, 70),
      "[=============>            ]  50%  20,000 spans  2,000/s  11.0 s left");
}

TEST(ProgressTest, RateIsOfThisRunAlone) {
  const std::string text = format_progress({.done = 50,
                                            .total = 100,
                                            .items = 20'000,
                                            .elapsed_ns = 10 * kSecond,
                                            .items_before = 10'000},
                                           80);
  EXPECT_NE(text.find("1,000/s"), std::string::npos) << text;
}

TEST(ProgressTest, WithoutATotalThereIsNoBar) {
  EXPECT_EQ(format_progress({.items = 1'000, .elapsed_ns = kSecond}, 70), "1,000 spans  1,000/s");
}

TEST(ProgressTest, FitsEveryWidth) {
  for (size_t width = 1; width < 200; ++width) {
    for (const uint64_t done : {0u, 1u, 99u, 100u, 1000u}) {
      EXPECT_LE(
          display_width(format_progress(
              {.done = done, .total = 100, .items = 1u << 30, .elapsed_ns = 90 * kSecond}, width)),
          width);
    }
  }
}

}  // namespace
}  // namespace weft::cli
