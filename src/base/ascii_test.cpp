#include "base/ascii.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(LowerAscii, ChangesLettersOfAsciiAlone) {
  EXPECT_EQ(lower_ascii("AZaz@[`{09-"), "azaz@[`{09-");
  EXPECT_EQ(lower_ascii("\xC3\x89T\xC3\x89"), "\xC3\x89t\xC3\x89");
  EXPECT_EQ(lower_ascii(""), "");
}

}  // namespace
}  // namespace weft
