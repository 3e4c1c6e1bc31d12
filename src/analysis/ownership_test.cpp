#include "analysis/ownership.h"

#include <gtest/gtest.h>

namespace weft::analysis {
namespace {

TEST(Ownership, ConfigurationComesFirst) {
  const Ownership ownership({{"Account", "Identity", {"account-oauth", "account-*"}},
                             {"Legacy", "Identity", {"account-legacy", "account-old-*"}},
                             {"Product", "Gaming", {"web"}}});
  EXPECT_EQ(ownership.owner_of("account-oauth"), (Owner{"Account", "Identity"}));
  EXPECT_EQ(ownership.owner_of("account-legacy", "Product"), (Owner{"Legacy", "Identity"}));
  EXPECT_EQ(ownership.owner_of("account-old-x"), (Owner{"Legacy", "Identity"}));
  EXPECT_EQ(ownership.owner_of("account-new"), (Owner{"Account", "Identity"}));
}

TEST(Ownership, AttributesWhereItIsSilent) {
  const Ownership ownership({{"Product", "Gaming", {"web"}}});
  EXPECT_EQ(ownership.owner_of("shop", "Product", "x"), (Owner{"Product", "Gaming"}));
  EXPECT_EQ(ownership.owner_of("shop", "", "payments"), (Owner{"payments", ""}));
  EXPECT_EQ(ownership.owner_of("shop"), Owner{});
  EXPECT_EQ(Ownership().owner_of("web"), Owner{});
}

}  // namespace
}  // namespace weft::analysis
