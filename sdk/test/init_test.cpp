// Everything from the OTEL_* variables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include <weft/diagnostics.h>
#include <weft/init.h>
#include <weft/otlp.h>

#include "collector.h"
#include "decoded_span.h"
#include "exchange.h"

namespace {

using sdk_test::Collector;
using testing::ElementsAre;
using testing::HasSubstr;
using weft::OtlpProtocol;
using weft::Signal;

// Sets variables for the length of a test.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& variables)
      : variables_(variables) {
    for (const auto& [name, value] : variables_)
      setenv(name.c_str(), value.c_str(), 1);
    said().clear();
    weft::set_diagnostic_handler(
        [](weft::DiagnosticLevel, std::string_view m) { said().append(m).append("\n"); });
  }
  ~Environment() {
    weft::set_diagnostic_handler(nullptr);
    for (const auto& [name, value] : variables_)
      unsetenv(name.c_str());
    weft::set_global_propagator(weft::Propagator());
  }
  static std::string& said() {
    static std::string text;
    return text;
  }

 private:
  std::map<std::string, std::string> variables_;
};

std::vector<weft::Format> formats(const weft::Propagator& propagator) {
  return {propagator.begin(), propagator.end()};
}

TEST(Init, ExportsAllSignalsToOneEndpoint) {
  Collector collector;
  const Environment environment(
      {{"OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("/")},
       {"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b,x=1"},
       {"OTEL_SERVICE_NAME", "from env"},
       {"OTEL_RESOURCE_ATTRIBUTES", "team=login,service.name=loses,a=%2C"}});
  {
    auto sdk = weft::init_from_env({.service_name = "from code", .service_version = "7"});
    EXPECT_TRUE(sdk.enabled());
    weft::tracer("t").start_span("span").set("k", "v");
    weft::meter("m").counter("c").add(1);
    weft::logger("l").emit({.body = "line"});
  }
  std::map<std::string, sdk_test::Received> by_path;
  for (const auto& r : collector.received())
    by_path[r.path] = r;
  ASSERT_EQ(by_path.count("/v1/traces"), 1U);
  EXPECT_EQ(by_path.count("/v1/metrics"), 1U);
  EXPECT_EQ(by_path.count("/v1/logs"), 1U);
  EXPECT_EQ(by_path["/v1/logs"].headers.at("api-key"), "a b");
  const auto spans = sdk_test::decode_spans(by_path["/v1/traces"].body);
  const auto& resource = spans.at(0).resource;
  EXPECT_EQ(resource.at("service.name"), "from env");
  EXPECT_EQ(resource.at("service.version"), "7");
  EXPECT_EQ(resource.at("team"), "login");
  EXPECT_EQ(resource.at("a"), ",");
  for (const char* key :
       {"telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version", "process.pid",
        "process.executable.name", "host.name", "host.arch", "os.type", "service.instance.id"}) {
    EXPECT_EQ(resource.count(key), 1U) << key;
  }
}

TEST(Init, CanBeDisabled) {
  const Environment environment({{"OTEL_SDK_DISABLED", "TRUE"}, {"OTEL_PROPAGATORS", "b3"}});
  auto sdk = weft::init_from_env();
  EXPECT_FALSE(sdk.enabled());
  EXPECT_FALSE(weft::tracer("t").enabled());
  EXPECT_THAT(formats(weft::global_propagator()), ElementsAre(weft::Format::kB3));
}

TEST(Init, AnSdkThatNothingWasInstalledWithHasProvidersAllTheSame) {
  weft::Sdk sdk;
  EXPECT_FALSE(sdk.enabled());
  EXPECT_TRUE(sdk.tracer_provider().stats().empty());
  EXPECT_TRUE(sdk.logger_provider().stats().empty());
  EXPECT_EQ(sdk.meter_provider().prometheus_text(), "");
  EXPECT_TRUE(sdk.force_flush());
  EXPECT_TRUE(sdk.shutdown());
}

TEST(Init, NoneMeansNone) {
  const Environment environment({{"OTEL_TRACES_EXPORTER", "none"},
                                 {"OTEL_METRICS_EXPORTER", "none"},
                                 {"OTEL_LOGS_EXPORTER", "none"}});
  auto sdk = weft::init_from_env();
  EXPECT_TRUE(sdk.enabled());
  EXPECT_FALSE(weft::tracer("t").enabled());
  EXPECT_FALSE(weft::logger("l").enabled());
}

TEST(Init, HonoursSamplerLimitsAndBatches) {
  Collector collector;
  const Environment environment({{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.url("/own/path")},
                                 {"OTEL_METRICS_EXPORTER", "none"},
                                 {"OTEL_LOGS_EXPORTER", "none"},
                                 {"OTEL_TRACES_SAMPLER", "always_on"},
                                 {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3"},
                                 {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2"},
                                 {"OTEL_SPAN_EVENT_COUNT_LIMIT", "1"},
                                 {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5"},
                                 {"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"}});
  {
    auto sdk = weft::init_from_env();
    for (int i = 0; i < 12; ++i) {
      auto span = weft::tracer("t").start_span("s");
      span.set("a", "12345").set("b", 1).set("c", 2).add_event("x").add_event("y");
    }
  }
  std::size_t total = 0;
  for (const auto& r : collector.received()) {
    EXPECT_EQ(r.path, "/own/path");
    const auto spans = sdk_test::decode_spans(sdk_test::gunzip(r.body));
    EXPECT_LE(spans.size(), 5U);
    total += spans.size();
    EXPECT_EQ(spans.at(0).attribute("a"), "123");
    EXPECT_EQ(spans.at(0).dropped_attributes, 1U);
    EXPECT_EQ(spans.at(0).dropped_events, 1U);
  }
  EXPECT_EQ(total, 12U);
}

TEST(Init, HonoursTheLimitsOfTheParts) {
  Collector collector;
  const Environment environment({{"OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("")},
                                 {"OTEL_METRICS_EXPORTER", "none"},
                                 {"OTEL_LOGS_EXPORTER", "none"},
                                 {"OTEL_ATTRIBUTE_COUNT_LIMIT", "1"},
                                 {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "3"},
                                 {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "2"},
                                 {"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4"},
                                 {"OTEL_SPAN_LINK_COUNT_LIMIT", "1"},
                                 {"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "1"},
                                 {"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "0"}});
  {
    auto sdk = weft::init_from_env();
    const weft::SpanContext other({{1}}, {{2}}, 1);
    auto span = weft::tracer("t").start_span("s");
    span.set("a", "123456").set("b", 1).set("c", 1).set("d", 1);
    span.add_event("e", {{"x", 1}, {"y", 2}});
    span.add_link(other, {{"x", 1}}).add_link(other);
  }
  ASSERT_EQ(collector.received().size(), 1U);
  const auto span = sdk_test::decode_spans(collector.received()[0].body).at(0);
  EXPECT_EQ(span.attributes.size(), 3U);
  EXPECT_EQ(span.dropped_attributes, 1U);
  EXPECT_EQ(span.attribute("a"), "1234");
  EXPECT_EQ(span.events.at(0).attributes.size(), 1U);
  EXPECT_EQ(span.events.at(0).dropped_attributes, 1U);
  EXPECT_EQ(span.links.size(), 1U);
  EXPECT_EQ(span.dropped_links, 1U);
  EXPECT_EQ(span.links.at(0).dropped_attributes, 1U);
}

TEST(Init, ExportsByItselfAtTheDelaysAndIntervalsGiven) {
  Collector collector;
  const Environment environment({{"OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("")},
                                 {"OTEL_BSP_SCHEDULE_DELAY", "10"},
                                 {"OTEL_BLRP_SCHEDULE_DELAY", "10"},
                                 {"OTEL_METRIC_EXPORT_INTERVAL", "10"}});
  auto sdk = weft::init_from_env();
  (void)weft::tracer("t").start_span("span");
  weft::meter("m").counter("c").add(1);
  weft::logger("l").emit({.body = "line"});
  std::set<std::string> paths;
  for (int i = 0; i < 6000 && paths.size() < 3; ++i) {
    usleep(5'000);
    for (const auto& r : collector.received())
      paths.insert(r.path);
  }
  EXPECT_THAT(paths, ElementsAre("/v1/logs", "/v1/metrics", "/v1/traces"));
}

TEST(Init, GivesUpAfterTheTimeGivenForAnExport) {
  Collector collector({{.kind = sdk_test::Reply::Kind::kHang}});
  const Environment environment({{"OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("")},
                                 {"OTEL_METRICS_EXPORTER", "none"},
                                 {"OTEL_LOGS_EXPORTER", "none"},
                                 {"OTEL_BSP_EXPORT_TIMEOUT", "50"},
                                 {"OTEL_BSP_MAX_QUEUE_SIZE", "7"}});
  auto sdk = weft::init_from_env({.shutdown_timeout_ms = 100});
  for (int i = 0; i < 7; ++i)
    (void)weft::tracer("t").start_span("span");
  EXPECT_FALSE(sdk.force_flush(60'000));
  EXPECT_EQ(sdk.tracer_provider().stats().at(0).failed, 7U);
}

TEST(Init, GivesUpAfterTheTimeGivenForAnExportOfMetrics) {
  // The receiver is busy; the first repetition would come half a second later at the earliest, when
  // the time is up. With the default of 30 seconds there would be several.
  Collector collector({sdk_test::Reply{.status = 503}});
  const Environment environment({{"OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("")},
                                 {"OTEL_TRACES_EXPORTER", "none"},
                                 {"OTEL_LOGS_EXPORTER", "none"},
                                 {"OTEL_METRIC_EXPORT_INTERVAL", "3600000"},
                                 {"OTEL_METRIC_EXPORT_TIMEOUT", "50"}});
  auto sdk = weft::init_from_env({.shutdown_timeout_ms = 100});
  weft::meter("m").counter("c").add(1);
  EXPECT_FALSE(sdk.force_flush(60'000));
  EXPECT_LE(collector.received().size(), 1U);  // none when the machine needed the 50 ms itself
  EXPECT_THAT(Environment::said(), HasSubstr("metrics were not taken"));
}

TEST(Init, PrometheusListensWhereItIsTold) {
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::uint16_t port = sdk_test::unused_port();
  {
    const Environment environment({{"OTEL_TRACES_EXPORTER", "none"},
                                   {"OTEL_LOGS_EXPORTER", "none"},
                                   {"OTEL_METRICS_EXPORTER", "prometheus"},
                                   {"OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.7"},
                                   {"OTEL_EXPORTER_PROMETHEUS_PORT", std::to_string(port)}});
    auto sdk = weft::init_from_env();
    weft::meter("m").counter("logins").add(3);
    EXPECT_THAT(sdk_test::exchange("127.0.0.7", port, request).value_or("nobody"),
                HasSubstr("logins_total{otel_scope_name=\"m\"} 3\n"));
    // There, and nowhere else.
    const auto elsewhere = sdk_test::exchange("127.0.0.8", port, request);
    EXPECT_FALSE(elsewhere && elsewhere->find("logins_total") != std::string::npos);
  }
  EXPECT_EQ(sdk_test::exchange("127.0.0.7", port, request), std::nullopt);
}

TEST(Init, PrometheusSaysWhenItCannotListen) {
  Collector taken;
  {
    const Environment environment(
        {{"OTEL_TRACES_EXPORTER", "none"},
         {"OTEL_LOGS_EXPORTER", "none"},
         {"OTEL_METRICS_EXPORTER", "prometheus"},
         {"OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"},
         {"OTEL_EXPORTER_PROMETHEUS_PORT", std::to_string(taken.port())}});
    auto sdk = weft::init_from_env();
    EXPECT_THAT(Environment::said(), HasSubstr("the Prometheus endpoint cannot listen"));
    weft::meter("m").counter("c").add(1);  // harms nobody
  }
  const Environment environment({{"OTEL_TRACES_EXPORTER", "none"},
                                 {"OTEL_LOGS_EXPORTER", "none"},
                                 {"OTEL_METRICS_EXPORTER", "prometheus"},
                                 {"OTEL_EXPORTER_PROMETHEUS_HOST", "no.such.address.invalid"},
                                 {"OTEL_EXPORTER_PROMETHEUS_PORT", "65536"}});
  auto sdk = weft::init_from_env();
  EXPECT_THAT(Environment::said(),
              HasSubstr("OTEL_EXPORTER_PROMETHEUS_PORT=65536 is no port; 9464 is used"));
}

TEST(Init, SeveralVendorsAtOnceEachGetEverything) {
  Collector otlp;
  Collector zipkin({sdk_test::Reply{.status = 202}});
  const Environment environment({{"OTEL_TRACES_EXPORTER", "otlp,zipkin"},
                                 {"OTEL_METRICS_EXPORTER", "none"},
                                 {"OTEL_LOGS_EXPORTER", "none"},
                                 {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", otlp.url("/v1/traces")},
                                 {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"},
                                 {"OTEL_EXPORTER_ZIPKIN_ENDPOINT", zipkin.url("/api/v2/spans")}});
  {
    auto sdk = weft::init_from_env();
    (void)weft::tracer("t").start_span("to both");
  }
  ASSERT_EQ(otlp.received().size(), 1U);
  ASSERT_EQ(zipkin.received().size(), 1U);
  EXPECT_THAT(otlp.received()[0].body, HasSubstr(R"("name":"to both")"));
  EXPECT_EQ(zipkin.received()[0].path, "/api/v2/spans");
  EXPECT_THAT(zipkin.received()[0].body, HasSubstr(R"("name":"to both")"));
}

TEST(Init, ARatioOfNothingRecordsNothing) {
  Collector collector;
  const Environment environment({{"OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("")},
                                 {"OTEL_METRICS_EXPORTER", "none"},
                                 {"OTEL_LOGS_EXPORTER", "none"},
                                 {"OTEL_TRACES_SAMPLER", "parentbased_traceidratio"},
                                 {"OTEL_TRACES_SAMPLER_ARG", "0"}});
  {
    auto sdk = weft::init_from_env();
    for (int i = 0; i < 100; ++i)
      EXPECT_FALSE(weft::tracer("t").start_span("s").is_recording());
    const weft::Context sampled(weft::SpanContext({{1}}, {{2}}, 1, true));
    (void)weft::tracer("t").start_span("child", {.parent = &sampled});
  }
  ASSERT_EQ(collector.received().size(), 1U);
  EXPECT_EQ(sdk_test::decode_spans(collector.received()[0].body).size(), 1U);
}

TEST(Init, SaysWhatMakesNoSenseAndGoesOn) {
  const Environment environment({{"OTEL_TRACES_EXPORTER", "carrier-pigeon,none-such"},
                                 {"OTEL_METRICS_EXPORTER", "none"},
                                 {"OTEL_LOGS_EXPORTER", "otlp"},
                                 {"OTEL_EXPORTER_OTLP_ENDPOINT", "no-scheme"},
                                 {"OTEL_TRACES_SAMPLER", "sometimes"},
                                 {"OTEL_PROPAGATORS", "smoke"},
                                 {"OTEL_BSP_MAX_QUEUE_SIZE", "many"},
                                 {"OTEL_BSP_EXPORT_TIMEOUT", "0"},
                                 {"OTEL_RESOURCE_ATTRIBUTES", "nonsense"}});
  auto sdk = weft::init_from_env();
  for (const char* word : {"carrier-pigeon", "no-scheme", "sometimes", "smoke", "many",
                           "OTEL_BSP_EXPORT_TIMEOUT=0", "nonsense"}) {
    EXPECT_THAT(Environment::said(), HasSubstr(word));
  }
}

// A declarative configuration on the disk, for as long as it lives.
class ConfigFile {
 public:
  explicit ConfigFile(std::string_view yaml) { std::ofstream(path_) << yaml; }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;
  ~ConfigFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_ =
      testing::TempDir() + "weft_sdk_config_" + std::to_string(getpid()) + ".yaml";
};

TEST(Init, ReadsAConfigurationFile) {
  Collector collector;
  const ConfigFile file(R"(
file_format: "1.0-rc.1"
resource:
  attributes:
    - {name: service.name, value: "${MY_NAME:-nobody}"}
    - {name: shard, value: 7, type: int}
propagator: {composite: [{b3multi: }, {baggage: }]}
tracer_provider:
  processors:
    - batch:
        max_export_batch_size: 2
        exporter:
          otlp_http:
            endpoint: ${COLLECTOR}
            headers: [{name: api-key, value: "a,b"}]
  sampler: {parent_based: {root: {trace_id_ratio_based: {ratio: 1.0}}}}
  limits: {attribute_count_limit: 1}
)");
  const Environment environment({{"OTEL_CONFIG_FILE", file.path()},
                                 {"OTEL_TRACES_EXPORTER", "none"},  // not looked at
                                 {"COLLECTOR", collector.url("/here")}});
  {
    auto sdk = weft::init_from_env();
    EXPECT_THAT(formats(weft::global_propagator()),
                ElementsAre(weft::Format::kB3Multi, weft::Format::kBaggage));
    EXPECT_FALSE(weft::logger("l").enabled());
    for (int i = 0; i < 4; ++i)
      weft::tracer("t").start_span("s").set("a", 1).set("b", 2);
  }
  const auto received = collector.received();
  ASSERT_GE(received.size(), 2U);
  EXPECT_EQ(received[0].path, "/here");
  EXPECT_EQ(received[0].headers.at("api-key"), "a,b");
  const auto spans = sdk_test::decode_spans(received[0].body);
  EXPECT_EQ(spans.at(0).dropped_attributes, 1U);
  EXPECT_EQ(spans.at(0).resource.at("service.name"), "nobody");
  EXPECT_EQ(spans.at(0).resource.at("shard"), "7");
}

TEST(Init, VariablesOfAConfigurationFileAreTextsAndNoYaml) {
  Collector collector;
  const ConfigFile file(R"(
file_format: "1.0-rc.1"
resource:
  attributes:
    - {name: price, value: "$$5"}
    - {name: shard, value: "${SHARD}", type: int}
    - {name: teams, value: ["${TEAM}", b]}
tracer_provider:
  processors:
    - batch:
        exporter:
          otlp_http:
            endpoint: ${COLLECTOR}
            headers: [{name: api-key, value: "${KEY}"}, {name: plain, value: a}]
)");
  const Environment environment({{"OTEL_CONFIG_FILE", file.path()},
                                 {"SHARD", "7"},
                                 {"TEAM", "x: y # z"},
                                 {"KEY", "a\"}, #b: $$c"},
                                 {"COLLECTOR", collector.url("/here")}});
  {
    auto sdk = weft::init_from_env();
    (void)weft::tracer("t").start_span("s");
  }
  const auto received = collector.received();
  ASSERT_EQ(received.size(), 1U) << Environment::said();
  EXPECT_EQ(received[0].headers.at("api-key"), "a\"}, #b: $$c");
  const auto spans = sdk_test::decode_spans(received[0].body);
  EXPECT_EQ(spans.at(0).resource.at("price"), "$5");
  EXPECT_EQ(spans.at(0).resource.at("shard"), "7");
  EXPECT_THAT(spans.at(0).resource.at("teams"), HasSubstr("x: y # z"));
}

TEST(Init, SaysWhatOfAConfigurationFileItLeavesOut) {
  const ConfigFile file(R"(
file_format: "1.0-rc.1"
log_level: debug
resource: {attributes_list: "a=b"}
meter_provider: {views: [{selector: {}, stream: {}}]}
)");
  const Environment environment(
      {{"OTEL_CONFIG_FILE", file.path()}, {"OTEL_TRACES_EXPORTER", "none"}});
  auto sdk = weft::init_from_env();
  for (const char* name : {"log_level", "resource.attributes_list", "meter_provider.views"}) {
    EXPECT_THAT(Environment::said(),
                HasSubstr("OTEL_CONFIG_FILE: " + std::string(name) + " is not supported"));
  }
}

TEST(Init, NamesInVariablesAreReadInAnyCase) {
  Collector collector;
  const Environment environment({{"OTEL_TRACES_EXPORTER", "OTLP"},
                                 {"OTEL_METRICS_EXPORTER", "None"},
                                 {"OTEL_LOGS_EXPORTER", "NONE"},
                                 {"OTEL_TRACES_SAMPLER", "ParentBased_Always_On"},
                                 {"OTEL_PROPAGATORS", "B3,Baggage"},
                                 {"OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("")},
                                 {"OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/JSON"},
                                 {"OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP"},
                                 {"OTEL_METRICS_EXEMPLAR_FILTER", "ALWAYS_OFF"}});
  {
    auto sdk = weft::init_from_env();
    EXPECT_THAT(formats(weft::global_propagator()),
                ElementsAre(weft::Format::kB3, weft::Format::kBaggage));
    (void)weft::tracer("t").start_span("s");
  }
  EXPECT_EQ(Environment::said(), "");
  ASSERT_EQ(collector.received().size(), 1U);
  EXPECT_EQ(collector.received()[0].headers.at("content-type"), "application/json");
  EXPECT_EQ(collector.received()[0].headers.at("content-encoding"), "gzip");
}

TEST(Init, SaysThatMetricsAreCumulativeWithExplicitBuckets) {
  const Environment environment({{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"},
                                 {"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                                  "base2_exponential_bucket_histogram"}});
  EXPECT_NE(weft::make_otlp_exporter(weft::otlp_config_from_env(Signal::kMetrics), nullptr),
            nullptr);
  EXPECT_THAT(Environment::said(), HasSubstr("TEMPORALITY_PREFERENCE=Delta"));
  EXPECT_THAT(Environment::said(), HasSubstr("HISTOGRAM_AGGREGATION=base2_exponential"));
}

TEST(OtlpEnvironment, EndpointsFollowTheSpecification) {
  {
    const std::map<std::string, std::string> base{
        {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/base/"}};
    const Environment e(base);
    EXPECT_EQ(weft::otlp_config_from_env(Signal::kTraces).endpoint, "http://c:4318/base/v1/traces");
    EXPECT_EQ(weft::otlp_config_from_env(Signal::kLogs).endpoint, "http://c:4318/base/v1/logs");
  }
  {
    const Environment e({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"},
                         {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1"},
                         {"OTEL_EXPORTER_OTLP_TIMEOUT", "77"},
                         {"OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "88"},
                         {"OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca"},
                         {"OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key"},
                         {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/cert"}});
    const auto traces = weft::otlp_config_from_env(Signal::kTraces);
    EXPECT_EQ(traces.endpoint, "http://t:1/");
    EXPECT_EQ(traces.timeout_ms, 77U);
    EXPECT_EQ(traces.ca_file, "/ca");
    EXPECT_EQ(traces.client_key_file, "/key");
    EXPECT_EQ(traces.client_certificate_file, "/cert");
    EXPECT_EQ(weft::otlp_config_from_env(Signal::kLogs).timeout_ms, 88U);
  }
  {
    const Environment e({{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
                         {"OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317"},
                         {"OTEL_EXPORTER_OTLP_INSECURE", "true"}});
    const auto traces = weft::otlp_config_from_env(Signal::kTraces);
    EXPECT_EQ(traces.protocol, OtlpProtocol::kGrpc);
    EXPECT_EQ(traces.endpoint, "http://c:4317");
  }
  {
    const Environment e({{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC"},
                         {"OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317"},
                         {"OTEL_EXPORTER_OTLP_TRACES_INSECURE", "True"},
                         {"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "pigeon"}});
    EXPECT_EQ(weft::otlp_config_from_env(Signal::kTraces).endpoint, "http://c:4317");
    (void)weft::otlp_config_from_env(Signal::kLogs);
    EXPECT_THAT(Environment::said(), HasSubstr("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=pigeon"));
  }
}

}  // namespace
