// memcmp() == 0 without a call, for the short strings that keys and attributes are.
#pragma once

#include <cstdint>
#include <cstring>

namespace weft {

// Both have at least `size` bytes; any thread.
[[gnu::always_inline]] inline bool equal_bytes(const char* a, const char* b, size_t size) {
  const auto differ64 = [](const char* x, const char* y) {
    uint64_t left;
    uint64_t right;
    std::memcpy(&left, x, 8);
    std::memcpy(&right, y, 8);
    return left ^ right;
  };
  if (size >= 8) {
    // The last word overlaps the one before it.
    if (differ64(a + size - 8, b + size - 8) != 0) return false;
    for (size_t at = 0; at + 8 < size; at += 8) {
      if (differ64(a + at, b + at) != 0) return false;
    }
    return true;
  }
  if (size >= 4) {
    uint32_t head[2];
    uint32_t tail[2];
    std::memcpy(&head[0], a, 4);
    std::memcpy(&head[1], b, 4);
    std::memcpy(&tail[0], a + size - 4, 4);
    std::memcpy(&tail[1], b + size - 4, 4);
    return ((head[0] ^ head[1]) | (tail[0] ^ tail[1])) == 0;
  }
  for (size_t at = 0; at < size; ++at) {
    if (a[at] != b[at]) return false;
  }
  return true;
}

}  // namespace weft
