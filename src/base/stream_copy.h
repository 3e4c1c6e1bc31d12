// Copying what this machine will not read again soon.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace weft {

// As memcpy, around the caches where the processor can: for what is copied to be written by a
// device, and would only push other things out. Finished for other threads when it returns.
inline void stream_copy(char* to, const char* from, size_t size) {
#ifdef __SSE2__
  constexpr size_t kLine = 64;
  if (size >= 4096) {
    const size_t head = -reinterpret_cast<uintptr_t>(to) % kLine;
    std::memcpy(to, from, head);
    to += head;
    from += head;
    size -= head;
    for (; size >= kLine; size -= kLine, to += kLine, from += kLine) {
      const auto* source = reinterpret_cast<const __m128i*>(from);
      auto* target = reinterpret_cast<__m128i*>(to);
      const __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1),
                    c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);
      _mm_stream_si128(target, a);
      _mm_stream_si128(target + 1, b);
      _mm_stream_si128(target + 2, c);
      _mm_stream_si128(target + 3, d);
    }
    _mm_sfence();
  }
#endif
  std::memcpy(to, from, size);
}

}  // namespace weft
