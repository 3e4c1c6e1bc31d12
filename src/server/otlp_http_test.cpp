// OTLP over HTTP against a running server, byte by byte: each rule of the protocol, and those of
// browsers.
#include "server/otlp_http.h"

#include <gmock/gmock.h>

#include "model/protobuf.h"
#include "server/testing/server_fixture.h"
#include "wire/compress.h"

namespace weft::server {
namespace {

using testing::get_request;
using ::testing::HasSubstr;
using testing::json_request;
using testing::local_config;
using testing::post_request;
using testing::protobuf_request;
using testing::RawClient;
using testing::RawResponse;
using testing::TempDir;

constexpr std::string_view kProtobuf = "application/x-protobuf";
constexpr std::string_view kJson = "application/json";

class OtlpHttpTest : public testing::ServerFixture {
 protected:
  RawResponse post(std::string_view content_type, std::string_view body,
                   std::string_view more_headers = {}, std::string_view path = "/v1/traces") {
    RawClient client(otlp_http_port());
    return client.ask(post_request(path, content_type, body, more_headers));
  }
  static std::string pack(std::string_view plain, Compression compression) {
    return compress(plain, compression).value();
  }
};

TEST_F(OtlpHttpTest, TakesProtobufAndAnswersInProtobuf) {
  start();
  const RawResponse response = post(kProtobuf, protobuf_request(3));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("content-type"), kProtobuf);
  EXPECT_EQ(response.body, "");  // partial_success is unset
  EXPECT_EQ(sink_.spans(), 3u);
  EXPECT_EQ(sink_.last().format, SpanSink::RawRequest::Format::kOtlpProtobuf);
  EXPECT_EQ(sink_.last().body, protobuf_request(3));
  EXPECT_FALSE(sink_.last().untrusted_clock);
}

TEST_F(OtlpHttpTest, TakesJsonOnTheSamePathAndAnswersInJson) {
  start();
  const RawResponse response = post("application/json; charset=utf-8", json_request(2));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("content-type"), kJson);
  EXPECT_EQ(response.body, "{}");
  EXPECT_EQ(sink_.spans(), 2u);
}

TEST_F(OtlpHttpTest, TakesEveryContentEncoding) {
  start();
  size_t spans = 0;
  for (const auto& [name, compression] : {std::pair{"gzip", Compression::kGzip},
                                          {"zstd", Compression::kZstd},
                                          {"deflate", Compression::kDeflate},
                                          {"identity", Compression::kNone}}) {
    const std::string body = pack(protobuf_request(5), compression);
    const RawResponse response =
        post(kProtobuf, body, "Content-Encoding: " + std::string(name) + "\r\n");
    EXPECT_EQ(response.status, 200) << name;
    spans += 5;
    EXPECT_EQ(sink_.spans(), spans) << name;
    // The log keeps what was sent, as it was sent.
    EXPECT_EQ(sink_.last().body, body) << name;
    EXPECT_EQ(static_cast<int>(sink_.last().compression), static_cast<int>(compression));
  }
  EXPECT_EQ(post(kProtobuf, "x", "Content-Encoding: br\r\n").status, 415);
}

TEST_F(OtlpHttpTest, AnEmptyRequestIsASuccess) {
  start();
  EXPECT_EQ(post(kProtobuf, "").status, 200);
  EXPECT_EQ(post(kJson, "{}").status, 200);
  EXPECT_EQ(post(kJson, R"({"resourceSpans":[]})").body, "{}");
  EXPECT_EQ(sink_.requests(), 0u);
}

TEST_F(OtlpHttpTest, RejectedSpansAreSaidInAPartialSuccess) {
  start();
  const RawResponse response = post(kJson, R"({"resourceSpans":[{"scopeSpans":[{"spans":[
      {"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174","name":"good"},
      {"traceId":"","spanId":"EEE19B7EC3C1B174","name":"bad"}]}]}]})");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr(R"("rejectedSpans":"1")"));
  EXPECT_THAT(response.body, HasSubstr(R"("errorMessage":")"));
  EXPECT_EQ(sink_.spans(), 1u);
}

TEST_F(OtlpHttpTest, AnswersStayBelowTheFourMiBThatClientsTake) {
  start();
  const RawResponse rejected = post(kProtobuf, testing::rejected_request(20'000));
  EXPECT_EQ(rejected.status, 200);
  EXPECT_EQ(rejected.body.substr(0, 1), "\x0a");  // partial_success
  EXPECT_LT(rejected.body.size(), 4u << 10);
  for (const std::string& type : {std::string(kProtobuf), std::string(kJson)}) {
    sink_.refuse_with(Error{ErrorCode::kUnavailable, std::string(8u << 20, 'x')});
    const RawResponse refused = post(type, type == kJson ? R"({"resourceSpans":[{"scopeSpans":[
        {"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174"}]}]}]})"
                                                         : protobuf_request(1));
    EXPECT_EQ(refused.status, 503);
    EXPECT_LT(refused.body.size(), 4u << 20);
  }
}

TEST_F(OtlpHttpTest, BodiesThatCannotBeDecodedAre400) {
  start();
  EXPECT_EQ(post(kProtobuf, "\xff\xff\xff").status, 400);
  EXPECT_EQ(post(kJson, "{\"resourceSpans\":").status, 400);
  EXPECT_EQ(post(kProtobuf, "not gzip", "Content-Encoding: gzip\r\n").status, 400);
  const std::string whole = pack(protobuf_request(50), Compression::kGzip);
  for (const size_t size : {size_t{1}, size_t{9}, whole.size() / 2, whole.size() - 1}) {
    EXPECT_EQ(post(kProtobuf, whole.substr(0, size), "Content-Encoding: gzip\r\n").status, 400)
        << size;
  }
  EXPECT_EQ(sink_.requests(), 0u);
}

TEST_F(OtlpHttpTest, ErrorsAreRpcStatusInTheTypeOfTheRequest) {
  start();
  const RawResponse json = post(kJson, "{");
  EXPECT_EQ(json.headers.get("content-type"), kJson);
  EXPECT_THAT(json.body, HasSubstr(R"("code":3)"));
  EXPECT_THAT(json.body, HasSubstr(R"("message":")"));
  const RawResponse protobuf = post(kProtobuf, "\xff");
  EXPECT_EQ(protobuf.headers.get("content-type"), kProtobuf);
  ASSERT_GT(protobuf.body.size(), 4u);
  EXPECT_EQ(protobuf.body.substr(0, 3), "\x08\x03\x12");  // code: 3, message: ...
  // Also where nothing of the body was read.
  const RawResponse method =
      RawClient(otlp_http_port())
          .ask("GET /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.headers.get("allow"), "POST");
  EXPECT_EQ(method.headers.get("content-type"), kJson);
  // On paths that are none: a sender whose endpoint lacks /v1/traces reads why.
  for (const char* path : {"/", "/v1/traces/", "/v1/profiles"}) {
    const std::string head = std::string("POST ") + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: ";
    const std::string rest = "\r\nContent-Length: 0\r\n\r\n";
    const RawResponse lost =
        RawClient(otlp_http_port()).ask(head + "application/x-protobuf" + rest);
    EXPECT_EQ(lost.status, 404);
    EXPECT_EQ(lost.headers.get("content-type"), kProtobuf);
    EXPECT_EQ(lost.body.substr(0, 3), "\x08\x05\x12");
    const RawResponse lost_json = RawClient(otlp_http_port()).ask(head + "application/json" + rest);
    EXPECT_EQ(lost_json.headers.get("content-type"), kJson);
    EXPECT_THAT(lost_json.body, HasSubstr(R"("code":5)"));
  }
  // And where the request is no HTTP at all.
  const RawResponse broken =
      RawClient(otlp_http_port()).ask("POST /v1/traces HTTP/1.1\r\nContent-Length: x\r\n\r\n");
  EXPECT_EQ(broken.status, 400);
  EXPECT_THAT(broken.body, HasSubstr(R"("code":3)"));
}

TEST_F(OtlpHttpTest, OtherContentTypesAre415) {
  start();
  EXPECT_EQ(post("text/plain", "x").status, 415);
  EXPECT_EQ(post("", "x").status, 415);
}

TEST_F(OtlpHttpTest, TheLimitCountsBeforeAndAfterDecompression) {
  Config config = local_config();
  config.max_request_bytes = 100'000;
  start(std::move(config));
  EXPECT_EQ(post(kProtobuf, std::string(100'001, 'x')).status, 413);
  // A bomb: 64 MB of zeros in 64 KB.
  const std::string bomb = pack(std::string(64'000'000, '\0'), Compression::kGzip);
  ASSERT_LT(bomb.size(), 100'000u);
  const RawResponse response = post(kProtobuf, bomb, "Content-Encoding: gzip\r\n");
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.body.substr(0, 2), "\x08\x08");  // RESOURCE_EXHAUSTED, for good
  EXPECT_FALSE(response.headers.find("retry-after"));
  EXPECT_EQ(post(kProtobuf, pack(std::string(64'000'000, '\0'), Compression::kZstd),
                 "Content-Encoding: zstd\r\n")
                .status,
            413);
}

TEST_F(OtlpHttpTest, ATooLargeChunkedBodyIs413) {
  Config config = local_config();
  config.max_request_bytes = 10'000;
  start(std::move(config));
  RawClient client(otlp_http_port());
  client.send(
      "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 20; ++i)
    client.send("3e8\r\n" + std::string(1000, 'x') + "\r\n");
  EXPECT_EQ(client.read().status, 413);
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(OtlpHttpTest, TakesChunkedBodies) {
  start();
  const std::string body = protobuf_request(100);
  RawClient client(otlp_http_port());
  for (int round = 0; round < 2; ++round) {  // the connection goes on
    std::string request =
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
        "Transfer-Encoding: chunked\r\n\r\n";
    for (size_t at = 0; at < body.size(); at += 777) {
      const std::string part = body.substr(at, 777);
      char size[16];
      std::snprintf(size, sizeof size, "%zx\r\n", part.size());
      request += size + part + "\r\n";
    }
    EXPECT_EQ(client.ask(request + "0\r\n\r\n").status, 200);
  }
  EXPECT_EQ(sink_.spans(), 200u);
}

TEST_F(OtlpHttpTest, LargeRequestsAreDecodedOnThePool) {
  start();
  const std::string body = protobuf_request(30'000);
  ASSERT_GT(body.size(), 1u << 20);
  EXPECT_EQ(post(kProtobuf, body).status, 200);
  EXPECT_EQ(sink_.spans(), 30'000u);
}

TEST_F(OtlpHttpTest, PassingFaultsAreRetryableAndNever500) {
  start();
  for (const ErrorCode code : {ErrorCode::kUnavailable, ErrorCode::kNoSpace, ErrorCode::kIo}) {
    sink_.refuse_with(Error{code, "the disk is full"});
    RawResponse response = post(kJson, json_request(1));
    EXPECT_EQ(response.status, 503);
    EXPECT_GE(std::atoi(std::string(response.headers.get("retry-after")).c_str()), 1);
    EXPECT_THAT(response.body, HasSubstr("the disk is full"));
    sink_.refuse_with(std::nullopt);
    sink_.fail_later_with(Error{code, "the disk is full"});
    response = post(kProtobuf, protobuf_request(1));
    EXPECT_EQ(response.status, 503);
    EXPECT_TRUE(response.headers.find("retry-after"));
    sink_.fail_later_with(std::nullopt);
  }
  EXPECT_EQ(post(kProtobuf, protobuf_request(1)).status, 200);
}

TEST_F(OtlpHttpTest, AnswersOnlyWhenTheSinkHasAcknowledged) {
  start();
  sink_.hold();
  RawClient client(otlp_http_port());
  client.send(post_request("/v1/traces", kProtobuf, protobuf_request(1)));
  sink_.wait_for_requests(1);
  sink_.release();
  EXPECT_EQ(client.read().status, 200);
}

TEST_F(OtlpHttpTest, ABodyThatDoesNotComeIsA503) {
  Config config = local_config();
  config.http_limits.body_timeout_ns = 200'000'000;
  start(std::move(config));
  RawClient client(otlp_http_port());
  client.send(
      "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Content-Length: 10\r\n\r\n{");
  const RawResponse late = client.read();
  EXPECT_EQ(late.status, 503);
  EXPECT_EQ(late.headers.get("retry-after"), "1");
  EXPECT_EQ(late.headers.get("content-type"), kJson);
  EXPECT_THAT(late.body, HasSubstr(R"("code":14)"));
}

TEST_F(OtlpHttpTest, AnAcknowledgementThatDoesNotComeIsA503) {
  Config config = local_config();
  config.http_limits.ingest_timeout_ns = 150'000'000;
  start(std::move(config));
  sink_.hold();
  const RawResponse response = post(kProtobuf, protobuf_request(1));
  EXPECT_EQ(response.status, 503);
  EXPECT_TRUE(response.headers.find("retry-after"));
  sink_.release();  // too late; nobody is hurt
}

TEST_F(OtlpHttpTest, MetricsAndLogsAreRejectedHonestly) {
  start();
  const RawResponse metrics = post(
      kJson,
      R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a","sum":{"dataPoints":[{},{}]}}]}]}]})",
      {}, "/v1/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.body, HasSubstr(R"("rejectedDataPoints":"2")"));
  EXPECT_THAT(metrics.body, HasSubstr("does not store metrics"));
  const RawResponse logs = post(
      kJson, R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{},{}]}]}]})", {}, "/v1/logs");
  EXPECT_EQ(logs.status, 200);
  EXPECT_THAT(logs.body, HasSubstr(R"("rejectedLogRecords":"3")"));
  EXPECT_EQ(post(kProtobuf, "", {}, "/v1/logs").status, 200);
}

TEST_F(OtlpHttpTest, PreflightNeedsNoTokenAndEchoesAllowedOrigins) {
  TempDir dir;
  Config config = local_config();
  config.cors_origins = {"https://shop.example"};
  config.ingest_token_file = dir.write("tokens", "0123456789abcdef0123\n");
  start(std::move(config));
  for (const char* path : {"/v1/traces", "/v1/logs", "/v1/metrics"}) {
    RawClient client(otlp_http_port());
    const RawResponse response =
        client.ask("OPTIONS " + std::string(path) +
                   " HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.example\r\n"
                   "Access-Control-Request-Method: POST\r\n"
                   "Access-Control-Request-Headers: content-type,authorization\r\n\r\n");
    EXPECT_EQ(response.status, 204);
    EXPECT_EQ(response.headers.get("access-control-allow-origin"), "https://shop.example");
    EXPECT_EQ(response.headers.get("vary"), "Origin");
    EXPECT_EQ(response.headers.get("access-control-allow-methods"), "POST");
    EXPECT_EQ(response.headers.get("access-control-max-age"), "7200");
    EXPECT_EQ(response.headers.get("access-control-allow-headers"),
              "content-type, content-encoding, authorization, x-api-key, traceparent, tracestate");
    EXPECT_FALSE(response.headers.find("access-control-allow-credentials"));
    EXPECT_FALSE(response.headers.find("content-length"));
    const RawResponse other =
        client.ask("OPTIONS " + std::string(path) +
                   " HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n\r\n");
    EXPECT_EQ(other.status, 204);
    EXPECT_FALSE(other.headers.find("access-control-allow-origin"));
    EXPECT_EQ(other.headers.get("vary"), "Origin");
  }
}

TEST_F(OtlpHttpTest, ErrorsCarryCorsHeadersToo) {
  TempDir dir;
  Config config = local_config();
  config.cors_origins = {"https://shop.example"};
  config.ingest_token_file = dir.write("tokens", "0123456789abcdef0123\n");
  start(std::move(config));
  const std::string origin = "Origin: https://shop.example\r\n";
  const RawResponse unauthorized = post(kJson, "{}", origin);
  EXPECT_EQ(unauthorized.status, 401);
  EXPECT_EQ(unauthorized.headers.get("access-control-allow-origin"), "https://shop.example");
  EXPECT_EQ(unauthorized.headers.get("access-control-expose-headers"), "Retry-After");
  const std::string token = "Authorization: Bearer 0123456789abcdef0123\r\n";
  const RawResponse large = post(kJson, std::string((1u << 20) + 1, ' '), origin + token);
  EXPECT_EQ(large.status, 413);  // the browsers' smaller limit
  EXPECT_EQ(large.headers.get("access-control-allow-origin"), "https://shop.example");
  EXPECT_EQ(post(kJson, std::string((1u << 20) + 1, ' ') + "{}", token).status, 200);
}

TEST_F(OtlpHttpTest, BrowsersClocksAreMarked) {
  Config config = local_config();
  config.cors_origins = {"http://localhost:3000"};
  start(std::move(config));
  EXPECT_EQ(post(kJson, json_request(1), "Origin: http://localhost:3000\r\n").status, 200);
  EXPECT_TRUE(sink_.last().untrusted_clock);
  EXPECT_GT(sink_.last().received_ns, 0u);
  const std::vector<Span> spans = to_spans(sink_.last().batch);
  ASSERT_EQ(spans.size(), 1u);
  ASSERT_EQ(spans[0].annotations.size(), 1u);
  EXPECT_EQ(spans[0].annotations[0].key, "received_ns");
  // The same bytes give the same marks when the log is replayed.
  EXPECT_EQ(std::get<int64_t>(spans[0].annotations[0].value.data),
            static_cast<int64_t>(sink_.last().received_ns));
}

TEST_F(OtlpHttpTest, PagesOfOtherOriginsMayNotSend) {
  start();
  const RawResponse response = post(kJson, json_request(1), "Origin: https://evil.example\r\n");
  EXPECT_EQ(response.status, 403);
  EXPECT_THAT(response.body, HasSubstr("--cors-origin"));
  EXPECT_EQ(sink_.requests(), 0u);
}

TEST_F(OtlpHttpTest, BrowserTokensAreBoundToOriginAndService) {
  TempDir dir;
  Config config = local_config();
  config.ingest_token_file = dir.write(
      "tokens",
      "server-token-0123456789 name=collector\n"
      "public-token-0123456789 name=web browser origin=https://shop.example service=shop\n");
  start(std::move(config));
  const std::string token = "Authorization: Bearer public-token-0123456789\r\n";
  const std::string origin = "Origin: https://shop.example\r\n";
  EXPECT_EQ(post(kJson, json_request(1, "shop"), token + origin).status, 200);
  EXPECT_TRUE(sink_.last().untrusted_clock);
  EXPECT_EQ(post(kJson, json_request(1, "bank"), token + origin).status, 403);
  EXPECT_EQ(post(kJson, json_request(1), token + "Origin: https://evil.example\r\n").status, 403);
  EXPECT_EQ(post(kJson, json_request(1), token).status, 403);  // no origin: not a browser
  EXPECT_EQ(post(kJson, json_request(1), "X-Api-Key: public-token-0123456789\r\n" + origin).status,
            200);
  EXPECT_EQ(
      post(kJson, json_request(1), "Authorization: Bearer server-token-0123456789\r\n").status,
      200);
  EXPECT_FALSE(sink_.last().untrusted_clock);
}

TEST_F(OtlpHttpTest, BrowsersAreThrottledByAddress) {
  Config config = local_config();
  config.cors_origins = {"*"};
  config.browser_requests_per_second = 0.1;
  start(std::move(config));
  RawClient client(otlp_http_port());
  RawResponse response;
  for (int i = 0; i < 3; ++i) {
    response = client.ask(post_request("/v1/traces", kJson, "{}", "Origin: https://a.example\r\n"));
    if (response.status != 200) break;
  }
  EXPECT_EQ(response.status, 429);
  EXPECT_GE(std::atoi(std::string(response.headers.get("retry-after")).c_str()), 1);
  EXPECT_EQ(response.headers.get("access-control-allow-origin"), "https://a.example");
  // Servers are not.
  EXPECT_EQ(client.ask(post_request("/v1/traces", kJson, "{}")).status, 200);
}

TEST_F(OtlpHttpTest, QuotasOfSpansAnswer429WithRetryAfter) {
  TempDir dir;
  Config config = local_config();
  config.ingest_token_file = dir.write("tokens", "0123456789abcdef0123 spans_per_second=10\n");
  start(std::move(config));
  const std::string token = "Authorization: Bearer 0123456789abcdef0123\r\n";
  EXPECT_EQ(post(kProtobuf, protobuf_request(100), token).status, 200);  // into debt, once
  const RawResponse response = post(kProtobuf, protobuf_request(1), token);
  EXPECT_EQ(response.status, 429);
  const int wait_s = std::atoi(std::string(response.headers.get("retry-after")).c_str());
  EXPECT_GE(wait_s, 5);
  EXPECT_LE(wait_s, 9);
}

TEST_F(OtlpHttpTest, IngestTokens) {
  TempDir dir;
  Config config = local_config();
  config.ingest_token_file = dir.write("tokens", "0123456789abcdef0123\n");
  start(std::move(config));
  EXPECT_EQ(post(kJson, "{}").status, 401);
  EXPECT_EQ(post(kJson, "{}", "Authorization: Bearer wrong-wrong-wrong-wrong\r\n").status, 401);
  EXPECT_EQ(post(kJson, "{}", "Authorization: Basic 0123456789abcdef0123\r\n").status, 401);
  EXPECT_EQ(post(kJson, "{}", "authorization: bearer 0123456789abcdef0123\r\n").status, 200);
  const RawResponse response = post(kProtobuf, "");
  EXPECT_EQ(response.headers.get("www-authenticate"), "Bearer");
  EXPECT_EQ(response.body.substr(0, 2), "\x08\x10");  // UNAUTHENTICATED
}

TEST_F(OtlpHttpTest, ZipkinSpansAreTakenOnBothPorts) {
  start();
  constexpr std::string_view kSpans =
      R"([{"traceId":"463ac35c9f6413ad48485a3953bb6124","id":"a2fb4a1d1a96d312","name":"get",
           "timestamp":1700000000000000,"duration":2000,
           "localEndpoint":{"serviceName":"shop"}}])";
  for (const uint16_t port : {zipkin_port(), otlp_http_port()}) {
    RawClient client(port);
    const RawResponse response = client.ask(post_request("/api/v2/spans", kJson, kSpans));
    EXPECT_EQ(response.status, 202);
    EXPECT_EQ(client.ask(post_request("/api/v2/spans", "", kSpans)).status, 202);
    EXPECT_EQ(client.ask(post_request("/api/v2/spans", kJson, "[{]")).status, 400);
  }
  EXPECT_EQ(sink_.spans(), 4u);
  EXPECT_EQ(sink_.last().format, SpanSink::RawRequest::Format::kZipkinJson);
}

TEST_F(OtlpHttpTest, BodiesInFlightAreBounded) {
  Config config = local_config();
  config.max_request_bytes = 3u << 20;
  config.max_inflight_bytes = 3u << 20;
  start(std::move(config));
  sink_.hold();
  RawClient first(otlp_http_port());
  const std::string body = protobuf_request(20'000);
  ASSERT_GT(body.size(), 1u << 20);
  first.send(post_request("/v1/traces", kProtobuf, body));
  sink_.wait_for_requests(1);
  const RawResponse second = post(kProtobuf, std::string((3u << 20) - 10, 'x'));
  EXPECT_EQ(second.status, 503);
  EXPECT_TRUE(second.headers.find("retry-after"));
  sink_.release();
  EXPECT_EQ(first.read().status, 200);
  EXPECT_EQ(post(kProtobuf, body).status, 200);
}

}  // namespace
}  // namespace weft::server
