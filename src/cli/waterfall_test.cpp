#include "cli/waterfall.h"

#include <gtest/gtest.h>

#include <random>

#include "cli/terminal.h"
#include "cli/trace_tree.h"

namespace weft::cli {
namespace {

constexpr uint64_t kStart = 1'700'000'000'000'000'000;
constexpr uint64_t kMs = 1'000'000;

SpanId id_of(uint64_t number) {
  SpanId id;
  for (int i = 0; i < 8; ++i)
    id.bytes[7 - i] = static_cast<uint8_t>(number >> (8 * i));
  return id;
}

Span make_span(uint64_t id, uint64_t parent, uint64_t from_ms, uint64_t to_ms,
               const std::string& service, const std::string& name) {
  Span span;
  span.trace_id.bytes[15] = 7;
  span.span_id = id_of(id);
  span.parent_span_id = id_of(parent);
  span.start_ns = kStart + from_ms * kMs;
  span.end_ns = kStart + to_ms * kMs;
  span.name = name;
  span.resource.attributes = {{"service.name", service}};
  return span;
}

std::string render(const std::vector<Span>& spans, WaterfallOptions options = {}) {
  std::string out;
  for (const std::string& line : render_waterfall(spans, options)) {
    // Trailing blanks would not survive an editor.
    const size_t end = line.find_last_not_of(' ');
    out += line.substr(0, end == std::string::npos ? 0 : end + 1) + "\n";
  }
  return out;
}

TEST(WaterfallTest, DrawsTreeBarsEventsAndErrors) {
  std::vector<Span> spans = {
      make_span(1, 0, 0, 100, "web", "POST /login"),
      make_span(2, 1, 10, 90, "api", "transfer"),
      make_span(3, 2, 20, 40, "oauth", "check scopes"),
      make_span(4, 1, 90, 100, "web", "render"),
  };
  spans[2].status_code = StatusCode::kError;
  spans[2].status_message = "customer lacks scope";
  spans[2].events.push_back(
      {spans[2].start_ns + 5 * kMs,
       "exception",
       {{"exception.type", "Unauthorized"}, {"exception.message", "no scope account:full"}},
       0});
  EXPECT_EQ(render(spans, {.width = 80}),
            R"(Trace 00000000000000000000000000000007
2023-11-14 22:13:20.000 UTC  100 ms  4 spans  3 services  1 error
                                     0                         100 ms
web POST /login                      ████████████████████████████████     100 ms
├─ api transfer                         ██████████████████████████       80.0 ms
│  └─ ✗ oauth check scopes                 ███████                       20.0 ms
│        error: customer lacks scope
│        • +5.00 ms exception Unauthorized: no scope account:full
└─ web render                                                    ████    10.0 ms
)");
}

TEST(WaterfallTest, SpansInAnyOrderDrawTheSame) {
  std::vector<Span> spans;
  for (uint64_t i = 1; i <= 20; ++i) {
    spans.push_back(make_span(i, i / 3, i, i + 40 - i / 3, "s" + std::to_string(i % 4), "op"));
  }
  const std::string expected = render(spans);
  std::mt19937 random(1);
  for (int round = 0; round < 10; ++round) {
    std::shuffle(spans.begin(), spans.end(), random);
    EXPECT_EQ(render(spans), expected);
  }
}

TEST(WaterfallTest, NamesTheParentsThatAreMissing) {
  const std::vector<Span> spans = {make_span(2, 0xABCD, 0, 10, "api", "a"),
                                   make_span(3, 0xABCD, 5, 10, "api", "b")};
  const std::string text = render(spans);
  EXPECT_NE(text.find("⚠ parent span 000000000000abcd was not received\n├─ api a"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("1 parent not received"), std::string::npos) << text;
}

TEST(WaterfallTest, MarksClocksThatDisagree) {
  const std::vector<Span> spans = {make_span(1, 0, 50, 100, "web", "a"),
                                   make_span(2, 1, 20, 60, "api", "b")};
  EXPECT_NE(render(spans).find("clock skew: starts 30.0 ms before its parent"), std::string::npos);
}

TEST(WaterfallTest, AMomentBeforeTheParentSaysNothingOfClocks) {
  std::vector<Span> spans = {make_span(1, 0, 50, 100, "web", "a"),
                             make_span(2, 1, 51, 60, "api", "b")};
  spans[1].start_ns = spans[0].start_ns - kMs / 2;
  EXPECT_EQ(render(spans).find("clock skew"), std::string::npos);
}

TEST(WaterfallTest, EventsOfANameAloneShareLines) {
  std::vector<Span> spans = {make_span(1, 0, 0, 100, "web", "GET")};
  const auto add = [&](const std::string& name, uint64_t at_ms, Attributes attributes = {}) {
    spans[0].events.push_back({kStart + at_ms * kMs, name, std::move(attributes)});
  };
  add("fetchStart", 1);
  add("connectStart", 2);
  add("connectEnd", 3);
  add("retry", 4, {{"server", "b"}});
  add("responseEnd", 5);
  const std::string text = render(spans, {.width = 60});
  EXPECT_NE(text.find("   • +1.00 ms fetchStart • +2.00 ms connectStart\n"
                      "   • +3.00 ms connectEnd\n"
                      "   • +4.00 ms retry server=b\n"
                      "   • +5.00 ms responseEnd\n"),
            std::string::npos)
      << text;
}

TEST(WaterfallTest, SaysWhenASpanEndsBeforeItStarts) {
  EXPECT_NE(render({make_span(1, 0, 50, 20, "web", "a")}).find("ends 30.0 ms before it starts"),
            std::string::npos);
}

TEST(WaterfallTest, CirclesOfParentsAreDrawnOnce) {
  const std::vector<Span> spans = {
      make_span(1, 3, 0, 10, "a", "one"), make_span(2, 1, 1, 10, "a", "two"),
      make_span(3, 2, 2, 10, "a", "three"), make_span(4, 4, 3, 10, "a", "self")};
  const std::string text = render(spans);
  for (const char* name : {"one", "two", "three", "self"}) {
    const size_t first = text.find(std::string("a ") + name);
    ASSERT_NE(first, std::string::npos) << text;
    EXPECT_EQ(text.find(std::string("a ") + name, first + 1), std::string::npos) << text;
  }
  EXPECT_NE(text.find("its parents form a circle"), std::string::npos);
}

TEST(WaterfallTest, HugeTracesKeepErrorsAndTheLongest) {
  std::vector<Span> spans = {make_span(1, 0, 0, 100'000, "web", "root")};
  for (uint64_t i = 2; i <= 100'000; ++i) {
    spans.push_back(make_span(i, 1 + i / 50, i, i + 1, "web", "small"));
  }
  spans[77'776].status_code = StatusCode::kError;
  spans[77'776].name = "the culprit";
  const std::vector<std::string> lines = render_waterfall(spans, {.max_spans = 100});
  EXPECT_LT(lines.size(), 400u);
  const std::string text = render(spans, {.max_spans = 100});
  EXPECT_NE(text.find("the culprit"), std::string::npos);
  EXPECT_NE(text.find("of 100,000 spans drawn"), std::string::npos);

  const TraceTree tree = build_trace_tree(spans, 100);
  uint64_t drawn = 0, hidden = 0;
  for (const TreeRow& row : tree.rows) {
    drawn += row.kind == TreeRow::Kind::kSpan;
    hidden += row.hidden;
  }
  EXPECT_LE(drawn, 100u);
  EXPECT_EQ(drawn + hidden, spans.size());
}

TEST(WaterfallTest, AChainOf100kSpansNeedsNoStack) {
  std::vector<Span> spans;
  for (uint64_t i = 1; i <= 100'000; ++i) {
    spans.push_back(make_span(i, i - 1, i, 200'000 - i, "deep", "level"));
  }
  const std::vector<std::string> lines = render_waterfall(spans, {.max_spans = 200'000});
  EXPECT_GE(lines.size(), spans.size());
  for (const std::string& line : lines)
    ASSERT_LE(display_width(line), 100u);
}

TEST(WaterfallTest, AsciiHasAUnitForMicroseconds) {
  std::vector<Span> spans = {make_span(1, 0, 0, 0, "web", "a")};
  spans[0].end_ns = spans[0].start_ns + 12'300;
  spans[0].events.push_back({spans[0].start_ns + 1'500, "moment", {}, 0});
  WaterfallOptions options;
  options.ascii = true;
  const std::string drawn = render(spans, options);
  EXPECT_NE(drawn.find("  12.3 us  1 span"), std::string::npos) << drawn;
  EXPECT_NE(drawn.find("+1.50 us moment"), std::string::npos) << drawn;
  EXPECT_EQ(drawn.find('?'), std::string::npos) << drawn;
}

TEST(WaterfallTest, NoLineIsWiderThanAsked) {
  std::random_device device;
  const char* given = std::getenv("WEFT_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : device();
  SCOPED_TRACE("WEFT_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto text = [&random](size_t max_length) {
    static constexpr std::string_view kPieces[] = {"a",  "日", "é",  "\x1b[2J", "\xff",
                                                   "\n", "/x", "🧵", "e\u0301"};
    std::string out;
    for (size_t n = random() % max_length; n > 0; --n) {
      out += kPieces[random() % std::size(kPieces)];
    }
    return out;
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<Span> spans;
    for (size_t n = 1 + random() % 30; n > 0; --n) {
      Span span = make_span(random() % 40, random() % 40, random() % 100, random() % 100, text(40),
                            text(80));
      span.status_code = static_cast<StatusCode>(random() % 3);
      span.status_message = text(200);
      for (size_t e = random() % 12; e > 0; --e) {
        span.events.push_back(
            {kStart + random() % (200 * kMs), text(50), {{text(9), text(99)}}, 0});
      }
      span.attributes.push_back({text(30), text(300)});
      spans.push_back(std::move(span));
    }
    WaterfallOptions options;
    options.width = 40 + random() % 160;
    options.ascii = random() % 2 == 0;
    options.attributes = random() % 2 == 0;
    options.max_spans = 1 + random() % 40;
    for (const std::string& line : render_waterfall(spans, options)) {
      ASSERT_LE(display_width(line), options.width) << line;
      ASSERT_EQ(line.find('\x1b'), std::string::npos);
      ASSERT_EQ(line.find('\n'), std::string::npos);
      if (options.ascii) {
        for (const char c : line)
          ASSERT_GE(c, 0x20) << line;
      }
    }
  }
}

TEST(WaterfallTest, ColourOnlyWhenAsked) {
  const std::vector<Span> spans = {make_span(1, 0, 0, 10, "web", "a")};
  EXPECT_EQ(render(spans).find('\x1b'), std::string::npos);
  WaterfallOptions options;
  options.colour = true;
  EXPECT_NE(render(spans, options).find("\x1b[36mweb\x1b[0m"), std::string::npos);
}

}  // namespace
}  // namespace weft::cli
