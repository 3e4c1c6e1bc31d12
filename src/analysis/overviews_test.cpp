// Services, releases, operations and values: what lists and charts are made of.

#include <gtest/gtest.h>

#include "analysis/operations.h"
#include "analysis/releases.h"
#include "analysis/service_overview.h"
#include "analysis/testing/fixture.h"
#include "analysis/value_counts.h"

namespace weft::analysis {
namespace {

using testing::Fixture;
using testing::kMs;
using testing::kStart;
using testing::make;

std::vector<Span> traffic() {
  return {make(1, 1, 0, "web", "GET /").server().at(0, 10),
          make(1, 2, 1, "web", "work").kind(SpanKind::kInternal).at(1, 5),
          make(1, 3, 2, "api", "GET /a").server().at(2, 4).error(),
          make(2, 1, 0, "web", "GET /").server().at(900, 30),
          make(3, 1, 0, "job", "nightly")
              .kind(SpanKind::kInternal)
              .at(500, 100)
              .resource("team", "Batch")};
}

TEST(ServicesOverview, EntrySpansByOperationAndTime) {
  Fixture fixture(traffic());
  const auto overview =
      services_overview(fixture.request("", {kStart, kStart + 1000 * kMs}), {}, 100 * kMs);
  ASSERT_TRUE(overview) << overview.error().message;
  ASSERT_EQ(overview->services.size(), 3u);
  const ServiceOverview& api = overview->services[0];
  EXPECT_EQ(api.service, "api");
  EXPECT_EQ(api.stats.error_rate, 1);
  const ServiceOverview& job = overview->services[1];
  EXPECT_EQ(job.owner.squad, "Batch");
  EXPECT_EQ(job.stats.spans, 1u) << "a root counts whatever its kind";
  const ServiceOverview& web = overview->services[2];
  EXPECT_EQ(web.stats.spans, 2u) << "internal spans do not";
  EXPECT_EQ(web.stats.rate, 2);
  EXPECT_EQ(web.stats.p99_ns, 30e6);
  ASSERT_EQ(web.operations.size(), 1u);
  EXPECT_EQ(web.operations[0].kind, SpanKind::kServer);
  ASSERT_EQ(web.over_time.size(), 2u);
  EXPECT_EQ(web.over_time[1].start_ns, kStart + 900 * kMs);
}

TEST(ServicesOverview, TooManyStepsAreRefused) {
  Fixture fixture(traffic());
  const auto overview = services_overview(fixture.request(), {}, 1);
  ASSERT_FALSE(overview);
  EXPECT_EQ(overview.error().code, ErrorCode::kInvalidArgument);
}

TEST(Releases, FirstAndLastSighting) {
  const auto version = [](uint8_t trace, const char* service, const char* text, uint64_t at_ms) {
    return make(trace, 1, 0, service, "x").at(at_ms, 1).resource("service.version", text);
  };
  const std::vector<Span> spans = {version(1, "api", "1.0", 0), version(2, "api", "1.0", 500),
                                   version(3, "api", "1.1", 600), version(4, "web", "7", 50),
                                   make(5, 1, 0, "plain", "x")};
  for (const bool aggregates : {false, true}) {
    Fixture fixture(spans, {.aggregates = aggregates});
    const auto all = releases(fixture.request());
    ASSERT_TRUE(all) << all.error().message;
    ASSERT_EQ(all->size(), 3u);
    EXPECT_EQ((*all)[0].version, "1.0");
    EXPECT_EQ((*all)[0].spans, 2u);
    EXPECT_NEAR(static_cast<double>((*all)[0].last_seen_ns - kStart), 500e6, 256);
    EXPECT_EQ((*all)[1].version, "1.1");
    EXPECT_EQ((*all)[2].service, "web");
    const auto late = releases(fixture.request("", {kStart + 550 * kMs, UINT64_MAX}));
    ASSERT_TRUE(late);
    ASSERT_EQ(late->size(), 1u);
    EXPECT_EQ((*late)[0].version, "1.1");
  }
}

TEST(Services, TooManyStepsOfTooManyServicesAreRefused) {
  constexpr uint64_t kSteps = 1'000;
  std::vector<Span> spans;
  for (uint8_t service = 1; service <= 201; service++) {
    const Span first = make(service, 1, 0, std::to_string(service).c_str(), "GET").at(0, 1);
    for (uint64_t step = 0; step < kSteps; step++) {
      spans.push_back(first);
      spans.back().start_ns += step * kMs;
      spans.back().end_ns += step * kMs;
      spans.back().span_id.bytes[0] = static_cast<uint8_t>(step >> 8);
      spans.back().span_id.bytes[1] = static_cast<uint8_t>(step);
    }
  }
  Fixture fixture(std::move(spans));
  AnalysisRequest request = fixture.request("", {kStart, kStart + kSteps * kMs});
  request.budget.threads = 1;
  const auto overview = services_overview(request, {}, kMs);
  ASSERT_FALSE(overview);
  EXPECT_EQ(overview.error().code, ErrorCode::kResourceExhausted);
}

TEST(Operations, NamesAndKinds) {
  for (const bool aggregates : {false, true}) {
    Fixture fixture(traffic(), {.aggregates = aggregates});
    const auto all = operations(fixture.request("{ resource.service.name = \"web\" }"));
    ASSERT_TRUE(all) << all.error().message;
    ASSERT_EQ(all->size(), 2u);
    EXPECT_EQ((*all)[0].name, "GET /");
    EXPECT_EQ((*all)[0].kind, SpanKind::kServer);
    EXPECT_EQ((*all)[0].spans, 2u);
    EXPECT_EQ((*all)[1].name, "work");
  }
}

TEST(ValueCounts, AreOfTheSpansThatMatch) {
  Fixture fixture({make(1, 1, 0, "web", "a").with("code", 200).with("x", "p"),
                   make(2, 1, 0, "web", "a").with("code", 500),
                   make(3, 1, 0, "web", "b").with("code", 500),
                   make(4, 1, 0, "web", "b").with("code", "500"),
                   make(5, 1, 0, "web", "a").exception("E", "m").exception("F", "m")});
  const auto code = ColumnRef::attribute(AttributeScope::kSpan, "code");
  const auto all = value_counts(fixture.request(), code, 10);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->values.size(), 3u);
  EXPECT_EQ(all->values[0].value, Value(500));
  EXPECT_EQ(all->values[0].spans, 2u);
  const auto some = value_counts(fixture.request("{ name = \"a\" }"), code, 1);
  ASSERT_TRUE(some);
  EXPECT_EQ(some->values.size(), 1u);
  EXPECT_TRUE(some->limit_reached);
  const auto events = value_counts(
      fixture.request(), ColumnRef::attribute(AttributeScope::kEvent, "exception.type"), 10);
  ASSERT_TRUE(events);
  EXPECT_EQ(events->values.size(), 2u);
}

TEST(Analyses, AggregatesEndWithTheTimeOfAQuery) {
  Fixture fixture(traffic(), {.aggregates = true, .next_delay_ns = 20'000'000});
  AnalysisRequest request = fixture.request();
  request.budget.time_ns = 1'000'000;
  const auto all = operations(request);
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().code, ErrorCode::kDeadlineExceeded);
}

TEST(Analyses, StopWhenCancelled) {
  Fixture fixture(traffic());
  fixture.cancel.cancel();
  const auto overview = services_overview(fixture.request(), {}, 0);
  ASSERT_FALSE(overview);
  EXPECT_EQ(overview.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace weft::analysis
