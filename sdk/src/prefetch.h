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
  // Not __builtin_prefetch: for processors in general that fetches the lines for reading, and
  // taking them from another processor's cache is what costs. Where the instruction is not known
  // it does nothing.
  auto fetch = [](const char* at) { asm volatile("prefetchw %0" : : "m"(*at)); };
  // Counted in halves, not in lines: a loop over the lines costs several times what they do.
  fetch(p);
  fetch(p + kLine);
  fetch(p + 2 * kLine);
  fetch(p + 3 * kLine);
  if (bytes <= 3 * kLine) return;
  fetch(p + 4 * kLine);
  fetch(p + 5 * kLine);
  fetch(p + 6 * kLine);
  fetch(p + 7 * kLine);
#endif
}

}  // namespace weft::sdk_detail
