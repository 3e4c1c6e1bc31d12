#include "analysis/error_groups.h"

#include <gtest/gtest.h>

#include "analysis/testing/fixture.h"

namespace weft::analysis {
namespace {

using testing::Fixture;
using testing::kMs;
using testing::kStart;
using testing::make;

TEST(ErrorGroups, ByTypeAndTemplate) {
  std::vector<Span> spans;
  for (uint8_t i = 1; i <= 8; i++) {
    const std::string message = "customer " + std::to_string(4000 + i) + " lacks scope a.read";
    spans.push_back(make(i, 1, 0, i == 8 ? "other" : "api", "POST")
                        .at(i * 100, 5)
                        .error()
                        .exception("unauthorized", message.c_str()));
  }
  spans.push_back(make(20, 1, 0, "api", "GET").at(50, 5).error("connection refused"));
  spans.push_back(make(21, 1, 0, "api", "GET /x").error().with("http.response.status_code", 503));
  spans.push_back(make(22, 1, 0, "api", "GET").with("error.type", "ignored"));
  Fixture fixture(spans);
  const auto errors =
      error_groups(fixture.request(), Ownership({{"Account", "Identity", {"api"}}}), 100);
  ASSERT_TRUE(errors) << errors.error().message;
  ASSERT_EQ(errors->groups.size(), 3u);
  const ErrorGroup& group = errors->groups[0];
  EXPECT_EQ(group.type, "unauthorized");
  EXPECT_EQ(group.message_template, "customer <num> lacks scope a.read");
  EXPECT_EQ(group.count, 8u);
  EXPECT_EQ(group.services, (std::vector<std::string>{"api", "other"}));
  EXPECT_EQ(group.owner.squad, "Account");
  EXPECT_EQ(group.first_seen_ns, kStart + 100 * kMs);
  EXPECT_EQ(group.last_seen_ns, kStart + 800 * kMs);
  ASSERT_EQ(group.samples.size(), ErrorGroup::kSamples);
  EXPECT_EQ(group.samples[0].trace, testing::trace_id(8)) << "newest first";
  EXPECT_EQ(group.samples[0].start_ns, group.last_seen_ns);
  EXPECT_TRUE(group.samples[0].service == "api" || group.samples[0].service == "other");
  EXPECT_FALSE(group.samples[0].name.empty());
  EXPECT_GT(group.samples[0].duration_ns, 0u);
  EXPECT_TRUE(group.samples[0].message.starts_with("customer ")) << group.samples[0].message;
  uint64_t total = 0;
  for (const auto& [start_ns, count] : group.over_time)
    total += count;
  EXPECT_EQ(total, 8u);
  EXPECT_EQ(group.id.size(), 16u);
  const auto by_type = [&errors](std::string_view type) {
    for (const ErrorGroup& g : errors->groups)
      if (g.type == type) return g.message_template;
    return std::string("none");
  };
  EXPECT_EQ(by_type("error"), "connection refused");
  EXPECT_EQ(by_type("http 503"), "GET /x") << "without a message the name stands for it";
}

TEST(ErrorGroups, OfTheSpansThatMatchAndLimited) {
  Fixture fixture({make(1, 1, 0, "web", "a").error("one"), make(2, 1, 0, "api", "b").error("two"),
                   make(3, 1, 0, "api", "b").error("three")});
  const auto all = error_groups(fixture.request(), {}, 2);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->groups.size(), 2u);
  EXPECT_TRUE(all->limit_reached);
  const auto web = error_groups(fixture.request("{ resource.service.name = \"web\" }"), {}, 9);
  ASSERT_TRUE(web);
  ASSERT_EQ(web->groups.size(), 1u);
  EXPECT_EQ(web->groups[0].message_template, "one");
  const auto structural = error_groups(fixture.request("{ name = \"b\" } | count() > 5"), {}, 9);
  ASSERT_TRUE(structural);
  EXPECT_TRUE(structural->groups.empty());
}

TEST(ErrorGroups, NewSinceARelease) {
  const auto with_version = [](uint8_t trace, const char* version, uint64_t at_ms) {
    return make(trace, 1, 0, "api", "GET").at(at_ms, 1).resource("service.version", version);
  };
  std::vector<Span> spans = {
      with_version(1, "1.0", 0),
      with_version(2, "1.0", 10).error("old trouble"),
      with_version(3, "1.1", 100),
      with_version(4, "1.1", 110).error("new trouble"),
      with_version(5, "1.1", 120).error("old trouble"),
  };
  Fixture fixture(spans);
  const auto find = [](const ErrorGroups& errors, std::string_view text) {
    for (const ErrorGroup& group : errors.groups)
      if (group.message_template == text) return group;
    return ErrorGroup();
  };
  const auto all = error_groups(fixture.request(), {}, 9);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(find(*all, "new trouble").new_since_version, "1.1");
  EXPECT_EQ(find(*all, "new trouble").new_since_service, "api");
  EXPECT_EQ(find(*all, "old trouble").new_since_version, "");
  // Seen from a range that begins after the first occurrence it is still old.
  const auto late = error_groups(fixture.request("", {kStart + 105 * kMs, UINT64_MAX}), {}, 9);
  ASSERT_TRUE(late);
  EXPECT_EQ(find(*late, "old trouble").new_since_version, "");
  EXPECT_EQ(find(*late, "new trouble").new_since_version, "1.1");
}

TEST(ErrorGroups, EmptyStore) {
  Fixture fixture({});
  EXPECT_TRUE(error_groups(fixture.request(), {}, 9)->groups.empty());
}

TEST(CollapseTemplates, OneWordThatVaries) {
  std::vector<std::pair<std::string, std::string>> input;
  for (const char* scope : {"a.read", "a.write", "b.read", "b.write", "c.read"})
    input.emplace_back("unauthorized", std::string("customer <num> lacks scope ") + scope);
  input.emplace_back("other", "customer <num> lacks scope z");
  input.emplace_back("unauthorized", "gone");
  const auto out = collapse_templates(input);
  ASSERT_EQ(out.size(), 7u);
  for (size_t i = 0; i < 5; i++)
    EXPECT_EQ(out[i], "customer <num> lacks scope <*>");
  EXPECT_EQ(out[5], "customer <num> lacks scope z") << "another type";
  EXPECT_EQ(out[6], "gone");
}

TEST(CollapseTemplates, FourAreTooFew) {
  std::vector<std::pair<std::string, std::string>> input;
  for (const char* word : {"a", "b", "c", "d"})
    input.emplace_back("t", std::string("no host ") + word);
  EXPECT_EQ(collapse_templates(input)[0], "no host a");
}

}  // namespace
}  // namespace weft::analysis
