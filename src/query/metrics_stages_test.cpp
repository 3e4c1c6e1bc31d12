// What comes after a metrics function, and compare(), on random traces: each answer is computed
// again by hand from the series before the stage, or from the spans.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "model/testing/random_spans.h"
#include "query/parser.h"
#include "query/query_service.h"
#include "query/testing/memory_source.h"
#include "query/testing/random_query.h"
#include "query/testing/reference.h"

namespace weft {
namespace {

using testing::MemorySource;

// Points by (labels, time); the label __name__ left out.
using Points = std::map<std::pair<std::string, uint64_t>, double>;

std::string label_text(const std::vector<NamedValue>& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (name == "__name__") continue;
    out += name + "=" + std::string(to_string(value.type())) + ":" + to_display(value) + ",";
  }
  return out;
}

class StagesTest : public ::testing::Test {
 protected:
  static MetricsOptions options() {
    MetricsOptions out;
    out.range = {testing::kRandomTracesBaseNs,
                 testing::kRandomTracesBaseNs + 2 * testing::kRandomTracesSpreadNs};
    out.step_ns = 2'000'000'000;
    return out;
  }

  // Series in order, and their points.
  static std::vector<MetricsSeries> ask(MemorySource& source, const std::string& text) {
    const auto query = compile_query(text);
    EXPECT_TRUE(query) << to_terminal(query.error(), text);
    if (!query) return {};
    const auto result = query_metrics(source, *query, options());
    EXPECT_TRUE(result) << text << ": " << result.error().message;
    return result ? result->series : std::vector<MetricsSeries>{};
  }
  static Points points_of(const std::vector<MetricsSeries>& series) {
    Points out;
    for (const MetricsSeries& one : series) {
      EXPECT_FALSE(one.points.empty()) << "a series without points";
      for (const MetricsPoint& point : one.points) {
        const bool is_new =
            out.try_emplace({label_text(one.labels), point.time_ns}, point.value).second;
        EXPECT_TRUE(is_new) << "a point twice";
      }
    }
    return out;
  }
};

std::string random_metric(std::mt19937_64& random) {
  constexpr const char* kMetrics[] = {
      "{ } | count_over_time() by(name)",
      "{ status != error } | count_over_time() by(name)",
      "{ .a != nil } | rate() by(name)",
      "{ kind = server } | max_over_time(duration) by(name)",
      "{ } | sum_over_time(.a) by(name)",
      "{ } >> { } | avg_over_time(duration) by(name)",
      "{ } | quantile_over_time(duration, .5, .9) by(name)",
  };
  return kMetrics[random() % std::size(kMetrics)];
}

TEST_F(StagesTest, TopAndBottomKeepTheBestAtEachTime) {
  std::mt19937_64 random(testing::test_seed("Stages.Top"));
  for (int round = 0; round < 60; ++round) {
    MemorySource source(testing::random_traces(random, 20));
    const std::string metric = random_metric(random);
    const size_t k = 1 + random() % 3;
    const bool top = random() % 2 == 0;
    const auto before = ask(source, metric);
    const std::string text = metric + (top ? " | topk(" : " | bottomk(") + std::to_string(k) + ")";
    std::map<uint64_t, std::vector<std::pair<double, size_t>>> at;  // (value for sorting, series)
    for (size_t i = 0; i < before.size(); ++i) {
      for (const MetricsPoint& point : before[i].points)
        at[point.time_ns].emplace_back(top ? -point.value : point.value, i);
    }
    Points expected;
    for (auto& [time_ns, entries] : at) {
      std::sort(entries.begin(), entries.end());  // equal values: the first series
      for (size_t i = 0; i < std::min(k, entries.size()); ++i) {
        const auto& [value, series] = entries[i];
        expected[{label_text(before[series].labels), time_ns}] = top ? -value : value;
      }
    }
    EXPECT_EQ(points_of(ask(source, text)), expected) << text;
  }
}

TEST_F(StagesTest, ComparisonsKeepThePointsThatPass) {
  std::mt19937_64 random(testing::test_seed("Stages.Comparison"));
  const std::map<std::string, bool (*)(double, double)> operators = {
      {"=", [](double a, double b) { return a == b; }},
      {"!=", [](double a, double b) { return a != b; }},
      {"<", [](double a, double b) { return a < b; }},
      {"<=", [](double a, double b) { return a <= b; }},
      {">", [](double a, double b) { return a > b; }},
      {">=", [](double a, double b) { return a >= b; }}};
  for (int round = 0; round < 20; ++round) {
    MemorySource source(testing::random_traces(random, 20));
    const std::string metric = random_metric(random);
    const Points before = points_of(ask(source, metric));
    for (const auto& [name, passes] : operators) {
      const auto bound = static_cast<double>(random() % 3);
      std::string text = metric;
      text += " " + name + " " + std::to_string(static_cast<int>(bound));
      Points expected;
      for (const auto& [key, value] : before)
        if (passes(value, bound)) expected[key] = value;
      EXPECT_EQ(points_of(ask(source, text)), expected) << text;
    }
  }
}

double combine(char op, double a, double b) {
  return op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : a / b;
}

TEST_F(StagesTest, ArithmeticMeetsEqualLabelsAtEqualTimes) {
  std::mt19937_64 random(testing::test_seed("Stages.Arithmetic"));
  for (int round = 0; round < 60; ++round) {
    MemorySource source(testing::random_traces(random, 20));
    const std::string left = random_metric(random);
    const std::string right = random_metric(random);
    const char op = "+-*/"[random() % 4];
    const std::string sign = std::string(" ") + op + " ";
    const Points a = points_of(ask(source, left));
    const Points b = points_of(ask(source, right));
    Points both;
    for (const auto& [key, value] : a) {
      const auto other = b.find(key);
      if (other == b.end()) continue;
      const double result = combine(op, value, other->second);
      if (std::isfinite(result)) both[key] = result;
    }
    std::string text = "(" + left + ")" + sign + "(" + right + ")";
    EXPECT_EQ(points_of(ask(source, text)), both) << text;
    Points numbered;
    for (const auto& [key, value] : a) {
      const double result = combine(op, 2, value);
      if (std::isfinite(result)) numbered[key] = result;
    }
    text = "2" + sign + "(" + left + ")";
    EXPECT_EQ(points_of(ask(source, text)), numbered) << text;
  }
}

TEST_F(StagesTest, ASeriesWithoutLabelsMeetsEverySeries) {
  std::mt19937_64 random(testing::test_seed("Stages.Unlabelled"));
  for (int round = 0; round < 20; ++round) {
    MemorySource source(testing::random_traces(random, 20));
    const std::string parts = random_metric(random);
    const std::string whole = "{ status != error } | sum_over_time(duration)";
    std::map<uint64_t, double> sums;
    for (const auto& [key, value] : points_of(ask(source, whole)))
      sums[key.second] = value;
    const bool parts_first = random() % 2 == 0;
    const char op = "+-*/"[random() % 4];
    Points expected;
    for (const auto& [key, part] : points_of(ask(source, parts))) {
      const auto sum = sums.find(key.second);
      if (sum == sums.end()) continue;
      const double result =
          parts_first ? combine(op, part, sum->second) : combine(op, sum->second, part);
      if (std::isfinite(result)) expected[key] = result;
    }
    const std::string text = "(" + (parts_first ? parts : whole) + ") " + op + " (" +
                             (parts_first ? whole : parts) + ")";
    EXPECT_EQ(points_of(ask(source, text)), expected) << text;
  }
}

TEST_F(StagesTest, CompareCountsBothSides) {
  std::mt19937_64 random(testing::test_seed("Stages.Compare"));
  for (int round = 0; round < 40; ++round) {
    MemorySource source(testing::random_traces(random, 20));
    const std::string all = random() % 2 == 0 ? "{ }" : "{ } >> { }";
    const std::string selection = random() % 2 == 0 ? "{ status = error }" : "{ .a != nil }";
    const std::string text = all + " | compare(" + selection + ", 100)";
    std::map<TraceId, std::vector<const Span*>> traces;
    for (const Span& span : source.spans())
      traces[span.trace_id].push_back(&span);
    std::set<const Span*> selected;
    const auto matches = [&](const std::string& query) {
      return testing::reference_matches(traceql::parse(query)->pipeline, source.spans(),
                                        options().range);
    };
    for (const Span* span : matches(selection))
      selected.insert(span);
    Points expected;
    std::set<std::string> names;
    for (const char* name :
         {"name", "kind", "status", "statusMessage", "instrumentation:name", "span.a", "span.b",
          "span.c", "resource.a", "resource.b", "resource.c", "resource.service.name"}) {
      names.insert(name);
      const auto field = *traceql::parse(std::string("{ } | rate() by(") + name + ")")->metrics;
      for (const Span* span : matches(all)) {
        const Value value = testing::reference_value(field.by[0], *span, traces[span->trace_id]);
        if (value.type() == ValueType::kNone) continue;
        const std::string side = selected.contains(span) ? "selection" : "baseline";
        const auto& axis = options();
        for (uint64_t time = axis.range.from_ns; time < axis.range.to_ns; time += axis.step_ns) {
          const bool here = span->start_ns >= time && span->start_ns < time + axis.step_ns;
          expected[{label_text({{"__meta_type", Value(side)}, {name, value}}), time}] += here;
          expected[{label_text({{"__meta_type", Value(side + "_total")}, {name, Value("nil")}}),
                    time}] += here;
        }
      }
    }
    EXPECT_EQ(points_of(ask(source, text)), expected) << text;
  }
}

}  // namespace
}  // namespace weft
