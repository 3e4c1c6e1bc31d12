// Where the tables of a trace's spans put an id. Not for anything that is stored or shown: it
// differs from process to process. Used by the store.
#pragma once

#include <cstdint>

namespace weft {

extern const uint64_t kSpanIdHashKey;

// `word` is SpanId::word(). Whoever sends spans chooses their ids, and ids made by a counter are
// real (they differ in the word's highest bits alone): neither may crowd a large trace's spans into
// a few slots, which take the low bits.
inline uint64_t hash_span_id(uint64_t word) {
  uint64_t h = word ^ kSpanIdHashKey;
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  return h ^ (h >> 32);
}

}  // namespace weft
