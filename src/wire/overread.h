// Comparing and copying short texts 16 bytes at a time, for the decoder's hot path. The functions
// touch whole blocks: whoever calls them vouches for kOverread bytes behind each text that may be
// read and, of a target, written. Texts of attributes are so short that calls of memcmp and memcpy
// cost more than their work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weft::wire {

inline constexpr size_t kOverread = 16;

// Bit i says that a[i] == b[i], for 16 bytes. kAligned: `a` is a multiple of 16.
template <bool kAligned = false>
[[gnu::always_inline]] inline uint32_t equal_bits(const void* a, const void* b) {
#if defined(__SSE2__)
  const auto* at = static_cast<const __m128i*>(a);
  const __m128i left = kAligned ? _mm_load_si128(at) : _mm_loadu_si128(at);
  const __m128i right = _mm_loadu_si128(static_cast<const __m128i*>(b));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(left, right)));
#else
  uint32_t bits = 0;
  for (size_t i = 0; i < 16; ++i) {
    const bool same = static_cast<const uint8_t*>(a)[i] == static_cast<const uint8_t*>(b)[i];
    bits |= static_cast<uint32_t>(same) << i;
  }
  return bits;
#endif
}

[[gnu::always_inline]] inline bool equal_overread(const char* a, const char* b, size_t size) {
  while (size > 16) {
    if (equal_bits(a, b) != 0xFFFF) return false;
    a += 16;
    b += 16;
    size -= 16;
  }
  const uint32_t wanted = (1u << size) - 1;
  return (equal_bits(a, b) & wanted) == wanted;
}

// A copy of up to 15 bytes more than asked for.
[[gnu::always_inline]] inline void copy_overread(char* to, const char* from, size_t size) {
  for (size_t at = 0; at < size; at += 16)
    std::memcpy(to + at, from + at, 16);
}

}  // namespace weft::wire
