#include <cmath>

#include "scan/scan.h"

namespace weft {

uint32_t histogram_bucket(double value, uint32_t buckets_per_octave) {
  if (!(value >= 1)) return 0;  // NaN too
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);  // in [0.5, 1)
  if (std::isinf(value)) return 1024 * buckets_per_octave - 1;
  const auto linear = static_cast<uint32_t>((fraction * 2 - 1) * buckets_per_octave);
  return static_cast<uint32_t>(exponent - 1) * buckets_per_octave + linear;
}

double histogram_bucket_floor(uint32_t bucket, uint32_t buckets_per_octave) {
  if (bucket == 0) return 0;
  const uint32_t octave = bucket / buckets_per_octave;
  const uint32_t linear = bucket % buckets_per_octave;
  return std::ldexp(1.0 + static_cast<double>(linear) / buckets_per_octave,
                    static_cast<int>(octave));
}

}  // namespace weft
