#include "wire/jaeger_json.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include "model/span.h"
#include "model/testing/random_spans.h"

namespace weft {
namespace {

std::string encode(const SpanBatch& batch) {
  std::string out;
  encode_jaeger_trace(batch, out);
  return out;
}

TEST(JaegerJson, ASpanWithEverything) {
  Span span;
  span.trace_id = *TraceId::from_hex("0af7651916cd43dd8448eb211c80319c");
  span.span_id = *SpanId::from_hex("b7ad6b7169203331");
  span.parent_span_id = *SpanId::from_hex("00f067aa0ba902b7");
  span.start_ns = 1'700'000'000'000'001'999;
  span.end_ns = 1'700'000'000'000'005'000;
  span.name = "GET /a";
  span.kind = SpanKind::kServer;
  span.status_code = StatusCode::kError;
  span.status_message = "boom";
  span.flags = 0x101;
  span.attributes = {{"b", Value(true)}, {"d", Value(1.5)}, {"i", Value(7)}, {"s", Value("x")}};
  span.events = {{1'700'000'000'000'003'000, "exception", {{"exception.type", Value("E")}}, 0}};
  span.links = {{*TraceId::from_hex("1"), *SpanId::from_hex("2"), "", 0, {}, 0}};
  span.resource.attributes = {{"host.name", Value("h")}, {"service.name", Value("web")}};
  span.scope.name = "lib";
  const std::string expected =
      R"({"traceID":"0af7651916cd43dd8448eb211c80319c","spans":[{)"
      R"("traceID":"0af7651916cd43dd8448eb211c80319c","spanID":"b7ad6b7169203331","flags":1,)"
      R"("operationName":"GET /a","references":[{"refType":"CHILD_OF",)"
      R"("traceID":"0af7651916cd43dd8448eb211c80319c","spanID":"00f067aa0ba902b7"},)"
      R"({"refType":"FOLLOWS_FROM","traceID":"00000000000000000000000000000001",)"
      R"("spanID":"0000000000000002"}],"startTime":1700000000000001,"duration":3,"tags":[)"
      R"({"key":"b","type":"bool","value":true},{"key":"d","type":"float64","value":1.5},)"
      R"({"key":"i","type":"int64","value":7},{"key":"s","type":"string","value":"x"},)"
      R"({"key":"otel.scope.name","type":"string","value":"lib"},)"
      R"({"key":"span.kind","type":"string","value":"server"},)"
      R"({"key":"otel.status_code","type":"string","value":"ERROR"},)"
      R"({"key":"error","type":"bool","value":true},)"
      R"({"key":"otel.status_description","type":"string","value":"boom"}],)"
      R"("logs":[{"timestamp":1700000000000003,"fields":[)"
      R"({"key":"event","type":"string","value":"exception"},)"
      R"({"key":"exception.type","type":"string","value":"E"}]}],"processID":"p1",)"
      R"("warnings":null}],"processes":{"p1":{"serviceName":"web","tags":[)"
      R"({"key":"host.name","type":"string","value":"h"}]}},"warnings":null})";
  EXPECT_EQ(encode(testing::to_batch({span})), expected);
}

TEST(JaegerJson, IntegersThatBrowsersCannotHoldStandInQuotes) {
  Span span;
  span.trace_id = *TraceId::from_hex("1");
  span.span_id = *SpanId::from_hex("2");
  for (const int64_t value : {(int64_t{1} << 53) - 1, int64_t{1} << 53, INT64_MIN}) {
    span.attributes = {{"i", Value(value)}};
    const std::string digits = std::to_string(value);
    const std::string expected =
        value < 0 || value >= int64_t{1} << 53 ? '"' + digits + '"' : digits;
    EXPECT_NE(encode(testing::to_batch({span})).find(R"("type":"int64","value":)" + expected + "}"),
              std::string::npos)
        << digits;
  }
}

TEST(JaegerJson, AnyBatchBecomesValidJson) {
  std::mt19937_64 random(testing::test_seed("JaegerAnyBatch"));
  simdjson::dom::parser parser;
  for (int round = 0; round < 10; ++round) {
    const SpanBatch batch =
        testing::to_batch(testing::random_spans(random, {.traces = 1, .hostile = true}));
    std::string out;
    encode_jaeger_traces({&batch, &batch}, out);
    simdjson::dom::element root;
    ASSERT_EQ(parser.parse(out).get(root), simdjson::SUCCESS);
    EXPECT_EQ(root["data"].get_array().size(), 2);
    EXPECT_EQ(root["data"].at(0)["spans"].get_array().size(), batch.size());
  }
  std::string empty;
  encode_jaeger_traces({}, empty);
  EXPECT_EQ(empty, R"({"data":[],"total":0,"limit":0,"offset":0,"errors":null})");
}

}  // namespace
}  // namespace weft
