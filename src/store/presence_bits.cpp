#include "store/presence_bits.h"

#include <bit>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#define WEFT_HAS_PEXT 1
#include <immintrin.h>
#endif

namespace weft::store {
namespace {

// Appends words of 1 to 64 bits to bytes.
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
  const uint64_t* chosen;
  uint32_t begin;
  uint32_t end;  // above begin

  // Of word w the chosen bits that lie in the range.
  uint64_t chosen_in(uint32_t w) const {
    uint64_t out = chosen[w];
    if (w == begin / 64) out &= ~uint64_t{0} << (begin % 64);
    if (w == end / 64) out &= (uint64_t{1} << (end % 64)) - 1;
    return out;
  }
};

#ifdef WEFT_HAS_PEXT
using Extract = uint64_t (*)(uint64_t bits, uint64_t chosen);

[[gnu::target("bmi2")]] uint64_t extract_pext(uint64_t bits, uint64_t chosen) {
  return _pext_u64(bits, chosen);
}
#endif

}  // namespace

uint64_t extract_bits_portably(uint64_t bits, uint64_t chosen) {
  uint64_t packed = 0;
  for (int at = 0; chosen != 0; chosen &= chosen - 1, ++at)
    packed |= (bits >> std::countr_zero(chosen) & 1) << at;
  return packed;
}

uint64_t extract_bits(uint64_t bits, uint64_t chosen) {
#ifdef WEFT_HAS_PEXT
  static const Extract extract =
      __builtin_cpu_supports("bmi2") != 0 ? extract_pext : extract_bits_portably;
  return extract(bits, chosen);
#else
  return extract_bits_portably(bits, chosen);
#endif
}

void pack_chosen_bits(const RowBits& present, const RowBits& chosen, uint32_t begin, uint32_t end,
                      std::string& out) {
  if (begin == end) return out.clear();
  // At most a bit a row, in words.
  out.resize((size_t{end - begin} + 63) / 64 * 8 + 8);
  const Range range{chosen.words().data(), begin, end};
  BitWriter writer(out.data());
  for (uint32_t w = begin / 64; w <= (end - 1) / 64; ++w) {
    const uint64_t wanted = range.chosen_in(w);
    if (wanted == 0) continue;
    writer.put(extract_bits(present.words()[w], wanted), std::popcount(wanted));
  }
  out.resize(static_cast<size_t>(writer.finish() - out.data()));
}

}  // namespace weft::store
