#include "cli/trace_table.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

constexpr std::string_view kAnswer = R"({"traces": [
  {"traceId": "0af7651916cd43dd8448eb211c80319c", "rootServiceName": "web",
   "rootTraceName": "POST /login", "startTimeUnixNano": "1700000000123000000",
   "durationMs": 42.1, "spanCount": 12, "errorCount": 1,
   "spanSet": {"matched": 2, "spans": [{"spanId": "00f067aa0ba902b7", "name": "GET",
      "serviceName": "api", "durationMs": 3.5, "status": "error",
      "attributes": [{"key": "span.http.route", "value": {"stringValue": "/login"}},
                     {"key": "span.n", "value": {"intValue": "7"}}]}]}},
  {"traceId": "1", "rootServiceName": "a\u001b[2J", "rootTraceName": "",
   "startTimeUnixNano": "1700000000000000000", "durationMs": 0, "spanCount": 1, "errorCount": 0,
   "spanSet": {"matched": 1, "spans": []}}],
  "inspected": {"spans": 120000, "bytes": 345678, "blocks": 3, "blocksSkipped": 1},
  "limitReached": true, "elapsedMs": 12.3})";

TEST(TraceTableTest, ReadsAndDrawsAnAnswer) {
  const auto found = read_found_traces(kAnswer);
  ASSERT_TRUE(found);
  const std::vector<std::string> lines = render_trace_table(*found, {.width = 110});
  const std::vector<std::string> expected = {
      "TRACE                             2023-11-14 UTC   DURATION   SPANS  ERRORS  MATCHED  ROOT",
      "0af7651916cd43dd8448eb211c80319c  22:13:20.123      42.1 ms      12       1        2  "
      "web: POST /login",
      "1                                 22:13:20.000         0 ns       1       0        1  "
      "a\uFFFD[2J",
      "",
      "2 traces, and more match (--limit N); inspected 120,000 spans, 346 kB in 3 blocks, "
      "skipped 1, 12.3 ms"};
  EXPECT_EQ(lines, expected);
}

TEST(TraceTableTest, MatchingSpansBelowTheirTrace) {
  const auto found = read_found_traces(kAnswer);
  ASSERT_TRUE(found);
  const std::vector<std::string> lines =
      render_trace_table(*found, {.width = 110, .colour = false, .spans = true});
  EXPECT_EQ(lines[2],
            "    00f067aa0ba902b7    3.50 ms  api GET [error]  span.http.route=/login  span.n=7");
  EXPECT_EQ(lines[3], "    … 1 more matching spans");
}

TEST(TraceTableTest, NothingFound) {
  const auto found = read_found_traces(R"({"traces": [], "inspected": {"spans": 5}})");
  ASSERT_TRUE(found);
  EXPECT_EQ(render_trace_table(*found, {}),
            std::vector<std::string>{"no trace matches; inspected 5 spans, 0 ns"});
}

TEST(TraceTableTest, OtherJsonIsRefused) {
  EXPECT_FALSE(read_found_traces("[]"));
  EXPECT_FALSE(read_found_traces("{}"));
  EXPECT_FALSE(read_found_traces("not json"));
}

}  // namespace
}  // namespace weft::cli
