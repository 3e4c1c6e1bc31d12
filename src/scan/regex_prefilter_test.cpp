#include "scan/regex_prefilter.h"

#include <gtest/gtest.h>

#include "scan/compiled_condition.h"

namespace weft {
namespace {

bool may_match(const std::string& pattern, const std::string& text) {
  const RegexPrefilter prefilter(pattern);
  std::string lower;
  for (const char c : text)
    lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  std::vector<int> occurring;
  for (size_t i = 0; i < prefilter.atoms().size(); ++i) {
    if (lower.find(prefilter.atoms()[i]) != std::string::npos) {
      occurring.push_back(static_cast<int>(i));
    }
  }
  return prefilter.may_match(occurring);
}

TEST(RegexPrefilter, NeverRulesOutWhatMatches) {
  const std::string texts[] = {"",     "/orders/12",       "/Orders/12?x=a.b",
                               "GET",  "checkout",         "4bf92f3577b34da6",
                               "a\nb", "\xC3\x89t\xC3\xA9"};
  const std::string patterns[] = {"",
                                  ".*",
                                  "/orders/.*",
                                  "(?i)/ORDERS/.*",
                                  ".*(cart|checkout).*",
                                  "G.T",
                                  "[A-Z]+",
                                  ".*\\d+.*",
                                  "(?s).*b",
                                  "a.b",
                                  ".*a\\.b",
                                  "x{0}",
                                  "(foo)?.*",
                                  "(?:/orders|/carts)/[0-9]+",
                                  "\xC3\x89.*",
                                  "(?i)\xC3\xA9.*"};
  for (const std::string& pattern : patterns) {
    const auto condition = CompiledCondition::create(CompareOp::kRegex, Value(pattern));
    ASSERT_TRUE(condition) << pattern;
    for (const std::string& text : texts) {
      if (!condition->matches_text(ValueType::kString, text)) continue;
      EXPECT_TRUE(may_match(pattern, text)) << pattern << " on " << text;
    }
  }
}

TEST(RegexPrefilter, RulesOutWhatLacksItsParts) {
  EXPECT_FALSE(may_match(".*/zzz/.*", "/orders/12"));
  EXPECT_FALSE(may_match(".*(cart|checkout).*", "/orders/12"));
  EXPECT_FALSE(may_match("/orders/.*/items", "/orders/12"));
  EXPECT_TRUE(may_match(".*", ""));
}

}  // namespace
}  // namespace weft
