#include "prometheus_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <variant>

#include "../text.h"
#include "meter_core.h"

namespace weft::sdk_detail {
namespace {

bool is_alpha(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

// [a-zA-Z_:][a-zA-Z0-9_:]*, runs of underscores as one; labels have no colon.
std::string sanitize(std::string_view name, bool label) {
  std::string out;
  for (const char c : name) {
    const bool good = is_alpha(c) || is_digit(c) || (c == ':' && !label);
    if (good) {
      out += c;
    } else if (out.empty() || out.back() != '_') {
      out += '_';
    }
  }
  if (out.empty() || is_digit(out[0])) out.insert(out.begin(), '_');
  return out;
}

std::string unit_word(std::string_view unit) {
  struct Pair {
    std::string_view ucum, word;
  };
  static constexpr Pair kWords[] = {
      {"d", "days"},          {"h", "hours"},         {"min", "minutes"},    {"s", "seconds"},
      {"ms", "milliseconds"}, {"us", "microseconds"}, {"ns", "nanoseconds"}, {"By", "bytes"},
      {"KiBy", "kibibytes"},  {"MiBy", "mebibytes"},  {"GiBy", "gibibytes"}, {"KBy", "kilobytes"},
      {"MBy", "megabytes"},   {"GBy", "gigabytes"},   {"m", "meters"},       {"V", "volts"},
      {"A", "amperes"},       {"J", "joules"},        {"W", "watts"},        {"g", "grams"},
      {"Cel", "celsius"},     {"Hz", "hertz"},        {"%", "percent"}};
  if (unit.empty() || unit.front() == '{') return {};
  const std::size_t slash = unit.find('/');
  auto word = [](std::string_view u) {
    for (const Pair& p : kWords) {
      if (p.ucum == u) return std::string(p.word);
    }
    return sanitize(u, true);
  };
  if (slash == std::string_view::npos) return word(unit);
  std::string per = word(unit.substr(slash + 1));
  if (per.size() > 1 && per.back() == 's') per.pop_back();
  const std::string first =
      unit.substr(0, slash).starts_with('{') ? "" : word(unit.substr(0, slash));
  return first.empty() ? "per_" + per : first + "_per_" + per;
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

void append_label(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out += ',';
  out.append(name).append("=\"");
  append_escaped(out, value, true);
  out += '"';
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  return std::string(text, end);
}

// OpenMetrics wants one spelling of each bound: 1.0, 0.25, 2.5e+06.
std::string canonical(double bound) {
  char text[32];
  const bool large = std::abs(bound) >= 1e6;
  const auto end = std::to_chars(text, text + sizeof(text), bound,
                                 large ? std::chars_format::scientific : std::chars_format::fixed);
  if (end.ec != std::errc()) return number(bound);
  std::string out(text, end.ptr);
  if (!large && out.find('.') == std::string::npos) out += ".0";
  return out;
}

// The labels of one sample. A name must not occur twice in them: of attributes whose keys become
// one label name the values are joined by a semicolon.
class Labels {
 public:
  void add(std::string_view key, std::string_view value) {
    std::string name = sanitize(key, true);
    for (auto& [known, joined] : labels_) {
      if (known != name) continue;
      joined.append(";").append(value);
      return;
    }
    labels_.emplace_back(std::move(name), value);
  }
  void sort() { std::sort(labels_.begin(), labels_.end()); }
  std::string text() const {
    std::string out;
    for (const auto& [name, value] : labels_)
      append_label(out, name, value);
    return out;
  }

 private:
  std::vector<std::pair<std::string, std::string>> labels_;
};

std::string make_labels(const MetricCell& cell, const ScopeName& scope) {
  Labels labels;
  for (const auto& [key, value] : cell.labels)
    labels.add(key, value);
  labels.sort();
  if (!scope.name.empty()) labels.add("otel.scope.name", scope.name);
  if (!scope.version.empty()) labels.add("otel.scope.version", scope.version);
  return labels.text();
}

std::string braced(const std::string& labels) {
  return labels.empty() ? "" : "{" + labels + "}";
}

}  // namespace

PrometheusText::Family* PrometheusText::find_family(const std::string& name, const char* type,
                                                    const std::string& help) {
  for (Family& family : families_) {
    if (family.name != name) continue;
    return family.type == type ? &family : nullptr;
  }
  return &families_.emplace_back(Family{name, type, help, {}});
}

void PrometheusText::add_resource(const Resource& resource) {
  Labels all;
  for (const auto& [key, value] : resource.attributes()) {
    const std::string text = std::visit(
        [](const auto& v) -> std::string {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<T, std::string>) {
            return v;
          } else if constexpr (std::is_same_v<T, bool>) {
            return v ? "true" : "false";
          } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
            std::string joined;
            for (const std::string& s : v)
              joined += (joined.empty() ? "" : ",") + s;
            return joined;
          } else {
            return std::to_string(v);
          }
        },
        value);
    all.add(key, is_utf8(text) ? text : repair_utf8(text));
  }
  const std::string labels = all.text();
  if (labels.empty()) return;
  if (Family* family = find_family("target_info", open_metrics_ ? "info" : "gauge",
                                   "Attributes of the resource")) {
    family->samples += "target_info" + braced(labels) + " 1\n";
  }
}

std::string PrometheusText::exemplar_suffix(const ExemplarSlot& e) const {
  if (!open_metrics_ || !e.used) return {};
  std::string labels;
  if (e.span_id != 0) {
    TraceIdentifier trace_id;
    SpanIdentifier span_id;
    std::memcpy(trace_id.bytes, e.trace_id, 16);
    std::memcpy(span_id.bytes, &e.span_id, 8);
    append_label(labels, "trace_id", trace_id.hex());
    append_label(labels, "span_id", span_id.hex());
  }
  char seconds[32];
  const auto end =
      std::to_chars(seconds, seconds + sizeof(seconds),
                    static_cast<double>(e.time_ns / 1'000'000) / 1e3, std::chars_format::fixed, 3)
          .ptr;
  return " # {" + labels + "} " + number(e.value) + " " + std::string(seconds, end);
}

void PrometheusText::add_histogram(Family& family, MetricCell& cell, const std::string& labels) {
  const auto& bounds = cell.owner->spec.boundaries;
  const std::lock_guard lock(cell);
  if (cell.count == 0) return;
  std::uint64_t running = 0;
  for (std::size_t i = 0; i < cell.buckets.size(); ++i) {
    running += cell.buckets[i];
    std::string with_bound = labels;
    append_label(with_bound, "le",
                 i == bounds.size() ? "+Inf"
                 : open_metrics_    ? canonical(bounds[i])
                                    : number(bounds[i]));
    family.samples += family.name + "_bucket" + braced(with_bound) + " " + std::to_string(running) +
                      exemplar_suffix(cell.exemplars[i]) + "\n";
  }
  family.samples += family.name + "_sum" + braced(labels) + " " + number(cell.sum) + "\n";
  family.samples +=
      family.name + "_count" + braced(labels) + " " + std::to_string(cell.count) + "\n";
}

void PrometheusText::add_number(Family& family, MetricCell& cell, const std::string& labels) {
  if (!cell.touched.load(std::memory_order_relaxed)) return;
  const std::uint64_t bits = cell.value.load(std::memory_order_relaxed);
  std::string name = family.name;
  std::string suffix;
  if (family.type == "counter") {
    if (open_metrics_) name += "_total";  // the family's name has none there
    const std::lock_guard lock(cell);
    suffix = exemplar_suffix(cell.exemplars[0]);
  }
  family.samples += name + braced(labels) + " " +
                    (cell.owner->spec.is_double ? number(std::bit_cast<double>(bits))
                                                : std::to_string(static_cast<std::int64_t>(bits))) +
                    suffix + "\n";
}

void PrometheusText::add(InstrumentState& state, const ScopeName& scope) {
  const InstrumentSpec& spec = state.spec;
  std::string name = sanitize(spec.name, false);
  const std::string unit = spec.unit == "1" ? (spec.kind == InstrumentKind::kGauge ? "ratio" : "")
                                            : unit_word(spec.unit);
  auto strip = [&name](std::string_view suffix) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      name.resize(name.size() - suffix.size());
    }
  };
  const bool counter = spec.kind == InstrumentKind::kCounter;
  if (counter) strip("_total");
  if (!unit.empty() && !name.ends_with("_" + unit)) name += "_" + unit;
  if (counter && !open_metrics_) name += "_total";
  const char* type = counter                                   ? "counter"
                     : spec.kind == InstrumentKind::kHistogram ? "histogram"
                                                               : "gauge";
  Family* family = find_family(name, type, spec.description);
  if (family == nullptr) return;
  state.for_each_cell([&](MetricCell& cell) {
    const std::string labels = make_labels(cell, scope);
    if (spec.kind == InstrumentKind::kHistogram) {
      add_histogram(*family, cell, labels);
    } else {
      add_number(*family, cell, labels);
    }
  });
}

std::string PrometheusText::finish() {
  std::string out;
  for (const Family& family : families_) {
    if (family.samples.empty()) continue;
    // OpenMetrics: the family of an info metric is named without _info.
    std::string name = family.name;
    if (open_metrics_ && family.type == "info" && name.ends_with("_info"))
      name.resize(name.size() - 5);
    if (!family.help.empty()) {
      out += "# HELP " + name + " ";
      append_escaped(out, family.help, open_metrics_);
      out += "\n";
    }
    out += "# TYPE " + name + " " + family.type + "\n" + family.samples;
  }
  if (open_metrics_) out += "# EOF\n";
  return out;
}

}  // namespace weft::sdk_detail
