#include "model/span_batch.h"

#include <gtest/gtest.h>

#include <numeric>

#include "model/testing/random_spans.h"

namespace weft {
namespace {

using testing::canonical;
using testing::random_spans;
using testing::to_batch;

TEST(SpanBatch, SpansComeBackAsTheyWentIn) {
  std::mt19937_64 random(testing::test_seed("SpansComeBackAsTheyWentIn"));
  const auto spans = random_spans(random, {.traces = 60, .hostile = true});
  EXPECT_EQ(to_spans(to_batch(spans)).size(), spans.size());
  EXPECT_EQ(canonical(to_batch(spans)), canonical(spans));
}

TEST(SpanBatch, OneRowEqualsTheSameRowOfAll) {
  std::mt19937_64 random(testing::test_seed("OneRowEqualsTheSameRowOfAll"));
  const SpanBatch batch = to_batch(random_spans(random));
  const auto all = to_spans(batch);
  for (size_t row = 0; row < batch.size(); ++row)
    EXPECT_EQ(to_span(batch, row), all[row]);
}

TEST(SpanBatch, AppendedBatchesHoldAllSpans) {
  std::mt19937_64 random(testing::test_seed("AppendedBatchesHoldAllSpans"));
  std::vector<Span> all;
  SpanBatch target;
  for (int i = 0; i < 20; ++i) {
    const auto spans = random_spans(random, {.traces = 3, .hostile = true});
    append_batch(target, to_batch(spans));
    all.insert(all.end(), spans.begin(), spans.end());
  }
  EXPECT_EQ(canonical(target), canonical(all));
}

TEST(SpanBatch, AppendingSharesEqualResourcesAndScopes) {
  Span span;
  span.resource.attributes = {{"service.name", Value("web")}, {"pid", Value(7)}};
  span.scope.name = "lib";
  SpanBatch target;
  for (uint8_t i = 1; i <= 9; ++i) {
    span.trace_id.bytes[0] = i;
    span.span_id.bytes[0] = i;
    append_batch(target, to_batch({span}));
  }
  EXPECT_EQ(target.size(), 9u);
  EXPECT_EQ(target.resources.size(), 1u);
  EXPECT_EQ(target.scopes.size(), 1u);
}

TEST(SpanBatch, AppendRowsTakesTheGivenRowsInTheirOrder) {
  std::mt19937_64 random(testing::test_seed("AppendRowsTakesTheGivenRowsInTheirOrder"));
  const auto spans = random_spans(random, {.traces = 30, .hostile = true});
  const SpanBatch source = to_batch(spans);
  std::vector<uint32_t> rows(source.size());
  std::iota(rows.begin(), rows.end(), 0u);
  std::shuffle(rows.begin(), rows.end(), random);
  rows.resize(rows.size() / 2);
  SpanBatch target = to_batch(random_spans(random, {.traces = 2}));
  const size_t before = target.size();
  append_rows(target, source, rows);
  const auto got = to_spans(target);
  ASSERT_EQ(got.size(), before + rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    Span expected = spans[rows[i]];
    Span actual = got[before + i];
    normalise(expected);
    normalise(actual);
    EXPECT_EQ(actual, expected);
  }
}

TEST(SpanBatch, RowsOfColumnsStayAscending) {
  std::mt19937_64 random(testing::test_seed("RowsOfColumnsStayAscending"));
  const SpanBatch source = to_batch(random_spans(random));
  std::vector<uint32_t> rows(source.size());
  std::iota(rows.rbegin(), rows.rend(), 0u);
  SpanBatch target;
  append_rows(target, source, rows);
  for (const AttributeColumn& column : target.attributes.columns) {
    EXPECT_TRUE(std::is_sorted(column.rows.begin(), column.rows.end()));
    EXPECT_EQ(column.rows.size(), column.is_number()        ? column.numbers.size()
                                  : column.is_string_like() ? column.strings.size()
                                                            : column.rows.size());
  }
  EXPECT_TRUE(std::is_sorted(target.events.span_row.begin(), target.events.span_row.end()));
}

TEST(StringPool, InternFindsWhatWasInternedBefore) {
  StringPool pool;
  EXPECT_EQ(pool.intern(""), StringPool::kEmpty);
  std::vector<StringPool::Id> ids;
  for (int i = 0; i < 5000; ++i)
    ids.push_back(pool.intern("text-" + std::to_string(i)));
  for (int i = 0; i < 5000; ++i) {
    EXPECT_EQ(pool.intern("text-" + std::to_string(i)), ids[i]);
    EXPECT_EQ(pool.at(ids[i]), "text-" + std::to_string(i));
  }
  pool.drop_index();
  EXPECT_EQ(pool.intern("text-77"), ids[77]);
  EXPECT_EQ(pool.size(), 5001u);
}

TEST(StringPool, AssignReplacesTheContent) {
  StringPool pool;
  pool.intern("before");
  pool.assign("onetwo", std::vector<uint32_t>{3, 3, 6});
  EXPECT_EQ(pool.size(), 4u);
  EXPECT_EQ(pool.at(0), "");
  EXPECT_EQ(pool.at(1), "one");
  EXPECT_EQ(pool.at(2), "");
  EXPECT_EQ(pool.at(3), "two");
  EXPECT_EQ(pool.memory_bytes(), 6 + 4 * sizeof(uint32_t));
  EXPECT_EQ(pool.intern("two"), 3u);
  EXPECT_EQ(pool.intern("before"), 4u);
  pool.assign("", {});
  EXPECT_EQ(pool.size(), 1u);
  EXPECT_EQ(pool.at(0), "");
}

TEST(StringPool, SaysWhatIsCommonWhereThatIsKnown) {
  StringPool pool;
  EXPECT_FALSE(pool.is_common(pool.intern("a")));
  pool.assign("onetwo", std::vector<uint32_t>{3, 6}, std::vector<uint64_t>{0b100});
  EXPECT_FALSE(pool.is_common(1));
  EXPECT_TRUE(pool.is_common(2));
  for (int i = 0; i < 100; ++i)
    EXPECT_FALSE(pool.is_common(pool.intern("later-" + std::to_string(i))));
  pool.assign("x", std::vector<uint32_t>{1});
  EXPECT_FALSE(pool.is_common(1));
}

TEST(StringPool, DroppingTheIndexGivesItsMemoryBack) {
  StringPool pool;
  for (int i = 0; i < 1000; ++i)
    pool.intern(std::to_string(i));
  const size_t before = pool.memory_bytes();
  pool.drop_index();
  EXPECT_LE(pool.memory_bytes() + 1000 * sizeof(uint64_t), before);
}

}  // namespace
}  // namespace weft
