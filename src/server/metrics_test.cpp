#include "server/metrics.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "server/testing/server_fixture.h"

namespace weft::server {
namespace {

using ::testing::HasSubstr;

TEST(MetricsTest, WritesPrometheusText) {
  MetricsRegistry registry;
  registry.counter("a_total", "How many a.", {{"kind", "x\"y\\z\n"}}).add(3);
  registry.counter("a_total", "How many a.", {{"kind", "b"}}).add();
  registry.gauge("g", "A gauge.").set(-5);
  Histogram& histogram = registry.histogram("h_seconds", "A histogram.", {0.5, 1});
  histogram.observe(0.5);  // bounds are inclusive
  histogram.observe(0.75);
  histogram.observe(100);
  EXPECT_EQ(registry.expose(),
            "# HELP a_total How many a.\n"
            "# TYPE a_total counter\n"
            "a_total{kind=\"b\"} 1\n"
            "a_total{kind=\"x\\\"y\\\\z\\n\"} 3\n"
            "# HELP g A gauge.\n"
            "# TYPE g gauge\n"
            "g -5\n"
            "# HELP h_seconds A histogram.\n"
            "# TYPE h_seconds histogram\n"
            "h_seconds_bucket{le=\"0.5\"} 1\n"
            "h_seconds_bucket{le=\"1\"} 2\n"
            "h_seconds_bucket{le=\"+Inf\"} 3\n"
            "h_seconds_sum 101.25\n"
            "h_seconds_count 3\n");
}

TEST(MetricsTest, LabelsAreUtf8WhateverWasSent) {
  MetricsRegistry registry;
  registry.counter("a_total", "A.", {{"k", "caf\xC3\xA9"}}).add();
  registry.counter("a_total", "A.", {{"k", "caf\xE9"}}).add(2);
  registry.counter("a_total", "A.", {{"k", "caf\xE8"}}).add(3);
  EXPECT_EQ(registry.expose(),
            "# HELP a_total A.\n"
            "# TYPE a_total counter\n"
            "a_total{k=\"caf\xC3\xA9\"} 1\n"
            "a_total{k=\"caf\\\\xE8\"} 3\n"
            "a_total{k=\"caf\\\\xE9\"} 2\n");
}

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameObject) {
  MetricsRegistry registry;
  Counter& counter = registry.counter("a_total", "A.", {{"k", "v"}});
  EXPECT_EQ(&counter, &registry.counter("a_total", "A.", {{"k", "v"}}));
  EXPECT_NE(&counter, &registry.counter("a_total", "A.", {{"k", "w"}}));
}

TEST(MetricsTest, CountsFromManyThreads) {
  MetricsRegistry registry;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10'000; ++j) {
        registry.counter("a_total", "A.").add();
        registry.histogram("h", "H.", {1}).observe(2);
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(registry.counter("a_total", "A.").value(), 40'000u);
  EXPECT_EQ(registry.histogram("h", "H.", {1}).sum(), 80'000);
}

class MetricsEndpointTest : public testing::ServerFixture {};

TEST_F(MetricsEndpointTest, PromtoolAcceptsWhatTheServerSays) {
  start();
  testing::RawClient client(otlp_http_port());
  EXPECT_EQ(client
                .ask(testing::post_request("/v1/traces", "application/x-protobuf",
                                           testing::protobuf_request(7)))
                .status,
            200);
  EXPECT_EQ(client.ask(testing::post_request("/v1/traces", "application/json", "{")).status, 400);
  testing::RawClient api(http_port());
  const testing::RawResponse response = api.ask(testing::get_request("/metrics"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("content-type"), MetricsRegistry::kContentType);
  EXPECT_THAT(response.body, HasSubstr("\nweft_ingest_spans_total 7\n"));
  EXPECT_THAT(response.body,
              HasSubstr("weft_ingest_failed_requests_total{reason=\"invalid_argument\"} 1\n"));
  EXPECT_THAT(response.body,
              HasSubstr("weft_http_requests_total{listener=\"otlp-http\",status=\"4xx\"} 1\n"));
  if (std::system("command -v promtool > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "promtool is not installed (Debian package prometheus): not checked";
  }
  const testing::TempDir dir;
  const std::string file = dir.write("metrics", response.body);
  EXPECT_EQ(std::system(("promtool check metrics < " + file).c_str()), 0);
}

}  // namespace
}  // namespace weft::server
