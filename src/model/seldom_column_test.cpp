#include "model/seldom_column.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace weft {
namespace {

TEST(SeldomColumn, HoldsNothingWhileAllIsZero) {
  SeldomColumn<uint32_t> column;
  column.resize(3);
  column.push_back(0);
  column.resize(6);
  EXPECT_EQ(column.size(), 6u);
  EXPECT_EQ(column[5], 0u);
  EXPECT_TRUE(column.values().empty());
  EXPECT_EQ(column.memory_bytes(), 0u);
  const std::array<uint32_t, 4> zeros{};
  BatchArena arena(64);
  const SeldomColumn<uint32_t> copied(zeros.data(), zeros.data() + 4, &arena);
  EXPECT_EQ(copied.size(), 4u);
  EXPECT_TRUE(copied.values().empty());
}

TEST(SeldomColumn, HoldsAllFromTheFirstThatIsNot) {
  SeldomColumn<uint32_t> column;
  column.push_back(0);
  column.push_back(0);
  column.push_back(7);
  column.push_back(0);
  column.resize(6);
  const ColumnVector<uint32_t> expected{0, 0, 7, 0, 0, 0};
  EXPECT_EQ(column.values(), expected);
  EXPECT_EQ(column[2], 7u);
  EXPECT_EQ(column[5], 0u);

  SeldomColumn<uint32_t> written;
  written.resize(4);
  written.at(1) = 5;
  EXPECT_EQ(written.size(), 4u);
  EXPECT_EQ(written[1], 5u);
  EXPECT_EQ(written[3], 0u);
  const SeldomColumn<uint32_t> copy = written;
  EXPECT_EQ(copy.values(), written.values());

  const std::array<uint32_t, 3> some{0, 0, 9};
  BatchArena arena(64);
  const SeldomColumn<uint32_t> taken(some.data(), some.data() + 3, &arena);
  EXPECT_EQ(taken[2], 9u);
  EXPECT_TRUE(arena.owns(taken.values().data()));
}

}  // namespace
}  // namespace weft
