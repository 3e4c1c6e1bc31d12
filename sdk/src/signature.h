// Signatures of the keys of attributes: 32 bits by which a record remembers what is set in it, and
// one of 64 bits of a filter that mostly says at once that a key is new. Known at compile time for
// keys that are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "record.h"
#include "thread_state.h"

namespace weft::sdk_detail {

// Little-endian, as everything here; at compile time too, where memcpy is not to be had.
template <class Word>
constexpr Word load_key_word(const char* p) noexcept {
  Word word = 0;
  if (std::is_constant_evaluated()) {
    for (std::size_t i = 0; i < sizeof(Word); ++i)
      word |= static_cast<Word>(static_cast<Word>(static_cast<unsigned char>(p[i])) << (8 * i));
  } else {
    std::memcpy(&word, p, sizeof(word));
  }
  return word;
}

// A hash that looks at 16 bytes and the length: different keys that share it are told apart later.
// The key is not empty.
constexpr std::uint32_t signature_of(std::string_view key) noexcept {
  const std::size_t n = key.size();
  const char* p = key.data();
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  if (n >= 8) {
    a = load_key_word<std::uint64_t>(p);
    b = load_key_word<std::uint64_t>(p + n - 8);
  } else if (n >= 4) {
    a = load_key_word<std::uint32_t>(p);
    b = load_key_word<std::uint32_t>(p + n - 4);
  } else {
    a = static_cast<unsigned char>(p[0]);
    b = static_cast<std::uint64_t>(static_cast<unsigned char>(p[n / 2])) << 8 |
        static_cast<unsigned char>(p[n - 1]);
  }
  const std::uint64_t h = (a ^ rotate_left(b, 31) ^ n) * 0x9E3779B97F4A7C15;
  return static_cast<std::uint32_t>(h >> 32);
}

// The signature's bit in the filter of a record: a clear bit proves that the key is new.
constexpr std::uint64_t filter_bit(std::uint32_t signature) noexcept {
  return std::uint64_t{1} << (signature & 63);
}

// False: no attribute of that signature is set.
inline bool may_be_set(const Record& r, std::uint32_t signature) noexcept {
  if ((r.key_filter & filter_bit(signature)) == 0) return false;
  // A record with a dozen attributes has the bit of every fifth key without having the key.
  for (std::uint32_t i = 0; i < r.attribute_count; ++i) {
    if (r.signatures[i] == signature) return true;
  }
  return false;
}

}  // namespace weft::sdk_detail
