// What the protobuf decoder makes of requests that no SDK writes: odd orders, repeated fields,
// limits, damage.
#include "wire/otlp_protobuf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <functional>
#include <map>
#include <random>

#include "model/protobuf.h"
#include "model/testing/random_spans.h"
#include "wire/otlp_value.h"
#include "wire/protobuf_writer.h"

namespace weft {
namespace {

using protobuf::put_bytes;
using protobuf::put_fixed64;
using ::testing::HasSubstr;
using wire::MessageScope;
using wire::put_uint;

const std::string kTraceBytes = "0123456789abcdef";
const std::string kSpanBytes = "ABCDEFGH";

std::string message(const std::function<void(std::string&)>& fill) {
  std::string out;
  fill(out);
  return out;
}

std::string field(uint32_t number, const std::string& content) {
  std::string out;
  put_bytes(out, number, content);
  return out;
}

// An attribute (KeyValue) with an AnyValue of the given bytes.
std::string key_value(const std::string& key, const std::string& any_value) {
  return field(1, key) + field(2, any_value);
}
std::string string_value(const std::string& text) {
  return field(1, text);
}

std::string request_of(const std::string& spans, const std::string& scope = {},
                       const std::string& resource = {}) {
  return field(1, field(1, resource) + field(2, field(1, scope) + spans));
}

std::string ids() {
  return field(1, kTraceBytes) + field(2, kSpanBytes);
}

DecodeResult decode(const std::string& body, const DecodeLimits& limits = {}) {
  auto result = decode_otlp_traces(body, limits);
  EXPECT_TRUE(result) << result.error().message;
  return result ? *std::move(result) : DecodeResult{};
}

Error decode_error(const std::string& body, const DecodeLimits& limits = {}) {
  const auto result = decode_otlp_traces(body, limits);
  EXPECT_FALSE(result);
  return result ? Error{} : result.error();
}

TEST(OtlpProtobuf, AnEmptyRequestHasNoSpans) {
  EXPECT_TRUE(decode("").batch.empty());
  EXPECT_TRUE(decode(std::string("\x0A\x00", 2)).batch.empty());
  EXPECT_TRUE(decode_otlp_traces(std::string_view())->batch.empty());
}

TEST(OtlpProtobuf, TheResourceMayStandAfterItsSpans) {
  const std::string body =
      field(1, field(3, "schema") + field(2, field(2, ids()) + field(1, field(1, "lib"))) +
                   field(1, field(1, key_value("service.name", string_value("web")))));
  const auto spans = to_spans(decode(body).batch);
  ASSERT_EQ(spans.size(), 1);
  EXPECT_EQ(spans[0].resource.schema_url, "schema");
  EXPECT_EQ(*find_attribute(spans[0].resource.attributes, "service.name"), Value("web"));
  EXPECT_EQ(spans[0].scope.name, "lib");
}

TEST(OtlpProtobuf, FieldsMayComeInAnyOrder) {
  std::string span = field(9, key_value("a", string_value("1"))) + field(5, "name");
  put_uint(span, 6, 2);
  span += field(2, kSpanBytes) + field(9, key_value("b", string_value("2"))) +
          field(4, "parentid") + field(1, kTraceBytes) +
          field(9, field(2, field(1, "v")) + field(1, "c"));
  const auto spans = to_spans(decode(request_of(field(2, span))).batch);
  ASSERT_EQ(spans.size(), 1);
  EXPECT_EQ(spans[0].name, "name");
  EXPECT_EQ(spans[0].kind, SpanKind::kServer);
  EXPECT_EQ(spans[0].parent_span_id.to_hex(), "706172656e746964");
  const Attributes expected = {{"a", Value("1")}, {"b", Value("2")}, {"c", Value("v")}};
  EXPECT_EQ(spans[0].attributes, expected);
}

TEST(OtlpProtobuf, RepeatedMessagesAreMergedAndRepeatedScalarsLast) {
  std::string span = ids() + field(5, "first") + field(5, "second");
  span += field(15, field(2, "text")) + field(15, message([](auto& out) { put_uint(out, 3, 2); }));
  const std::string body = field(1, field(1, field(1, key_value("a", string_value("1")))) +
                                        field(1, field(1, key_value("b", string_value("2")))) +
                                        field(2, field(2, span)));
  const auto spans = to_spans(decode(body).batch);
  ASSERT_EQ(spans.size(), 1);
  EXPECT_EQ(spans[0].name, "second");
  EXPECT_EQ(spans[0].status_message, "text");
  EXPECT_EQ(spans[0].status_code, StatusCode::kError);
  EXPECT_EQ(spans[0].resource.attributes.size(), 2);
}

TEST(OtlpProtobuf, ArraysThatStandTwiceInAValueAreMerged) {
  const auto array = [](const std::string& text) { return field(5, field(1, string_value(text))); };
  const auto value_of = [](const std::string& any_value) {
    const std::string span = ids() + field(9, key_value("a", any_value));
    return to_span(decode(request_of(field(2, span))).batch, 0).attributes.at(0).value;
  };
  EXPECT_EQ(value_of(array("1") + array("2")), Value(Value::Array{Value("1"), Value("2")}));
  EXPECT_EQ(value_of(array("1") + string_value("text") + array("2")),
            Value(Value::Array{Value("2")}));
  EXPECT_EQ(value_of(array("1") + string_value("text")), Value("text"));
}

// Copying what is there already for each of them would take terabytes.
TEST(OtlpProtobuf, AMessageMayStandAHundredThousandTimes) {
  constexpr size_t kTimes = 100'000;
  std::string parts;  // the fields 1 of resource_spans and scope_spans, 2 of an attribute
  std::string values;
  for (size_t i = 0; i < kTimes; ++i) {
    const std::string key = "k" + std::to_string(i % 10);
    parts += field(1, field(1, key_value(key, string_value("1"))));
    values += field(2, field(5, field(1, string_value("1"))));
  }
  const std::string span = ids() + field(9, field(1, "list") + values);
  const auto spans = to_spans(decode(field(1, parts + field(2, field(2, span)) + parts)).batch);
  ASSERT_EQ(spans.size(), 1);
  EXPECT_EQ(spans[0].resource.attributes.size(), 10);
  EXPECT_EQ(spans[0].resource.dropped_attributes_count, 2 * kTimes - 10);
  EXPECT_EQ(std::get<Value::Array>(spans[0].attributes.at(0).value.data).size(), kTimes);
  const auto scope = to_spans(decode(field(1, field(2, parts + field(2, ids())))).batch);
  EXPECT_EQ(scope.at(0).scope.name, key_value("k9", string_value("1")));
}

// Varints may take more bytes than they need; nobody writes tags so, but they say the same.
TEST(OtlpProtobuf, TagsMayBeWrittenInMoreBytesThanTheyNeed) {
  const auto tagged = [](uint32_t number, int wire_type, const std::string& rest) {
    std::string out;
    out.push_back(static_cast<char>(number << 3 | static_cast<uint32_t>(wire_type) | 0x80));
    out.push_back('\0');
    return out + rest;
  };
  const auto sized = [&](uint32_t number, const std::string& content) {
    return tagged(number, 2, std::string(1, static_cast<char>(content.size())) + content);
  };
  const std::string attribute = key_value("a", string_value("1"));
  const std::string time("\1\0\0\0\0\0\0\0", 8);
  const std::string span = ids() + sized(5, "name") + tagged(7, 1, time) + tagged(8, 1, time) +
                           sized(9, attribute) + field(11, sized(3, attribute)) +
                           field(13, sized(4, attribute));
  const auto spans =
      to_spans(decode(request_of(field(2, span), sized(3, attribute), sized(1, attribute))).batch);
  ASSERT_EQ(spans.size(), 1);
  const Attributes expected{{"a", Value("1")}};
  EXPECT_EQ(spans[0].name, "name");
  EXPECT_EQ(spans[0].start_ns, 1);
  EXPECT_EQ(spans[0].end_ns, 1);
  EXPECT_EQ(spans[0].attributes, expected);
  EXPECT_EQ(spans[0].events.at(0).attributes, expected);
  EXPECT_EQ(spans[0].links.at(0).attributes, expected);
  EXPECT_EQ(spans[0].resource.attributes, expected);
  EXPECT_EQ(spans[0].scope.attributes, expected);
}

TEST(OtlpProtobuf, MergedMessagesAreReadWithinTheirBounds) {
  // Learns the key, so that the second request's merged copies are compared with its header.
  const std::string attribute = field(1, key_value("service.name", string_value("web")));
  decode(request_of(field(2, ids()), {}, attribute));
  const auto body = [&](const std::string& more) {
    return field(1, field(1, attribute) + field(1, more) + field(2, field(2, ids())));
  };
  for (const std::string& more : {attribute.substr(0, 0), attribute, attribute + attribute}) {
    EXPECT_EQ(to_span(decode(body(more)).batch, 0).resource.attributes.size(), 1);
  }
  for (size_t size = 1; size < attribute.size(); ++size) {
    const Error error = decode_error(body(attribute.substr(0, size)));
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.message, HasSubstr("repeated"));
  }
}

TEST(OtlpProtobuf, UnknownFieldsAreSkipped) {
  std::string unknown;
  put_uint(unknown, 900, 7);
  put_fixed64(unknown, 901, 7);
  wire::put_fixed32(unknown, 902, 7);
  put_bytes(unknown, 903, "seven");
  std::string span = ids() + unknown;
  span += field(9, key_value("a", string_value("1") + unknown) + unknown);
  span += field(11, field(2, "event") + unknown) + field(15, unknown);
  const auto spans =
      to_spans(decode(unknown + request_of(unknown + field(2, span), unknown, unknown)).batch);
  ASSERT_EQ(spans.size(), 1);
  EXPECT_EQ(spans[0].attributes, (Attributes{{"a", Value("1")}}));
  EXPECT_EQ(spans[0].events.at(0).name, "event");
}

TEST(OtlpProtobuf, EveryValueTypeArrives) {
  const auto number = [](uint32_t which, uint64_t value) {
    return message([&](auto& out) { put_uint(out, which, value); });
  };
  const std::string array = field(1, string_value("x")) + field(1, number(3, 5)) + field(1, "");
  std::string span = ids();
  span += field(9, key_value("none", "")) + field(9, field(1, "no value at all"));
  span += field(9, key_value("bool", number(2, 1))) + field(9, key_value("int", number(3, -5)));
  span += field(9, key_value("double", message([](auto& out) {
                               put_fixed64(out, 4, std::bit_cast<uint64_t>(2.5));
                             })));
  span += field(9, key_value("bytes", field(7, std::string("\0\xff", 2))));
  span += field(9, key_value("array", field(5, array)));
  span += field(9, key_value("list", field(6, field(1, key_value("k", number(3, 1))))));
  span += field(9, key_value("", string_value("")));
  span += field(9, key_value(std::string(300, 'k'), string_value(std::string(300, 'v'))));
  const Span got = to_span(decode(request_of(field(2, span))).batch, 0);
  const auto value = [&](const char* key) { return *find_attribute(got.attributes, key); };
  EXPECT_EQ(value("none"), Value());
  EXPECT_EQ(value("no value at all"), Value());
  EXPECT_EQ(value("bool"), Value(true));
  EXPECT_EQ(value("int"), Value(-5));
  EXPECT_EQ(value("double"), Value(2.5));
  EXPECT_EQ(value("bytes"), Value(Value::Bytes{std::string("\0\xff", 2)}));
  EXPECT_EQ(value("array"), Value(Value::Array{Value("x"), Value(5), Value()}));
  EXPECT_EQ(value("list"), Value(Value::Kvlist{{"k", Value(1)}}));
  EXPECT_EQ(value(""), Value(""));
  EXPECT_EQ(value(std::string(300, 'k').c_str()), Value(std::string(300, 'v')));
}

// Attributes with all that the decoder's fast paths treat differently: lengths about the blocks
// that are compared at once and about what fits one byte, values that repeat and that do not, keys
// that change their type, fields in the wrong order and lengths that are longer than need be.
class AttributeMaker {
 public:
  explicit AttributeMaker(std::mt19937_64& random) : random_(random) {
    for (const size_t size : {0,  1,  2,  5,   11,  12,  13,  14,  28,  29,  30,  31,  45,
                              60, 61, 62, 100, 121, 122, 123, 124, 125, 126, 127, 128, 300}) {
      keys_.push_back(text(size, 3));
    }
    for (size_t i = 0; i < 30; ++i)
      keys_.push_back("key." + std::to_string(i));
  }

  // The fields of some attributes and what they mean; of a key that stands twice, the first.
  std::string make(std::map<std::string, Value>& expected, uint32_t& dropped) {
    std::string out;
    for (size_t i = below(3) == 0 ? below(keys_.size()) : 0; i < keys_.size(); ++i) {
      if (below(4) == 0) i += below(8);
      const std::string& key = keys_[i % keys_.size()];
      const auto [value, encoded] = make_value(i);
      const auto content = field_of(1, key) + field_of(2, encoded);
      const auto reversed = field_of(2, encoded) + field_of(1, key);
      out += field_of(9, below(20) == 0 ? reversed : content);
      if (!expected.emplace(key, value).second) ++dropped;
    }
    return out;
  }

 private:
  size_t below(size_t end) { return random_() % end; }
  // One of `variants` texts of that size.
  std::string text(size_t size, size_t variants) {
    std::string out(size, static_cast<char>('a' + size % 26));
    if (size > 0) out[below(size)] = static_cast<char>('A' + below(variants));
    return out;
  }
  std::string field_of(uint32_t number, const std::string& content) {
    if (below(60) != 0 || content.size() >= 128) return field(number, content);
    std::string out(1, static_cast<char>(number << 3 | 2));
    out += static_cast<char>(content.size() | 0x80);
    out += '\0';
    return out + content;
  }
  std::pair<Value, std::string> make_value(size_t key) {
    std::string out;
    switch (below(8) == 0 ? below(6) : key % 5) {
      case 0:
      case 1: {
        static constexpr size_t kSizes[] = {0,  1,  2,  3,  4,  7,  8,  9,   15,  16,  17,
                                            24, 31, 32, 33, 48, 90, 97, 115, 124, 130, 700};
        const size_t size = kSizes[key % 3 == 0 ? below(std::size(kSizes)) : key % 22];
        std::string value = text(size, key % 7 == 0 ? 26 : 2);
        return {Value(value), field_of(1, value)};
      }
      case 2: {
        uint64_t number = random_() >> below(64);
        if (below(5) == 0) number = uint64_t{1} << 7 * below(10);
        if (below(5) == 0) --number;
        put_uint(out, 3, number);
        if (number == 0) out = std::string("\x18\0", 2);
        return {Value(static_cast<int64_t>(number)), out};
      }
      case 3: {
        const bool yes = below(2) == 0;
        return {Value(yes), std::string("\x10") + static_cast<char>(yes)};
      }
      case 4: {
        const double number = static_cast<double>(random_()) / 7;
        put_fixed64(out, 4, std::bit_cast<uint64_t>(number));
        return {Value(number), out};
      }
      default: {
        if (below(2) == 0) return {Value(), out};
        std::string bytes = text(below(140), 26);
        return {Value(Value::Bytes{bytes}), field_of(7, bytes)};
      }
    }
  }

  std::mt19937_64& random_;
  std::vector<std::string> keys_;
};

TEST(OtlpProtobuf, AttributesOfAllLengthsTypesAndLayoutsArrive) {
  std::mt19937_64 random(testing::test_seed("AttributeLayouts"));
  for (int round = 0; round < 20; ++round) {
    AttributeMaker maker(random);
    std::vector<std::map<std::string, Value>> expected;
    std::vector<uint32_t> dropped;
    std::string request;
    for (size_t count = random() % 120 + 1; count > 0; --count) {
      std::string span = ids() + field(5, std::string(random() % 40, 'n'));
      put_uint(span, 6, random() % 8);
      put_fixed64(span, 7, random());
      put_fixed64(span, 8, random());
      span += maker.make(expected.emplace_back(), dropped.emplace_back());
      if (random() % 4 == 0) span += maker.make(expected.back(), dropped.back());
      request += field(2, span);
    }
    const auto spans = to_spans(decode(request_of(request)).batch);
    ASSERT_EQ(spans.size(), expected.size());
    for (size_t i = 0; i < spans.size(); ++i) {
      std::map<std::string, Value> got;
      for (const KeyValue& attribute : spans[i].attributes)
        EXPECT_TRUE(got.emplace(attribute.key, attribute.value).second) << attribute.key;
      ASSERT_EQ(got, expected[i]) << "span " << i;
      ASSERT_EQ(spans[i].dropped_attributes_count, dropped[i]);
    }
  }
}

TEST(OtlpProtobuf, AnAttributeEndsWhereItsLengthSays) {
  // Learns the key; then the attribute's length ends before the header that was learned does, and
  // the bytes that follow it would complete it.
  std::string head = ids() + field(5, "name");
  put_uint(head, 6, 1);
  put_fixed64(head, 7, 1);
  put_fixed64(head, 8, 2);
  const std::string key = field(1, "service.name");
  const std::string attribute = key + field(2, string_value("web"));
  const std::string padding = field(2, ids() + field(5, std::string(300, 'n')));
  decode(request_of(field(2, head + field(9, attribute)) + padding));
  for (size_t size = 1; size < attribute.size(); ++size) {
    std::string span = head + field(9, attribute);
    span[head.size() + 1] = static_cast<char>(size);
    const std::string body = request_of(field(2, span) + padding);
    if (size == key.size()) {  // what follows is a field of the span
      const Attributes expected = {{"service.name", Value()}};
      EXPECT_EQ(to_span(decode(body).batch, 0).attributes, expected);
    } else {
      EXPECT_EQ(decode_error(body).code, ErrorCode::kInvalidArgument) << size;
    }
  }
}

TEST(OtlpProtobuf, StringsThatRepeatAreStoredOnceAndThoseThatDoNotAreKept) {
  std::string request;
  std::vector<std::string> unique;
  for (size_t i = 0; i < 500; ++i) {
    unique.push_back("unique-" + std::to_string(i / 3));
    request += field(2, ids() + field(9, key_value("unique", string_value(unique.back()))) +
                            field(9, key_value("few", string_value(std::to_string(i % 7)))) +
                            field(9, key_value("other", string_value(std::to_string(i % 7)))));
  }
  const SpanBatch batch = decode(request_of(request)).batch;
  ASSERT_EQ(batch.attributes.columns.size(), 3);
  EXPECT_EQ(batch.attributes.columns[1].strings, batch.attributes.columns[2].strings);
  for (size_t i = 0; i < unique.size(); ++i)
    EXPECT_EQ(batch.strings.at(batch.attributes.columns[0].strings[i]), unique[i]);
  // 167 unique ones, 7 others, 3 keys and the empty one.
  EXPECT_EQ(batch.strings.size(), 167 + 7 + 3 + 1);
}

TEST(OtlpProtobuf, InvalidUtf8IsKept) {
  const std::string bad = "\xff\xfe";
  const std::string span = ids() + field(5, bad) + field(9, key_value(bad, string_value(bad)));
  const Span got = to_span(decode(request_of(field(2, span))).batch, 0);
  EXPECT_EQ(got.name, bad);
  EXPECT_EQ(got.attributes, (Attributes{{bad, Value(bad)}}));
}

TEST(OtlpProtobuf, UnknownEnumNumbersAreKept) {
  std::string span = ids();
  put_uint(span, 6, 77);
  span += field(15, message([](auto& out) { put_uint(out, 3, 9); }));
  const SpanBatch batch = decode(request_of(field(2, span))).batch;
  EXPECT_EQ(batch.kind[0], 77);
  EXPECT_EQ(batch.status_code[0], 9);
}

TEST(OtlpProtobuf, SpansWithoutValidIdsAreRejectedAndTheOthersKept) {
  const std::string attribute = field(9, key_value("a", string_value("1")));
  const std::vector<std::string> bad = {
      "",
      field(1, kTraceBytes),
      field(2, kSpanBytes),
      field(1, "short") + field(2, kSpanBytes),
      field(1, kTraceBytes + "x") + field(2, kSpanBytes),
      field(1, std::string(16, '\0')) + field(2, kSpanBytes),
      field(1, kTraceBytes) + field(2, "1234567"),
      field(1, kTraceBytes) + field(2, std::string(8, '\0')),
      ids() + field(4, "123"),
      field(1, std::string(16, '\0')) + field(2, kSpanBytes) + field(5, "canonical otherwise"),
  };
  std::string spans = field(2, ids() + attribute);
  for (const std::string& span : bad)
    spans += field(2, span + attribute);
  spans += field(2, ids() + attribute + field(4, ""));
  const DecodeResult result = decode(request_of(spans));
  EXPECT_EQ(result.batch.size(), 2);
  EXPECT_EQ(result.rejected_spans, bad.size());
  EXPECT_THAT(result.message, HasSubstr("trace id"));
  for (const Span& span : to_spans(result.batch))
    EXPECT_EQ(span.attributes.size(), 1);
}

TEST(OtlpProtobuf, OfAKeyThatStandsTwiceTheFirstCounts) {
  std::string span = ids() + field(9, key_value("a", string_value("first")));
  span += field(9, key_value("a", message([](auto& out) { put_uint(out, 3, 2); })));
  span += field(9, key_value("a", string_value("third")));
  put_uint(span, 10, 5);
  const DecodeResult result = decode(request_of(field(2, span)));
  const Span got = to_span(result.batch, 0);
  EXPECT_EQ(got.attributes, (Attributes{{"a", Value("first")}}));
  EXPECT_EQ(got.dropped_attributes_count, 7);
  EXPECT_EQ(result.rejected_spans, 0);
  EXPECT_THAT(result.message, HasSubstr("twice"));
}

TEST(OtlpProtobuf, WhatIsOverALimitIsLeftOutAndCounted) {
  std::string span = ids();
  for (int i = 0; i < 10; ++i) {
    span += field(9, key_value("k" + std::to_string(i), string_value("v")));
    span += field(11, field(2, "event"));
    span += field(13, field(1, kTraceBytes) + field(2, kSpanBytes));
  }
  put_uint(span, 12, 100);
  const DecodeLimits limits = {
      .max_attributes = 4, .max_events_per_span = 3, .max_links_per_span = 2};
  const DecodeResult result = decode(request_of(field(2, span)), limits);
  const Span got = to_span(result.batch, 0);
  EXPECT_EQ(got.attributes.size(), 4);
  EXPECT_EQ(got.dropped_attributes_count, 6);
  EXPECT_EQ(got.events.size(), 3);
  EXPECT_EQ(got.dropped_events_count, 107);
  EXPECT_EQ(got.links.size(), 2);
  EXPECT_EQ(got.dropped_links_count, 8);
  EXPECT_THAT(result.message, HasSubstr("limit"));
  EXPECT_EQ(result.rejected_spans, 0);
}

TEST(OtlpProtobuf, ColumnsAreLimited) {
  std::string spans;
  for (int i = 0; i < 50; ++i) {
    spans += field(2, ids() + field(9, key_value("k" + std::to_string(i), string_value("v"))));
  }
  const DecodeResult result = decode(request_of(spans), {.max_columns = 20});
  EXPECT_EQ(result.batch.attributes.columns.size(), 20);
  uint32_t dropped = 0;
  for (const uint32_t count : result.batch.dropped_attributes_count.values())
    dropped += count;
  EXPECT_EQ(dropped, 30);
}

TEST(OtlpProtobuf, AMillionAttributesOnOneSpanAreBounded) {
  std::string span = ids();
  for (int i = 0; i < 1'000'000; ++i) {
    span += field(9, key_value("k" + std::to_string(i), string_value("v")));
  }
  const DecodeResult result = decode(request_of(field(2, span)));
  EXPECT_EQ(result.batch.attributes.columns.size(), DecodeLimits{}.max_attributes);
  EXPECT_EQ(result.batch.dropped_attributes_count[0], 1'000'000 - DecodeLimits{}.max_attributes);
  // The next request is none the worse for it.
  EXPECT_EQ(decode(request_of(field(2, ids()))).batch.size(), 1);
}

TEST(OtlpProtobuf, MoreSpansThanTheLimitRefuseTheRequest) {
  std::string spans;
  for (int i = 0; i < 11; ++i)
    spans += field(2, ids());
  const Error error = decode_error(request_of(spans), {.max_spans = 10});
  EXPECT_EQ(error.code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(error.message, HasSubstr("10 spans"));
  EXPECT_EQ(decode_error(request_of(spans), {.max_body_bytes = 10}).code,
            ErrorCode::kResourceExhausted);
}

std::string nested_array(int depth) {
  std::string any = string_value("deep");
  for (int i = 0; i < depth; ++i)
    any = field(5, field(1, any));
  return any;
}

TEST(OtlpProtobuf, NestingIsBounded) {
  const auto decode_depth = [](int depth) {
    const std::string span = ids() + field(9, key_value("a", nested_array(depth))) +
                             field(9, key_value("b", string_value("kept")));
    return decode(request_of(field(2, span)));
  };
  DecodeResult result = decode_depth(kMaxValueDepth);
  EXPECT_EQ(to_span(result.batch, 0).attributes.size(), 2);
  EXPECT_EQ(to_span(result.batch, 0).attributes[0].value.type(), ValueType::kArray);
  EXPECT_EQ(result.message, "");
  for (const int depth : {kMaxValueDepth + 1, 20'000}) {
    result = decode_depth(depth);
    EXPECT_EQ(to_span(result.batch, 0).attributes, (Attributes{{"b", Value("kept")}}));
    EXPECT_EQ(result.batch.dropped_attributes_count[0], 1);
    EXPECT_THAT(result.message, HasSubstr("deep"));
  }
}

TEST(OtlpProtobuf, MalformedBytesAreRefusedWithTheirPlace) {
  const auto expect_refused = [](const std::string& body) {
    const Error error = decode_error(body);
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.message, HasSubstr("byte"));
  };
  expect_refused("\x0B");                      // a group
  expect_refused("\x0F\x01");                  // a wire type that does not exist
  expect_refused(std::string("\x00\x01", 2));  // field number 0
  expect_refused("\x0A\x7F");                  // longer than the body
  expect_refused(std::string(11, '\xFF'));     // a varint of eleven bytes
  expect_refused("\x08\x01");                  // resource_spans as a number
  const auto in_span = [](const std::string& bytes) { return request_of(field(2, ids() + bytes)); };
  expect_refused(
      in_span("\x2D"
              "abcd"));                 // the name as fixed32
  expect_refused(in_span("\x38\x01"));  // the start as a varint
  expect_refused(in_span(field(9,
                               "\x0A\x05"
                               "ab")));  // a key that is cut off
  expect_refused(in_span(field(9, key_value("a",
                                            "\x0A\x05"
                                            "ab"))));
  expect_refused(in_span(field(9, key_value("a",
                                            "\x1D"
                                            "abcd"))));
  expect_refused(in_span(field(9, key_value("a", field(5,
                                                       "\x0A\x05"
                                                       "ab")))));
  expect_refused(in_span(field(11,
                               "\x0A\x01"
                               "a")));  // an event's time as bytes
  expect_refused(in_span(field(13, "\x08\x01")));
  expect_refused(in_span(field(15, "\x10\x01")));
  expect_refused(request_of(field(2, ids()), {}, "\x08\x01"));  // a resource's attribute
  expect_refused(request_of(field(2, ids()), "\x08\x01"));      // a scope's name as a number
}

TEST(OtlpProtobuf, LinksWithBadIdsAreLeftOut) {
  const std::string span = ids() + field(13, field(1, "short") + field(2, kSpanBytes)) +
                           field(13, field(1, kTraceBytes) + field(2, kSpanBytes));
  const DecodeResult result = decode(request_of(field(2, span)));
  EXPECT_EQ(to_span(result.batch, 0).links.size(), 1);
  EXPECT_EQ(result.batch.dropped_links_count[0], 1);
  EXPECT_THAT(result.message, HasSubstr("links"));
}

TEST(OtlpProtobuf, TruncationAnywhereIsRefusedOrACleanPrefix) {
  std::mt19937_64 random(testing::test_seed("Truncation"));
  const auto spans = testing::random_spans(random, {.traces = 3, .hostile = true});
  std::string body;
  encode_otlp_traces(testing::to_batch(spans), body);
  size_t prefixes = 0;
  for (size_t size = 0; size < body.size(); ++size) {
    // A copy of its own, so that a sanitizer sees every read past the end.
    const std::string cut(body, 0, size);
    const std::unique_ptr<char[]> exact(new char[size]);
    std::copy(cut.begin(), cut.end(), exact.get());
    const auto result = decode_otlp_traces({exact.get(), size});
    prefixes += result.has_value();
    if (!result) {
      ASSERT_EQ(result.error().code, ErrorCode::kInvalidArgument);
      ASSERT_THAT(result.error().message, HasSubstr("byte"));
    }
  }
  // Only the ends of whole ResourceSpans are valid.
  EXPECT_LE(prefixes, spans.size() + 1);
}

TEST(OtlpProtobuf, FlippedBitsNeverCrash) {
  std::mt19937_64 random(testing::test_seed("FlippedBits"));
  std::string body;
  encode_otlp_traces(testing::to_batch(testing::random_spans(random, {.traces = 3})), body);
  for (int round = 0; round < 600; ++round) {
    std::string damaged = body;
    for (uint64_t flips = random() % 4 + 1; flips > 0; --flips) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    }
    const auto result = decode_otlp_traces(damaged);
    if (!result) continue;
    // What is taken is sound: it survives another round trip.
    std::string again;
    encode_otlp_traces(result->batch, again);
    const auto second = decode_otlp_traces(again);
    ASSERT_TRUE(second) << second.error().message;
    ASSERT_EQ(testing::canonical(second->batch), testing::canonical(result->batch));
  }
}

TEST(OtlpProtobuf, WhatWasDecodedBeforeChangesNothing) {
  std::mt19937_64 random(testing::test_seed("Memory"));
  std::vector<std::string> bodies;
  std::vector<std::vector<Span>> expected;
  for (int i = 0; i < 20; ++i) {
    const auto batch = testing::to_batch(testing::random_spans(random, {.traces = 4}));
    encode_otlp_traces(batch, bodies.emplace_back());
    expected.push_back(testing::canonical(decode_otlp_traces(bodies.back())->batch));
  }
  for (int round = 0; round < 200; ++round) {
    const size_t which = random() % bodies.size();
    ASSERT_EQ(testing::canonical(decode_otlp_traces(bodies[which])->batch), expected[which]);
  }
}

}  // namespace
}  // namespace weft
