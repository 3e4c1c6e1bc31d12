// Copying short text and learning on the way whether all of it is ASCII: what setting an attribute
// does twice, so it is worth not calling memcpy for a dozen bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weft::sdk_detail {

template <class Word>
inline Word load_word(const char* p) noexcept {
  Word word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

// Copies n bytes. The result has a bit of 0x8080808080808080 set when a byte is not ASCII.
inline std::uint64_t copy_and_check(char* to, const char* from, std::size_t n) noexcept {
  if (n >= 16) {
#if defined(__SSE2__)
    __m128i seen = _mm_setzero_si128();
    auto copy = [&](std::size_t at) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at), block);
      seen = _mm_or_si128(seen, block);
    };
    for (std::size_t at = 0; at + 16 < n; at += 16)
      copy(at);
    copy(n - 16);  // overlaps the one before
    return _mm_movemask_epi8(seen) == 0 ? 0 : 0x80;
#else
    std::uint64_t seen = 0;
    std::memcpy(to, from, n);
    for (std::size_t at = 0; at + 8 < n; at += 8)
      seen |= load_word<std::uint64_t>(from + at);
    return seen | load_word<std::uint64_t>(from + n - 8);
#endif
  }
  if (n >= 8) {
    const auto a = load_word<std::uint64_t>(from);
    const auto b = load_word<std::uint64_t>(from + n - 8);
    std::memcpy(to, &a, 8);
    std::memcpy(to + n - 8, &b, 8);
    return a | b;
  }
  if (n >= 4) {
    const auto a = load_word<std::uint32_t>(from);
    const auto b = load_word<std::uint32_t>(from + n - 4);
    std::memcpy(to, &a, 4);
    std::memcpy(to + n - 4, &b, 4);
    return a | b;
  }
  if (n == 0) return 0;
  const char a = from[0];
  const char b = from[n / 2];
  const char c = from[n - 1];
  to[0] = a;
  to[n / 2] = b;
  to[n - 1] = c;
  return static_cast<unsigned char>(a | b | c);
}

inline constexpr std::uint64_t kHighBits = 0x8080808080808080;

}  // namespace weft::sdk_detail
