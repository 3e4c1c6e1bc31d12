#include "analysis/duration_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "scan/scan.h"

namespace weft::analysis {
namespace {

uint64_t seed() {
  const char* text = std::getenv("WEFT_TEST_SEED");
  return text ? std::strtoull(text, nullptr, 10) : std::random_device{}();
}

TEST(DurationHistogram, SameBucketsAsTheStore) {
  for (uint64_t v : {0ull, 1ull, 2ull, 3ull, 7ull, 15ull, 16ull, 17ull, 31ull, 1000ull, 999'999ull,
                     1'234'567'890'123ull, 1ull << 52, (1ull << 52) + (1ull << 47)})
    EXPECT_EQ(DurationHistogram::bucket_of(v), histogram_bucket(static_cast<double>(v), 16)) << v;
}

TEST(DurationHistogram, EmptyAndSingle) {
  DurationHistogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0);
  histogram.add(1'234'567);
  EXPECT_EQ(histogram.quantile(0), 1'234'567);
  EXPECT_EQ(histogram.quantile(0.99), 1'234'567);
}

TEST(DurationHistogram, QuantilesAreNearAndMergeAddsUp) {
  const uint64_t s = seed();
  SCOPED_TRACE("WEFT_TEST_SEED=" + std::to_string(s));
  std::mt19937_64 random(s);
  std::lognormal_distribution<double> durations(16, 2);
  DurationHistogram all, left, right;
  std::vector<uint64_t> exact;
  for (int i = 0; i < 20'000; i++) {
    const auto v = static_cast<uint64_t>(durations(random));
    exact.push_back(v);
    all.add(v);
    (i % 3 ? left : right).add(v);
  }
  left.merge(right);
  std::ranges::sort(exact);
  for (double q : {0.01, 0.5, 0.9, 0.95, 0.99, 1.0}) {
    const auto want = static_cast<double>(
        exact[static_cast<size_t>(std::ceil(q * static_cast<double>(exact.size()))) - 1]);
    EXPECT_NEAR(all.quantile(q), want, want / 16 + 1) << q;
    EXPECT_EQ(all.quantile(q), left.quantile(q));
  }
  EXPECT_EQ(left.count(), 20'000u);
}

}  // namespace
}  // namespace weft::analysis
