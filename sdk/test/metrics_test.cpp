// Metrics as OTLP and as Prometheus text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <ctime>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <weft/metrics.h>

#include "../src/clock.h"
#include "exchange.h"
#include "recording.h"
#include "seed.h"

namespace {

using testing::HasSubstr;
using testing::Not;
using weft::InstrumentKind;
using weft::MeterProvider;
using weft::MeterProviderConfig;

std::string json(const MeterProvider& provider) {
  std::string out;
  EXPECT_TRUE(weft::otlp_to_json(weft::Signal::kMetrics, provider.collect_otlp(), out));
  return out;
}

TEST(Metrics, CountersGaugesAndUpDownCounters) {
  MeterProvider provider{MeterProviderConfig{}};
  const auto meter = provider.meter("shop", "1.0");
  const auto orders = meter.counter("orders", {.unit = "{order}", .description = "orders taken"});
  orders.add(2, {{"kind", "card"}, {"vip", true}});
  orders.add(3, {{"vip", true}, {"kind", "card"}});  // the same set in another order
  orders.add(1);
  orders.add(-5);  // ignored
  const auto open = meter.up_down_counter<double>("open", {.unit = "By"});
  open.add(2.5);
  open.add(-1);
  open.add(NAN);  // ignored, as it would stay for good
  const auto seconds = meter.counter<double>("busy", {.unit = "s"});
  seconds.add(0.25, {{"share", 0.1}});
  seconds.add(NAN, {{"share", 0.1}});
  meter.gauge("temperature").record(20.5);
  meter.gauge("temperature").record(21.5);
  meter.gauge("never recorded is no name");
  const std::string text = json(provider);
  EXPECT_THAT(text, HasSubstr(R"("scope":{"name":"shop","version":"1.0"})"));
  EXPECT_THAT(text, HasSubstr(R"("name":"orders","description":"orders taken","unit":"{order}")"));
  EXPECT_THAT(text, HasSubstr(R"("asInt":"5")"));
  EXPECT_THAT(text, HasSubstr(R"("asInt":"1")"));
  EXPECT_THAT(text, HasSubstr(R"("aggregationTemporality":2,"isMonotonic":true)"));
  EXPECT_THAT(text, HasSubstr(R"("asDouble":1.5)"));
  EXPECT_THAT(text, HasSubstr(R"("asDouble":21.5)"));
  const std::string prometheus = provider.prometheus_text();
  EXPECT_THAT(prometheus,
              HasSubstr("# HELP orders_total orders taken\n# TYPE orders_total counter\n"));
  EXPECT_THAT(prometheus,
              HasSubstr("orders_total{kind=\"card\",vip=\"true\",otel_scope_name=\"shop\","
                        "otel_scope_version=\"1.0\"} 5\n"));
  EXPECT_THAT(prometheus, HasSubstr("# TYPE open_bytes gauge\n"));
  EXPECT_THAT(prometheus, HasSubstr("busy_seconds_total{share=\"0.1\",otel_scope_name=\"shop\","
                                    "otel_scope_version=\"1.0\"} 0.25\n"));
  EXPECT_THAT(prometheus,
              HasSubstr("temperature{otel_scope_name=\"shop\",otel_scope_version=\"1.0\"} 21.5\n"));
}

TEST(Metrics, HistogramsHaveBucketsAndExemplars) {
  sdk_test::Recording recording;
  MeterProvider provider{MeterProviderConfig{}};
  const auto duration = provider.meter("http").histogram(
      "http.server.request.duration", {.unit = "s", .boundaries = weft::kHttpDurationBoundaries});
  duration.record(0.004, {{"http.route", "/a"}});
  std::string trace_id;
  {
    auto span = recording.tracer().start_span("s");
    auto scope = span.activate();
    trace_id = span.context().trace_id().hex().view();
    duration.record(0.2, {{"http.route", "/a"}});
  }
  duration.record(99, {{"http.route", "/a"}});
  duration.record(0.005, {{"http.route", "/a"}});  // bounds are inclusive
  duration.record(NAN, {{"http.route", "/a"}});
  const std::string text = json(provider);
  EXPECT_THAT(text, HasSubstr(R"("count":"4")"));
  EXPECT_THAT(
      text,
      HasSubstr(R"("bucketCounts":["2","0","0","0","0","0","1","0","0","0","0","0","0","0","1"])"));
  EXPECT_THAT(text, HasSubstr(R"("explicitBounds":[0.005,0.01,)"));
  EXPECT_THAT(text, HasSubstr("\"traceId\":\"" + trace_id + "\""));
  EXPECT_THAT(text, HasSubstr(R"("min":0.004,"max":99)"));
  std::string type;
  const std::string open_metrics =
      provider.prometheus_text("application/openmetrics-text; version=1.0.0", &type);
  EXPECT_THAT(type, HasSubstr("openmetrics"));
  EXPECT_THAT(open_metrics, HasSubstr("# TYPE http_server_request_duration_seconds histogram\n"));
  EXPECT_THAT(open_metrics, HasSubstr("le=\"0.25\"} 3 # {trace_id=\"" + trace_id + "\""));
  EXPECT_THAT(open_metrics,
              HasSubstr("_bucket{http_route=\"/a\",otel_scope_name=\"http\",le=\"+Inf\"} 4\n"));
  EXPECT_THAT(open_metrics, HasSubstr("le=\"1.0\"} 3\n"));  // the one spelling that it allows
  EXPECT_THAT(provider.prometheus_text(), HasSubstr("le=\"1\"} 3\n"));
  EXPECT_THAT(open_metrics, HasSubstr("_sum{http_route=\"/a\",otel_scope_name=\"http\"} 99.20"));
  EXPECT_TRUE(open_metrics.ends_with("# EOF\n"));
  EXPECT_THAT(provider.prometheus_text(), Not(HasSubstr("trace_id")));
}

TEST(Metrics, EveryMeasurementIsCountedInItsBucketWhereverTheOneBeforeWas) {
  MeterProvider provider{MeterProviderConfig{}};
  constexpr double kBounds[] = {1, 2, 4};
  const auto histogram = provider.meter("m").histogram("h", {.boundaries = kBounds});
  const std::vector<double> values = {-1, 1, 1.5, 2, 2.5, 4, 4.5};
  for (const double first : values) {
    for (const double second : values) {
      histogram.record(first);
      histogram.record(second);
    }
  }
  EXPECT_THAT(json(provider), HasSubstr(R"("bucketCounts":["28","28","28","14"])"));
}

TEST(Metrics, LimitsTheNumberOfSets) {
  MeterProviderConfig config;
  config.cardinality_limit = 10;
  MeterProvider provider(std::move(config));
  const auto counter = provider.meter("m").counter("c");
  for (int i = 0; i < 100; ++i)
    counter.add(1, {{"i", i}});
  std::uint64_t points = 0;
  const std::string bytes = provider.collect_otlp(&points);
  EXPECT_EQ(points, 10U);
  EXPECT_THAT(json(provider), HasSubstr("otel.metric.overflow"));
  EXPECT_THAT(json(provider), HasSubstr(R"("asInt":"91")"));
}

TEST(Metrics, ThreadsLoseNothing) {
  MeterProvider provider{MeterProviderConfig{}};
  const auto counter = provider.meter("m").counter("c");
  const auto sum = provider.meter("m").counter<double>("d");
  const auto histogram = provider.meter("m").histogram("h");
  const auto bound = counter.bind({{"bound", true}});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        counter.add(1, {{"t", t % 2}});
        sum.add(0.5);
        histogram.record(i);
        bound.add(1);
        if (i % 500 == 0) provider.collect_otlp();
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  const std::string text = json(provider);
  EXPECT_THAT(text, HasSubstr(R"("asInt":"4000")"));
  EXPECT_THAT(text, HasSubstr(R"("asInt":"8000")"));
  EXPECT_THAT(text, HasSubstr(R"("asDouble":4000)"));
  EXPECT_THAT(text, HasSubstr(R"("count":"8000")"));
}

// Each set has its own cell, whatever the thread was asked for before, and in whichever order.
// One of these would make a scraper refuse all of the text, or a receiver the whole request.
TEST(Metrics, WhatIsWrittenIsValidWhateverTheTexts) {
  MeterProviderConfig config;
  config.resource.set("service.name", std::string("a")).set("service_name", std::string("b"));
  MeterProvider provider(std::move(config));
  const auto meter = provider.meter("scope\xFF");
  meter.counter("c", {.unit = "\xFF", .description = "\xFE"})
      .add(1, {{"text", "x\xFFy"},
               {"bytes", weft::Bytes{std::span(reinterpret_cast<const unsigned char*>("\xFF"), 1)}},
               {"twice", "first"},
               {"twice", "second"},
               {"long", std::string(5000, 'x')},
               {"otel.scope.name", "mine"}});
  const std::string text = provider.prometheus_text();
  EXPECT_EQ(text.find('\xFF'), std::string::npos) << text;
  EXPECT_EQ(text.find('\xFE'), std::string::npos) << text;
  EXPECT_THAT(text, HasSubstr("text=\"x\xEF\xBF\xBDy\""));
  EXPECT_THAT(text, HasSubstr("bytes=\"/w==\""));
  EXPECT_THAT(text, HasSubstr("twice=\"second\""));
  EXPECT_THAT(text, HasSubstr("long=\"" + std::string(1024, 'x') + "\""));
  EXPECT_THAT(text, HasSubstr("otel_scope_name=\"mine;scope\xEF\xBF\xBD\""));
  EXPECT_THAT(text, HasSubstr("target_info{service_name=\"a;b\"} 1\n"));
  const std::string otlp = provider.collect_otlp();
  EXPECT_THAT(otlp, HasSubstr("scope\xEF\xBF\xBD"));
  EXPECT_THAT(otlp, HasSubstr("\x12\x03\xEF\xBF\xBD\x1A\x03\xEF\xBF\xBD"));  // what for, and unit
}

TEST(Metrics, SetsAreToldApart) {
  auto random = sdk_test::make_random();
  MeterProvider provider{MeterProviderConfig{}};
  const auto meter = provider.meter("m");
  const weft::Counter<> counters[] = {meter.counter("a"), meter.counter("b")};
  const std::string long_text(300, 'x');
  const std::string longer_text(301, 'x');
  const bool flags[] = {true, false};
  const std::string zeros("1\0", 2);
  std::vector<weft::AttributeValue> values = {
      1, true, 1.0, "1", "", "2", std::string_view(zeros), long_text, longer_text, flags, -1, 2.0};
  for (int i = 3; i < 40; ++i)
    values.emplace_back(i);
  std::map<std::pair<std::size_t, std::size_t>, std::int64_t> counted;
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t which = random() % 2;
    // Few sets in a row and then others, as requests come.
    const std::size_t value = random() % (i % 1000 < 500 ? 5 : values.size());
    const weft::Attribute x{"x", values[value]};
    const weft::Attribute y{"long.name.of.a.key", "y"};
    if (random() % 2 == 0) {
      counters[which].add(1, {x, y});
    } else {
      counters[which].add(1, {y, x});
    }
    ++counted[{which, value}];
  }
  // Every count once, of each instrument.
  std::vector<std::string> wanted;
  for (const auto& [key, count] : counted)
    wanted.push_back("\"asInt\":\"" + std::to_string(count) + "\"");
  std::vector<std::string> found;
  const std::string text = json(provider);
  for (std::size_t at = text.find("\"asInt\""); at != std::string::npos;
       at = text.find("\"asInt\"", at + 1)) {
    found.push_back(text.substr(at, text.find('"', at + 9) - at + 1));
  }
  EXPECT_THAT(found, testing::UnorderedElementsAreArray(wanted));
  EXPECT_EQ(counted.size(), 2 * values.size());
}

TEST(Metrics, AReaderGivesItsExporterTheTimeOfTheReader) {
  // The deadline is that of this export and not of another: the time left is at most the time-out.
  struct Probe final : weft::Exporter {
    explicit Probe(std::atomic<std::int64_t>* out) : left_ns(out) {}
    weft::ExportResult send(const weft::ExportRequest& request) noexcept override {
      timespec now;
      clock_gettime(CLOCK_MONOTONIC, &now);
      *left_ns = request.deadline_ns - (now.tv_sec * 1'000'000'000LL + now.tv_nsec);
      return {};
    }
    std::string description() const override { return "probe"; }
    std::atomic<std::int64_t>* left_ns;
  };
  std::atomic<std::int64_t> left_ns{INT64_MAX};
  MeterProviderConfig config;
  config.readers.push_back({std::make_unique<Probe>(&left_ns), 3'600'000, 20'000});
  MeterProvider provider(std::move(config));
  provider.meter("m").counter("c").add(1);
  EXPECT_TRUE(provider.force_flush(60'000));
  EXPECT_LE(left_ns, 20'000'000'000);
}

TEST(Metrics, ObservableInstrumentsAreAskedAtCollection) {
  MeterProvider provider{MeterProviderConfig{}};
  int calls = 0;
  provider.meter("m").observe(InstrumentKind::kGauge, "queue.length", {},
                              [&](const auto& observer) { observer(++calls, {{"queue", "a"}}); });
  EXPECT_THAT(json(provider), HasSubstr(R"("asDouble":1)"));
  EXPECT_THAT(json(provider), HasSubstr(R"("asDouble":2)"));
}

TEST(Metrics, ACallBackEndsWithTheProviderThatHasAskedIt) {
  int calls = 0;
  weft::meter("m").observe(InstrumentKind::kGauge, "early", {},
                           [&](const auto& observer) { observer(++calls, {}); });
  {
    MeterProvider provider{MeterProviderConfig{}};
    provider.set_global();
    provider.set_global();  // no second time
    EXPECT_THAT(json(provider), HasSubstr("early"));
    EXPECT_EQ(calls, 1);
  }
  // What it points into may be gone by now.
  MeterProvider provider{MeterProviderConfig{}};
  provider.set_global();
  EXPECT_THAT(json(provider), Not(HasSubstr("early")));
  EXPECT_EQ(calls, 1);
}

TEST(Metrics, GlobalInstrumentsMadeEarlyRecordLater) {
  const auto early = weft::meter("early").counter("c");
  early.add(1);  // nowhere
  {
    MeterProvider provider{MeterProviderConfig{}};
    provider.set_global();
    early.add(2);
    EXPECT_THAT(json(provider), HasSubstr(R"("asInt":"2")"));
  }
  early.add(3);
}

TEST(Metrics, AReaderExportsAtItsInterval) {
  auto storage = weft::MemoryExporter::make_storage();
  MeterProviderConfig config;
  config.readers.push_back({std::make_unique<weft::MemoryExporter>(storage), 10, 1000});
  MeterProvider provider(std::move(config));
  provider.meter("m").counter("c").add(1);
  std::string bytes;
  for (int i = 0; i < 1000 && bytes.empty(); ++i) {
    usleep(10'000);
    bytes = storage->take(weft::Signal::kMetrics);
  }
  EXPECT_FALSE(bytes.empty());
  EXPECT_TRUE(provider.shutdown(1000));
}

TEST(Metrics, AReaderFollowsTheWallClockByItself) {
  auto storage = weft::MemoryExporter::make_storage();
  MeterProviderConfig config;
  config.readers.push_back({std::make_unique<weft::MemoryExporter>(storage)});
  MeterProvider provider(std::move(config));
  provider.meter("m").gauge("g").record(1);
  weft::sdk_detail::wall_offset_ns = 0;  // as after a step of the wall clock by decades
  EXPECT_TRUE(provider.force_flush(60'000));
  std::string text;
  EXPECT_TRUE(
      weft::otlp_to_json(weft::Signal::kMetrics, storage->take(weft::Signal::kMetrics), text));
  EXPECT_THAT(text, testing::ContainsRegex(R"("timeUnixNano":"[0-9]{19}")"));
}

TEST(PrometheusServer, OfANameListensOnTheAddressOfIpv4) {
  MeterProvider provider{MeterProviderConfig{}};
  provider.meter("m").counter("c").add(7);
  std::string error;
  const auto server = weft::PrometheusServer::start(provider, "localhost", 0, &error);
  ASSERT_NE(server, nullptr) << error;
  EXPECT_THAT(sdk_test::exchange("127.0.0.1", server->port(), "GET /metrics HTTP/1.1\r\n\r\n")
                  .value_or("nobody listens"),
              HasSubstr("c_total"));
}

TEST(PrometheusServer, AnswersScrapes) {
  MeterProvider provider{MeterProviderConfig{}};
  provider.meter("m").counter("c").add(7);
  std::string error;
  const auto server = weft::PrometheusServer::start(provider, "127.0.0.1", 0, &error);
  ASSERT_NE(server, nullptr) << error;
  auto get = [&](const std::string& request) {
    return sdk_test::exchange("127.0.0.1", server->port(), request).value_or("nobody listens");
  };
  EXPECT_THAT(get("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
              HasSubstr("c_total{otel_scope_name=\"m\"} 7\n"));
  EXPECT_THAT(get("GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n"),
              HasSubstr("# EOF"));
  EXPECT_THAT(get("GET /other HTTP/1.1\r\n\r\n"), HasSubstr(" 404 "));
  EXPECT_THAT(get("POST /metrics HTTP/1.1\r\n\r\n"), HasSubstr(" 405 "));
  EXPECT_THAT(get("GET /" + std::string(20'000, 'x')), HasSubstr(" 431 "));
  EXPECT_EQ(weft::PrometheusServer::start(provider, "127.0.0.1", server->port(), &error), nullptr);
  EXPECT_THAT(error, HasSubstr("in use"));
}

TEST(PrometheusServer, IsTheParentsAfterAFork) {
  MeterProvider provider{MeterProviderConfig{}};
  provider.meter("m").counter("c").add(7);
  std::string error;
  auto server = weft::PrometheusServer::start(provider, "127.0.0.1", 0, &error);
  ASSERT_NE(server, nullptr) << error;
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(60);  // a thread that is not here would be waited for
    server.reset();
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status)) << "by signal " << WTERMSIG(status);
  EXPECT_THAT(
      sdk_test::exchange("127.0.0.1", server->port(), "GET /metrics HTTP/1.1\r\n\r\n").value_or(""),
      HasSubstr("c_total"));
}

}  // namespace
