// Durations counted in log-linear buckets, 16 a power of two: what every analysis keeps for its
// percentiles. A quantile lies in the bucket of the duration at its rank: it is off by less than a
// sixteenth of it (6.25 %), on average by much less.
#pragma once

#include <cstdint>
#include <vector>

namespace weft::analysis {

// One thread; merge what threads counted apart.
class DurationHistogram {
 public:
  static constexpr uint32_t kBucketsPerOctave = 16;

  void add(uint64_t duration_ns, uint64_t count = 1);
  void merge(const DurationHistogram& other);

  uint64_t count() const { return count_; }
  // The duration in nanoseconds that a share of `q` (0 to 1) of the durations does not exceed,
  // interpolated within its bucket and never outside of what was added; 0 when empty.
  double quantile(double q) const;

  // The same buckets as histogram_bucket(duration_ns, 16) of scan/scan.h.
  static uint32_t bucket_of(uint64_t duration_ns);

 private:
  std::vector<uint64_t> buckets_;  // as long as the highest bucket in use
  uint64_t count_ = 0;
  uint64_t min_ns_ = UINT64_MAX;
  uint64_t max_ns_ = 0;
};

}  // namespace weft::analysis
