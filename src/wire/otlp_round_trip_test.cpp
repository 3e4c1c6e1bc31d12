// Random spans through each format and back: what goes in comes out equal.
#include <gtest/gtest.h>

#include "model/testing/random_spans.h"
#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"

namespace weft {
namespace {

using testing::canonical;

// Annotations are Weft's own and never leave by these formats.
std::vector<Span> random_spans(std::mt19937_64& random, bool hostile = false) {
  auto spans = testing::random_spans(random, {.hostile = hostile});
  for (Span& span : spans)
    span.annotations.clear();
  return spans;
}

std::string to_protobuf(const SpanBatch& batch) {
  std::string out;
  encode_otlp_traces(batch, out);
  return out;
}

std::string to_json(const SpanBatch& batch) {
  std::string out;
  encode_otlp_traces_json(batch, out);
  return out;
}

void expect_sound(const AttributeTable& table, size_t rows) {
  for (const AttributeColumn& column : table.columns) {
    for (size_t i = 0; i < column.rows.size(); ++i) {
      ASSERT_LT(column.rows[i], rows);
      ASSERT_TRUE(i == 0 || column.rows[i - 1] < column.rows[i]);
    }
    ASSERT_EQ(column.numbers.size(), column.is_number() ? column.rows.size() : 0);
    ASSERT_EQ(column.strings.size(), column.is_string_like() ? column.rows.size() : 0);
  }
}

// Names the first span that differs, as JSON.
void expect_equal(const std::vector<Span>& actual, const std::vector<Span>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    if (actual[i] == expected[i]) continue;
    ADD_FAILURE() << "span " << i << " is\n"
                  << to_json(testing::to_batch({actual[i]})) << "\ninstead of\n"
                  << to_json(testing::to_batch({expected[i]}));
    return;
  }
}

TEST(OtlpRoundTrip, ProtobufKeepsEverything) {
  std::mt19937_64 random(testing::test_seed("ProtobufKeepsEverything"));
  for (int round = 0; round < 30; ++round) {
    const auto spans = random_spans(random, round % 2 == 1);
    const SpanBatch batch = testing::to_batch(spans);
    const auto decoded = decode_otlp_traces(to_protobuf(batch));
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->rejected_spans, 0);
    EXPECT_EQ(decoded->message, "");
    expect_sound(decoded->batch.attributes, decoded->batch.size());
    expect_sound(decoded->batch.events.attributes, decoded->batch.events.size());
    expect_sound(decoded->batch.links.attributes, decoded->batch.links.size());
    expect_equal(canonical(decoded->batch), canonical(spans));
    if (HasFailure()) return;
  }
}

TEST(OtlpRoundTrip, JsonKeepsEverything) {
  std::mt19937_64 random(testing::test_seed("JsonKeepsEverything"));
  for (int round = 0; round < 30; ++round) {
    const auto spans = random_spans(random);
    const SpanBatch batch = testing::to_batch(spans);
    const auto decoded = decode_otlp_traces_json(to_json(batch));
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->rejected_spans, 0);
    EXPECT_EQ(decoded->message, "");
    expect_sound(decoded->batch.attributes, decoded->batch.size());
    expect_equal(canonical(decoded->batch), canonical(spans));
    if (HasFailure()) return;
  }
}

TEST(OtlpRoundTrip, JsonOfHostileBytesIsJson) {
  std::mt19937_64 random(testing::test_seed("JsonOfHostileBytesIsJson"));
  for (int round = 0; round < 30; ++round) {
    const SpanBatch batch = testing::to_batch(random_spans(random, true));
    const auto decoded = decode_otlp_traces_json(to_json(batch));
    ASSERT_TRUE(decoded) << decoded.error().message;
    ASSERT_EQ(decoded->batch.size(), batch.size());
    // Once invalid bytes are replaced, nothing changes any more.
    const auto again = decode_otlp_traces_json(to_json(decoded->batch));
    ASSERT_TRUE(again) << again.error().message;
    expect_equal(canonical(again->batch), canonical(decoded->batch));
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace weft
