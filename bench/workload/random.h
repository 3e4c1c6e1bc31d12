// The generator's random numbers: fast, and the same on every machine for the same seed.
#pragma once

#include <cstdint>

namespace weft::workload {

// SplitMix64's output function: a good mix of all bits.
inline uint64_t mix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

class Random {
 public:
  explicit Random(uint64_t seed) : state_(mix64(seed)) {}
  uint64_t next() { return mix64(state_ += 0x9E3779B97F4A7C15u); }
  // Below `bound` (at most 2^32); the bias of the multiplication does not matter here.
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>((next() >> 32) * bound >> 32); }
  bool chance(uint32_t percent) { return below(100) < percent; }

 private:
  uint64_t state_;
};

}  // namespace weft::workload
