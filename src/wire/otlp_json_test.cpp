// What senders of OTLP/JSON do, and what they must not do.
#include "wire/otlp_json.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/span.h"
#include "model/testing/random_spans.h"
#include "wire/otlp_protobuf.h"

namespace weft {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kIds =
    R"("traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174")";

std::string request(std::string_view span_members) {
  return fmt::format(R"({{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{}}}]}}]}}]}})",
                     span_members);
}
std::string request_with(std::string_view members) {
  return request(fmt::format("{},{}", kIds, members));
}
std::string request_with_value(std::string_view value) {
  return request_with(fmt::format(R"("attributes":[{{"key":"a","value":{}}}])", value));
}

DecodeResult decode(std::string_view body, const DecodeLimits& limits = {}) {
  auto result = decode_otlp_traces_json(body, limits);
  EXPECT_TRUE(result) << result.error().message << "\n" << body.substr(0, 1000);
  return result ? *std::move(result) : DecodeResult{};
}
Span decode_one(std::string_view body) {
  const DecodeResult result = decode(body);
  EXPECT_EQ(result.batch.size(), 1) << result.message;
  return result.batch.empty() ? Span{} : to_span(result.batch, 0);
}
Value decode_value(std::string_view value) {
  const Span span = decode_one(request_with_value(value));
  const Value* found = find_attribute(span.attributes, "a");
  return found == nullptr ? Value("no attribute") : *found;
}
std::string refusal(std::string_view body) {
  const auto result = decode_otlp_traces_json(body);
  EXPECT_FALSE(result) << body;
  if (result) return "";
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  return result.error().message;
}

TEST(OtlpJson, TheSpecificationsExample) {
  const Span span = decode_one(R"({"resourceSpans":[{"resource":{"attributes":[
      {"key":"service.name","value":{"stringValue":"my.service"}}]},
    "scopeSpans":[{"scope":{"name":"my.library","version":"1.0.0","attributes":[
      {"key":"my.scope.attribute","value":{"stringValue":"some scope attribute"}}]},
     "spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174",
       "parentSpanId":"EEE19B7EC3C1B173","name":"I'm a server span",
       "startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000",
       "kind":2,"attributes":[{"key":"my.span.attr","value":{"stringValue":"some value"}}]}]}]}]})");
  EXPECT_EQ(span.trace_id.to_hex(), "5b8efff798038103d269b633813fc60c");
  EXPECT_EQ(span.parent_span_id.to_hex(), "eee19b7ec3c1b173");
  EXPECT_EQ(span.kind, SpanKind::kServer);
  EXPECT_EQ(span.start_ns, 1544712660000000000);
  EXPECT_EQ(span.duration_ns(), 1000000000);
  EXPECT_EQ(span.resource.attributes, (Attributes{{"service.name", Value("my.service")}}));
  EXPECT_EQ(span.scope.version, "1.0.0");
  EXPECT_EQ(span.scope.attributes.size(), 1);
}

TEST(OtlpJson, EmptyRequestsHaveNoSpans) {
  EXPECT_TRUE(decode("{}").batch.empty());
  EXPECT_TRUE(decode(R"({"resourceSpans":[]})").batch.empty());
  EXPECT_TRUE(decode(R"({"resourceSpans":null})").batch.empty());
  EXPECT_TRUE(decode(" {\n} ").batch.empty());
}

TEST(OtlpJson, TimesAndIntegersAreStringsOrNumbers) {
  Span span = decode_one(request_with(R"("startTimeUnixNano":"1700000000000000001",
      "endTimeUnixNano":1700000000000000003)"));
  EXPECT_EQ(span.start_ns, 1700000000000000001);
  EXPECT_EQ(span.end_ns, 1700000000000000003);
  span = decode_one(request_with(R"("endTimeUnixNano":"18446744073709551615")"));
  EXPECT_EQ(span.end_ns, UINT64_MAX);
  EXPECT_EQ(decode_value(R"({"intValue":42})"), Value(42));
  EXPECT_EQ(decode_value(R"({"intValue":"42"})"), Value(42));
  EXPECT_EQ(decode_value(R"({"intValue":-1})"), Value(-1));
  EXPECT_EQ(decode_value(R"({"intValue":"-9223372036854775808"})"), Value(INT64_MIN));
  EXPECT_EQ(decode_value(R"({"intValue":9223372036854775807})"), Value(INT64_MAX));
  EXPECT_EQ(decode_value(R"({"intValue":1e3})"), Value(1000));
}

TEST(OtlpJson, EnumsAreNumbersAndUnknownOnesAreKept) {
  EXPECT_EQ(decode_one(request_with(R"("kind":3)")).kind, SpanKind::kClient);
  EXPECT_EQ(decode_one(request_with(R"("kind":"SPAN_KIND_CLIENT")")).kind, SpanKind::kClient);
  EXPECT_EQ(decode_one(request_with(R"("status":{"code":2,"message":"m"})")).status_code,
            StatusCode::kError);
  EXPECT_EQ(decode_one(request_with(R"("status":{"code":"STATUS_CODE_OK"})")).status_code,
            StatusCode::kOk);
  EXPECT_EQ(decode(request_with(R"("kind":99)")).batch.kind[0], 99);
}

TEST(OtlpJson, FlagsTakeAllBits) {
  EXPECT_EQ(decode_one(request_with(R"("flags":257)")).flags, 0x101);
  EXPECT_EQ(decode_one(request_with(R"("flags":4294967295)")).flags, UINT32_MAX);
}

TEST(OtlpJson, EveryValueTypeArrives) {
  EXPECT_EQ(decode_value(R"({"stringValue":"ä\u00e4\ud83d\ude00\n"})"), Value("ää😀\n"));
  EXPECT_EQ(decode_value(R"({"stringValue":""})"), Value(""));
  EXPECT_EQ(decode_value(R"({"boolValue":false})"), Value(false));
  EXPECT_EQ(decode_value(R"({"doubleValue":0.1})"), Value(0.1));
  EXPECT_EQ(decode_value(R"({"doubleValue":3})"), Value(3.0));
  EXPECT_EQ(decode_value(R"({"doubleValue":"-Infinity"})"), Value(-INFINITY));
  EXPECT_TRUE(std::isnan(std::get<double>(decode_value(R"({"doubleValue":"NaN"})").data)));
  EXPECT_EQ(decode_value(R"({"bytesValue":"AP8="})"),
            Value(Value::Bytes{std::string("\0\xff", 2)}));
  EXPECT_EQ(decode_value(R"({"bytesValue":"_-8"})"), Value(Value::Bytes{"\xff\xef"}));
  EXPECT_EQ(decode_value(R"({})"), Value());
  EXPECT_EQ(decode_value(R"(null)"), Value());
  EXPECT_EQ(decode_value(R"({"stringValue":null})"), Value());
  EXPECT_EQ(decode_value(R"({"someNewValue":1})"), Value());
  EXPECT_EQ(decode_value(R"({"arrayValue":{}})"), Value(Value::Array{}));
  EXPECT_EQ(decode_value(R"({"arrayValue":{"values":[{"intValue":"1"},{},null,
      {"arrayValue":{"values":[{"boolValue":true}]}},{"doubleValue":2},{"bytesValue":"YQ=="}]}})"),
            Value(Value::Array{Value(1), Value(), Value(), Value(Value::Array{Value(true)}),
                               Value(2.0), Value(Value::Bytes{"a"})}));
  EXPECT_EQ(decode_value(R"({"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"v"}},
      {"key":"n"}]}})"),
            Value(Value::Kvlist{{"k", Value("v")}, {"n", Value()}}));
}

TEST(OtlpJson, JavaScriptsBigDoublesArrive) {
  EXPECT_EQ(decode_value(R"({"doubleValue":403522526612396441600})"),
            Value(403522526612396441600.0));
  EXPECT_EQ(decode_value(R"({"doubleValue":-18446744073709551616})"), Value(-0x1p64));
  EXPECT_EQ(decode_value(R"({"arrayValue":{"values":[{"doubleValue":100000000000000000000},
      {"intValue":9223372036854775807},{"stringValue":"100000000000000000000 \\\"1"},
      {"doubleValue":0.100000000000000000000000},{"doubleValue":1e+0000000000000000000001}]}})"),
            Value(Value::Array{Value(1e20), Value(INT64_MAX), Value("100000000000000000000 \\\"1"),
                               Value(0.1), Value(10.0)}));
  EXPECT_THAT(refusal(request_with_value(R"({"intValue":100000000000000000000})")),
              HasSubstr("64-bit"));
}

TEST(OtlpJson, AnAttributeMayLackItsKey) {
  const Span span = decode_one(request_with(R"("attributes":[{"value":{"intValue":1}},{}])"));
  EXPECT_EQ(span.attributes, (Attributes{{"", Value(1)}}));
  EXPECT_EQ(span.dropped_attributes_count, 1);
}

TEST(OtlpJson, LoneSurrogatesBecomeReplacementCharacters) {
  EXPECT_EQ(decode_value(R"({"stringValue":"cut \ud83d"})"), Value("cut \uFFFD"));
  EXPECT_EQ(decode_value(R"({"stringValue":"\ude00 and \\ud83d and \ud83d\ude00"})"),
            Value("\uFFFD and \\ud83d and 😀"));
}

TEST(OtlpJson, UnknownMembersAreIgnored) {
  const Span span = decode_one(fmt::format(
      R"({{"new":[1],"resourceSpans":[{{"x":{{}},"scopeSpans":[{{"deprecated":null,"spans":[
      {{{},"name":"n","unknown":{{"a":[1,2]}}}}]}}],"resource":{{"entityRefs":[],"attributes":
      [{{"key":"service.name","value":{{"stringValue":"late"}},"more":1}}]}}}}]}})",
      kIds));
  EXPECT_EQ(span.name, "n");
  EXPECT_EQ(span.resource.attributes.size(), 1);
}

TEST(OtlpJson, ResourcesAndScopesWithoutSpansAreNotKept) {
  const DecodeResult result = decode(fmt::format(
      R"({{"resourceSpans":[{{}},{{"resource":{{}}}},{{"scopeSpans":[]}},
      {{"scopeSpans":[{{}},{{"spans":[]}},{{"spans":[{{{}}}]}},{{"spans":null}}]}}]}})",
      kIds));
  EXPECT_EQ(result.batch.size(), 1u);
  EXPECT_EQ(result.batch.resources.size(), 1u);
  EXPECT_EQ(result.batch.scopes.size(), 1u);
  EXPECT_THAT(refusal(R"({"resourceSpans":[{"scopeSpans":5}]})"), HasSubstr("scopeSpans"));
  EXPECT_THAT(refusal(R"({"resourceSpans":[{"scopeSpans":[5]}]})"), HasSubstr("scopeSpans[0]"));
}

TEST(OtlpJson, EventsAndLinks) {
  const Span span = decode_one(request_with(
      R"("events":[{"timeUnixNano":"5","name":"e","attributes":[{"key":"k","value":{"intValue":1}}],
      "droppedAttributesCount":2}],"links":[{"traceId":"5b8efff798038103d269b633813fc60d",
      "spanId":"eee19b7ec3c1b175","traceState":"a=b","flags":1}],"traceState":"c=d",
      "droppedEventsCount":3,"droppedLinksCount":4,"droppedAttributesCount":5)"));
  ASSERT_EQ(span.events.size(), 1);
  EXPECT_EQ(span.events[0].time_ns, 5);
  EXPECT_EQ(span.events[0].dropped_attributes_count, 2);
  ASSERT_EQ(span.links.size(), 1);
  EXPECT_EQ(span.links[0].trace_state, "a=b");
  EXPECT_EQ(span.links[0].flags, 1);
  EXPECT_EQ(span.trace_state, "c=d");
  EXPECT_EQ(span.dropped_attributes_count, 5);
}

TEST(OtlpJson, SpansWithoutValidIdsAreRejected) {
  for (const char* ids :
       {R"("name":"none")", R"("traceId":"5b8efff798038103d269b633813fc60c")",
        R"("traceId":"5b8e","spanId":"eee19b7ec3c1b174")",
        R"("traceId":"00000000000000000000000000000000","spanId":"eee19b7ec3c1b174")",
        R"("traceId":"5b8efff798038103d269b633813fc60g","spanId":"eee19b7ec3c1b174")",
        R"("traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b17")",
        R"("traceId":"W47/95gDgQPSabYzgT/GDA==","spanId":"7uGbfsPBsXQ=")"}) {
    const DecodeResult result = decode(request(ids));
    EXPECT_EQ(result.rejected_spans, 1) << ids;
    EXPECT_TRUE(result.batch.empty());
    EXPECT_THAT(result.message, HasSubstr("hex"));
  }
  EXPECT_TRUE(decode_one(request_with(R"("parentSpanId":"")")).parent_span_id.is_zero());
  EXPECT_EQ(decode(request_with(R"("parentSpanId":"12")")).rejected_spans, 1);
}

TEST(OtlpJson, WrongTypesAreRefusedWithTheirPlace) {
  EXPECT_THAT(refusal(request_with(R"("kind":true)")),
              HasSubstr("resourceSpans[0].scopeSpans[0].spans[0].kind"));
  EXPECT_THAT(refusal(request_with(R"("startTimeUnixNano":"-1")")), HasSubstr("startTimeUnixNano"));
  EXPECT_THAT(refusal(request_with(R"("startTimeUnixNano":"12x")")), HasSubstr("nanoseconds"));
  EXPECT_THAT(refusal(request_with(R"("attributes":{})")), HasSubstr("an array"));
  EXPECT_THAT(refusal(request_with(R"("name":5)")), HasSubstr("a string"));
  EXPECT_THAT(refusal(request_with(R"("flags":4294967296)")), HasSubstr("flags"));
  EXPECT_THAT(refusal(request_with_value(R"({"intValue":"9223372036854775808"})")),
              HasSubstr("attributes[0].value.intValue"));
  EXPECT_THAT(refusal(request_with_value(R"({"intValue":1.5})")), HasSubstr("64-bit"));
  EXPECT_THAT(refusal(request_with_value(R"({"boolValue":"true"})")), HasSubstr("true or false"));
  EXPECT_THAT(refusal(request_with_value(R"({"bytesValue":"%"})")), HasSubstr("base64"));
  EXPECT_THAT(refusal(request_with_value(R"({"arrayValue":{"values":[{"intValue":"x"}]}})")),
              HasSubstr("values[0].intValue"));
  EXPECT_THAT(refusal("[]"), HasSubstr("an object"));
  EXPECT_THAT(refusal("5"), HasSubstr("an object"));
}

TEST(OtlpJson, WhatIsNotJsonIsRefused) {
  for (const char* body : {"", " ", "{", "{\"resourceSpans\":[}", "{} {}", "nope", "{\"a\":01}",
                           "{\"a\":\"\xff\"}", "\x0A\x7F", "{\"a\":\"\n\"}"}) {
    EXPECT_THAT(refusal(body), HasSubstr("not JSON")) << body;
  }
  EXPECT_THAT(refusal(std::string_view()), HasSubstr("not JSON")) << "no address";
}

TEST(OtlpJson, TruncationAnywhereIsRefused) {
  std::mt19937_64 random(testing::test_seed("JsonTruncation"));
  std::string body;
  encode_otlp_traces_json(testing::to_batch(testing::random_spans(random, {.traces = 1})), body);
  for (size_t size = 0; size < body.size(); ++size) {
    ASSERT_FALSE(decode_otlp_traces_json(std::string_view(body).substr(0, size)));
  }
}

TEST(OtlpJson, DeepNestingIsBounded) {
  const auto nested = [](size_t depth) {
    std::string value;
    for (size_t i = 0; i < depth; ++i)
      value += R"({"arrayValue":{"values":[)";
    value += R"({"stringValue":"deep"})";
    for (size_t i = 0; i < depth; ++i)
      value += "]}}";
    return request_with_value(value);
  };
  EXPECT_EQ(decode_one(nested(kMaxValueDepth)).attributes.size(), 1);
  const DecodeResult result = decode(nested(kMaxValueDepth + 1));
  EXPECT_EQ(result.batch.dropped_attributes_count[0], 1);
  EXPECT_THAT(result.message, HasSubstr("deep"));
  EXPECT_FALSE(decode_otlp_traces_json(nested(100'000)));
  EXPECT_FALSE(decode_otlp_traces_json(std::string(1'000'000, '[')));
}

TEST(OtlpJson, LimitsHold) {
  std::string attributes;
  for (int i = 0; i < 50; ++i) {
    attributes += fmt::format(R"({}{{"key":"k{}","value":{{"intValue":1}}}})", i ? "," : "", i);
  }
  const DecodeResult result =
      decode(request_with("\"attributes\":[" + attributes + "]"), {.max_attributes = 8});
  EXPECT_EQ(result.batch.dropped_attributes_count[0], 42);
  const std::string body = request_with("\"name\":\"n\"");
  EXPECT_EQ(decode_otlp_traces_json(body, {.max_body_bytes = 10}).error().code,
            ErrorCode::kResourceExhausted);
  EXPECT_EQ(decode_otlp_traces_json(body, {.max_spans = 0}).error().code,
            ErrorCode::kResourceExhausted);
}

TEST(OtlpJson, EqualsProtobuf) {
  std::mt19937_64 random(testing::test_seed("EqualsProtobuf"));
  for (int round = 0; round < 20; ++round) {
    const SpanBatch batch = testing::to_batch(testing::random_spans(random));
    std::string protobuf;
    std::string json;
    encode_otlp_traces(batch, protobuf);
    encode_otlp_traces_json(batch, json);
    ASSERT_EQ(testing::canonical(decode_otlp_traces(protobuf)->batch),
              testing::canonical(decode(json).batch));
  }
}

}  // namespace
}  // namespace weft
