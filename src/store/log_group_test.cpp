#include "store/log_group.h"

#include <gtest/gtest.h>

namespace weft::store {
namespace {

// A reader takes a longer payload for damage: what is left of the memory, which is rounded up, must
// not be given to another record.
TEST(LogGroup, HoldsNoMoreThanAReaderTakes) {
  constexpr uint64_t kLeft = 100;
  LogGroup group(LogGroup::kMaxBodyBytes);
  ASSERT_TRUE(group.has_room(LogGroup::kMaxBodyBytes));
  group.reserve(LogGroup::kMaxBodyBytes - kLeft);
  EXPECT_TRUE(group.has_room(kLeft - sizeof(LogRecordHeader)));
  EXPECT_FALSE(group.has_room(kLeft - sizeof(LogRecordHeader) + 1));
}

}  // namespace
}  // namespace weft::store
