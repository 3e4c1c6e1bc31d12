// The executor against the reference evaluator: random queries over random traces, whatever the
// source does within its contract.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "model/testing/random_spans.h"
#include "query/parser.h"
#include "query/query_service.h"
#include "query/testing/memory_source.h"
#include "query/testing/random_query.h"
#include "query/testing/reference.h"
#include "scan/scan.h"

namespace weft {
namespace {

using testing::MemorySource;
using testing::MemorySourceOptions;

MemorySourceOptions random_options(std::mt19937_64& random) {
  MemorySourceOptions out;
  out.traces_per_batch = 1 + random() % 9;
  out.superset = random() % 2 == 0;
  out.drops_unneeded = random() % 2 == 0;
  out.newest_first = random() % 3 != 0;
  out.tell_remaining = random() % 2 == 0;
  out.seed = random();
  return out;
}

TimeRange random_range(std::mt19937_64& random) {
  if (random() % 3 == 0) return {};
  const uint64_t from = random() % testing::kRandomTracesSpreadNs;
  return {testing::kRandomTracesBaseNs + from,
          testing::kRandomTracesBaseNs + from + 1 + random() % testing::kRandomTracesSpreadNs};
}

std::string describe(const testing::ReferenceTrace& trace) {
  std::string out = trace.trace_id.to_hex() + ":";
  for (const auto& set : trace.spansets) {
    out += " {";
    for (const Span* span : set.spans)
      out += " " + span->span_id.to_hex().substr(12);
    for (const auto& [name, value] : set.attributes)
      out += " " + name + "=" + to_display(value);
    out += " }";
  }
  return out;
}

std::string describe(const TraceSummary& trace) {
  std::string out = trace.trace_id.to_hex() + ":";
  for (const MatchedSpanset& set : trace.spansets) {
    out += " {";
    for (const MatchedSpan& span : set.spans)
      out += " " + span.span_id.to_hex().substr(12);
    for (const auto& [name, value] : set.attributes)
      out += " " + name + "=" + to_display(value);
    out += " }";
  }
  return out;
}

void compare_search(const std::string& text, const std::vector<Span>& spans,
                    std::mt19937_64& random) {
  const auto query = compile_query(text);
  ASSERT_TRUE(query) << to_terminal(query.error(), text);
  MemorySource source(spans, random_options(random));
  SearchOptions options;
  options.range = random_range(random);
  options.limit = 1 + random() % 12;
  options.spans_per_spanset = 1000;
  options.budget.threads = 1 + random() % 3;
  const auto expected =
      testing::reference_search(*traceql::parse(text), source.spans(), options.range);
  const auto actual = search(source, *query, options);
  ASSERT_TRUE(actual) << text << ": " << actual.error().message;
  ASSERT_EQ(actual->traces.size(), std::min(expected.size(), options.limit)) << text;
  EXPECT_EQ(actual->limit_reached, expected.size() > options.limit) << text;
  for (size_t i = 0; i < actual->traces.size(); ++i) {
    ASSERT_EQ(describe(actual->traces[i]), describe(expected[i])) << text;
    ASSERT_EQ(actual->traces[i].start_ns, expected[i].start_ns) << text;
  }
}

TEST(Differential, SearchesAnswerAsTheReferenceDoes) {
  std::mt19937_64 random(testing::test_seed("Differential.Searches"));
  size_t found = 0;
  for (int round = 0; round < 120 && !HasFatalFailure(); ++round) {
    const std::vector<Span> spans = testing::random_traces(random, 10);
    for (int i = 0; i < 10 && !HasFatalFailure(); ++i) {
      const std::string text = testing::random_search_query(random);
      compare_search(text, spans, random);
      ++found;
    }
  }
  EXPECT_EQ(found, 1200u);
}

// The printed form of a query, which parses to what prints the same.
std::string printed_again(const std::string& text) {
  const auto query = traceql::parse(text);
  EXPECT_TRUE(query) << to_terminal(query.error(), text);
  if (!query) return "";
  const std::string printed = to_string(*query);
  const auto again = traceql::parse(printed);
  EXPECT_TRUE(again) << text << "\n" << to_terminal(again.error(), printed);
  if (again) {
    EXPECT_EQ(to_string(*again), printed) << text;
  }
  return printed;
}

TEST(Differential, PrintedQueriesParseToThemselves) {
  std::mt19937_64 random(testing::test_seed("Differential.Printed"));
  for (int round = 0; round < 1000; ++round) {
    const std::string text = round % 2 == 0 ? testing::random_search_query(random)
                                            : testing::random_metrics_query(random);
    ASSERT_FALSE(printed_again(text).empty());
  }
}

TEST(Printed, NamesThatReadLikeSomethingElseStayNames) {
  for (const std::string scope : {"", "span", "resource", "event", "link", "instrumentation"}) {
    for (const std::string key : {"0e9", "5ms", "9", "1.5", "-1", ".5", "/x", "//", "/*", "nil",
                                  "true", "a b", "a.b", "span.a", "+", "x\ty", "{", "é"}) {
      const std::string text = "{ " + scope + ".\"" + key + "\" = 1 }";
      const std::string printed = printed_again(text);
      ASSERT_FALSE(printed.empty());
      const auto explain = [](const std::string& of) { return compile_query(of)->explain(); };
      EXPECT_EQ(explain(printed), explain(text));
    }
  }
}

// ---- metrics ----

constexpr uint64_t kStepNs = 3'000'000'000;

double number_of(const Value& value) {
  if (const auto* integer = std::get_if<int64_t>(&value.data)) {
    return static_cast<double>(*integer);
  }
  if (const auto* number = std::get_if<double>(&value.data)) return *number;
  return std::nan("");
}

struct ReferenceSeries {
  std::map<std::string, std::map<uint64_t, std::vector<double>>> values;  // by labels, by time
};

std::string label_text(const std::vector<std::pair<std::string, Value>>& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    out += name + "=" + std::string(to_string(value.type())) + ":" + to_display(value) + ",";
  }
  return out;
}

// The raw numbers of each series and time; counts for functions without a field.
ReferenceSeries reference_values(const traceql::MetricsExpr& metrics,
                                 const std::vector<Span>& spans, TimeRange range) {
  std::map<TraceId, std::vector<const Span*>> traces;
  for (const Span& span : spans)
    traces[span.trace_id].push_back(&span);
  ReferenceSeries out;
  for (const Span* span : testing::reference_matches(metrics.spans, spans, range)) {
    const auto& trace = traces[span->trace_id];
    double number = 1;
    if (metrics.value) {
      number = number_of(testing::reference_value(*metrics.value, *span, trace));
      if (std::isnan(number)) continue;
    }
    std::vector<std::pair<std::string, Value>> labels;
    for (const auto& field : metrics.by) {
      labels.emplace_back(to_string(field), testing::reference_value(field, *span, trace));
    }
    const uint64_t time = range.from_ns + (span->start_ns - range.from_ns) / kStepNs * kStepNs;
    out.values[label_text(labels)][time].push_back(number);
  }
  return out;
}

void check_point(const traceql::MetricsExpr& metrics, std::vector<double> values,
                 const MetricsPoint& point, double quantile, double unit, const std::string& text) {
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  for (double value : values)
    sum += value;
  std::sort(values.begin(), values.end());
  switch (metrics.function) {
    case traceql::MetricsFunction::kRate:
      EXPECT_NEAR(point.value, count / 3, 1e-9) << text;
      return;
    case traceql::MetricsFunction::kCountOverTime:
      EXPECT_EQ(point.value, count) << text;
      return;
    case traceql::MetricsFunction::kMinOverTime:
      EXPECT_DOUBLE_EQ(point.value, values.front() * unit) << text;
      return;
    case traceql::MetricsFunction::kMaxOverTime:
      EXPECT_DOUBLE_EQ(point.value, values.back() * unit) << text;
      return;
    case traceql::MetricsFunction::kSumOverTime:
      EXPECT_NEAR(point.value, sum * unit, 1e-9 * std::abs(sum * unit)) << text;
      return;
    case traceql::MetricsFunction::kAvgOverTime:
      EXPECT_NEAR(point.value, sum / count * unit, 1e-9 + 1e-9 * std::abs(sum * unit)) << text;
      return;
    default:
      break;
  }
  // Within one bucket of the value that stands at the rank.
  const auto rank = static_cast<size_t>(std::max(0.0, std::ceil(quantile * count) - 1));
  const double exact = values[rank] * unit;
  const double slack = std::abs(exact) / 15 + 2e-9;  // durations below 1 ns share a bucket
  EXPECT_NEAR(point.value, exact, slack) << text << " quantile " << quantile;
}

void compare_metrics(const std::string& text, const std::vector<Span>& spans,
                     std::mt19937_64& random) {
  const auto query = compile_query(text);
  ASSERT_TRUE(query) << to_terminal(query.error(), text);
  const auto parsed = traceql::parse(text);
  const traceql::MetricsExpr& metrics = *parsed->metrics;
  MemorySourceOptions source_options = random_options(random);
  source_options.aggregates = random() % 2 == 0;
  MemorySource source(spans, source_options);
  MetricsOptions options;
  options.range = random_range(random);
  if (options.range.to_ns == UINT64_MAX) {
    options.range = {testing::kRandomTracesBaseNs - 1'000'000'000,
                     testing::kRandomTracesBaseNs + 2 * testing::kRandomTracesSpreadNs};
  }
  options.step_ns = kStepNs;
  options.budget.threads = 1 + random() % 3;
  ReferenceSeries expected = reference_values(metrics, source.spans(), options.range);
  const auto actual = query_metrics(source, *query, options);
  ASSERT_TRUE(actual) << text << ": " << actual.error().message;
  const bool is_duration = metrics.value && metrics.value->type() == traceql::StaticType::kDuration;
  const double unit = is_duration ? 1e-9 : 1;
  const bool counts = !metrics.value;
  std::set<std::string> seen;
  std::map<std::string, double> histogram_totals;
  for (const MetricsSeries& series : actual->series) {
    auto labels = series.labels;
    double special = 0;
    if (labels.back().first == "p" || labels.back().first == "__bucket") {
      special = number_of(labels.back().second);
      labels.pop_back();
    } else if (labels.back().first == "__name__") {
      labels.pop_back();
    }
    const std::string key = label_text(labels);
    seen.insert(key);
    ASSERT_TRUE(expected.values.contains(key)) << text << " has a series " << key;
    auto& times = expected.values[key];
    for (const MetricsPoint& point : series.points) {
      if (counts && point.value == 0) {
        EXPECT_FALSE(times.contains(point.time_ns)) << text;
        continue;
      }
      ASSERT_TRUE(times.contains(point.time_ns)) << text;
      const auto& values = times[point.time_ns];
      if (metrics.function == traceql::MetricsFunction::kHistogramOverTime) {
        histogram_totals[key] += point.value;
        // Power-of-two buckets: each value lies below its bucket's bound, and above half of it.
        double inside = 0;
        for (double value : values) {
          const double v = value * unit;
          const bool fits = special > 0 ? v < special && v >= special / 2 : v <= special;
          inside += fits ? 1 : 0;
        }
        if (special > 1e-8) {
          EXPECT_EQ(point.value, inside) << text << " bucket " << special;
        }
      } else {
        check_point(metrics, values, point, special, unit, text);
      }
    }
  }
  for (const auto& [key, times] : expected.values) {
    EXPECT_TRUE(seen.contains(key)) << text << " lacks the series " << key;
    if (metrics.function != traceql::MetricsFunction::kHistogramOverTime) continue;
    double total = 0;
    for (const auto& [time, values] : times)
      total += static_cast<double>(values.size());
    EXPECT_EQ(histogram_totals[key], total) << text;
  }
}

TEST(Differential, MetricsAnswerAsTheReferenceDoes) {
  std::mt19937_64 random(testing::test_seed("Differential.Metrics"));
  for (int round = 0; round < 80 && !HasFatalFailure(); ++round) {
    const std::vector<Span> spans = testing::random_traces(random, 12);
    for (int i = 0; i < 10 && !HasFatalFailure(); ++i) {
      compare_metrics(testing::random_metrics_query(random), spans, random);
    }
  }
}

}  // namespace
}  // namespace weft
