#include <gtest/gtest.h>
#include <malloc.h>

#include <cmath>
#include <limits>

#include "query/query_service.h"
#include "query/testing/memory_source.h"

namespace weft {
namespace {

constexpr uint64_t kBaseNs = 1'700'000'000'000'000'000;

TraceId trace_id(uint8_t number) {
  TraceId id;
  id.bytes[15] = number;
  return id;
}
SpanId span_id(uint8_t number) {
  SpanId id;
  id.bytes[7] = number;
  return id;
}

Span make_span(uint8_t trace, uint8_t span, uint8_t parent, uint64_t start_ms, std::string name) {
  Span out;
  out.trace_id = trace_id(trace);
  out.span_id = span_id(span);
  out.parent_span_id = span_id(parent);
  out.start_ns = kBaseNs + start_ms * 1'000'000;
  out.end_ns = out.start_ns + 5'000'000;
  out.name = std::move(name);
  out.resource.attributes.push_back({"service.name", Value("shop")});
  return out;
}

std::vector<Span> three_traces() {
  std::vector<Span> out;
  for (uint8_t trace = 1; trace <= 3; ++trace) {
    out.push_back(make_span(trace, 1, 0, trace * 1000u, "GET /"));
    out.push_back(make_span(trace, 2, 1, trace * 1000u + 1, "db"));
    out.back().attributes.push_back({"rows", Value(int64_t{trace})});
  }
  return out;
}

CompiledQuery compiled(std::string_view text) {
  auto query = compile_query(text);
  EXPECT_TRUE(query) << to_terminal(query.error(), text);
  return *query;
}

TEST(Search, FindsNewestFirst) {
  testing::MemorySource source(three_traces());
  const auto result = search(source, compiled("{ span.rows >= 2 }"), {});
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_EQ(result->traces.size(), 2u);
  EXPECT_EQ(result->traces[0].trace_id, trace_id(3));
  EXPECT_EQ(result->traces[1].trace_id, trace_id(2));
  EXPECT_FALSE(result->limit_reached);
  const TraceSummary& newest = result->traces[0];
  EXPECT_EQ(newest.root_name, "GET /");
  EXPECT_EQ(newest.root_service_name, "shop");
  EXPECT_EQ(newest.span_count, 2u);
  EXPECT_EQ(newest.duration_ns, 6'000'000u);
  ASSERT_EQ(newest.spansets.size(), 1u);
  ASSERT_EQ(newest.spansets[0].spans.size(), 1u);
  EXPECT_EQ(newest.spansets[0].spans[0].name, "db");
  EXPECT_EQ(newest.spansets[0].spans[0].attributes[0].first, "span.rows");
}

TEST(Search, ShowsWhatFiltersAndSelectName) {
  testing::MemorySource source(three_traces());
  const auto result = search(
      source, compiled("{ span.rows = 2 } | select(resource.service.name, rootName, parent.rows)"),
      {});
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_EQ(result->traces.size(), 1u);
  const std::vector<NamedValue> expected = {{"resource.service.name", Value("shop")},
                                            {"trace:rootName", Value("GET /")},
                                            {"span.rows", Value(2)}};
  EXPECT_EQ(result->traces[0].spansets[0].spans[0].attributes, expected);
}

TEST(Search, TellsOfProgress) {
  testing::MemorySourceOptions slow;
  slow.traces_per_batch = 1;
  slow.next_delay_ns = 120'000'000;
  testing::MemorySource source(three_traces(), slow);
  SearchOptions options;
  options.budget.threads = 1;
  size_t calls = 0;
  options.on_partial = [&](const SearchResult& partial) {
    ++calls;
    EXPECT_LE(partial.traces.size(), 3u);
  };
  const auto result = search(source, compiled("{ }"), options);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->traces.size(), 3u);
  EXPECT_GE(calls, 1u);
}

TEST(Search, SaysThatTheLimitWasReached) {
  testing::MemorySource source(three_traces());
  SearchOptions options;
  options.limit = 2;
  auto result = search(source, compiled("{ }"), options);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->limit_reached);
  EXPECT_EQ(result->traces.size(), 2u);
  options.limit = 3;
  result = search(source, compiled("{ }"), options);
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->limit_reached);
}

// A trace of a thousand spans or more under one root.
std::vector<Span> wide_trace(size_t spans) {
  std::vector<Span> out;
  out.push_back(make_span(1, 1, 0, 0, "GET /"));
  for (size_t i = 1; i < spans; ++i) {
    out.push_back(make_span(1, 0, 1, i, "db"));
    for (size_t byte = 0; byte < 4; ++byte)
      out.back().span_id.bytes[byte] = static_cast<uint8_t>((i + 256) >> (8 * byte));
  }
  return out;
}

TEST(Search, AggregatesSkipWhatIsNoNumber) {
  std::vector<Span> spans;
  uint8_t number = 1;
  for (const double load : {1.0, std::nan(""), 5.0}) {
    spans.push_back(make_span(1, number, 0, number, "db"));
    spans.back().attributes.push_back({"load", Value(load)});
    ++number;
  }
  for (const char* text : {"{ } | sum(.load) = 6", "{ } | avg(.load) = 3", "{ } | min(.load) = 1",
                           "{ } | max(.load) = 5"}) {
    testing::MemorySource source(spans);
    const auto result = search(source, compiled(text), {});
    ASSERT_TRUE(result);
    EXPECT_EQ(result->traces.size(), 1u) << text;
  }
  // From infinities of both signs no sum comes, whatever stands behind them.
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  spans[0].attributes[0].value = Value(kInfinity);
  spans[1].attributes[0].value = Value(-kInfinity);
  testing::MemorySource source(spans);
  const auto result = search(source, compiled("{ } | sum(.load) < 100"), {});
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->traces.empty());
}

TEST(Search, SetsOfOneTraceAreChargedToTheMemoryBudget) {
  testing::MemorySource source(wide_trace(20'000));
  SearchOptions options;
  options.budget.memory_bytes = 4u << 20;
  const std::string by_id = " | by(span:id) | by(name) | by(duration) | by(kind)";
  const auto result = search(source, compiled("{ }" + by_id + " | count() = 0"), options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
  // What a stage held is given back.
  options.budget.memory_bytes = 512u << 20;
  EXPECT_TRUE(search(source, compiled("{ }" + by_id + " | coalesce()"), options));
}

TEST(Search, OneTraceEndsWithTheTimeBudgetToo) {
  testing::MemorySource source(wide_trace(100'000));
  SearchOptions options;
  options.budget.time_ns = 100'000'000;
  // A structure of the whole trace for each of its spans.
  const auto result = search(source, compiled("{ } | by(span:id) | { } > { }"), options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kDeadlineExceeded);
}

TEST(Search, TheRangeIsThatOfTheSelectedSpans) {
  testing::MemorySource source(three_traces());
  SearchOptions options;
  options.range = {kBaseNs + 2001 * 1'000'000ull, kBaseNs + 2002 * 1'000'000ull};
  auto result = search(source, compiled("{ name = \"GET /\" } > { name = \"db\" }"), options);
  ASSERT_TRUE(result);
  ASSERT_EQ(result->traces.size(), 1u);
  EXPECT_EQ(result->traces[0].trace_id, trace_id(2));
  result = search(source, compiled("{ name = \"GET /\" }"), options);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->traces.empty());
}

TEST(Search, StopsAtItsTimeBudget) {
  testing::MemorySourceOptions slow;
  slow.next_delay_ns = 1'000'000'000'000;
  testing::MemorySource source(three_traces(), slow);
  SearchOptions options;
  options.budget.time_ns = 20'000'000;
  const auto result = search(source, compiled("{ }"), options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kDeadlineExceeded);
}

TEST(Search, StopsWhenItsCallerGivesUp) {
  testing::MemorySource source(three_traces());
  CancelToken cancel;
  cancel.cancel();
  SearchOptions options;
  options.cancel = &cancel;
  const auto result = search(source, compiled("{ }"), options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

TEST(Search, StopsAtItsMemoryBudget) {
  testing::MemorySource source(three_traces());
  SearchOptions options;
  options.budget.memory_bytes = 10;
  const auto result = search(source, compiled("{ }"), options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
}

// What the allocator has handed out, over all threads; 0 where a sanitizer keeps the books.
size_t allocated_bytes() {
  return ::mallinfo2().uordblks;
}

TEST(Search, FreesItsMemoryWhenItIsCutOff) {
  std::vector<Span> spans;
  for (uint32_t trace = 0; trace < 300; ++trace) {
    for (uint8_t i = 1; i <= 10; ++i) {
      spans.push_back(make_span(1, i, i - 1, trace, std::string(4'000, 'x')));
      spans.back().trace_id.bytes[14] = static_cast<uint8_t>(trace >> 8);
      spans.back().trace_id.bytes[13] = static_cast<uint8_t>(trace);
    }
  }
  testing::MemorySourceOptions source_options;
  source_options.traces_per_batch = 30;
  testing::MemorySource source(std::move(spans), source_options);
  for (const char* text : {"{ } | by(name) | select(statusMessage)", "{ } >> { }"}) {
    SearchOptions options;
    options.limit = 5'000;
    options.spans_per_spanset = 100;
    // Without a limit it holds megabytes: it must have something to free.
    const auto whole = search(source, compiled(text), options);
    ASSERT_TRUE(whole) << whole.error().message;
    ASSERT_EQ(whole->traces.size(), 300u) << text;
    options.budget.memory_bytes = 2u << 20;
    ASSERT_FALSE(search(source, compiled(text), options)) << text;  // what is kept once is kept
    const size_t before = allocated_bytes();
    for (int i = 0; i < 10; ++i) {
      const auto result = search(source, compiled(text), options);
      ASSERT_FALSE(result) << text;
      EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
      EXPECT_NE(result.error().message.find("memory"), std::string::npos) << result.error().message;
    }
    EXPECT_LT(allocated_bytes(), before + (4u << 20)) << "10 times 2 MiB were kept: " << text;
  }
}

TEST(Search, RefusesAMetricsQuery) {
  testing::MemorySource source(three_traces());
  const auto result = search(source, compiled("{ } | rate()"), {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
}

TEST(MatchSpans, GivesTheSelectedRowsAndTheColumnsAskedFor) {
  testing::MemorySource source(three_traces());
  MatchOptions options;
  options.columns = {ColumnRef::of(Intrinsic::kName)};
  options.budget.threads = 1;
  std::vector<std::string> names;
  const auto done = match_spans(source, compiled("{ name = \"GET /\" } > { span.rows != 2 }"),
                                options, [&](unsigned, const MatchBatch& batch) -> Status {
                                  for (uint32_t row : batch.matches) {
                                    names.emplace_back(batch.columns[0]->text(row));
                                  }
                                  return {};
                                });
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(names, (std::vector<std::string>{"db", "db"}));
}

TEST(CompileLenient, KeepsWhatMakesSense) {
  const auto text = [](std::string_view query) { return compile_lenient(query).text(); };
  EXPECT_EQ(text("{ span.a = \"x\" && span.b ="), "{ span.a = \"x\" }");
  EXPECT_EQ(text("{ span.a = \"x\" && span.b"), "{ span.a = \"x\" }");
  EXPECT_EQ(text("{ span.a = \"x"), "{ }");
  EXPECT_EQ(text("{"), "{ }");
  EXPECT_EQ(text(""), "{ }");
  EXPECT_EQ(text("{ status = error } | rate() by("), "{ status = error }");
  EXPECT_EQ(text("}}}"), "{ }");
  EXPECT_EQ(text("{ .b = 1 && .a =~ `\\pL{100}` }"), "{ }");  // not tried again and again
}

}  // namespace
}  // namespace weft
