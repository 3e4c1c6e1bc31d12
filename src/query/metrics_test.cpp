#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "model/testing/random_spans.h"
#include "query/exact_sum.h"
#include "query/query_service.h"
#include "query/testing/memory_source.h"
#include "query/testing/random_query.h"

namespace weft {
namespace {

using testing::MemorySource;
using testing::MemorySourceOptions;

std::vector<Span> some_spans() {
  std::mt19937_64 random(5);
  return testing::random_traces(random, 40);
}

CompiledQuery compiled(std::string_view text) {
  auto query = compile_query(text);
  EXPECT_TRUE(query) << to_terminal(query.error(), text);
  return *query;
}

MetricsOptions whole_range() {
  MetricsOptions options;
  options.range = {testing::kRandomTracesBaseNs,
                   testing::kRandomTracesBaseNs + 2 * testing::kRandomTracesSpreadNs};
  options.step_ns = 1'000'000'000;
  return options;
}

TEST(Metrics, RefusesARangeWithoutEnd) {
  MemorySource source(some_spans());
  const auto result = query_metrics(source, compiled("{ } | rate()"), {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
}

TEST(Metrics, RefusesTooManyPoints) {
  MemorySource source(some_spans());
  MetricsOptions options = whole_range();
  options.step_ns = 1;
  const auto result = query_metrics(source, compiled("{ } | rate()"), options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(result.error().message.find("step"), std::string::npos);
}

TEST(Metrics, RefusesTooManySeries) {
  for (bool aggregates : {false, true}) {
    MemorySourceOptions source_options;
    source_options.aggregates = aggregates;
    MemorySource source(some_spans(), source_options);
    MetricsOptions options = whole_range();
    options.max_series = 3;
    const auto result = query_metrics(source, compiled("{ } | rate() by(span:id)"), options);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
  }
}

TEST(Metrics, SeriesAreChargedToTheMemoryBudget) {
  MemorySource source(some_spans());
  MetricsOptions options = whole_range();
  options.budget.memory_bytes = 30'000;
  const auto result = query_metrics(
      source, compiled("{ } | quantile_over_time(duration, .5) by(span:id)"), options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
}

TEST(Metrics, WhatQuantilesMakeOfSeriesIsChargedToo) {
  MemorySource source(some_spans());
  MetricsOptions options = whole_range();
  std::string quantiles = ".5";
  for (int i = 0; i < 1500; ++i)
    quantiles += ", .9";
  const std::string text = "{ } | quantile_over_time(duration, " + quantiles + ")";
  EXPECT_TRUE(query_metrics(source, compiled(text), options));
  options.budget.memory_bytes = 1u << 20;
  const auto result = query_metrics(source, compiled(text), options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
}

TEST(Metrics, TheFunctionsOfAnExpressionTakeMemoryOneAfterTheOther) {
  MemorySource source(some_spans());
  MetricsOptions options = whole_range();
  options.budget.threads = 1;
  options.budget.memory_bytes = 400'000;
  std::string text = "({ } | avg_over_time(duration) by(kind))";
  for (int i = 0; i < 50; ++i)
    text += " + ({ } | avg_over_time(duration) by(kind))";
  const auto result = query_metrics(source, compiled(text), options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_FALSE(result->series.empty());
}

TEST(Metrics, EventsBeforeTheirSpansHaveQuantilesToo) {
  std::mt19937_64 random(1);
  std::vector<Span> spans = testing::random_traces(random, 1);
  spans.resize(1);
  spans[0].events.clear();
  for (uint64_t s = 1; s <= 9; ++s) {
    spans.push_back(spans[0]);
    spans.back().span_id.bytes[0] ^= static_cast<uint8_t>(s);
    SpanEvent event;
    event.time_ns = spans.back().start_ns - s * 1'000'000'000;
    spans.back().events.push_back(event);
  }
  MemorySource source(spans);
  MetricsOptions options = whole_range();
  options.step_ns = 0;
  const auto result = query_metrics(
      source, compiled("{ } | quantile_over_time(event:timeSinceStart, .1, .5, 1)"), options);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_EQ(result->series.size(), 3u);
  EXPECT_NEAR(result->series[0].points[0].value, -9, 9. / 16);
  EXPECT_NEAR(result->series[1].points[0].value, -5, 5. / 16);
  EXPECT_NEAR(result->series[2].points[0].value, -1, 1. / 16);
}

TEST(Metrics, ExemplarsAreRealSpansAndTheSameEveryTime) {
  const std::vector<Span> spans = some_spans();
  for (bool aggregates : {false, true}) {
    std::vector<Exemplar> before;
    for (int round = 0; round < 3; ++round) {
      MemorySourceOptions source_options;
      source_options.aggregates = aggregates;
      MemorySource source(spans, source_options);
      MetricsOptions options = whole_range();
      options.max_exemplars = 8;
      const auto result = query_metrics(source, compiled("{ status = error } | rate()"), options);
      ASSERT_TRUE(result) << result.error().message;
      ASSERT_EQ(result->series.size(), 1u);
      const std::vector<Exemplar>& exemplars = result->series[0].exemplars;
      EXPECT_EQ(exemplars.size(), 8u);
      for (const Exemplar& exemplar : exemplars) {
        const auto span = std::find_if(spans.begin(), spans.end(), [&](const Span& candidate) {
          return candidate.trace_id == exemplar.trace_id && candidate.span_id == exemplar.span_id;
        });
        ASSERT_NE(span, spans.end());
        EXPECT_EQ(span->status_code, StatusCode::kError);
        EXPECT_EQ(span->start_ns, exemplar.time_ns);
      }
      if (round > 0) {
        EXPECT_TRUE(std::equal(exemplars.begin(), exemplars.end(), before.begin(), before.end(),
                               [](const Exemplar& a, const Exemplar& b) {
                                 return a.trace_id == b.trace_id && a.span_id == b.span_id;
                               }));
      }
      before = exemplars;
    }
  }
}

TEST(Metrics, StopsAtItsTimeBudget) {
  MemorySourceOptions slow;
  slow.next_delay_ns = 1'000'000'000'000;
  MemorySource source(some_spans(), slow);
  MetricsOptions options = whole_range();
  options.budget.time_ns = 20'000'000;
  const auto result = query_metrics(source, compiled("{ } | rate()"), options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kDeadlineExceeded);
}

TEST(Metrics, AlignsARangeToItsStep) {
  EXPECT_EQ(align_to_step({7, 21}, 5), (TimeRange{5, 25}));
  EXPECT_EQ(align_to_step({5, 25}, 5), (TimeRange{5, 25}));
  EXPECT_EQ(align_to_step({5, UINT64_MAX}, 7).to_ns, UINT64_MAX);
  EXPECT_EQ(align_to_step({7, 21}, 0), (TimeRange{7, 21}));
}

TEST(Metrics, DurationsAreTheSecondsThatAQueryWrites) {
  std::mt19937_64 random(1);
  std::vector<Span> spans = testing::random_traces(random, 1);
  spans.resize(1);
  for (uint64_t ms = 1; ms <= 1000; ++ms) {
    spans[0].end_ns = spans[0].start_ns + ms * 1'000'000;
    MemorySource source(spans);
    for (const char* function : {"min", "max", "sum", "avg"}) {
      const std::string text = fmt::format("{{ }} | {}_over_time(duration) = {}ms", function, ms);
      const auto result = query_metrics(source, compiled(text), whole_range());
      ASSERT_TRUE(result);
      EXPECT_EQ(result->series.size(), 1u) << text;
    }
  }
}

TEST(QueryOf, MakesAQueryOfConditions) {
  std::vector<Predicate> conditions;
  conditions.push_back(
      Predicate::of({ColumnRef::attribute(AttributeScope::kResource, "service.name"),
                     CompareOp::kEqual, Value("web")}));
  conditions.push_back(
      Predicate::of({ColumnRef::of(Intrinsic::kStatusCode), CompareOp::kEqual, Value(2)}));
  EXPECT_EQ(query_of(conditions)->text(),
            "{ (resource.service.name = \"web\") && (status = error) }");
  EXPECT_EQ(query_of(conditions, false)->text(),
            "{ resource.service.name = \"web\" } && { status = error }");
  EXPECT_EQ(query_of({})->text(), "{ true }");
  EXPECT_FALSE(
      query_of({Predicate::of({ColumnRef::of(Intrinsic::kName), CompareOp::kRegex, Value("(")})}));
  EXPECT_FALSE(
      query_of({Predicate::of({ColumnRef::of(Intrinsic::kStartNs), CompareOp::kLess, Value(5)})}));
}

TEST(ExactFilter, IsThereForPlainFiltersAlone) {
  ASSERT_NE(compiled("{ .a = 1 && duration > 5ms }").exact_filter(), nullptr);
  EXPECT_NE(compiled("{ .a = 1 } | { .b = 2 } | select(.c)").exact_filter(), nullptr);
  EXPECT_NE(compiled("{ nestedSetParent < 0 } | rate()").exact_filter(), nullptr);
  EXPECT_EQ(compiled("{ .a + 1 = 2 }").exact_filter(), nullptr);
  EXPECT_EQ(compiled("{ .a = 1 } > { }").exact_filter(), nullptr);
  EXPECT_EQ(compiled("{ rootName = \"x\" }").exact_filter(), nullptr);
  EXPECT_EQ(compiled("{ .a = 1 } | count() > 1").exact_filter(), nullptr);
}

TEST(ExactSum, DoesNotDependOnTheOrder) {
  std::mt19937_64 random(testing::test_seed("ExactSum"));
  std::vector<double> values;
  for (int i = 0; i < 200; ++i) {
    values.push_back(std::ldexp(static_cast<double>(random() % 1000) - 500,
                                static_cast<int>(random() % 120) - 60));
  }
  const auto sum = [&] {
    traceql::ExactSum out;
    for (double value : values)
      out.add(value);
    return out.total();
  };
  const double first = sum();
  for (int round = 0; round < 20; ++round) {
    std::shuffle(values.begin(), values.end(), random);
    EXPECT_EQ(sum(), first);
  }
}

TEST(ExactSum, AddsWholeNumbersExactly) {
  traceql::ExactSum sum;
  for (int64_t value : {INT64_MAX, INT64_MAX, int64_t{3}, -INT64_MAX, -INT64_MAX})
    sum.add(value);
  EXPECT_EQ(sum.total(), 3);
  sum.add(int64_t{-10});
  EXPECT_EQ(sum.total(), -7);
}

}  // namespace
}  // namespace weft
