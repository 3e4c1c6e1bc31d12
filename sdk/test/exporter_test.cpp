// Delivery to collectors that behave and that do not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <weft/diagnostics.h>
#include <weft/otlp.h>
#include <weft/provider.h>

#include "collector.h"
#include "decoded_span.h"

namespace {

using sdk_test::Collector;
using sdk_test::Reply;
using testing::HasSubstr;
using testing::Not;
using weft::ExportOutcome;
using weft::ExportResult;
using weft::OtlpConfig;
using weft::OtlpProtocol;
using weft::Signal;

std::int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

std::string one_request(const std::string& name = "hello") {
  auto storage = weft::MemoryExporter::make_storage();
  weft::TracerProviderConfig config;
  config.sampler = weft::Sampler::always_on();
  config.resource.set("service.name", std::string("svc"));
  config.exporters.push_back({std::make_unique<weft::MemoryExporter>(storage)});
  weft::TracerProvider provider(std::move(config));
  {
    weft::Span span = provider.tracer("scope", "1").start_span(name, weft::SpanKind::kClient);
    span.set("peer.service", "db")
        .set("n", 5)
        .set("quote", "a\"b\\c\n")
        .add_event("e", {{"k", 1.5}});
    span.set_status(weft::StatusCode::kError, "why");
  }
  provider.force_flush();
  return storage->take(Signal::kTraces);
}

// Sends one request, in pieces of which one is empty, and gives up after `timeout_ms`.
ExportResult send(weft::Exporter& exporter, const std::string& body, int timeout_ms = 10'000,
                  const std::atomic<bool>* cancelled = nullptr) {
  static const std::atomic<bool> never{false};
  const std::string_view whole = body;
  const std::size_t third = whole.size() / 3;
  const std::string_view pieces[] = {
      whole.substr(0, third), {}, whole.substr(third, 1), whole.substr(third + 1)};
  return exporter.send({Signal::kTraces, pieces, 1, now_ns() + std::int64_t{timeout_ms} * 1'000'000,
                        cancelled == nullptr ? never : *cancelled});
}

std::unique_ptr<weft::Exporter> make(const Collector& collector,
                                     const std::function<void(OtlpConfig&)>& change = {}) {
  OtlpConfig config;
  config.endpoint = collector.url();
  config.retry_initial_ms = 5;
  if (change) change(config);
  std::string error;
  auto exporter = weft::make_otlp_exporter(config, &error);
  EXPECT_NE(exporter, nullptr) << error;
  return exporter;
}

TEST(OtlpHttp, DeliversProtobuf) {
  Collector collector;
  auto exporter = make(collector, [](OtlpConfig& c) { c.headers = {{"api-key", "secret"}}; });
  const std::string body = one_request();
  EXPECT_EQ(send(*exporter, body).outcome, ExportOutcome::kDelivered);
  EXPECT_EQ(send(*exporter, body).outcome, ExportOutcome::kDelivered);
  const auto received = collector.received();
  ASSERT_EQ(received.size(), 2U);
  EXPECT_EQ(received[0].path, "/v1/traces");
  EXPECT_EQ(received[0].headers.at("content-type"), "application/x-protobuf");
  EXPECT_EQ(received[0].headers.at("api-key"), "secret");
  EXPECT_EQ(received[0].body, body);
}

TEST(OtlpHttp, SendsAllOfALargeRequestAgainOverANewConnection) {
  // The second request meets a connection that the collector closes once it has read it all.
  Collector collector({{}, {.kind = Reply::Kind::kClose}, {}});
  auto exporter = make(collector);
  std::string body;
  while (body.size() < 700'000)
    body += one_request(std::to_string(body.size()));
  EXPECT_EQ(send(*exporter, body).outcome, ExportOutcome::kDelivered);
  EXPECT_EQ(send(*exporter, body).outcome, ExportOutcome::kDelivered);
  const auto received = collector.received();
  ASSERT_EQ(received.size(), 3U);
  for (const sdk_test::Received& request : received)
    EXPECT_TRUE(request.body == body);
}

TEST(OtlpHttp, Compresses) {
  Collector collector;
  auto exporter = make(collector, [](OtlpConfig& c) { c.gzip = true; });
  const std::string body = one_request();
  EXPECT_EQ(send(*exporter, body).outcome, ExportOutcome::kDelivered);
  EXPECT_EQ(collector.received().at(0).headers.at("content-encoding"), "gzip");
  EXPECT_EQ(sdk_test::gunzip(collector.received().at(0).body), body);
}

TEST(OtlpHttp, DeliversJson) {
  Collector collector(
      {{.body = R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"no \"x\""}})"}});
  auto exporter = make(collector, [](OtlpConfig& c) { c.protocol = OtlpProtocol::kHttpJson; });
  const ExportResult result = send(*exporter, one_request());
  EXPECT_EQ(result.rejected, 3U);
  EXPECT_EQ(result.message, "no \"x\"");
  const auto received = collector.received().at(0);
  EXPECT_EQ(received.headers.at("content-type"), "application/json");
  EXPECT_THAT(received.body, HasSubstr(R"("name":"hello")"));
  EXPECT_THAT(received.body, HasSubstr(R"({"key":"n","value":{"intValue":"5"}})"));
  EXPECT_THAT(received.body, HasSubstr(R"("stringValue":"a\"b\\c\n")"));
  EXPECT_THAT(received.body, HasSubstr(R"("status":{"message":"why","code":2})"));
}

TEST(OtlpHttp, ReadsPartialSuccess) {
  // partial_success{rejected_spans: 2, error_message: "bad"}
  Collector collector({{.body = std::string("\x0A\x07\x08\x02\x12\x03"
                                            "bad")}});
  const ExportResult result = send(*make(collector), one_request());
  EXPECT_EQ(result.outcome, ExportOutcome::kDelivered);
  EXPECT_EQ(result.rejected, 2U);
  EXPECT_EQ(result.message, "bad");
}

TEST(OtlpHttp, RepeatsWhatMayBeRepeated) {
  Collector collector({{.status = 503},
                       {.status = 502},
                       {.kind = Reply::Kind::kClose},
                       {.kind = Reply::Kind::kCloseMidway},
                       {.status = 429},
                       {.status = 200}});
  EXPECT_EQ(send(*make(collector), one_request()).outcome, ExportOutcome::kDelivered);
  EXPECT_EQ(collector.received().size(), 6U);
}

TEST(OtlpHttp, WaitsAsLongAsTheCollectorAsks) {
  Collector collector({{.status = 429, .headers = "Retry-After: 1\r\n"}, {}});
  EXPECT_EQ(send(*make(collector), one_request()).outcome, ExportOutcome::kDelivered);
  const auto received = collector.received();
  ASSERT_EQ(received.size(), 2U);
  EXPECT_GE(received[1].at_ns - received[0].at_ns, 1'000'000'000);
}

TEST(OtlpHttp, BacksOffFromACollectorThatAsksForNoWait) {
  Collector collector({{.status = 429, .headers = "Retry-After: 0\r\n"},
                       {.status = 503, .headers = "Retry-After: Mon, 01 Jan 2024 00:00:00 GMT\r\n"},
                       {}});
  auto exporter = make(collector, [](OtlpConfig& c) { c.retry_initial_ms = 200; });
  EXPECT_EQ(send(*exporter, one_request()).outcome, ExportOutcome::kDelivered);
  const auto received = collector.received();
  ASSERT_EQ(received.size(), 3U);
  EXPECT_GE(received[1].at_ns - received[0].at_ns, 100'000'000);
  EXPECT_GE(received[2].at_ns - received[1].at_ns, 200'000'000);
}

TEST(OtlpHttp, GivesUpWhenTheWaitIsLongerThanTheTimeLeft) {
  Collector collector({{.status = 503, .headers = "Retry-After: 3600\r\n"}});
  const ExportResult result = send(*make(collector), one_request(), 2000);
  EXPECT_EQ(result.outcome, ExportOutcome::kGaveUp);
  EXPECT_THAT(result.message, HasSubstr("503"));
  EXPECT_EQ(collector.received().size(), 1U);
}

TEST(OtlpHttp, DoesNotRepeatARefusal) {
  Collector collector({{.status = 400, .body = "bad request: field 7"}});
  const ExportResult result = send(*make(collector), one_request());
  EXPECT_EQ(result.outcome, ExportOutcome::kRejected);
  EXPECT_THAT(result.message, HasSubstr("bad request: field 7"));
  EXPECT_EQ(collector.received().size(), 1U);
}

TEST(OtlpHttp, SaysWhatTheStatusMessageSays) {
  // google.rpc.Status{code: 3, message: "bad request"}
  Collector collector({{.status = 400,
                        .body = "\x08\x03\x12\x0B"
                                "bad request"}});
  EXPECT_EQ(send(*make(collector), one_request()).message, "HTTP status 400: bad request");
}

TEST(OtlpHttp, ACollectorThatHangsEndsAtTheDeadline) {
  Collector collector({{.kind = Reply::Kind::kHang}});
  const ExportResult result = send(*make(collector), one_request(), 300);
  EXPECT_EQ(result.outcome, ExportOutcome::kGaveUp);
}

TEST(OtlpHttp, CanBeCancelledWhileItHangs) {
  Collector collector({{.kind = Reply::Kind::kHang}});
  auto exporter = make(collector);
  std::atomic<bool> cancelled{false};
  std::thread canceller([&] {
    collector.wait_for(1);
    cancelled.store(true);
  });
  EXPECT_EQ(send(*exporter, one_request(), 60'000, &cancelled).outcome, ExportOutcome::kCancelled);
  canceller.join();
}

TEST(OtlpHttp, SaysThatNobodyListens) {
  OtlpConfig config;
  config.endpoint = "http://127.0.0.1:" + std::to_string(sdk_test::unused_port()) + "/v1/traces";
  config.retry_initial_ms = 5;
  auto exporter = weft::make_otlp_exporter(config, nullptr);
  const ExportResult result = send(*exporter, one_request(), 200);
  EXPECT_EQ(result.outcome, ExportOutcome::kGaveUp);
  EXPECT_THAT(result.message, HasSubstr("onnect"));
}

TEST(OtlpHttp, RefusesAConfigurationThatMakesNoSense) {
  auto why = [](const std::function<void(OtlpConfig&)>& change) {
    OtlpConfig config;
    change(config);
    std::string error;
    EXPECT_EQ(weft::make_otlp_exporter(config, &error), nullptr);
    return error;
  };
  EXPECT_THAT(why([](OtlpConfig& c) { c.endpoint = "localhost:4318"; }), HasSubstr("http://"));
  EXPECT_THAT(why([](OtlpConfig& c) { c.endpoint = "http://a b"; }), HasSubstr("blank"));
  EXPECT_THAT(why([](OtlpConfig& c) { c.ca_file = "/nonexistent/ca.pem"; }), HasSubstr("ca.pem"));
  EXPECT_THAT(why([](OtlpConfig& c) { c.client_key_file = "/dev/null"; }), HasSubstr("both"));
  EXPECT_THAT(why([](OtlpConfig& c) { c.headers = {{"a", "b\r\nc: d"}}; }), HasSubstr("malformed"));
}

TEST(OtlpHttp, SecretsOfAnEndpointAreNotSaid) {
  const std::string secret = "user:s3cret@h:1/p?api_key=s3cret&v=2";
  std::string error;
  OtlpConfig config;
  config.endpoint = "https://" + secret;
  EXPECT_EQ(weft::make_otlp_exporter(config, &error)->description(),
            "otlp https://REDACTED:REDACTED@h:1/p?REDACTED");
  weft::ZipkinConfig zipkin;
  zipkin.endpoint = config.endpoint;
  EXPECT_EQ(weft::make_zipkin_exporter(zipkin, &error)->description(),
            "zipkin https://REDACTED:REDACTED@h:1/p?REDACTED");
  zipkin.endpoint = config.endpoint = secret;
  EXPECT_EQ(weft::make_otlp_exporter(config, &error), nullptr);
  EXPECT_THAT(error, Not(HasSubstr("s3cret")));
  EXPECT_EQ(weft::make_zipkin_exporter(zipkin, &error), nullptr);
  EXPECT_THAT(error, Not(HasSubstr("s3cret")));
}

TEST(OtlpHttp, TheTimeoutOfOneAttemptLeavesRoomForAnother) {
  Collector collector({{.kind = Reply::Kind::kHang}, {}});
  auto exporter = make(collector, [](OtlpConfig& c) { c.timeout_ms = 100; });
  EXPECT_EQ(send(*exporter, one_request()).outcome, ExportOutcome::kDelivered);
  EXPECT_EQ(collector.received().size(), 2U);
}

// A gRPC collector in JavaScript: HTTP/2 with prior knowledge, answers by the script on its
// command line, prints its port and then what it gets.
constexpr const char* kGrpcCollector = R"(
const http2 = require('http2');
const script = JSON.parse(process.argv[1]);
let n = 0;
const server = http2.createServer();
server.on('stream', (stream, headers) => {
  const parts = [];
  stream.on('error', () => {});
  stream.on('data', (d) => {
    parts.push(d);
    const reply = script[Math.min(n, script.length - 1)];
    if (!reply.early || stream.headersSent) return;
    n++;
    stream.respond({':status': 200, 'content-type': 'application/grpc', ...reply.trailers},
                   {endStream: true});
    stream.pause();  // no more room for the rest
    setTimeout(() => stream.close(http2.constants.NGHTTP2_NO_ERROR), 500);
  });
  stream.on('end', () => {
    if (stream.headersSent) return;
    const reply = script[Math.min(n++, script.length - 1)];
    console.log(JSON.stringify({path: headers[':path'], type: headers['content-type'],
      te: headers['te'], encoding: headers['grpc-encoding'] || '', key: headers['api-key'] || '',
      body: Buffer.concat(parts).toString('hex')}));
    if (reply.trailersOnly) {
      stream.respond({':status': 200, 'content-type': 'application/grpc', ...reply.trailers},
                     {endStream: true});
      return;
    }
    stream.respond({':status': 200, 'content-type': 'application/grpc'}, {waitForTrailers: true});
    stream.on('wantTrailers', () => stream.sendTrailers(reply.trailers));
    stream.end(Buffer.from(reply.body || '0000000000', 'hex'));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
)";

class GrpcCollector {
 public:
  explicit GrpcCollector(const std::string& script) {
    int out[2];
    int in[2];
    if (pipe(out) != 0 || pipe(in) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], 1);
      dup2(in[0], 0);
      for (const int fd : {out[0], out[1], in[0], in[1]})
        close(fd);
      execlp("node", "node", "-e", kGrpcCollector, script.c_str(), nullptr);
      _exit(127);
    }
    close(out[1]);
    close(in[0]);
    input_ = in[1];
    lines_ = fdopen(out[0], "r");
    port_ = read_line();
  }
  ~GrpcCollector() {
    close(input_);
    if (lines_ != nullptr) fclose(lines_);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  const std::string& port() const { return port_; }  // empty without node
  std::string read_line() {
    char buffer[65536];
    if (lines_ == nullptr || fgets(buffer, sizeof(buffer), lines_) == nullptr) return {};
    std::string line(buffer);
    while (!line.empty() && line.back() == '\n')
      line.pop_back();
    return line;
  }

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  FILE* lines_ = nullptr;
  std::string port_;
};

std::string to_hex(const std::string& bytes) {
  std::string out;
  char pair[3];
  for (const char c : bytes) {
    std::snprintf(pair, sizeof(pair), "%02x", static_cast<unsigned char>(c));
    out += pair;
  }
  return out;
}

TEST(OtlpGrpc, SpeaksGrpcWithoutGrpc) {
  // Unavailable, then a refusal with RetryInfo of 10 ms, then a partial success.
  // google.rpc.Status{8, details: Any{".../google.rpc.RetryInfo", RetryInfo{Duration{nanos:
  // 10^7}}}}
  GrpcCollector collector(R"([
    {"trailers": {"grpc-status": "14", "grpc-message": "come%20again"}, "trailersOnly": true},
    {"trailers": {"grpc-status": "8", "grpc-status-details-bin":
      "CAgaMwoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIHCgUQgK3iBA=="}},
    {"trailers": {"grpc-status": "0"}},
    {"trailers": {"grpc-status": "0"}, "body": "00000000090a0708021203626164"},
    {"trailers": {"grpc-status": "3", "grpc-message": "bad"}}])");
  if (collector.port().empty()) GTEST_SKIP() << "node is not installed";
  OtlpConfig config;
  config.protocol = OtlpProtocol::kGrpc;
  config.endpoint = "http://127.0.0.1:" + collector.port();
  config.headers = {{"api-key", "k"}};
  config.retry_initial_ms = 5;
  auto exporter = weft::make_otlp_exporter(config, nullptr);
  const std::string body = one_request();
  EXPECT_EQ(send(*exporter, body).outcome, ExportOutcome::kDelivered);
  const std::string line = collector.read_line();
  EXPECT_THAT(line, HasSubstr("/opentelemetry.proto.collector.trace.v1.TraceService/Export"));
  EXPECT_THAT(line, HasSubstr(R"("type":"application/grpc","te":"trailers")"));
  EXPECT_THAT(line, HasSubstr(R"("key":"k")"));
  char prefix[16];
  std::snprintf(prefix, sizeof(prefix), "00%08zx", body.size());
  EXPECT_THAT(line, HasSubstr(std::string("\"body\":\"") + prefix + to_hex(body)));
  collector.read_line();
  collector.read_line();
  const ExportResult partial = send(*exporter, body);
  EXPECT_EQ(partial.outcome, ExportOutcome::kDelivered);
  EXPECT_EQ(partial.rejected, 2U);
  const ExportResult refused = send(*exporter, body);
  EXPECT_EQ(refused.outcome, ExportOutcome::kRejected);
  EXPECT_THAT(refused.message, HasSubstr("bad"));
}

// RFC 9113, 8.1: a server that has answered may end the stream though the request has not come to
// its end, as gRPC servers do with messages that are too large.
TEST(OtlpGrpc, AnAnswerBeforeTheEndOfTheRequestCounts) {
  GrpcCollector collector(R"([
    {"trailers": {"grpc-status": "8", "grpc-message": "too%20large"}, "early": true}])");
  if (collector.port().empty()) GTEST_SKIP() << "node is not installed";
  OtlpConfig config;
  config.protocol = OtlpProtocol::kGrpc;
  config.endpoint = "http://127.0.0.1:" + collector.port();
  config.retry_initial_ms = 5;
  auto exporter = weft::make_otlp_exporter(config, nullptr);
  const std::string body(3'000'000, 'x');
  for (int i = 0; i < 2; ++i) {
    const ExportResult result = send(*exporter, body);
    EXPECT_EQ(result.outcome, ExportOutcome::kRejected);
    EXPECT_EQ(result.message, "gRPC status 8: too large");
  }
}

TEST(OtlpGrpc, Compresses) {
  GrpcCollector collector(R"([{"trailers": {"grpc-status": "0"}}])");
  if (collector.port().empty()) GTEST_SKIP() << "node is not installed";
  OtlpConfig config;
  config.protocol = OtlpProtocol::kGrpc;
  config.endpoint = "http://127.0.0.1:" + collector.port();
  config.gzip = true;
  auto exporter = weft::make_otlp_exporter(config, nullptr);
  EXPECT_EQ(send(*exporter, one_request()).outcome, ExportOutcome::kDelivered);
  const std::string line = collector.read_line();
  EXPECT_THAT(line, HasSubstr(R"("encoding":"gzip")"));
  EXPECT_THAT(line, HasSubstr(R"("body":"01)"));
}

TEST(Zipkin, MapsSpans) {
  Collector collector({Reply{.status = 202}});
  weft::ZipkinConfig config;
  config.endpoint = collector.url("/api/v2/spans");
  auto exporter = weft::make_zipkin_exporter(config, nullptr);
  EXPECT_EQ(send(*exporter, one_request()).outcome, ExportOutcome::kDelivered);
  const std::string body = collector.received().at(0).body;
  EXPECT_THAT(body, HasSubstr(R"("kind":"CLIENT","name":"hello")"));
  EXPECT_THAT(body, HasSubstr(R"("localEndpoint":{"serviceName":"svc"})"));
  EXPECT_THAT(body, HasSubstr(R"("remoteEndpoint":{"serviceName":"db"})"));
  EXPECT_THAT(body, HasSubstr(R"("otel.status_code":"ERROR","error":"why")"));
  EXPECT_THAT(body, HasSubstr(R"("value":"\"e\": {\"k\":\"1.5\"}")"));
}

TEST(Zipkin, SaysWhatTheLimitsHaveDroppedAndQuotesNames) {
  auto storage = weft::MemoryExporter::make_storage();
  weft::TracerProviderConfig config;
  config.limits.attribute_count = config.limits.event_count = config.limits.link_count = 1;
  config.exporters.push_back({std::make_unique<weft::MemoryExporter>(storage)});
  weft::TracerProvider provider(std::move(config));
  {
    const weft::SpanContext other({{1}}, {{2}}, 1);
    weft::Span span = provider.tracer("t").start_span("s");
    span.set({{"a", 1}, {"b", 2}, {"c", 3}}).add_event("say \"x\"", {{"k", "v"}});
    for (int i = 0; i < 3; ++i)
      span.add_event("more").add_link(other);
  }
  provider.force_flush();
  std::string json;
  ASSERT_TRUE(weft::otlp_to_zipkin_json(storage->take(Signal::kTraces), json));
  EXPECT_THAT(json, HasSubstr(R"("otel.dropped_attributes_count":"2")"));
  EXPECT_THAT(json, HasSubstr(R"("otel.dropped_events_count":"3")"));
  EXPECT_THAT(json, HasSubstr(R"("otel.dropped_links_count":"2")"));
  EXPECT_THAT(json, HasSubstr(R"("value":"\"say \\\"x\\\"\": {\"k\":\"v\"}")"));
}

TEST(Zipkin, RefusesAndSendsHeadersAsTheOtlpExporterDoes) {
  Collector collector({Reply{.status = 202}});
  weft::ZipkinConfig config;
  config.endpoint = collector.url("/api/v2/spans");
  config.headers = {{"empty", ""}, {"key", "value"}};
  auto exporter = weft::make_zipkin_exporter(config, nullptr);
  EXPECT_EQ(send(*exporter, one_request()).outcome, ExportOutcome::kDelivered);
  EXPECT_EQ(collector.received().at(0).headers.count("empty"), 1U);
  EXPECT_EQ(collector.received().at(0).headers.at("key"), "value");
  std::string error;
  config.headers = {{"a", "b\r\nc: d"}};
  EXPECT_EQ(weft::make_zipkin_exporter(config, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("malformed"));
}

TEST(TextExporters, ALineThatDidNotFitSpoilsNoOther) {
  const std::string path = testing::TempDir() + "weft_sdk_torn_" + std::to_string(getpid());
  const std::string one = one_request("one");
  const pid_t pid = fork();  // the limit is the process's
  if (pid == 0) {
    signal(SIGXFSZ, SIG_IGN);
    auto file = weft::make_file_exporter(path, nullptr);
    bool good = send(*file, one).outcome == ExportOutcome::kDelivered;
    rlimit limit{};
    getrlimit(RLIMIT_FSIZE, &limit);
    const rlimit little{1000, limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &little);
    good &= send(*file, one).outcome == ExportOutcome::kGaveUp;
    setrlimit(RLIMIT_FSIZE, &limit);
    good &= send(*file, one).outcome == ExportOutcome::kDelivered;
    _exit(good ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
  std::ifstream in(path);
  std::string first, torn, last;
  std::getline(in, first);
  std::getline(in, torn);
  std::getline(in, last);
  EXPECT_LT(torn.size(), first.size());
  EXPECT_FALSE(torn.empty());
  EXPECT_EQ(last.size(), first.size());
  std::remove(path.c_str());
}

TEST(TextExporters, WriteLines) {
  const std::string path = testing::TempDir() + "weft_sdk_" + std::to_string(getpid()) + ".jsonl";
  std::string error;
  {
    auto file = weft::make_file_exporter(path, &error);
    ASSERT_NE(file, nullptr) << error;
    EXPECT_EQ(send(*file, one_request("one")).outcome, ExportOutcome::kDelivered);
    EXPECT_EQ(send(*file, one_request("two")).outcome, ExportOutcome::kDelivered);
  }
  std::ifstream in(path);
  std::string first, second, third;
  std::getline(in, first);
  std::getline(in, second);
  EXPECT_THAT(first, HasSubstr(R"("name":"one")"));
  EXPECT_THAT(second, HasSubstr(R"("name":"two")"));
  EXPECT_FALSE(std::getline(in, third));
  std::remove(path.c_str());
  EXPECT_EQ(weft::make_file_exporter("/nonexistent/dir/x", &error), nullptr);
  EXPECT_THAT(error, HasSubstr("No such file"));

  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  auto console = weft::make_console_exporter(ends[1]);
  EXPECT_EQ(send(*console, one_request()).outcome, ExportOutcome::kDelivered);
  char text[4096];
  const ssize_t n = read(ends[0], text, sizeof(text));
  EXPECT_THAT(std::string(text, static_cast<std::size_t>(n)),
              HasSubstr("client \"hello\" ERROR \"why\""));
  close(ends[0]);
  close(ends[1]);
}

TEST(TextExporters, NoAttributeIsACommandToTheTerminal) {
  auto storage = weft::MemoryExporter::make_storage();
  weft::TracerProviderConfig config;
  config.exporters.push_back({std::make_unique<weft::MemoryExporter>(storage)});
  weft::TracerProvider provider(std::move(config));
  provider.tracer("t").start_span("s").set("user_agent.original", "\x1B[2J\r");
  provider.force_flush();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  auto console = weft::make_console_exporter(ends[1]);
  EXPECT_EQ(send(*console, storage->take(Signal::kTraces)).outcome, ExportOutcome::kDelivered);
  char text[4096];
  const ssize_t n = read(ends[0], text, sizeof(text));
  EXPECT_THAT(std::string(text, static_cast<std::size_t>(n)),
              HasSubstr(R"(user_agent.original="\u001b[2J\r")"));
  close(ends[0]);
  close(ends[1]);
}

TEST(TextExporters, RefuseBytesThatAreNoRequest) {
  std::string json;
  EXPECT_FALSE(weft::otlp_to_json(Signal::kTraces, "\x0A\xFF", json));
  EXPECT_FALSE(weft::otlp_to_zipkin_json("\x0A\x05x", json));
  EXPECT_EQ(json, "");
}

}  // namespace
