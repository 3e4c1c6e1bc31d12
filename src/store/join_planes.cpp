#include "store/join_planes.h"

#include <algorithm>
#include <array>
#include <cassert>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace weft::store {
namespace {

template <typename Word>
void join_one_by_one(std::span<const BytePlane> planes, Word add, Word* out, size_t begin,
                     size_t end) {
  for (size_t i = begin; i < end; ++i) {
    Word value = 0;
    for (size_t p = 0; p < planes.size(); ++p) {
      const BytePlane& plane = planes[p];
      const auto byte = plane.bytes ? static_cast<uint8_t>(plane.bytes[i]) : plane.constant;
      value |= static_cast<Word>(Word{byte} << (8 * p));
    }
    out[i] = value + add;
  }
}

#ifdef __SSE2__

constexpr size_t kStep = 16;

// Planes beyond the last read as zeros.
template <size_t kPlanes>
class Lanes {
 public:
  explicit Lanes(std::span<const BytePlane> planes) {
    for (size_t p = 0; p < kPlanes; ++p) {
      bytes_[p] = p < planes.size() ? planes[p].bytes : nullptr;
      constants_[p] = p < planes.size() ? static_cast<char>(planes[p].constant) : '\0';
    }
  }
  // The 16 bytes from `at` on of a plane.
  __m128i load(size_t plane, size_t at) const {
    if (bytes_[plane] == nullptr) return _mm_set1_epi8(constants_[plane]);
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes_[plane] + at));
  }

 private:
  std::array<const char*, kPlanes> bytes_;
  std::array<char, kPlanes> constants_;
};

// Four registers of four 32-bit numbers each.
struct Sixteen {
  __m128i at[4];
};

// Of the planes from `first` on.
template <size_t kPlanes>
Sixteen join_32(const Lanes<kPlanes>& lanes, size_t first, size_t at) {
  const __m128i b0 = lanes.load(first, at);
  const __m128i b1 = lanes.load(first + 1, at);
  const __m128i low_lo = _mm_unpacklo_epi8(b0, b1);
  const __m128i low_hi = _mm_unpackhi_epi8(b0, b1);
  const __m128i b2 = lanes.load(first + 2, at);
  const __m128i b3 = lanes.load(first + 3, at);
  const __m128i high_lo = _mm_unpacklo_epi8(b2, b3);
  const __m128i high_hi = _mm_unpackhi_epi8(b2, b3);
  return {{_mm_unpacklo_epi16(low_lo, high_lo), _mm_unpackhi_epi16(low_lo, high_lo),
           _mm_unpacklo_epi16(low_hi, high_hi), _mm_unpackhi_epi16(low_hi, high_hi)}};
}

void store(void* out, __m128i value) {
  _mm_storeu_si128(static_cast<__m128i*>(out), value);
}

template <size_t kPlanes>
size_t join_64(std::span<const BytePlane> planes, uint64_t add, uint64_t* out, size_t count) {
  const Lanes<kPlanes> lanes(planes);
  const __m128i sum = _mm_set1_epi64x(static_cast<int64_t>(add));
  size_t at = 0;
  for (; at + kStep <= count; at += kStep) {
    const auto low = join_32(lanes, 0, at);
    Sixteen high{};
    if constexpr (kPlanes > 4) high = join_32(lanes, 4, at);
    for (size_t r = 0; r < 4; ++r) {
      store(out + at + r * 4, _mm_add_epi64(_mm_unpacklo_epi32(low.at[r], high.at[r]), sum));
      store(out + at + r * 4 + 2, _mm_add_epi64(_mm_unpackhi_epi32(low.at[r], high.at[r]), sum));
    }
  }
  return at;
}

#endif

}  // namespace

void join_planes(std::span<const BytePlane> planes, uint64_t add, uint64_t* out, size_t count) {
  assert(planes.size() <= 8);
  size_t done = 0;
#ifdef __SSE2__
  done = planes.size() <= 4 ? join_64<4>(planes, add, out, count)
                            : join_64<8>(planes, add, out, count);
#endif
  join_one_by_one(planes, add, out, done, count);
}

void join_planes(std::span<const BytePlane> planes, uint32_t* out, size_t count) {
  assert(planes.size() <= 4);
  size_t done = 0;
#ifdef __SSE2__
  const Lanes<4> lanes(planes);
  for (; done + kStep <= count; done += kStep) {
    const auto words = join_32(lanes, 0, done);
    for (size_t r = 0; r < 4; ++r)
      store(out + done + r * 4, words.at[r]);
  }
#endif
  join_one_by_one<uint32_t>(planes, 0, out, done, count);
}

}  // namespace weft::store
