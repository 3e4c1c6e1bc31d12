#include "query/metrics_accumulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <compare>

#include "base/hash.h"
#include "query/validate.h"

namespace weft::traceql {
namespace {

// Buckets of generic numbers are the top bits of their double: sign, exponent and, for 16 an
// octave, four bits of the mantissa. Negative numbers mirror the positive ones.
constexpr int kMantissaBits = 52;

int shift_of(uint32_t per_octave) {
  return kMantissaBits - std::countr_zero(per_octave);
}

bool is_duration(const MetricsExpr& metrics) {
  return metrics.value && metrics.value->type() == StaticType::kDuration;
}

uint32_t per_octave_of(MetricsFunction function) {
  return function == MetricsFunction::kHistogramOverTime ? 1 : kQuantileBucketsPerOctave;
}

std::weak_ordering compare(const Value& a, const Value& b) {
  if (a.type() != b.type()) return a.type() <=> b.type();
  if (const auto* text = std::get_if<std::string>(&a.data)) {
    return text->compare(std::get<std::string>(b.data)) <=> 0;
  }
  if (const auto* integer = std::get_if<int64_t>(&a.data)) {
    return *integer <=> std::get<int64_t>(b.data);
  }
  if (const auto* number = std::get_if<double>(&a.data)) {
    return std::strong_order(*number, std::get<double>(b.data));  // NaN has a place, too
  }
  return to_display(a).compare(to_display(b)) <=> 0;
}

// About what a node of a map takes, beside its key and value.
constexpr size_t kMapNodeBytes = 40;
constexpr size_t kHistogramNodeBytes = kMapNodeBytes + 2 * sizeof(uint64_t);
constexpr size_t kExemplarNodeBytes = kMapNodeBytes + sizeof(uint64_t) + sizeof(Exemplar);

uint64_t exemplar_hash(const Exemplar& exemplar) {
  const uint64_t span = exemplar.span_id.word() * 0x9E3779B97F4A7C15u;
  return hash_trace_id(exemplar.trace_id) ^ (span ^ span >> 32) * 0x9E3779B97F4A7C15u;
}

}  // namespace

Expected<TimeAxis> TimeAxis::create(const MetricsOptions& options) {
  const TimeRange& range = options.range;
  if (range.to_ns <= range.from_ns) {
    return fail(ErrorCode::kInvalidArgument,
                "the time range is empty; its end must follow its start");
  }
  if (range.to_ns == UINT64_MAX) {
    return fail(ErrorCode::kInvalidArgument, "a metrics query needs a start and an end");
  }
  TimeAxis out;
  out.range = range;
  const uint64_t width = range.to_ns - range.from_ns;
  out.step_ns = options.step_ns == 0 ? width : options.step_ns;
  const uint64_t count = (width - 1) / out.step_ns + 1;
  if (count > options.max_points) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("the query gives {} points a series, {} are the limit; use a step of "
                            "{} ms or more",
                            count, options.max_points,
                            (width / options.max_points + 999'999) / 1'000'000 + 1));
  }
  out.count = static_cast<size_t>(count);
  return out;
}

int64_t BucketScale::bucket_of(double value) const {
  if (is_duration_) {
    // An event may come before its span starts.
    if (value < 0) return -1 - static_cast<int64_t>(histogram_bucket(-value, per_octave_));
    return histogram_bucket(value, per_octave_);
  }
  const uint64_t bits = std::bit_cast<uint64_t>(std::abs(value));
  const auto bucket = static_cast<int64_t>(bits >> shift_of(per_octave_));
  return value < 0 ? -1 - bucket : bucket;
}

double BucketScale::floor_of(int64_t bucket) const {
  if (is_duration_) {
    const auto size = static_cast<uint32_t>(std::abs(bucket));
    const double floor = histogram_bucket_floor(size, per_octave_);
    return bucket < 0 ? -floor : floor;
  }
  if (bucket < 0)
    return -std::bit_cast<double>(static_cast<uint64_t>(-bucket) << shift_of(per_octave_));
  return std::bit_cast<double>(static_cast<uint64_t>(bucket) << shift_of(per_octave_));
}

double BucketScale::ceiling_of(int64_t bucket) const {
  return floor_of(bucket + 1);
}

CellNeeds CellNeeds::of(MetricsFunction function) {
  CellNeeds out;
  out.sum = function == MetricsFunction::kSumOverTime || function == MetricsFunction::kAvgOverTime;
  out.extremes = function == MetricsFunction::kMinOverTime ||
                 function == MetricsFunction::kMaxOverTime ||
                 function == MetricsFunction::kQuantileOverTime;
  out.histogram = function == MetricsFunction::kQuantileOverTime ||
                  function == MetricsFunction::kHistogramOverTime;
  return out;
}

void Cell::add(const CellNeeds& needs, const BucketScale& scale, const FieldValue& value) {
  const double number = value.as_double();
  if (needs.extremes) {
    min = count == 0 ? number : std::min(min, number);
    max = count == 0 ? number : std::max(max, number);
  }
  ++count;
  if (needs.sum) {
    if (value.type == ValueType::kInt) {
      sum.add(static_cast<int64_t>(value.word));
    } else {
      sum.add(number);
    }
  }
  if (needs.histogram) ++histogram[scale.bucket_of(number)];
}

void Cell::merge(const Cell& other) {
  if (other.count == 0) return;
  min = count == 0 ? other.min : std::min(min, other.min);
  max = count == 0 ? other.max : std::max(max, other.max);
  count += other.count;
  sum.merge(other.sum);
  for (const auto& [bucket, n] : other.histogram)
    histogram[bucket] += n;
}

size_t SeriesData::memory_bytes() const {
  size_t out =
      sizeof(SeriesData) + counts.size() * sizeof(uint64_t) + cells.size() * sizeof(Cell) + 128;
  // The text of a label stands here, in the key of the series and twice in its worker's LabelCoder.
  for (const Value& label : labels) {
    const auto* text = std::get_if<std::string>(&label.data);
    out += sizeof(Value) + (text != nullptr ? 4 * text->size() : 0);
  }
  return out;
}

size_t memory_bytes(const MetricsSeries& series) {
  // {"timestampMs":"1700000000000","value":0.1}, and its like for an exemplar.
  constexpr size_t kPointText = 48;
  constexpr size_t kExemplarText = 160;
  size_t out = sizeof(MetricsSeries) + series.points.size() * (sizeof(MetricsPoint) + kPointText) +
               series.exemplars.size() * (sizeof(Exemplar) + kExemplarText);
  for (const auto& [name, value] : series.labels) {
    const auto* text = std::get_if<std::string>(&value.data);
    out += 2 * (sizeof(NamedValue) + name.size() + (text != nullptr ? text->size() : 0));
  }
  return out;
}

std::string label_key(const std::vector<Value>& labels) {
  std::string out;
  for (const Value& label : labels) {
    out.push_back(static_cast<char>(label.type()));
    std::string bytes;
    if (const auto* integer = std::get_if<int64_t>(&label.data)) {
      bytes.assign(reinterpret_cast<const char*>(integer), sizeof(*integer));
    } else if (const auto* number = std::get_if<double>(&label.data)) {
      bytes.assign(reinterpret_cast<const char*>(number), sizeof(*number));
    } else if (const auto* text = std::get_if<std::string>(&label.data)) {
      bytes = *text;
    } else {
      bytes = to_display(label);
    }
    const uint64_t size = bytes.size();
    out.append(reinterpret_cast<const char*>(&size), sizeof(size));
    out += bytes;
  }
  return out;
}

bool label_less(const std::vector<NamedValue>& a, const std::vector<NamedValue>& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i].first != b[i].first) return a[i].first < b[i].first;
    const auto order = compare(a[i].second, b[i].second);
    if (order != 0) return order < 0;
  }
  return a.size() < b.size();
}

double quantile_of(const Cell& cell, const BucketScale& scale, double quantile) {
  const double rank = quantile * static_cast<double>(cell.count);
  double below = 0;
  for (const auto& [bucket, n] : cell.histogram) {
    const auto count = static_cast<double>(n);
    if (below + count < rank) {
      below += count;
      continue;
    }
    const double floor = scale.floor_of(bucket);
    const double inside = floor + (scale.ceiling_of(bucket) - floor) * (rank - below) / count;
    return std::clamp(inside, cell.min, cell.max);
  }
  return cell.max;
}

MetricsAccumulator::MetricsAccumulator(const MetricsExpr& metrics, const TimeAxis& axis,
                                       const MetricsOptions& options, size_t exemplars,
                                       BudgetMeter& meter)
    : metrics_(&metrics),
      axis_(&axis),
      options_(&options),
      meter_(&meter),
      exemplars_(exemplars),
      needs_(CellNeeds::of(metrics.function)),
      scale_(is_duration(metrics), per_octave_of(metrics.function)),
      counts_only_(!metrics.value),
      per_unit_(is_duration(metrics) ? 1e9 : 1) {}

Expected<SeriesData*> MetricsAccumulator::series(const std::vector<Value>& labels) {
  const auto [found, is_new] = series_.try_emplace(label_key(labels));
  SeriesData& data = found->second;
  if (!is_new) return &data;
  if (series_.size() > options_->max_series) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("the query gives more than {} series; group by fewer or less varied "
                            "fields",
                            options_->max_series));
  }
  data.labels = labels;
  if (counts_only_) {
    data.counts.resize(axis_->count);
  } else {
    data.cells.resize(axis_->count);
  }
  WEFT_TRY(charge(data.memory_bytes()));
  return &data;
}

Status MetricsAccumulator::charge(size_t bytes) {
  charged_bytes_ += bytes;
  return meter_->take_memory(bytes);
}

void MetricsAccumulator::give_back() {
  meter_->give_memory(std::exchange(charged_bytes_, 0));
}

Status MetricsAccumulator::charge_growth() {
  return charge(std::exchange(uncharged_bytes_, 0));
}

void MetricsAccumulator::add(SeriesData& series, uint64_t start_ns, const FieldValue& value) {
  const size_t bucket = axis_->bucket_of(start_ns);
  if (counts_only_) {
    ++series.counts[bucket];
    return;
  }
  Cell& cell = series.cells[bucket];
  const size_t before = cell.histogram.size();
  cell.add(needs_, scale_, value);
  uncharged_bytes_ += (cell.histogram.size() - before) * kHistogramNodeBytes;
}

void MetricsAccumulator::add_exemplar(SeriesData& series, const Exemplar& exemplar) {
  const uint64_t hash = exemplar_hash(exemplar);
  const bool is_full = series.exemplars.size() >= exemplars_;
  if (is_full) {
    if (exemplars_ == 0 || hash >= series.exemplars.rbegin()->first) return;
    series.exemplars.erase(std::prev(series.exemplars.end()));
  }
  const bool is_new = series.exemplars.emplace(hash, exemplar).second;
  if (is_new && !is_full) uncharged_bytes_ += kExemplarNodeBytes;
}

Status MetricsAccumulator::merge(MetricsAccumulator&& other) {
  for (auto& [key, data] : other.series_) {
    WEFT_ASSIGN(SeriesData * mine, series(data.labels));
    for (size_t i = 0; i < data.counts.size(); ++i)
      mine->counts[i] += data.counts[i];
    for (size_t i = 0; i < data.cells.size(); ++i) {
      const size_t before = mine->cells[i].histogram.size();
      mine->cells[i].merge(data.cells[i]);
      uncharged_bytes_ += (mine->cells[i].histogram.size() - before) * kHistogramNodeBytes;
    }
    for (const auto& [hash, exemplar] : data.exemplars)
      add_exemplar(*mine, exemplar);
    WEFT_TRY(charge_growth());
  }
  other.series_.clear();
  other.give_back();
  return {};
}

Status MetricsAccumulator::keep(MetricsSeries series, std::vector<MetricsSeries>& out) const {
  if (series.points.empty()) return {};
  WEFT_TRY(meter_->take_memory(traceql::memory_bytes(series)));
  out.push_back(std::move(series));
  return {};
}

std::vector<Exemplar> MetricsAccumulator::exemplars_of(const SeriesData& data) const {
  const size_t share = std::max<size_t>(1, exemplars_ / std::max<size_t>(1, series_.size()));
  std::vector<Exemplar> out;
  for (const auto& [hash, exemplar] : data.exemplars) {
    if (out.size() == share) break;
    out.push_back(exemplar);
  }
  std::sort(out.begin(), out.end(), [](const Exemplar& a, const Exemplar& b) {
    return a.time_ns != b.time_ns ? a.time_ns < b.time_ns : a.span_id < b.span_id;
  });
  return out;
}

Status MetricsAccumulator::finish_quantiles(const SeriesData& data,
                                            const std::vector<NamedValue>& labels,
                                            std::vector<MetricsSeries>& out) const {
  for (double quantile : metrics_->quantiles) {
    MetricsSeries series;
    series.labels = labels;
    series.labels.emplace_back("p", Value(quantile));
    for (size_t i = 0; i < data.cells.size(); ++i) {
      if (data.cells[i].count == 0) continue;
      series.points.push_back(
          {axis_->time_of(i), quantile_of(data.cells[i], scale_, quantile) / per_unit_});
    }
    series.exemplars = exemplars_of(data);
    WEFT_TRY(keep(std::move(series), out));
  }
  return {};
}

Status MetricsAccumulator::finish_histogram(const SeriesData& data,
                                            const std::vector<NamedValue>& labels,
                                            std::vector<MetricsSeries>& out) const {
  std::set<int64_t> buckets;
  for (const Cell& cell : data.cells) {
    for (const auto& [bucket, n] : cell.histogram)
      buckets.insert(bucket);
  }
  for (int64_t bucket : buckets) {
    MetricsSeries series;
    series.labels = labels;
    series.labels.emplace_back("__bucket", Value(scale_.ceiling_of(bucket) / per_unit_));
    for (size_t i = 0; i < data.cells.size(); ++i) {
      const auto found = data.cells[i].histogram.find(bucket);
      if (found == data.cells[i].histogram.end()) continue;
      series.points.push_back({axis_->time_of(i), static_cast<double>(found->second)});
    }
    for (const Exemplar& exemplar : exemplars_of(data)) {
      const double value = exemplar.value * per_unit_;
      // Nanoseconds are whole; what rounding made of them could lie below a bound.
      const bool is_here = scale_.bucket_of(per_unit_ == 1 ? value : std::round(value)) == bucket;
      if (is_here) series.exemplars.push_back(exemplar);
    }
    WEFT_TRY(keep(std::move(series), out));
  }
  return {};
}

Status MetricsAccumulator::finish_series(const SeriesData& data,
                                         std::vector<MetricsSeries>& out) const {
  std::vector<NamedValue> labels;
  for (size_t i = 0; i < metrics_->by.size(); ++i) {
    labels.emplace_back(to_string(metrics_->by[i]), data.labels[i]);
  }
  if (metrics_->function == MetricsFunction::kQuantileOverTime) {
    return finish_quantiles(data, labels, out);
  }
  if (metrics_->function == MetricsFunction::kHistogramOverTime) {
    return finish_histogram(data, labels, out);
  }
  MetricsSeries series;
  series.labels = std::move(labels);
  if (series.labels.empty()) {
    series.labels.emplace_back("__name__", Value(to_string(metrics_->function)));
  }
  const double seconds = static_cast<double>(axis_->step_ns) / 1e9;
  for (size_t i = 0; i < axis_->count; ++i) {
    if (counts_only_) {
      const auto count = static_cast<double>(data.counts[i]);
      series.points.push_back({axis_->time_of(i), metrics_->function == MetricsFunction::kRate
                                                      ? count / seconds
                                                      : count});
      continue;
    }
    const Cell& cell = data.cells[i];
    if (cell.count == 0) continue;
    double value = 0;
    switch (metrics_->function) {
      case MetricsFunction::kMinOverTime:
        value = cell.min;
        break;
      case MetricsFunction::kMaxOverTime:
        value = cell.max;
        break;
      case MetricsFunction::kSumOverTime:
        value = cell.sum.total();
        break;
      default:
        value = cell.sum.total() / static_cast<double>(cell.count);
        break;
    }
    series.points.push_back({axis_->time_of(i), value / per_unit_});
  }
  series.exemplars = exemplars_of(data);
  return keep(std::move(series), out);
}

Expected<std::vector<MetricsSeries>> MetricsAccumulator::finish() {
  std::vector<MetricsSeries> out;
  for (const auto& [key, data] : series_) {
    WEFT_TRY(meter_->check());
    WEFT_TRY(finish_series(data, out));
  }
  series_.clear();
  give_back();
  std::sort(out.begin(), out.end(), [](const MetricsSeries& a, const MetricsSeries& b) {
    return label_less(a.labels, b.labels);
  });
  return out;
}

}  // namespace weft::traceql
