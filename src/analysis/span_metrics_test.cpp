#include "analysis/span_metrics.h"

#include <gtest/gtest.h>

#include <thread>

#include "model/span.h"

namespace weft::analysis {
namespace {

Span make_span(uint8_t trace, uint8_t id, uint8_t parent, const char* service, const char* name,
               SpanKind kind, uint64_t duration_ms, StatusCode status = StatusCode::kUnset) {
  Span span;
  span.trace_id.bytes[0] = trace;
  span.span_id.bytes[0] = id;
  span.parent_span_id.bytes[0] = parent;
  span.start_ns = 1'700'000'000'000'000'000;
  span.end_ns = span.start_ns + duration_ms * 1'000'000;
  span.name = name;
  span.kind = kind;
  span.status_code = status;
  span.resource.attributes = {{"service.name", service}};
  return span;
}

SpanBatch batch_of(const std::vector<Span>& spans) {
  SpanBatch batch;
  for (const Span& span : spans)
    append_span(batch, span);
  return batch;
}

TEST(LatencyCounts, BoundsBelongToTheirBucket) {
  LatencyCounts counts;
  counts.add(0);
  counts.add(2'000'000);
  counts.add(2'000'001);
  counts.add(4'000'000);
  counts.add(16'384'000'000);
  counts.add(16'384'000'001);
  counts.add(UINT64_MAX / 2);
  EXPECT_EQ(counts.buckets[0], 2u);
  EXPECT_EQ(counts.buckets[1], 2u);
  EXPECT_EQ(counts.buckets[13], 1u);
  EXPECT_EQ(counts.buckets[14], 2u);
  EXPECT_EQ(counts.count, 7u);
  EXPECT_DOUBLE_EQ(LatencyCounts::bounds_s().back(), 16.384);
}

TEST(SpanMetrics, CountsByServiceNameKindAndStatus) {
  SpanMetrics metrics;
  for (int i = 0; i < 3; i++) {
    metrics.observe(
        batch_of({make_span(1, 1, 0, "web", "GET", SpanKind::kServer, 3),
                  make_span(1, 2, 1, "web", "work", SpanKind::kInternal, 1),
                  make_span(2, 1, 0, "web", "GET", SpanKind::kServer, 9, StatusCode::kError)}));
  }
  const SpanMetricsSnapshot snapshot = metrics.snapshot();
  ASSERT_EQ(snapshot.series.size(), 3u);
  EXPECT_EQ(snapshot.series[0].span_name, "GET");
  EXPECT_EQ(snapshot.series[0].status_code, 0);
  EXPECT_EQ(snapshot.series[0].latency.count, 3u);
  EXPECT_EQ(snapshot.series[0].latency.sum_ns, 9'000'000u);
  EXPECT_EQ(snapshot.series[1].status_code, 2);
  EXPECT_EQ(snapshot.series[2].span_name, "work");
  EXPECT_EQ(snapshot.series[2].latency.buckets[0], 3u);
}

TEST(SpanMetrics, JoinsCallsAcrossBatchesInEitherOrder) {
  SpanMetrics metrics;
  const Span client = make_span(1, 2, 1, "web", "POST", SpanKind::kClient, 12);
  const Span server = make_span(1, 3, 2, "api", "POST /", SpanKind::kServer, 8, StatusCode::kError);
  metrics.observe(batch_of({client}));
  metrics.observe(batch_of({server}));
  Span client2 = client, server2 = server;
  client2.trace_id.bytes[0] = server2.trace_id.bytes[0] = 2;
  server2.status_code = StatusCode::kUnset;
  metrics.observe(batch_of({server2}));
  metrics.observe(batch_of({client2}));
  const SpanMetricsSnapshot snapshot = metrics.snapshot();
  ASSERT_EQ(snapshot.edges.size(), 1u);
  EXPECT_EQ(snapshot.edges[0].client, "web");
  EXPECT_EQ(snapshot.edges[0].server, "api");
  EXPECT_EQ(snapshot.edges[0].connection_type, "");
  EXPECT_EQ(snapshot.edges[0].requests, 2u);
  EXPECT_EQ(snapshot.edges[0].failed, 1u);
  EXPECT_EQ(snapshot.edges[0].client_latency.sum_ns, 24'000'000u);
  EXPECT_EQ(snapshot.edges[0].server_latency.sum_ns, 16'000'000u);
  EXPECT_EQ(snapshot.unpaired_spans, 0u);
}

TEST(SpanMetrics, DatabasesAndQueues) {
  SpanMetrics metrics;
  Span query = make_span(1, 2, 1, "api", "SELECT", SpanKind::kClient, 2);
  query.attributes = {{"db.system", "postgresql"}, {"server.address", "db1"}};
  metrics.observe(batch_of({query, make_span(1, 4, 1, "api", "send", SpanKind::kProducer, 1),
                            make_span(1, 5, 4, "mail", "receive", SpanKind::kConsumer, 1)}));
  const SpanMetricsSnapshot snapshot = metrics.snapshot();
  ASSERT_EQ(snapshot.edges.size(), 2u);
  EXPECT_EQ(snapshot.edges[0].server, "db1");
  EXPECT_EQ(snapshot.edges[0].connection_type, "database");
  EXPECT_EQ(snapshot.edges[1].server, "mail");
  EXPECT_EQ(snapshot.edges[1].connection_type, "messaging_system");
}

TEST(SpanMetrics, LimitsKeepTheTotalsRight) {
  SpanMetrics metrics({.max_series = 10, .max_edges = 2, .max_pending_calls = 16});
  for (int i = 0; i < 100; i++) {
    const std::string name = "op" + std::to_string(i), peer = "svc" + std::to_string(i);
    metrics.observe(batch_of({make_span(1, 2, 1, "web", name.c_str(), SpanKind::kClient, 1),
                              make_span(1, 3, 2, peer.c_str(), "x", SpanKind::kServer, 1)}));
  }
  const SpanMetricsSnapshot snapshot = metrics.snapshot();
  EXPECT_EQ(snapshot.series.size(), 11u);
  EXPECT_TRUE(snapshot.series.back().overflow);
  EXPECT_EQ(snapshot.edges.size(), 3u);
  EXPECT_TRUE(snapshot.edges.back().overflow);
  uint64_t spans = 0, requests = 0;
  for (const auto& series : snapshot.series)
    spans += series.latency.count;
  for (const auto& edge : snapshot.edges)
    requests += edge.requests;
  EXPECT_EQ(spans, 200u);
  EXPECT_EQ(requests, 100u);
}

TEST(SpanMetrics, LongNamesHaveNoSeriesOfTheirOwn) {
  SpanMetrics metrics({.max_name_bytes = 10});
  const std::string longest(10, 'a'), longer(11, 'a');
  for (int i = 0; i < 2; i++) {
    metrics.observe(
        batch_of({make_span(1, 2, 1, longest.c_str(), longest.c_str(), SpanKind::kClient, 1),
                  make_span(1, 3, 2, longer.c_str(), "x", SpanKind::kServer, 1),
                  make_span(2, 2, 1, "web", longer.c_str(), SpanKind::kInternal, 1)}));
  }
  const SpanMetricsSnapshot snapshot = metrics.snapshot();
  ASSERT_EQ(snapshot.series.size(), 2u);
  EXPECT_EQ(snapshot.series[0].span_name, longest);
  EXPECT_EQ(snapshot.series[0].latency.count, 2u);
  EXPECT_TRUE(snapshot.series[1].overflow);
  EXPECT_EQ(snapshot.series[1].latency.count, 4u);
  ASSERT_EQ(snapshot.edges.size(), 1u);
  EXPECT_EQ(snapshot.edges[0].client, longest);
  EXPECT_EQ(snapshot.edges[0].server, "<other>");
}

TEST(SpanMetrics, CallsThatNobodyAnswersAreForgottenAndCounted) {
  SpanMetrics metrics({.max_pending_calls = 8});
  std::vector<Span> spans;
  for (uint8_t i = 1; i <= 100; i++)
    spans.push_back(make_span(i, 2, 1, "web", "GET", SpanKind::kClient, 1));
  metrics.observe(batch_of(spans));
  EXPECT_GE(metrics.snapshot().unpaired_spans, 92u);
  EXPECT_LT(metrics.snapshot().unpaired_spans, 100u);
}

TEST(SpanMetrics, ThreadsAddUp) {
  SpanMetrics metrics;
  std::vector<std::thread> threads;
  for (uint8_t t = 0; t < 4; t++) {
    threads.emplace_back([&metrics, t] {
      for (uint8_t i = 1; i <= 100; i++) {
        metrics.observe(batch_of({make_span(i, t + 1, 0, "web", "GET", SpanKind::kServer, 1)}));
        (void)metrics.snapshot();
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  ASSERT_EQ(metrics.snapshot().series.size(), 1u);
  EXPECT_EQ(metrics.snapshot().series[0].latency.count, 400u);
}

}  // namespace
}  // namespace weft::analysis
