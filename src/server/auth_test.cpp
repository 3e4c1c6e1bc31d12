#include "server/auth.h"

#include <gmock/gmock.h>

namespace weft::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(TokenSetTest, ReadsTokensAndTheirFields) {
  const auto set = TokenSet::parse(
      "# who may send\n"
      "\n"
      "first-token-0123456789\r\n"
      "  second-token-0123456789   name=web browser origin=https://a.example "
      "origin=https://b.example service=shop spans_per_second=50.5\n",
      "tokens");
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->size(), 2u);
  const auto first = set->find("first-token-0123456789");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->name, "line-3");
  EXPECT_FALSE(first->browser);
  EXPECT_TRUE(first->allows_service("anything"));
  const auto second = set->find("second-token-0123456789");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->name, "web");
  EXPECT_TRUE(second->browser);
  EXPECT_TRUE(second->allows_origin("https://b.example"));
  EXPECT_FALSE(second->allows_origin("https://b.example.evil"));
  EXPECT_TRUE(second->allows_service("shop"));
  EXPECT_FALSE(second->allows_service("shop2"));
  EXPECT_EQ(second->max_spans_per_second, 50.5);
  EXPECT_TRUE(set->any_allows_origin("https://a.example"));
  EXPECT_FALSE(set->find(""));
  EXPECT_FALSE(set->find("first-token-012345678"));
  EXPECT_FALSE(set->find("first-token-01234567890"));
}

TEST(TokenSetTest, MistakesNameTheLineAndNeverTheToken) {
  const auto complaint = [](std::string_view text) {
    const auto set = TokenSet::parse(text, "tokens");
    return set ? "no error" : set.error().message;
  };
  EXPECT_THAT(complaint("good-token-0123456789\nshort\n"), HasSubstr("tokens:2: a token has 16"));
  EXPECT_THAT(complaint("secret-token-0123456789 colour=red\n"),
              HasSubstr("unknown field 'colour'"));
  EXPECT_THAT(complaint("secret-token-0123456789 colour=red\n"), Not(HasSubstr("secret")));
  EXPECT_THAT(complaint("secret-token-0123456789 browser\n"),
              HasSubstr("needs at least one origin"));
  for (const char* bad : {"0", "-1", "x", "1e999", "nan", "5x"}) {
    EXPECT_THAT(complaint("secret-token-0123456789 spans_per_second=" + std::string(bad)),
                HasSubstr("number above 0"));
  }
  EXPECT_THAT(complaint("# nothing\n"), HasSubstr("holds no token"));
  EXPECT_THAT(TokenSet::load("/nonexistent/tokens").error().message,
              HasSubstr("/nonexistent/tokens"));
}

TEST(BearerTokenTest, TakesTheSchemeInAnyCase) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  EXPECT_EQ(bearer_token("bEARER   abc "), "abc");
  EXPECT_EQ(bearer_token("Basic abc"), "");
  EXPECT_EQ(bearer_token("Bearer"), "");
  EXPECT_EQ(bearer_token(""), "");
}

TEST(RateLimiterTest, RefillsAndSaysHowLongToWait) {
  RateLimiter limiter;
  constexpr uint64_t kSecond = 1'000'000'000;
  uint64_t now_ns = 100 * kSecond;
  EXPECT_EQ(limiter.take("a", 5, 2, 5, now_ns), 0u);
  EXPECT_EQ(limiter.take("a", 1, 2, 5, now_ns), 1u);
  EXPECT_EQ(limiter.take("b", 1, 2, 5, now_ns), 0u);  // every key has a bucket of its own
  now_ns += kSecond;
  EXPECT_EQ(limiter.take("a", 20, 2, 5, now_ns), 0u);  // into debt: 18 spans, 9 s
  EXPECT_EQ(limiter.take("a", 1, 2, 5, now_ns), 9u);
  now_ns += 8 * kSecond;
  EXPECT_EQ(limiter.take("a", 1, 2, 5, now_ns), 1u);
  now_ns += 2 * kSecond;
  EXPECT_EQ(limiter.take("a", 1, 2, 5, now_ns), 0u);
  now_ns -= 50 * kSecond;  // a clock that goes back takes nothing away
  EXPECT_EQ(limiter.take("a", 1, 2, 5, now_ns), 0u);
}

TEST(RateLimiterTest, ForgetsKeysWhenThereAreTooMany) {
  RateLimiter limiter(100);
  for (int i = 0; i < 100'000; ++i) {
    EXPECT_EQ(limiter.take(std::to_string(i), 1, 1, 1, 1'000'000'000), 0u);
  }
}

}  // namespace
}  // namespace weft::server
