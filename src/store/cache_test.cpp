#include "store/cache.h"

#include <gtest/gtest.h>

namespace weft::store {
namespace {

using Kind = Cache::Kind;

std::shared_ptr<const void> value(int number) {
  return std::make_shared<const int>(number);
}

TEST(Cache, TheLeastRecentlyUsedGoesFirst) {
  Cache cache(400);  // 300 for columns
  for (uint64_t part = 0; part < 3; ++part)
    cache.put(1, Kind::kColumn, part, value(static_cast<int>(part)), 100);
  ASSERT_NE(cache.get(1, Kind::kColumn, 0), nullptr);
  cache.put(1, Kind::kColumn, 3, value(3), 100);
  EXPECT_EQ(cache.get(1, Kind::kColumn, 1), nullptr);
  for (const uint64_t part : {0, 2, 3}) {
    const auto kept = cache.get(1, Kind::kColumn, part);
    ASSERT_NE(kept, nullptr) << part;
    EXPECT_EQ(*static_cast<const int*>(kept.get()), static_cast<int>(part));
  }
}

TEST(Cache, PagesDoNotPushColumnsOut) {
  std::atomic<uint64_t> bytes{0};
  Cache cache(400, &bytes);
  cache.put(1, Kind::kColumn, 0, value(1), 300);
  const auto held = value(7);
  cache.put(1, Kind::kPage, 0, held, 60);
  for (uint64_t block = 2; block < 50; ++block)
    cache.put(block, Kind::kPage, 0, value(2), 60);
  EXPECT_NE(cache.get(1, Kind::kColumn, 0), nullptr);
  EXPECT_EQ(cache.get(1, Kind::kPage, 0), nullptr);
  EXPECT_NE(cache.get(49, Kind::kPage, 0), nullptr);
  EXPECT_EQ(bytes.load(), 360u);
  // What somebody holds outlives its place.
  EXPECT_EQ(*static_cast<const int*>(held.get()), 7);
}

TEST(Cache, KindsAndBlocksHaveTheirOwnParts) {
  Cache cache(4000);
  cache.put(1, Kind::kColumn, 5, value(1), 10);
  EXPECT_EQ(cache.get(1, Kind::kPage, 5), nullptr);
  EXPECT_EQ(cache.get(2, Kind::kColumn, 5), nullptr);
  // What is there is not replaced: others may hold it.
  cache.put(1, Kind::kColumn, 5, value(2), 10);
  EXPECT_EQ(*static_cast<const int*>(cache.get(1, Kind::kColumn, 5).get()), 1);
}

}  // namespace
}  // namespace weft::store
