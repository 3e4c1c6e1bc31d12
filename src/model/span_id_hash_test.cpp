#include "model/span_id_hash.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace weft {
namespace {

// The word's bytes are the id's in memory order: a counter's ids differ in the highest ones.
TEST(SpanIdHash, CountedIdsSpreadOverSlots) {
  constexpr size_t kIds = 4096, kSlots = 65'536;
  for (int shift = 0; shift <= 52; shift += 4) {
    std::unordered_set<uint64_t> slots;
    for (uint64_t i = 1; i <= kIds; ++i)
      slots.insert(hash_span_id(i << shift) % kSlots);
    // Random slots would give 3,970 or so.
    EXPECT_GT(slots.size(), 3'700u) << shift;
  }
}

}  // namespace
}  // namespace weft
