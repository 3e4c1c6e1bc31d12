// Hexadecimal digits to bytes and back, 16 digits at a step where SSE2 is there (every x86-64).
// Used by the propagators, which do little else, and by TraceIdentifier::hex().
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weft::sdk_detail {

inline unsigned hex_value(char c, bool upper_too) noexcept {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (upper_too && c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return 0x100;
}

// Reads 2 * count digits, lower case only unless `upper_too`.
inline bool read_hex(const char* text, unsigned count, std::uint8_t* out,
                     bool upper_too = false) noexcept {
  unsigned bad = 0;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned value =
        hex_value(text[2 * i], upper_too) << 4 | hex_value(text[2 * i + 1], upper_too);
    bad |= value;
    out[i] = static_cast<std::uint8_t>(value);
  }
  return bad < 0x100;
}

// Reads 16 lower-case digits into the 8 bytes of a word.
inline bool read_hex16(const char* text, std::uint64_t& out) noexcept {
#if defined(__SSE2__) && defined(__x86_64__)
  const __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
  const __m128i digit = _mm_sub_epi8(c, _mm_set1_epi8('0'));
  // Letters from 10 on; what is none is below that or above 15.
  const __m128i letter = _mm_sub_epi8(c, _mm_set1_epi8('a' - 10));
  // Unsigned x <= n is min(x, n) == x.
  const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
  const __m128i is_letter = _mm_cmpeq_epi8(
      _mm_min_epu8(_mm_max_epu8(letter, _mm_set1_epi8(10)), _mm_set1_epi8(15)), letter);
  const __m128i nibbles =
      _mm_or_si128(_mm_and_si128(is_digit, digit), _mm_and_si128(is_letter, letter));
  // Each 16-bit lane has the high nibble in its low byte.
  const __m128i bytes = _mm_or_si128(
      _mm_and_si128(_mm_slli_epi16(nibbles, 4), _mm_set1_epi16(0xF0)), _mm_srli_epi16(nibbles, 8));
  // Not stored: the word stays in a register.
  out = static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_packus_epi16(bytes, bytes)));
  return _mm_movemask_epi8(_mm_or_si128(is_digit, is_letter)) == 0xFFFF;
#else
  std::uint8_t bytes[8];
  const bool good = read_hex(text, 8, bytes);
  std::memcpy(&out, bytes, 8);
  return good;
#endif
}

// Writes 8 bytes as 16 digits.
inline void write_hex16(const std::uint8_t* bytes, char* out) noexcept {
#if defined(__SSE2__)
  const __m128i b = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
  const __m128i mask = _mm_set1_epi8(0x0F);
  const __m128i nibbles =
      _mm_unpacklo_epi8(_mm_and_si128(_mm_srli_epi16(b, 4), mask), _mm_and_si128(b, mask));
  const __m128i above_nine = _mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9));
  const __m128i text = _mm_add_epi8(_mm_add_epi8(nibbles, _mm_set1_epi8('0')),
                                    _mm_and_si128(above_nine, _mm_set1_epi8('a' - '0' - 10)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), text);
#else
  for (unsigned i = 0; i < 8; ++i) {
    out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
    out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
  }
#endif
}

}  // namespace weft::sdk_detail
