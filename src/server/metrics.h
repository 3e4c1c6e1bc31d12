// The server's counters, gauges and histograms, and their Prometheus text. Every part of the
// server asks the registry once for what it counts and then only adds to it; parts of lower layers
// (the store, the span metrics) hand in a collector that is called when /metrics is read.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::server {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// Names end in _total, as Prometheus wants it. Any thread.
class Counter {
 public:
  void add(uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Any thread.
class Gauge {
 public:
  void set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(int64_t by) { value_.fetch_add(by, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Fixed upper bounds, ascending; the bucket above the last is implied. Any thread.
class Histogram {
 public:
  explicit Histogram(std::vector<double> upper_bounds);
  void observe(double value);
  uint64_t count() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }
  const std::vector<double>& upper_bounds() const { return upper_bounds_; }
  // One more than upper_bounds; not cumulative.
  uint64_t bucket(size_t index) const { return buckets_[index].load(std::memory_order_relaxed); }

 private:
  std::vector<double> upper_bounds_;
  std::unique_ptr<std::atomic<uint64_t>[]> buckets_;
  std::atomic<double> sum_{0};
};

// 1, 2.5, 5 steps from 0.5 ms to 30 s: for the durations of requests, in seconds.
std::vector<double> duration_buckets_s();

// Writes the text format: `# HELP` and `# TYPE` once a family, then its samples.
class MetricsWriter {
 public:
  explicit MetricsWriter(std::string& out) : out_(out) {}
  // `type` is counter, gauge or histogram. Samples that follow belong to this family.
  void family(std::string_view name, std::string_view help, std::string_view type);
  void sample(const MetricLabels& labels, double value);
  void sample(const MetricLabels& labels, uint64_t value);
  // Cumulative buckets, sum and count; `counts` has one more than `upper_bounds`.
  void histogram(const MetricLabels& labels, const std::vector<double>& upper_bounds,
                 const std::vector<uint64_t>& counts, double sum);

 private:
  void line(std::string_view suffix, const MetricLabels& labels, std::string_view value,
            std::string_view extra_label = {}, std::string_view extra_value = {});

  std::string& out_;
  std::string name_;
};

// Lives as long as the server. What it hands out lives as long as the registry.
class MetricsRegistry {
 public:
  using Collector = std::function<void(MetricsWriter&)>;

  // The same name and labels give the same object. A name has one type and one help.
  Counter& counter(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help,
                       std::vector<double> upper_bounds, const MetricLabels& labels = {});
  // Called at every exposition, by the thread that serves it.
  void add_collector(Collector collector);

  // The text of /metrics (content type kContentType). Any thread.
  std::string expose() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  template <typename T>
  struct Family {
    std::string help;
    std::map<MetricLabels, std::unique_ptr<T>> members;
  };

  mutable std::mutex mutex_;
  std::map<std::string, Family<Counter>, std::less<>> counters_;
  std::map<std::string, Family<Gauge>, std::less<>> gauges_;
  std::map<std::string, Family<Histogram>, std::less<>> histograms_;
  std::vector<Collector> collectors_;
};

}  // namespace weft::server
