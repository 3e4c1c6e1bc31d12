// Where tables in memory put trace and span ids. Not for anything that is stored or shown: it
// differs from process to process. Whoever sends spans chooses their ids, and must not be able to
// crowd them into a few slots: the hashes have keys that nobody knows. (hash_trace_id() of
// model/ids.h, which files depend on, has none: a sender can make millions of ids that are equal
// under it.)
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/ids.h"

namespace weft {

extern const uint64_t kSpanIdHashKey;
extern const uint64_t kTraceIdHashKeys[2];

// `word` is SpanId::word(). Ids made by a counter are real, too (they differ in the word's highest
// bits alone): they may not crowd a large trace's spans into a few slots, which take the low bits.
inline uint64_t hash_span_id(uint64_t word) {
  uint64_t h = word ^ kSpanIdHashKey;
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  return h ^ (h >> 32);
}

// The two halves of a product that both words and both keys are in, mixed once more for ids that
// hardly differ.
inline uint64_t slot_hash(const TraceId& id) {
  __extension__ using uint128 = unsigned __int128;
  const uint128 product =
      static_cast<uint128>(id.word(0) ^ kTraceIdHashKeys[0]) * (id.word(1) ^ kTraceIdHashKeys[1]);
  uint64_t h = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  return h ^ (h >> 32);
}

// For unordered containers.
struct TraceIdHash {
  size_t operator()(const TraceId& id) const { return slot_hash(id); }
};
struct SpanIdHash {
  size_t operator()(const SpanId& id) const { return hash_span_id(id.word()); }
};

}  // namespace weft
