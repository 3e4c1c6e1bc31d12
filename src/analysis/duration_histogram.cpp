#include "analysis/duration_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "scan/scan.h"

namespace weft::analysis {

uint32_t DurationHistogram::bucket_of(uint64_t duration_ns) {
  if (duration_ns == 0) return 0;
  const auto octave = static_cast<uint32_t>(std::bit_width(duration_ns) - 1);
  const uint64_t linear = octave >= 4 ? duration_ns >> (octave - 4) : duration_ns << (4 - octave);
  return octave * kBucketsPerOctave + static_cast<uint32_t>(linear & 15);
}

void DurationHistogram::add(uint64_t duration_ns, uint64_t count) {
  const uint32_t bucket = bucket_of(duration_ns);
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  buckets_[bucket] += count;
  count_ += count;
  min_ns_ = std::min(min_ns_, duration_ns);
  max_ns_ = std::max(max_ns_, duration_ns);
}

void DurationHistogram::merge(const DurationHistogram& other) {
  if (other.buckets_.size() > buckets_.size()) buckets_.resize(other.buckets_.size());
  for (size_t i = 0; i < other.buckets_.size(); i++)
    buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  min_ns_ = std::min(min_ns_, other.min_ns_);
  max_ns_ = std::max(max_ns_, other.max_ns_);
}

double DurationHistogram::quantile(double q) const {
  if (count_ == 0) return 0;
  // The rank of the wanted duration, from 1 to count.
  const double rank =
      std::max(1.0, std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_)));
  double before = 0;
  for (uint32_t bucket = 0; bucket < buckets_.size(); bucket++) {
    const auto here = static_cast<double>(buckets_[bucket]);
    if (before + here >= rank) {
      const double low = histogram_bucket_floor(bucket, kBucketsPerOctave);
      const double high = histogram_bucket_floor(bucket + 1, kBucketsPerOctave);
      const double value = low + (high - low) * (rank - before) / here;
      return std::clamp(value, static_cast<double>(min_ns_), static_cast<double>(max_ns_));
    }
    before += here;
  }
  return static_cast<double>(max_ns_);
}

}  // namespace weft::analysis
