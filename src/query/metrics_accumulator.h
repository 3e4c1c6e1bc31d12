// What a metrics query adds up: series by labels, cells by time, whatever the function needs in
// each. Workers fill one each, then they are merged. The order of spans does not matter. All that
// grows is charged to the query's memory budget.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "query/ast.h"
#include "query/batch_fields.h"
#include "query/budget.h"
#include "query/exact_sum.h"

namespace weft::traceql {

// The time buckets of a query: [from + i * step, from + (i + 1) * step), the last one cut off.
struct TimeAxis {
  TimeRange range;
  uint64_t step_ns = 0;  // never 0
  size_t count = 0;

  // kInvalidArgument for an endless or empty range, kResourceExhausted for too many buckets.
  static Expected<TimeAxis> create(const MetricsOptions& options);
  size_t bucket_of(uint64_t start_ns) const {
    return static_cast<size_t>((start_ns - range.from_ns) / step_ns);
  }
  uint64_t time_of(size_t bucket) const { return range.from_ns + bucket * step_ns; }
};

// Histogram buckets an octave of quantiles: a bucket is at most 1/16 wider than its floor, so a
// quantile is off by less than 6.25 % of the value.
inline constexpr uint32_t kQuantileBucketsPerOctave = 16;

// Buckets of a histogram over any numbers. Durations use those of scan.h, which sources know, and
// mirror them below zero; other values the same ones, extended to negative numbers and fractions.
class BucketScale {
 public:
  BucketScale(bool is_duration, uint32_t per_octave)
      : is_duration_(is_duration), per_octave_(per_octave) {}
  int64_t bucket_of(double value) const;
  double floor_of(int64_t bucket) const;
  double ceiling_of(int64_t bucket) const;

 private:
  bool is_duration_;
  uint32_t per_octave_;
};

// What the function of a metrics query keeps a cell.
struct CellNeeds {
  bool sum = false;
  bool extremes = false;
  bool histogram = false;
  static CellNeeds of(MetricsFunction function);
};

struct Cell {
  uint64_t count = 0;
  ExactSum sum;
  double min = 0;
  double max = 0;
  std::map<int64_t, uint64_t> histogram;

  void add(const CellNeeds& needs, const BucketScale& scale, const FieldValue& value);
  void merge(const Cell& other);
};

struct SeriesData {
  std::vector<Value> labels;     // parallel to by(...)
  std::vector<uint64_t> counts;  // a bucket; for functions that count only
  std::vector<Cell> cells;       // a bucket; for the others
  // The exemplars with the smallest hashes: a fair draw that does not depend on order.
  std::map<uint64_t, Exemplar> exemplars;

  // Without what add() and add_exemplar() make it grow by.
  size_t memory_bytes() const;
};

// Of a finished series: itself and about what its text takes in an answer.
size_t memory_bytes(const MetricsSeries& series);

class MetricsAccumulator {
 public:
  // Borrows all of its arguments.
  MetricsAccumulator(const MetricsExpr& metrics, const TimeAxis& axis,
                     const MetricsOptions& options, size_t exemplars, BudgetMeter& meter);

  // The series of these labels; a new one is charged to the budget.
  Expected<SeriesData*> series(const std::vector<Value>& labels);
  void add(SeriesData& series, uint64_t start_ns, const FieldValue& value);
  void add_exemplar(SeriesData& series, const Exemplar& exemplar);
  // Charges what add() and add_exemplar() have made since it was called last: after each batch.
  Status charge_growth();
  Status merge(MetricsAccumulator&& other);
  // The finished series, ordered by labels, durations in seconds. They are charged to the budget,
  // and what they were made of is given back: once, as the last call.
  Expected<std::vector<MetricsSeries>> finish();

  const CellNeeds& needs() const { return needs_; }
  const BucketScale& scale() const { return scale_; }
  bool counts_only() const { return counts_only_; }
  size_t exemplar_limit() const { return exemplars_; }

 private:
  Status charge(size_t bytes);
  void give_back();
  Status finish_series(const SeriesData& data, std::vector<MetricsSeries>& out) const;
  Status finish_quantiles(const SeriesData& data, const std::vector<NamedValue>& labels,
                          std::vector<MetricsSeries>& out) const;
  Status finish_histogram(const SeriesData& data, const std::vector<NamedValue>& labels,
                          std::vector<MetricsSeries>& out) const;
  Status keep(MetricsSeries series, std::vector<MetricsSeries>& out) const;
  std::vector<Exemplar> exemplars_of(const SeriesData& data) const;

  const MetricsExpr* metrics_;
  const TimeAxis* axis_;
  const MetricsOptions* options_;
  BudgetMeter* meter_;
  size_t exemplars_;
  CellNeeds needs_;
  BucketScale scale_;
  bool counts_only_;
  // What a value is divided by in the answer: 300 ms are 0.3 s, as a constant in the query is.
  double per_unit_;
  std::unordered_map<std::string, SeriesData> series_;  // by their labels' bytes
  size_t charged_bytes_ = 0;
  size_t uncharged_bytes_ = 0;
};

// Bytes that two lists of labels share exactly when they are equal.
std::string label_key(const std::vector<Value>& labels);
// Orders labels for the answer: by type, then by value.
bool label_less(const std::vector<NamedValue>& a, const std::vector<NamedValue>& b);

// The q-quantile of a cell: interpolated within its bucket, never outside [min, max].
double quantile_of(const Cell& cell, const BucketScale& scale, double quantile);

}  // namespace weft::traceql
