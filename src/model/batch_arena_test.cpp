#include "model/batch_arena.h"

#include <gtest/gtest.h>

#include <numeric>

#include "model/span_batch.h"

namespace weft {
namespace {

ColumnVector<uint32_t> counted(size_t size, BatchArena* arena) {
  ColumnVector<uint32_t> column(size, arena);
  std::iota(column.begin(), column.end(), 0u);
  return column;
}

TEST(BatchArena, ColumnsLieInItWhileThereIsRoom) {
  BatchArena arena(BatchArena::piece_bytes(100 * sizeof(uint32_t)));
  const auto first = counted(100, &arena);
  const auto second = counted(1, &arena);
  EXPECT_TRUE(arena.owns(first.data()));
  EXPECT_FALSE(arena.owns(second.data()));
  EXPECT_EQ(first[99], 99u);
}

TEST(BatchArena, AColumnThatGrowsOutOfItKeepsItsValues) {
  BatchArena arena(1000);
  auto column = counted(100, &arena);
  for (uint32_t i = 100; i < 5000; ++i)
    column.push_back(i);
  EXPECT_FALSE(arena.owns(column.data()));
  EXPECT_EQ(column, counted(5000, nullptr));
}

TEST(BatchArena, CopiesLieOnTheHeapAndMovesStay) {
  BatchArena arena(1000);
  auto column = counted(100, &arena);
  const auto copy = column;
  EXPECT_FALSE(arena.owns(copy.data()));
  const uint32_t* const data = column.data();
  ColumnVector<uint32_t> moved;
  moved = std::move(column);
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(copy, moved);
}

// A batch as decoders leave it.
SpanBatch batch_in_arena(uint32_t spans) {
  SpanBatch batch;
  BatchArena* const arena = batch.arena.make(100'000);
  batch.start_ns = ColumnVector<uint64_t>(spans, 7, arena);
  AttributeColumn column(arena);
  column.rows = counted(spans, arena);
  batch.attributes.columns = ColumnVector<AttributeColumn>(arena);
  batch.attributes.columns.push_back(std::move(column));
  return batch;
}

// Under the address sanitizer each of these would show who is let go too early.
TEST(SpanBatch, IsLetGoBeforeTheArenaThatItLiesIn) {
  SpanBatch batch = batch_in_arena(100);
  batch = batch_in_arena(200);
  EXPECT_EQ(batch.start_ns.size(), 200u);
  EXPECT_EQ(batch.attributes.columns[0].rows[199], 199u);
  SpanBatch other = batch_in_arena(300);
  std::swap(batch, other);
  EXPECT_EQ(batch.start_ns.size(), 300u);
  EXPECT_EQ(other.attributes.columns[0].rows.back(), 199u);
}

TEST(SpanBatch, ACopyOutlivesTheBatchThatLiesInAnArena) {
  SpanBatch copy;
  {
    const SpanBatch batch = batch_in_arena(100);
    copy = batch;
  }
  EXPECT_EQ(copy.start_ns[99], 7u);
  EXPECT_EQ(copy.attributes.columns[0].rows, counted(100, nullptr));
}

}  // namespace
}  // namespace weft
