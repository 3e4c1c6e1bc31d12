// Comparing short texts, such as methods, the starts of routes and hosts, without a call of memcmp:
// that would cost more than the comparison, the more so when its code is not in the processor's
// cache. Internal to the HTTP components.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weft::sdk_detail {

// The first and the last word of both, which may overlap and are all there is.
template <class Word>
bool have_same_ends(const char* a, const char* b, std::size_t size) noexcept {
  Word words[4];
  std::memcpy(&words[0], a, sizeof(Word));
  std::memcpy(&words[1], b, sizeof(Word));
  std::memcpy(&words[2], a + size - sizeof(Word), sizeof(Word));
  std::memcpy(&words[3], b + size - sizeof(Word), sizeof(Word));
  return ((words[0] ^ words[1]) | (words[2] ^ words[3])) == 0;
}

// `size` bytes of each are the same.
inline bool is_same(const char* a, const char* b, std::size_t size) noexcept {
  if (size > 2 * sizeof(std::uint64_t)) return std::memcmp(a, b, size) == 0;
  if (size >= sizeof(std::uint64_t)) return have_same_ends<std::uint64_t>(a, b, size);
  if (size >= sizeof(std::uint32_t)) return have_same_ends<std::uint32_t>(a, b, size);
  if (size >= sizeof(std::uint16_t)) return have_same_ends<std::uint16_t>(a, b, size);
  return size == 0 || *a == *b;
}
inline bool is_same(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && is_same(a.data(), b.data(), a.size());
}

}  // namespace weft::sdk_detail
