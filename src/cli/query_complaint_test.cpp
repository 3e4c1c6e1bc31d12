#include "cli/query_complaint.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

ApiError error_at(uint64_t offset, uint64_t length) {
  ApiError error;
  error.error = {ErrorCode::kInvalidArgument, "no such scope"};
  error.offset = offset;
  error.length = length;
  return error;
}

TEST(QueryComplaintTest, CaretStandsUnderThePlace) {
  ApiError error = error_at(2, 4);
  error.hint = "did you mean `span.foo`?";
  error.expected = {"span", "resource"};
  EXPECT_EQ(explain_query_error("{ spam.foo = 1 }", error, false),
            "error: no such scope\n"
            "  { spam.foo = 1 }\n"
            "    ^^^^\n"
            "expected: span, resource\n"
            "hint: did you mean `span.foo`?\n");
}

TEST(QueryComplaintTest, OnlyTheLineOfTheMistakeIsShown) {
  EXPECT_EQ(explain_query_error("{ a = 1 }\n| coun() > 2\n", error_at(12, 4), false),
            "error: no such scope\n"
            "  | coun() > 2\n"
            "    ^^^^\n");
}

TEST(QueryComplaintTest, WideCharactersMoveTheCaret) {
  EXPECT_EQ(explain_query_error("{ .名 ! }", error_at(7, 1), false),
            "error: no such scope\n"
            "  { .名 ! }\n"
            "        ^\n");
}

TEST(QueryComplaintTest, EveryOffsetIsHarmless) {
  const std::string query = "{ a\n\xff }";
  for (uint64_t offset = 0; offset < 20; ++offset) {
    for (const uint64_t length : {uint64_t{0}, uint64_t{1}, uint64_t{100}, UINT64_MAX}) {
      EXPECT_FALSE(explain_query_error(query, error_at(offset, length), false).empty());
    }
  }
}

}  // namespace
}  // namespace weft::cli
