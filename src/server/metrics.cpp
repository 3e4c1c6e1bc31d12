#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "wire/json_writer.h"

namespace weft::server {

namespace {

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

bool is_ascii(char c) {
  return static_cast<unsigned char>(c) < 0x80;
}

// Names of services and spans stand here as they were sent, but one value that is not UTF-8 makes
// Prometheus refuse the whole answer. In such a value each byte beyond ASCII becomes the text \xNN,
// so that two values stay two.
void append_label_value(std::string& out, std::string_view value) {
  const bool is_utf8 = std::ranges::all_of(value, is_ascii) || json::to_valid_utf8(value) == value;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (!is_utf8 && !is_ascii(c)) {
      out += fmt::format("\\\\x{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
}

}  // namespace

Histogram::Histogram(std::vector<double> upper_bounds)
    : upper_bounds_(std::move(upper_bounds)),
      buckets_(std::make_unique<std::atomic<uint64_t>[]>(upper_bounds_.size() + 1)) {}

void Histogram::observe(double value) {
  const auto at = std::ranges::lower_bound(upper_bounds_, value);
  buckets_[static_cast<size_t>(at - upper_bounds_.begin())].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

uint64_t Histogram::count() const {
  uint64_t out = 0;
  for (size_t i = 0; i <= upper_bounds_.size(); ++i)
    out += bucket(i);
  return out;
}

std::vector<double> duration_buckets_s() {
  return {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
}

void MetricsWriter::family(std::string_view name, std::string_view help, std::string_view type) {
  name_ = name;
  out_.append("# HELP ").append(name).append(" ").append(help).append("\n");
  out_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

void MetricsWriter::line(std::string_view suffix, const MetricLabels& labels,
                         std::string_view value, std::string_view extra_label,
                         std::string_view extra_value) {
  out_.append(name_).append(suffix);
  if (!labels.empty() || !extra_label.empty()) {
    char separator = '{';
    const auto label = [&](std::string_view key, std::string_view text) {
      out_ += separator;
      separator = ',';
      out_.append(key).append("=\"");
      append_label_value(out_, text);
      out_ += '"';
    };
    for (const auto& [key, text] : labels)
      label(key, text);
    if (!extra_label.empty()) label(extra_label, extra_value);
    out_ += '}';
  }
  out_.append(" ").append(value).append("\n");
}

void MetricsWriter::sample(const MetricLabels& labels, double value) {
  line("", labels, number(value));
}

void MetricsWriter::sample(const MetricLabels& labels, uint64_t value) {
  line("", labels, std::to_string(value));
}

void MetricsWriter::histogram(const MetricLabels& labels, const std::vector<double>& upper_bounds,
                              const std::vector<uint64_t>& counts, double sum) {
  uint64_t cumulative = 0;
  for (size_t i = 0; i < upper_bounds.size(); ++i) {
    cumulative += counts[i];
    line("_bucket", labels, std::to_string(cumulative), "le", number(upper_bounds[i]));
  }
  cumulative += counts[upper_bounds.size()];
  line("_bucket", labels, std::to_string(cumulative), "le", "+Inf");
  line("_sum", labels, number(sum));
  line("_count", labels, std::to_string(cumulative));
}

Counter& MetricsRegistry::counter(std::string_view name, std::string_view help,
                                  const MetricLabels& labels) {
  const std::lock_guard lock(mutex_);
  auto& family = counters_[std::string(name)];
  family.help = help;
  auto& member = family.members[labels];
  if (!member) member = std::make_unique<Counter>();
  return *member;
}

Gauge& MetricsRegistry::gauge(std::string_view name, std::string_view help,
                              const MetricLabels& labels) {
  const std::lock_guard lock(mutex_);
  auto& family = gauges_[std::string(name)];
  family.help = help;
  auto& member = family.members[labels];
  if (!member) member = std::make_unique<Gauge>();
  return *member;
}

Histogram& MetricsRegistry::histogram(std::string_view name, std::string_view help,
                                      std::vector<double> upper_bounds,
                                      const MetricLabels& labels) {
  const std::lock_guard lock(mutex_);
  auto& family = histograms_[std::string(name)];
  family.help = help;
  auto& member = family.members[labels];
  if (!member) member = std::make_unique<Histogram>(std::move(upper_bounds));
  return *member;
}

void MetricsRegistry::add_collector(Collector collector) {
  const std::lock_guard lock(mutex_);
  collectors_.push_back(std::move(collector));
}

std::string MetricsRegistry::expose() const {
  std::string out;
  MetricsWriter writer(out);
  std::vector<Collector> collectors;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, family] : counters_) {
      writer.family(name, family.help, "counter");
      for (const auto& [labels, member] : family.members)
        writer.sample(labels, member->value());
    }
    for (const auto& [name, family] : gauges_) {
      writer.family(name, family.help, "gauge");
      for (const auto& [labels, member] : family.members) {
        writer.sample(labels, static_cast<double>(member->value()));
      }
    }
    for (const auto& [name, family] : histograms_) {
      writer.family(name, family.help, "histogram");
      for (const auto& [labels, member] : family.members) {
        std::vector<uint64_t> counts;
        for (size_t i = 0; i <= member->upper_bounds().size(); ++i) {
          counts.push_back(member->bucket(i));
        }
        writer.histogram(labels, member->upper_bounds(), counts, member->sum());
      }
    }
    collectors = collectors_;
  }
  for (const Collector& collect : collectors)
    collect(writer);
  return out;
}

}  // namespace weft::server
