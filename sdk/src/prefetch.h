// Fetching memory that is about to be written into the cache of this processor, while other work
// goes on.
#pragma once

#include <cstddef>

namespace weft::sdk_detail {

// The lines of `bytes` bytes from `p` on, at most half a kilobyte. The memory need not exist.
inline void prefetch_for_writing([[maybe_unused]] const char* p,
                                 [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__x86_64__)
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kMaxBytes = 8 * kLine;
  // Not __builtin_prefetch: for processors in general that fetches the lines for reading, and
  // taking them from another processor's cache is what costs. Where the instruction is not known
  // it does nothing.
  const char* const end = p + (bytes + kLine < kMaxBytes ? bytes + kLine : kMaxBytes);
  for (; p < end; p += kLine)
    asm volatile("prefetchw %0" : : "m"(*p));
#endif
}

}  // namespace weft::sdk_detail
