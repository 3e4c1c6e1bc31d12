#include "analysis/heatmap.h"

#include <gtest/gtest.h>

#include <random>

#include "analysis/testing/fixture.h"

namespace weft::analysis {
namespace {

using testing::Fixture;
using testing::kMs;
using testing::kStart;
using testing::make;

TEST(Heatmap, CountsRootsByTimeAndDuration) {
  Fixture fixture({make(1, 1, 0, "web", "a").at(0, 8), make(1, 2, 1, "web", "child").at(1, 4),
                   make(2, 1, 0, "web", "a").at(5, 8).error(),
                   make(3, 1, 0, "web", "a").at(95, 100)});
  const auto map = heatmap(fixture.request("", {kStart, kStart + 100 * kMs}),
                           {.columns = 10, .buckets_per_octave = 1});
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_EQ(map->column_ns, 10 * kMs);
  EXPECT_EQ(map->spans, 3u);
  const std::vector<HeatmapCell> want = {{0, histogram_bucket(8e6, 1), 2, 1},
                                         {9, histogram_bucket(100e6, 1), 1, 0}};
  EXPECT_EQ(map->cells, want);
}

TEST(Heatmap, AggregateAndScanAgree) {
  std::mt19937_64 random(7);
  std::vector<Span> spans;
  for (uint8_t i = 1; i < 200; i++) {
    auto span = make(i, 1, i % 3, "web", i % 2 ? "a" : "b").at(random() % 1000, random() % 500);
    if (random() % 4 == 0) span.error();
    spans.push_back(span);
  }
  Fixture scanned(spans, {.superset = true}), aggregated(spans, {.aggregates = true});
  for (const char* query : {"", "{ name = \"a\" }", "{ }"}) {
    const auto a = heatmap(scanned.request(query), {});
    const auto b = heatmap(aggregated.request(query), {});
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->cells, b->cells) << query;
    EXPECT_EQ(a->column_ns, b->column_ns);
    EXPECT_GT(a->spans, 0u);
  }
}

// One clock that is wrong by centuries must not empty everybody's heatmap.
TEST(Heatmap, SpansAtTheLastTimeThereIs) {
  Span last = make(2, 1, 0, "web", "a");
  last.start_ns = last.end_ns = UINT64_MAX;
  Span first = make(3, 1, 0, "web", "a");
  first.start_ns = first.end_ns = 0;
  for (const auto& spans : {std::vector<Span>{make(1, 1, 0, "web", "a").at(0, 8), last},
                            std::vector<Span>{first, last}}) {
    for (const bool aggregates : {false, true}) {
      Fixture fixture(spans, {.aggregates = aggregates});
      const auto map = heatmap(fixture.request(), {.columns = 120});
      ASSERT_TRUE(map) << map.error().message;
      EXPECT_EQ(map->spans, 2u);
      ASSERT_EQ(map->cells.size(), 2u);
      EXPECT_EQ(map->cells[0].column, 0u);
      EXPECT_EQ(map->cells[1].column, 119u);
    }
  }
}

TEST(Heatmap, RefusesOptionsOutOfBounds) {
  Fixture fixture({});
  EXPECT_FALSE(heatmap(fixture.request(), {.columns = 0}));
  EXPECT_FALSE(heatmap(fixture.request(), {.columns = 2001}));
  EXPECT_FALSE(heatmap(fixture.request(), {.buckets_per_octave = 3}));
  EXPECT_TRUE(heatmap(fixture.request(), {})->cells.empty());
}

TEST(RoundStep, DividesIntoAtMostThatMany) {
  EXPECT_EQ(round_step_ns({0, 60'000 * kMs}, 60), 1000 * kMs);
  EXPECT_EQ(round_step_ns({0, 61'000 * kMs}, 60), 2000 * kMs);
  EXPECT_EQ(round_step_ns({0, 0}, 60), kMs);
  EXPECT_EQ(round_step_ns({0, UINT64_MAX}, 60) % (604'800'000 * kMs), 0u);
}

}  // namespace
}  // namespace weft::analysis
