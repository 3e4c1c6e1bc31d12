#include "model/id_hash.h"

#include <gtest/gtest.h>

#include <cstring>
#include <unordered_set>

namespace weft {
namespace {

constexpr size_t kIds = 4096, kSlots = 65'536;
constexpr size_t kSpread = 3'700;  // random slots would give 3,970 or so

TraceId trace_id(uint64_t first, uint64_t second) {
  TraceId id;
  std::memcpy(id.bytes.data(), &first, 8);
  std::memcpy(id.bytes.data() + 8, &second, 8);
  return id;
}

// The word's bytes are the id's in memory order: a counter's ids differ in the highest ones.
TEST(IdHash, CountedIdsSpreadOverSlots) {
  for (int shift = 0; shift <= 52; shift += 4) {
    std::unordered_set<uint64_t> spans;
    std::unordered_set<uint64_t> traces;
    std::unordered_set<uint64_t> short_traces;  // B3's ids of 64 bits
    for (uint64_t i = 1; i <= kIds; ++i) {
      spans.insert(hash_span_id(i << shift) % kSlots);
      traces.insert(slot_hash(trace_id(i << shift, 7)) % kSlots);
      short_traces.insert(slot_hash(trace_id(0, i << shift)) % kSlots);
    }
    EXPECT_GT(spans.size(), kSpread) << shift;
    EXPECT_GT(traces.size(), kSpread) << shift;
    EXPECT_GT(short_traces.size(), kSpread) << shift;
  }
}

// Anybody can make ids that are equal for the hash that files depend on, and send a million of
// them.
TEST(IdHash, TraceIdsMadeToCollideSpreadOverSlots) {
  std::unordered_set<uint64_t> stored;
  std::unordered_set<uint64_t> slots;
  std::unordered_set<uint64_t> hashes;
  for (uint64_t i = 1; i <= kIds; ++i) {
    const TraceId id = trace_id(i, i * 0x9E3779B97F4A7C15u ^ 42);
    stored.insert(hash_trace_id(id));
    slots.insert(slot_hash(id) % kSlots);
    hashes.insert(TraceIdHash()(id));
  }
  EXPECT_EQ(stored.size(), 1);
  EXPECT_GT(slots.size(), kSpread);
  EXPECT_EQ(hashes.size(), kIds);
}

}  // namespace
}  // namespace weft
