#include "cli/series_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include "cli/answer.h"
#include "cli/terminal.h"

namespace weft::cli {
namespace {

using simdjson::SUCCESS;
using simdjson::dom::element;

constexpr size_t kMinCurveColumns = 10;
constexpr size_t kMaxCurveColumns = 60;
constexpr size_t kMinLabelColumns = 12;
constexpr size_t kNumberColumns = 9;
// Columns of the four numbers with a gap before each, and the gap before the curve.
constexpr size_t kFixedColumns = 4 * (kNumberColumns + 1) + 2;

constexpr std::array<std::string_view, 8> kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<std::string_view, 8> kAsciiBlocks = {"_", ".", "-", "~", "=", "+", "*", "#"};

FoundSeries read_series(element series) {
  FoundSeries out;
  simdjson::dom::object labels;
  if (series["labels"].get(labels) == SUCCESS) {
    for (const auto label : labels) {
      std::string_view text;
      const bool is_text = label.value.get(text) == SUCCESS;
      out.labels.emplace_back(label.key, is_text ? text : "nil");
    }
  }
  simdjson::dom::array points;
  if (series["points"].get(points) == SUCCESS) {
    for (const element point : points)
      out.points.emplace_back(nanos_at(point, "timeUnixNano"), number_at(point, "value"));
  }
  return out;
}

// Four digits are enough to compare, and fit.
std::string number_text(double value) {
  const double size = std::abs(value);
  if (size >= 1000 && size < 1e7) return fmt::format("{:.0f}", value);
  return fmt::format("{:.4g}", value);
}

struct Summary {
  double last = 0;
  double min = 0;
  double mean = 0;
  double max = 0;
};

Summary summary_of(const FoundSeries& series) {
  Summary out{series.points.back().second, std::numeric_limits<double>::infinity(), 0,
              -std::numeric_limits<double>::infinity()};
  for (const auto& [time_ns, value] : series.points) {
    out.min = std::min(out.min, value);
    out.max = std::max(out.max, value);
    out.mean += value / static_cast<double>(series.points.size());
  }
  return out;
}

// What tells a series from the others: values where all have the same labels, whose names then are
// in the heading.
class Labels {
 public:
  explicit Labels(const std::vector<FoundSeries>& all) {
    for (const FoundSeries& series : all)
      same_ = same_ && names(series) == names(all.front());
    if (same_ && !all.empty() && names(all.front()) != "__name__") heading_ = names(all.front());
  }
  const std::string& heading() const { return heading_; }
  std::string of(const FoundSeries& series) const {
    std::string out;
    for (const auto& [name, value] : series.labels) {
      if (!out.empty()) out += ", ";
      if (!same_) out.append(name).append("=");
      out += value;
    }
    return printable(out);
  }

 private:
  static std::string names(const FoundSeries& series) {
    std::string out;
    for (const auto& label : series.labels)
      out += (out.empty() ? "" : ", ") + label.first;
    return printable(out);
  }
  bool same_ = true;
  std::string heading_ = "SERIES";
};

class SeriesRenderer {
 public:
  SeriesRenderer(const FoundMetrics& found, const SeriesTableOptions& options)
      : found_(found), options_(options), labels_(found.series) {
    const size_t shown = std::min(found.series.size(), std::max<size_t>(1, options.limit));
    shown_ = std::span(found.series).first(shown);
    hidden_ = found.series.size() - shown;
    measure();
  }

  std::vector<std::string> render() {
    if (!shown_.empty()) {
      heading();
      for (const FoundSeries& series : shown_)
        row(series);
      lines_.push_back("");
    }
    footer();
    return std::move(lines_);
  }

 private:
  void measure() {
    for (const FoundSeries& series : shown_) {
      label_columns_ = std::max(label_columns_, display_width(labels_.of(series)));
      from_ns_ = std::min(from_ns_, series.points.front().first);
      to_ns_ = std::max(to_ns_, series.points.back().first);
    }
    label_columns_ = std::max(label_columns_, display_width(labels_.heading()));
    const size_t room = options_.width - std::min(options_.width, kFixedColumns);
    label_columns_ =
        std::min(label_columns_, std::max(kMinLabelColumns, room - std::min(room, steps())));
    curve_columns_ = std::min(room - std::min(room, label_columns_), steps());
    if (curve_columns_ < std::min(kMinCurveColumns, steps())) curve_columns_ = 0;
  }
  // Columns that the curves would like.
  size_t steps() const {
    if (shown_.empty() || found_.step_ms <= 0) return 0;
    const double steps = static_cast<double>(to_ns_ - from_ns_) / (found_.step_ms * 1e6);
    return std::min(kMaxCurveColumns, static_cast<size_t>(steps) + 1);
  }

  void heading() {
    std::string line = fit_to_width(labels_.heading(), label_columns_);
    for (const std::string_view name : {"LAST", "MIN", "MEAN", "MAX"})
      line += fmt::format(" {:>{}}", name, kNumberColumns);
    if (curve_columns_ > 0) line += "  " + axis();
    add(line, "\x1b[1m");
  }
  // "22:13:20 … 22:23:20", as far apart as the curves reach.
  std::string axis() const {
    std::string from = format_time_ns(from_ns_).substr(11, 8);
    const std::string to = format_time_ns(to_ns_).substr(11, 8);
    if (curve_columns_ < from.size() + to.size() + 1) return from;
    return from + std::string(curve_columns_ - from.size() - to.size(), ' ') + to;
  }

  void row(const FoundSeries& series) {
    const Summary summary = summary_of(series);
    std::string line = fit_to_width(labels_.of(series), label_columns_);
    for (const double value : {summary.last, summary.min, summary.mean, summary.max})
      line += fmt::format(" {:>{}}", number_text(value), kNumberColumns);
    if (curve_columns_ > 0) line += "  " + curve(series, summary);
    add(line, "");
  }

  // The largest value of each column.
  std::string curve(const FoundSeries& series, const Summary& summary) const {
    std::vector<std::optional<double>> columns(curve_columns_);
    const double width_ns = static_cast<double>(to_ns_ - from_ns_) + found_.step_ms * 1e6;
    for (const auto& [time_ns, value] : series.points) {
      const double share = static_cast<double>(time_ns - from_ns_) / width_ns;
      auto& column = columns[std::min(
          static_cast<size_t>(share * static_cast<double>(curve_columns_)), curve_columns_ - 1)];
      column = std::max(column.value_or(value), value);
    }
    const double floor = std::min(summary.min, 0.0);
    const double height = std::max(summary.max, 0.0) - floor;
    const auto& blocks = options_.ascii ? kAsciiBlocks : kBlocks;
    std::string out;
    for (const auto& column : columns) {
      if (!column) {
        out += ' ';
        continue;
      }
      const double share = height > 0 ? (*column - floor) / height : 0;
      out += blocks[static_cast<size_t>(std::lround(share * (blocks.size() - 1)))];
    }
    return out;
  }

  void footer() {
    std::string text = "no series";
    if (!shown_.empty()) {
      text = fmt::format("{} series", shown_.size());
      if (hidden_ > 0) text += fmt::format(", and {} more (--limit N, or | topk(n))", hidden_);
      text += fmt::format(", a point every {}, {} to {}", duration_ms_text(found_.step_ms),
                          format_time_ns(from_ns_).substr(0, 19), format_time_ns(to_ns_));
    }
    text += "; " + inspected_text(found_.inspected, found_.elapsed_ms);
    lines_.push_back(options_.colour ? fmt::format("\x1b[2m{}\x1b[0m", text) : text);
  }

  void add(const std::string& line, std::string_view colour) {
    const std::string text = cut_to_width(line, options_.width);
    lines_.push_back(options_.colour && !colour.empty() ? fmt::format("{}{}\x1b[0m", colour, text)
                                                        : text);
  }

  const FoundMetrics& found_;
  const SeriesTableOptions& options_;
  const Labels labels_;
  std::span<const FoundSeries> shown_;
  size_t hidden_ = 0;
  uint64_t from_ns_ = std::numeric_limits<uint64_t>::max();
  uint64_t to_ns_ = 0;
  size_t label_columns_ = 0;
  size_t curve_columns_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace

Expected<FoundMetrics> read_found_metrics(std::string_view json) {
  simdjson::dom::parser parser;
  element document;
  simdjson::dom::array series;
  if (parser.parse(json.data(), json.size()).get(document) != SUCCESS ||
      document["series"].get(series) != SUCCESS) {
    return fail(ErrorCode::kCorrupt, "the answer is not that of a metrics query");
  }
  FoundMetrics out;
  for (const element one : series) {
    FoundSeries read = read_series(one);
    if (!read.points.empty()) out.series.push_back(std::move(read));
  }
  out.step_ms = number_at(document, "stepMs");
  out.inspected = read_inspected(document);
  out.elapsed_ms = number_at(document, "elapsedMs");
  return out;
}

std::vector<std::string> render_series_table(const FoundMetrics& found,
                                             const SeriesTableOptions& options) {
  return SeriesRenderer(found, options).render();
}

}  // namespace weft::cli
