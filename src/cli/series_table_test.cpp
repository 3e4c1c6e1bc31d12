#include "cli/series_table.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/terminal.h"

namespace weft::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kAnswer = R"({"series": [
  {"labels": {"resource.service.name": "shop"}, "points": [
     {"timeUnixNano": "1700000000000000000", "value": 1.5},
     {"timeUnixNano": "1700000060000000000", "value": 3},
     {"timeUnixNano": "1700000180000000000", "value": 0}], "exemplars": []},
  {"labels": {"resource.service.name": null}, "points": [
     {"timeUnixNano": "1700000000000000000", "value": 12345.678}]}],
  "stepMs": 60000, "inspected": {"spans": 120000, "bytes": 345678, "blocks": 3, "blocksSkipped": 1},
  "elapsedMs": 12.3})";

FoundMetrics found_in(std::string_view json) {
  auto found = read_found_metrics(json);
  EXPECT_TRUE(found);
  return *std::move(found);
}

TEST(SeriesTableTest, ALineASeriesWithItsCurve) {
  EXPECT_THAT(
      render_series_table(found_in(kAnswer), {.width = 110}),
      ElementsAre(
          "resource.service.name      LAST       MIN      MEAN       MAX  22:13:20",
          "shop                          0         0       1.5         3  ▅█ ▁",
          "nil                       12346     12346     12346     12346  █   ", "",
          "2 series, a point every 1 m 00 s, 2023-11-14 22:13:20 to 2023-11-14 22:16:20.000 "
          "UTC; inspected 120,000 spans, 346 kB in 3 blocks, skipped 1, 12.3 ms"));
}

TEST(SeriesTableTest, NoCharacterBeyondAscii) {
  const auto lines = render_series_table(found_in(kAnswer), {.width = 110, .ascii = true});
  EXPECT_THAT(lines[1], HasSubstr("  =# _"));
}

TEST(SeriesTableTest, LabelsThatDifferAreNamed) {
  const auto lines = render_series_table(found_in(R"({"series": [
      {"labels": {"a": "1"}, "points": [{"timeUnixNano": "1", "value": 1}]},
      {"labels": {"a": "1", "b\u001b": "2"}, "points": [{"timeUnixNano": "1", "value": -1}]}],
      "stepMs": 1})"),
                                         {.width = 80});
  EXPECT_THAT(lines[0], HasSubstr("SERIES "));
  EXPECT_THAT(lines[1], HasSubstr("a=1 "));
  EXPECT_THAT(lines[2], HasSubstr("a=1, b\uFFFD=2"));
}

TEST(SeriesTableTest, OneSeriesIsNamedByItsFunction) {
  const auto lines = render_series_table(found_in(R"({"series": [
      {"labels": {"__name__": "rate"}, "points": [{"timeUnixNano": "1", "value": 1}]}],
      "stepMs": 1000})"),
                                         {});
  EXPECT_THAT(lines[0], HasSubstr("SERIES "));
  EXPECT_THAT(lines[1], HasSubstr("rate "));
}

TEST(SeriesTableTest, SaysHowManyAreLeftOut) {
  const auto lines = render_series_table(found_in(kAnswer), {.limit = 1});
  EXPECT_THAT(lines.back(), HasSubstr("1 series, and 1 more (--limit N, or | topk(n)), a point"));
}

TEST(SeriesTableTest, StaysWithinTheWidth) {
  std::string json =
      R"({"series": [{"labels": {"a": ")" + std::string(300, 'x') + R"("}, "points": [)";
  for (int i = 0; i < 200; ++i)
    json += fmt::format(R"({}{{"timeUnixNano": "{}000000000", "value": {}}})", i == 0 ? "" : ",",
                        1'700'000'000 + i, i);
  json += R"(]}], "stepMs": 1000})";
  const FoundMetrics found = found_in(json);
  for (size_t width = 40; width <= 200; width += 7) {
    const auto lines = render_series_table(found, {.width = width});
    for (size_t i = 0; i + 1 < lines.size(); ++i)
      EXPECT_LE(display_width(lines[i]), width);
  }
}

TEST(SeriesTableTest, NothingFound) {
  EXPECT_THAT(render_series_table(found_in(R"({"series": [], "inspected": {"spans": 5}})"), {}),
              ElementsAre("no series; inspected 5 spans, 0 ns"));
}

TEST(SeriesTableTest, ASeriesWithoutPointsIsNone) {
  const FoundMetrics found =
      found_in(R"({"series": [{"labels": {"a": "1"}, "points": []}], "stepMs": 1000})");
  EXPECT_TRUE(found.series.empty());
}

TEST(SeriesTableTest, OtherJsonIsRefused) {
  EXPECT_FALSE(read_found_metrics("[]"));
  EXPECT_FALSE(read_found_metrics("{}"));
  EXPECT_FALSE(read_found_metrics("not json"));
}

}  // namespace
}  // namespace weft::cli
