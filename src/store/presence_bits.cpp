#include "store/presence_bits.h"

#include <bit>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#define WEFT_HAS_PEXT 1
#include <immintrin.h>
#endif

namespace weft::store {
namespace {

// Appends words of fewer than 64 bits to bytes.
class BitWriter {
 public:
  explicit BitWriter(char* out) : out_(out) {}
  void put(uint64_t bits, int count) {
    held_ |= bits << used_;
    if (used_ + count < 64) {
      used_ += count;
      return;
    }
    std::memcpy(out_, &held_, 8);
    out_ += 8;
    const int taken = 64 - used_;
    held_ = taken == 64 ? 0 : bits >> taken;
    used_ = used_ + count - 64;
  }
  // Writes what is left; returns where the bytes end.
  char* finish() {
    const size_t bytes = (static_cast<size_t>(used_) + 7) / 8;
    std::memcpy(out_, &held_, bytes);
    return out_ + bytes;
  }

 private:
  char* out_;
  uint64_t held_ = 0;
  int used_ = 0;  // bits of held_, below 64
};

struct Range {
  const uint64_t* present;
  const uint64_t* chosen;
  uint32_t begin;
  uint32_t end;  // above begin

  // The bits of word w that lie in the range.
  uint64_t mask(uint32_t w) const {
    uint64_t out = ~uint64_t{0};
    if (w == begin / 64) out &= ~uint64_t{0} << (begin % 64);
    if (w == end / 64) out &= (uint64_t{1} << (end % 64)) - 1;
    return out;
  }
};

template <typename Extract>
[[gnu::always_inline]] inline char* pack(const Range& range, char* out, Extract&& extract) {
  BitWriter writer(out);
  for (uint32_t w = range.begin / 64; w <= (range.end - 1) / 64; ++w) {
    const uint64_t chosen = range.chosen[w] & range.mask(w);
    if (chosen == 0) continue;
    writer.put(extract(range.present[w], chosen), std::popcount(chosen));
  }
  return writer.finish();
}

char* pack_portable(const Range& range, char* out) {
  return pack(range, out, [](uint64_t bits, uint64_t chosen) {
    if (chosen == ~uint64_t{0}) return bits;
    uint64_t packed = 0;
    for (int at = 0; chosen != 0; chosen &= chosen - 1, ++at)
      packed |= (bits >> std::countr_zero(chosen) & 1) << at;
    return packed;
  });
}

#ifdef WEFT_HAS_PEXT
[[gnu::target("bmi2,popcnt")]] char* pack_pext(const Range& range, char* out) {
  BitWriter writer(out);
  for (uint32_t w = range.begin / 64; w <= (range.end - 1) / 64; ++w) {
    const uint64_t chosen = range.chosen[w] & range.mask(w);
    if (chosen == 0) continue;
    writer.put(_pext_u64(range.present[w], chosen), std::popcount(chosen));
  }
  return writer.finish();
}

const bool kHasPext = __builtin_cpu_supports("bmi2") != 0;
#endif

}  // namespace

void pack_chosen_bits(const RowBits& present, const RowBits& chosen, uint32_t begin, uint32_t end,
                      std::string& out) {
  if (begin == end) return out.clear();
  // At most a bit a row, in words.
  out.resize((size_t{end - begin} + 63) / 64 * 8 + 8);
  const Range range{present.words().data(), chosen.words().data(), begin, end};
#ifdef WEFT_HAS_PEXT
  char* const packed_end =
      kHasPext ? pack_pext(range, out.data()) : pack_portable(range, out.data());
#else
  char* const packed_end = pack_portable(range, out.data());
#endif
  out.resize(static_cast<size_t>(packed_end - out.data()));
}

}  // namespace weft::store
