#include "query/metrics_stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "query/metrics_accumulator.h"

namespace weft::traceql {
namespace {

std::optional<double> combine(Op op, double a, double b) {
  double out = 0;
  switch (op) {
    case Op::kAdd:
      out = a + b;
      break;
    case Op::kSubtract:
      out = a - b;
      break;
    case Op::kMultiply:
      out = a * b;
      break;
    default:
      out = a / b;
      break;
  }
  if (!std::isfinite(out)) return std::nullopt;
  return out;
}

// Labels without __name__: what two sides are matched by.
std::vector<NamedValue> identity(const MetricsSeries& series) {
  std::vector<NamedValue> out = series.labels;
  std::erase_if(out, [](const NamedValue& label) { return label.first == "__name__"; });
  return out;
}

std::string identity_key(const MetricsSeries& series) {
  std::string out;
  for (const NamedValue& label : identity(series)) {
    out += label.first;
    out.push_back('\0');
    out += label_key({label.second});
  }
  return out;
}

MetricsSeries with_number(Op op, const MetricsSeries& series, double number, bool number_is_left) {
  MetricsSeries out;
  out.labels = series.labels;
  for (const MetricsPoint& point : series.points) {
    const auto value =
        number_is_left ? combine(op, number, point.value) : combine(op, point.value, number);
    if (value) out.points.push_back({point.time_ns, *value});
  }
  return out;
}

std::string name_of(const MetricsSeries& series) {
  for (const NamedValue& label : series.labels)
    if (label.first == "__name__") return to_display(label.second);
  return {};
}

MetricsSeries with_series(Op op, const MetricsSeries& left, const MetricsSeries& right) {
  MetricsSeries out;
  out.labels = identity(left);
  if (out.labels.empty()) out.labels = identity(right);
  if (out.labels.empty()) {
    out.labels.emplace_back(
        "__name__", Value(fmt::format("({} {} {})", name_of(left), to_string(op), name_of(right))));
  }
  auto other = right.points.begin();
  for (const MetricsPoint& point : left.points) {
    while (other != right.points.end() && other->time_ns < point.time_ns)
      ++other;
    if (other == right.points.end() || other->time_ns != point.time_ns) continue;
    if (const auto value = combine(op, point.value, other->value)) {
      out.points.push_back({point.time_ns, *value});
    }
  }
  return out;
}

// Finds a series' partner among those of one side.
class Partners {
 public:
  explicit Partners(const std::vector<MetricsSeries>& side) {
    for (const MetricsSeries& series : side)
      by_labels_[identity_key(series)] = &series;
  }
  // The one without labels, which stands for the whole.
  const MetricsSeries* unlabelled() const { return find({}); }
  const MetricsSeries* of(const MetricsSeries& series) const {
    const MetricsSeries* same = find(identity_key(series));
    return same ? same : unlabelled();
  }

 private:
  const MetricsSeries* find(const std::string& key) const {
    const auto found = by_labels_.find(key);
    return found != by_labels_.end() ? found->second : nullptr;
  }
  std::map<std::string, const MetricsSeries*> by_labels_;
};

bool passes(Op op, double value, double bound) {
  switch (op) {
    case Op::kEqual:
      return value == bound;
    case Op::kNotEqual:
      return value != bound;
    case Op::kLess:
      return value < bound;
    case Op::kLessEqual:
      return value <= bound;
    case Op::kGreater:
      return value > bound;
    default:
      return value >= bound;
  }
}

void drop_empty(std::vector<MetricsSeries>& series) {
  std::erase_if(series, [](const MetricsSeries& s) { return s.points.empty(); });
}

void keep_best(const SeriesStage& stage, std::vector<MetricsSeries>& series) {
  struct Entry {
    double value;
    size_t series;
  };
  std::map<uint64_t, std::vector<Entry>> by_time;
  for (size_t i = 0; i < series.size(); ++i) {
    for (const MetricsPoint& point : series[i].points) {
      by_time[point.time_ns].push_back({point.value, i});
    }
  }
  const bool top = stage.kind == SeriesStage::Kind::kTopK;
  std::vector<std::vector<MetricsPoint>> kept(series.size());
  for (auto& [time_ns, entries] : by_time) {
    std::stable_sort(entries.begin(), entries.end(), [top](const Entry& a, const Entry& b) {
      return top ? a.value > b.value : a.value < b.value;
    });
    if (entries.size() > stage.k) entries.resize(stage.k);
    for (const Entry& entry : entries)
      kept[entry.series].push_back({time_ns, entry.value});
  }
  for (size_t i = 0; i < series.size(); ++i)
    series[i].points = std::move(kept[i]);
}

}  // namespace

std::vector<MetricsSeries> combine_series(Op op, const SeriesOperand& left,
                                          const SeriesOperand& right) {
  std::vector<MetricsSeries> out;
  if (left.number || right.number) {
    const SeriesOperand& side = left.number ? right : left;
    for (const MetricsSeries& series : side.series) {
      out.push_back(with_number(op, series, left.number ? *left.number : *right.number,
                                left.number.has_value()));
    }
  } else {
    const Partners lefts(left.series), rights(right.series);
    // Every series of the side that may lack partners of its own meets one of the other's.
    const bool each_left = rights.unlabelled() != nullptr;
    for (const MetricsSeries& series : each_left ? left.series : right.series) {
      const MetricsSeries* other = (each_left ? rights : lefts).of(series);
      if (other == nullptr) continue;
      out.push_back(each_left ? with_series(op, series, *other) : with_series(op, *other, series));
    }
  }
  drop_empty(out);
  return out;
}

void apply_stage(const SeriesStage& stage, std::vector<MetricsSeries>& series) {
  if (stage.kind == SeriesStage::Kind::kFilter) {
    for (MetricsSeries& one : series) {
      std::erase_if(one.points, [&](const MetricsPoint& point) {
        return !passes(stage.op, point.value, stage.value);
      });
    }
  } else {
    keep_best(stage, series);
  }
  drop_empty(series);
}

}  // namespace weft::traceql
