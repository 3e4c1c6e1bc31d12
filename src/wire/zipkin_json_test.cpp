#include "wire/zipkin_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/span.h"
#include "model/testing/random_spans.h"
#include "wire/decode_raw.h"

namespace weft {
namespace {

using ::testing::HasSubstr;

DecodeResult decode(std::string_view body) {
  auto result = decode_zipkin_json(body);
  EXPECT_TRUE(result) << result.error().message;
  return result ? *std::move(result) : DecodeResult{};
}
Span decode_one(std::string_view body) {
  const DecodeResult result = decode(body);
  EXPECT_EQ(result.batch.size(), 1) << result.message;
  return result.batch.empty() ? Span{} : to_span(result.batch, 0);
}
std::string encode(const SpanBatch& batch) {
  std::string out;
  encode_zipkin_json(batch, out);
  return out;
}
Value value(const Attributes& attributes, const char* key) {
  const Value* found = find_attribute(attributes, key);
  return found == nullptr ? Value("no attribute") : *found;
}

constexpr std::string_view kClient = R"([{
  "traceId":"463ac35c9f6413ad48485a3953bb6124","parentId":"0020000000000001",
  "id":"a2fb4a1d1a96d312","kind":"CLIENT","name":"get /a","timestamp":1472470996199000,
  "duration":207000,
  "localEndpoint":{"serviceName":"frontend","ipv4":"192.168.99.1","port":3306},
  "remoteEndpoint":{"serviceName":"backend","ipv6":"::1","port":9000},
  "annotations":[{"timestamp":1472470996238000,"value":"ws"}],
  "tags":{"http.path":"/a","clnt/finagle.version":"6.45.0"},"debug":true}])";

TEST(ZipkinJson, AClientSpan) {
  const Span span = decode_one(kClient);
  EXPECT_EQ(span.trace_id.to_hex(), "463ac35c9f6413ad48485a3953bb6124");
  EXPECT_EQ(span.span_id.to_hex(), "a2fb4a1d1a96d312");
  EXPECT_EQ(span.parent_span_id.to_hex(), "0020000000000001");
  EXPECT_EQ(span.kind, SpanKind::kClient);
  EXPECT_EQ(span.name, "get /a");
  EXPECT_EQ(span.start_ns, 1472470996199000000);
  EXPECT_EQ(span.duration_ns(), 207000000);
  EXPECT_EQ(value(span.resource.attributes, "service.name"), Value("frontend"));
  EXPECT_EQ(value(span.resource.attributes, "net.host.ip"), Value("192.168.99.1"));
  EXPECT_EQ(value(span.attributes, "peer.service"), Value("backend"));
  EXPECT_EQ(value(span.attributes, "net.peer.ip"), Value("::1"));
  EXPECT_EQ(value(span.attributes, "net.peer.port"), Value(9000));
  EXPECT_EQ(value(span.attributes, "http.path"), Value("/a"));
  EXPECT_EQ(value(span.attributes, "zipkin.debug"), Value(true));
  ASSERT_EQ(span.events.size(), 1);
  EXPECT_EQ(span.events[0].name, "ws");
  EXPECT_EQ(span.events[0].time_ns, 1472470996238000000);
  EXPECT_EQ(span.status_code, StatusCode::kUnset);
}

TEST(ZipkinJson, ShortIdsAreTheLowHalf) {
  const Span span = decode_one(R"([{"traceId":"48485a3953bb6124","id":"1","parentId":"ff"}])");
  EXPECT_EQ(span.trace_id.to_hex(), "000000000000000048485a3953bb6124");
  EXPECT_EQ(span.span_id.to_hex(), "0000000000000001");
  EXPECT_EQ(span.parent_span_id.to_hex(), "00000000000000ff");
  EXPECT_EQ(span.kind, SpanKind::kInternal);
}

TEST(ZipkinJson, ShortTraceIdsComeBackShort) {
  const auto trace_id = [](const std::string& hex) {
    const std::string body = encode(decode(R"([{"traceId":")" + hex + R"(","id":"1"}])").batch);
    return body.substr(0, body.find(','));
  };
  EXPECT_EQ(trace_id("abc"), R"([{"traceId":"0000000000000abc")");
  EXPECT_EQ(trace_id("48485a3953bb6124"), R"([{"traceId":"48485a3953bb6124")");
  EXPECT_EQ(trace_id("148485a3953bb6124"), R"([{"traceId":"000000000000000148485a3953bb6124")");
  EXPECT_EQ(trace_id("463ac35c9f6413ad48485a3953bb6124"),
            R"([{"traceId":"463ac35c9f6413ad48485a3953bb6124")");
}

TEST(ZipkinJson, ErrorTagsSetTheStatus) {
  const auto status = [](const char* tags) {
    return decode_one(std::string(R"([{"traceId":"1","id":"1","tags":)") + tags + "}]");
  };
  EXPECT_EQ(status(R"({"error":"true"})").status_code, StatusCode::kError);
  EXPECT_EQ(status(R"({"error":"true"})").status_message, "");
  EXPECT_EQ(status(R"({"error":""})").status_code, StatusCode::kError);
  EXPECT_EQ(status(R"({"error":"boom"})").status_message, "boom");
  EXPECT_EQ(status(R"({"error":"false"})").status_code, StatusCode::kUnset);
  EXPECT_EQ(status(R"({"otel.status_code":"OK"})").status_code, StatusCode::kOk);
  EXPECT_EQ(status(R"({"otel.status_code":"ERROR","error":"x"})").status_message, "x");
  EXPECT_TRUE(status(R"({"error":"boom"})").attributes.empty());
}

TEST(ZipkinJson, ASharedServerSpanGetsAnIdOfItsOwn) {
  const std::string body = R"([{"traceId":"abc","id":"5","kind":"CLIENT","name":"c"},
    {"traceId":"abc","id":"5","parentId":"4","kind":"SERVER","shared":true,"name":"s"}])";
  const auto spans = to_spans(decode(body).batch);
  ASSERT_EQ(spans.size(), 2);
  EXPECT_NE(spans[0].span_id, spans[1].span_id);
  EXPECT_EQ(spans[1].parent_span_id, spans[0].span_id);
  // The same again when it is sent again.
  EXPECT_EQ(to_spans(decode(body).batch), spans);
  EXPECT_THAT(encode(decode(body).batch),
              HasSubstr(R"("id":"0000000000000005","kind":"SERVER","name":"s")"));
}

TEST(ZipkinJson, WithoutATimestampTheFirstAnnotationCounts) {
  const Span span = decode_one(
      R"([{"traceId":"1","id":"1","duration":3,"annotations":[{"timestamp":7,"value":"a"}]}])");
  EXPECT_EQ(span.start_ns, 7000);
  EXPECT_EQ(span.end_ns, 10000);
}

TEST(ZipkinJson, BadSpansAreRejectedBadDocumentsRefused) {
  const DecodeResult result = decode(R"([{"id":"1"},{"traceId":"1"},{"traceId":"0","id":"1"},
    {"traceId":"xyz","id":"1"},{"traceId":"1","id":"1","parentId":"nothex"},
    {"traceId":"1","id":"2","parentId":"0"},{"traceId":"1","id":"3","parentId":null}])");
  EXPECT_EQ(result.rejected_spans, 5);
  EXPECT_EQ(result.batch.size(), 2);
  EXPECT_THAT(result.message, HasSubstr("traceId"));
  EXPECT_TRUE(decode("[]").batch.empty());
  for (const char* body :
       {"", "{}", "[1]", "[{\"traceId\":1}]", R"([{"timestamp":"x"}])", R"([{"tags":[]}])",
        R"([{"traceId":"1","id":"1","tags":{"a":1}}])", R"([{"annotations":{}}])",
        R"([{"localEndpoint":"x"}])", R"([{"shared":1}])"}) {
    const auto refused = decode_zipkin_json(body);
    ASSERT_FALSE(refused) << body;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(ZipkinJson, WhatZipkinSentComesBack) {
  const auto first = decode(kClient);
  const std::string once = encode(first.batch);
  const auto second = decode(once);
  EXPECT_EQ(testing::canonical(second.batch), testing::canonical(first.batch));
  EXPECT_EQ(encode(second.batch), once);
}

TEST(ZipkinJson, AnEventBecomesAnAnnotationWithItsAttributes) {
  Span span = decode_one(R"([{"traceId":"1","id":"1","timestamp":1}])");
  span.events = {{1000, "retry", {}, 0}, {2000, "exception", {}, 0}};
  span.events[1].attributes = {{"type", Value("E")}, {"code", Value(int64_t{7})}};
  EXPECT_THAT(encode(testing::to_batch({span})),
              HasSubstr(R"("annotations":[{"timestamp":1,"value":"retry"},{"timestamp":2,)"
                        R"("value":"\"exception\": {\"type\":\"E\",\"code\":\"7\"}"}])"));
}

TEST(ZipkinJson, AnyBatchBecomesZipkinThatDecodes) {
  std::mt19937_64 random(testing::test_seed("AnyBatchBecomesZipkin"));
  for (int round = 0; round < 10; ++round) {
    const auto spans = testing::random_spans(random, {.traces = 5, .hostile = round % 2 == 1});
    const auto decoded = decode_zipkin_json(encode(testing::to_batch(spans)));
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->batch.size() + decoded->rejected_spans, spans.size());
  }
}

TEST(DecodeRaw, TakesEveryFormatAndCompression) {
  for (const Compression compression :
       {Compression::kNone, Compression::kGzip, Compression::kZstd, Compression::kDeflate}) {
    const std::string body = *compress(kClient, compression);
    const auto plain = decode_raw(WireFormat::kZipkinJson, compression, body);
    ASSERT_TRUE(plain) << plain.error().message;
    EXPECT_TRUE(to_span(plain->batch, 0).annotations.empty());
    const auto browser = decode_raw(WireFormat::kZipkinJson, compression, body, 123);
    EXPECT_EQ(to_span(browser->batch, 0).annotations, (Attributes{{"received_ns", Value(123)}}));
  }
  EXPECT_EQ(decode_raw(WireFormat::kOtlpJson, Compression::kGzip, "x").error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_TRUE(decode_raw(WireFormat::kOtlpJson, Compression::kNone, "{}", 5)->batch.empty());
  EXPECT_TRUE(decode_raw(WireFormat::kOtlpProtobuf, Compression::kNone, "")->batch.empty());
  const DecodeLimits limits = {.max_body_bytes = 100};
  EXPECT_EQ(decode_raw(WireFormat::kZipkinJson, Compression::kGzip,
                       *compress(kClient, Compression::kGzip), std::nullopt, limits)
                .error()
                .code,
            ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace weft
