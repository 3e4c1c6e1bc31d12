// What is set on a span is what the server's decoder finds in the exported bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include <weft/baggage.h>
#include <weft/provider.h>
#include <weft/tracer.h>

#include "recording.h"
#include "seed.h"

namespace {

using sdk_test::DecodedSpan;
using sdk_test::Recording;
using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;
using weft::Span;
using weft::SpanKind;
using weft::StatusCode;

// What does not fit is told at the call, and may be asked for beforehand.
static_assert(std::is_constructible_v<weft::AttributeValue, std::vector<std::string_view>>);
static_assert(std::is_constructible_v<weft::AttributeValue, std::vector<std::int64_t>>);
static_assert(!std::is_constructible_v<weft::AttributeValue, std::vector<std::string>>);
static_assert(!std::is_constructible_v<weft::AttributeValue, std::vector<float>>);

TEST(Span, CarriesEveryTypeOfAttribute) {
  Recording recording;
  const std::vector<std::int64_t> ints = {1, -2, INT64_MAX};
  const double doubles[] = {0.5, -1.25};
  const bool bools[] = {true, false};
  const std::vector<std::string_view> strings = {"a", "", "ü"};
  const unsigned char bytes[] = {0, 1, 0xFF};
  {
    Span span = recording.tracer().start_span("all types");
    span.set("text", "value").set("string", std::string("std")).set("view", std::string_view("v"));
    span.set("null", static_cast<const char*>(nullptr)).set("empty", "");
    span.set("true", true).set("false", false);
    span.set("int", 42).set("negative", -7).set("min", INT64_MIN).set("max", INT64_MAX);
    span.set("unsigned", UINT64_MAX)
        .set("short", static_cast<short>(3))
        .set("size", std::size_t{9});
    span.set("double", 1.5).set("float", 0.25F);
    span.set("ints", ints).set("doubles", doubles).set("bools", bools).set("strings", strings);
    span.set("bytes", weft::Bytes{bytes});
  }
  const auto spans = recording.take();
  ASSERT_EQ(spans.size(), 1U);
  const DecodedSpan& s = spans[0];
  EXPECT_EQ(s.attribute("text"), "value");
  EXPECT_EQ(s.attribute("string"), "std");
  EXPECT_EQ(s.attribute("view"), "v");
  EXPECT_EQ(s.attribute("null"), "");
  EXPECT_EQ(s.attributes.count("empty"), 1U);
  EXPECT_EQ(s.attribute("true"), "true");
  EXPECT_EQ(s.attribute("false"), "false");
  EXPECT_EQ(s.attribute("int"), "42");
  EXPECT_EQ(s.attribute("negative"), "-7");
  EXPECT_EQ(s.attribute("min"), std::to_string(INT64_MIN));
  EXPECT_EQ(s.attribute("max"), std::to_string(INT64_MAX));
  EXPECT_EQ(s.attribute("unsigned"), std::to_string(INT64_MAX));
  EXPECT_EQ(s.attribute("short"), "3");
  EXPECT_EQ(s.attribute("size"), "9");
  EXPECT_EQ(s.attribute("double"), "1.5");
  EXPECT_EQ(s.attribute("float"), "0.25");
  EXPECT_EQ(s.attribute("ints"), "[1,-2,9223372036854775807]");
  EXPECT_EQ(s.attribute("doubles"), "[0.5,-1.25]");
  EXPECT_EQ(s.attribute("bools"), "[true,false]");
  EXPECT_EQ(s.attribute("strings"), "[\"a\",\"\",\"ü\"]");
  EXPECT_EQ(s.attribute("bytes"), "AAH/");
  EXPECT_EQ(s.attributes.size(), 21U);
}

TEST(Span, OverwritesAnAttributeOfTheSameKey) {
  Recording recording;
  {
    Span span = recording.tracer().start_span("twice");
    span.set("k", "first").set("other", 1).set("k", "a longer second value").set("k", 3);
    span.set("other", std::string(5000, 'x')).set("last", true).set("", "no key");
  }
  const auto spans = recording.take();
  EXPECT_THAT(spans.at(0).attributes,
              UnorderedElementsAre(Pair("k", "3"), Pair("other", std::string(5000, 'x')),
                                   Pair("last", "true")));
}

TEST(Span, AgreesWithAMapOnRandomAttributes) {
  Recording recording;
  std::mt19937_64 random = sdk_test::make_random();
  for (int round = 0; round < 200; ++round) {
    std::map<std::string, std::string> expected;
    {
      Span span = recording.tracer().start_span("random");
      const auto count = random() % 60;
      for (unsigned i = 0; i < count; ++i) {
        const std::string key(1 + random() % 70, static_cast<char>('a' + random() % 3));
        if (expected.size() >= 128 && expected.count(key) == 0) continue;
        if (random() % 3 == 0) {
          const auto value = static_cast<std::int64_t>(random() >> (random() % 64));
          span.set(key, value);
          expected[key] = std::to_string(value);
        } else {
          const std::string value(random() % 300, static_cast<char>('A' + random() % 26));
          span.set(key, value);
          expected[key] = value;
        }
      }
    }
    const auto spans = recording.take();
    ASSERT_EQ(spans.size(), 1U);
    ASSERT_EQ(spans[0].attributes, expected);
  }
}

TEST(Span, KeepsToItsLimitsAndSaysWhatItDropped) {
  Recording recording([](weft::TracerProviderConfig& config) {
    config.limits = {.attribute_count = 3,
                     .attribute_value_length = 4,
                     .event_count = 2,
                     .link_count = 1,
                     .event_attribute_count = 1,
                     .link_attribute_count = 0};
  });
  const weft::SpanContext other({{1}}, {{2}}, 1);
  {
    Span span = recording.tracer().start_span("limits");
    span.set("a", "12345").set("b", "üüüüü").set("c", 1).set("d", 2).set("e", 3).set("a", "xyzuv");
    const std::string_view list[] = {"abcdef", "gh"};
    span.set("c", list);
    for (int i = 0; i < 5; ++i)
      span.add_event("e", {{"x", 1}, {"y", 2}, {"x", "last"}});
    span.add_link(other, {{"p", 1}}).add_link(other);
    span.set_status(weft::StatusCode::kError, "all of it");  // no attribute
  }
  const DecodedSpan s = recording.take().at(0);
  EXPECT_EQ(s.status_message, "all of it");
  EXPECT_THAT(s.attributes, UnorderedElementsAre(Pair("a", "xyzu"), Pair("b", "üüüü"),
                                                 Pair("c", "[\"abcd\",\"gh\"]")));
  EXPECT_EQ(s.dropped_attributes, 2U);
  ASSERT_EQ(s.events.size(), 2U);
  EXPECT_EQ(s.events[0].attributes.size(), 1U);
  EXPECT_EQ(s.events[0].dropped_attributes, 1U);
  EXPECT_EQ(s.dropped_events, 3U);
  ASSERT_EQ(s.links.size(), 1U);
  EXPECT_EQ(s.links[0].dropped_attributes, 1U);
  EXPECT_EQ(s.dropped_links, 1U);
}

TEST(Span, MendsTextThatIsNotUtf8SoThatNoReceiverRefusesTheBatch) {
  Recording recording;
  {
    Span span = recording.tracer().start_span("na\xFFme");
    span.set("k\x80", "v")
        .set("short", "a\xC3")
        .set("long", std::string(200, 'x') + "\xED\xA0\x80");
    span.add_event("\xFE", {{"k", "\xFF"}}).set_status(StatusCode::kError, "\xC0\xAF");
  }
  const DecodedSpan s = recording.take().at(0);
  EXPECT_EQ(s.name, "na\xEF\xBF\xBDme");
  EXPECT_EQ(s.attribute("k\xEF\xBF\xBD"), "v");
  EXPECT_EQ(s.attribute("short"), "a\xEF\xBF\xBD");
  EXPECT_EQ(s.attribute("long"), std::string(200, 'x') + "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(s.events.at(0).name, "\xEF\xBF\xBD");
  EXPECT_EQ(s.status_message, "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Span, CarriesEventsLinksStatusKindAndTimes) {
  Recording recording;
  const weft::SpanContext cause({{0xAB}}, {{0xCD}}, 1, true, weft::TraceState::parse("v=1"));
  {
    Span span = recording.tracer().start_span("first", {.kind = SpanKind::kConsumer,
                                                        .start_time_ns = 1'000,
                                                        .attributes = {{"at.start", true}},
                                                        .links = {{cause, {{"why", "queue"}}}}});
    span.add_event("e1", {{"n", 1}}, 1'500).add_event("e2");
    span.set_status(StatusCode::kError, "broken").update_name("a name longer than the first");
    span.set("after", "rename");
    span.end(5'000);
    span.set("late", 1).update_name("late").end();
    EXPECT_FALSE(span.is_recording());
  }
  const auto spans = recording.take();
  ASSERT_EQ(spans.size(), 1U);
  const DecodedSpan& s = spans[0];
  EXPECT_EQ(s.name, "a name longer than the first");
  EXPECT_EQ(s.kind, 5);
  EXPECT_EQ(s.start_ns, 1'000U);
  EXPECT_EQ(s.end_ns, 5'000U);
  EXPECT_THAT(s.attributes,
              UnorderedElementsAre(Pair("at.start", "true"), Pair("after", "rename")));
  ASSERT_EQ(s.events.size(), 2U);
  EXPECT_EQ(s.events[0].time_ns, 1'500U);
  EXPECT_GT(s.events[1].time_ns, 1'600'000'000'000'000'000U);
  ASSERT_EQ(s.links.size(), 1U);
  EXPECT_EQ(s.links[0].trace_id.substr(0, 2), "ab");
  EXPECT_EQ(s.links[0].trace_state, "v=1");
  EXPECT_EQ(s.links[0].flags, 0x301U);
  EXPECT_EQ(s.status, 2);
  EXPECT_EQ(s.status_message, "broken");
  EXPECT_EQ(s.flags & 0x1FFU, 0x103U);
}

TEST(Span, StatusFollowsTheRules) {
  Recording recording;
  const auto tracer = recording.tracer();
  tracer.start_span("unset").set_status(StatusCode::kUnset, "ignored");
  tracer.start_span("ok")
      .set_status(StatusCode::kOk, "no text")
      .set_status(StatusCode::kError, "x");
  tracer.start_span("error").set_status(StatusCode::kError, "a").set_status(StatusCode::kUnset);
  tracer.start_span("again")
      .set_status(StatusCode::kError, "a")
      .set_status(StatusCode::kError, "b");
  const auto spans = recording.take();
  ASSERT_EQ(spans.size(), 4U);
  EXPECT_EQ(spans[0].status, 0);
  EXPECT_EQ(spans[1].status, 1);
  EXPECT_EQ(spans[1].status_message, "");
  EXPECT_EQ(spans[2].status, 2);
  EXPECT_EQ(spans[2].status_message, "a");
  EXPECT_EQ(spans[3].status_message, "b");
}

TEST(Span, RecordsExceptions) {
  Recording recording;
  {
    Span span = recording.tracer().start_span("throws");
    try {
      throw std::out_of_range("too far");
    } catch (const std::exception& e) {
      span.record_exception(e, {{"exception.escaped", true}});
    }
    try {
      throw 7;
    } catch (...) {
      span.record_current_exception();
    }
  }
  const DecodedSpan s = recording.take().at(0);
  ASSERT_EQ(s.events.size(), 2U);
  EXPECT_EQ(s.events[0].name, "exception");
  EXPECT_EQ(s.events[0].attributes.at("exception.type"), "std::out_of_range");
  EXPECT_EQ(s.events[0].attributes.at("exception.message"), "too far");
  EXPECT_EQ(s.events[0].attributes.at("exception.escaped"), "true");
  EXPECT_EQ(s.events[1].attributes.at("exception.type"), "int");
  EXPECT_EQ(s.status, 0);
}

TEST(Span, AChildHasItsParentsTraceAndState) {
  Recording recording;
  const auto tracer = recording.tracer();
  const weft::Context remote(
      weft::SpanContext({{1, 2}}, {{3}}, weft::kFlagSampled, true, weft::TraceState::parse("a=b")));
  {
    Span parent = tracer.start_span("parent", {.parent = &remote});
    auto scope = parent.activate();
    Span child = tracer.start_span("child");
    const weft::Context none;
    Span root = tracer.start_span("root", {.parent = &none});
    EXPECT_EQ(child.context().trace_state().header(), "a=b");
    EXPECT_FALSE(child.context().is_remote());
    EXPECT_FALSE(root.context().trace_id() == child.context().trace_id());
    // W3C level 2: a parent that does not say its id is random makes no child that says so.
    EXPECT_EQ(child.context().flags(), weft::kFlagSampled);
    EXPECT_EQ(root.context().flags(), weft::kFlagSampled | weft::kFlagRandom);
  }
  const auto spans = recording.take();
  const auto* parent = sdk_test::find(spans, "parent");
  const auto* child = sdk_test::find(spans, "child");
  EXPECT_EQ(parent->parent_span_id.substr(0, 2), "03");
  EXPECT_EQ(parent->flags, 0x301U);
  EXPECT_EQ(child->parent_span_id, parent->span_id);
  EXPECT_EQ(child->trace_id, parent->trace_id);
  EXPECT_EQ(child->trace_state, "a=b");
  EXPECT_EQ(child->flags, 0x101U);
  EXPECT_EQ(sdk_test::find(spans, "root")->parent_span_id, "");
}

TEST(Span, MovesAndEndsOnAnotherThread) {
  Recording recording;
  Span kept;
  {
    Span span = recording.tracer().start_span("moved");
    span.set("here", 1);
    kept = std::move(span);
    EXPECT_FALSE(span.is_recording());  // NOLINT(bugprone-use-after-move)
  }
  std::thread([span = std::move(kept)]() mutable { span.set("there", 2); }).join();
  std::thread starter([&] {
    // Ends after the thread that started it is gone.
    kept = recording.tracer().start_span("outlives its thread");
  });
  starter.join();
  kept.end();
  const auto spans = recording.take();
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0].attributes.size(), 2U);
}

TEST(Span, ManyOpenAtOnceAreIndependent) {
  Recording recording;
  constexpr int kSpans = 1500;
  {
    std::vector<Span> open;
    for (int i = 0; i < kSpans; ++i) {
      open.push_back(recording.tracer().start_span("s" + std::to_string(i)));
    }
    for (int i = 0; i < kSpans; ++i)
      open[static_cast<std::size_t>(kSpans - 1 - i)].set("i", i);
  }
  const auto spans = recording.take();
  ASSERT_EQ(spans.size(), static_cast<std::size_t>(kSpans));
  for (const auto& s : spans) {
    EXPECT_EQ(s.name, "s" + std::to_string(kSpans - 1 - std::stoi(s.attribute("i"))));
  }
}

TEST(Span, ALargeOneGetsThrough) {
  Recording recording;
  const std::string big(300'000, 'b');
  recording.tracer().start_span("big").set("big", big).set("small", 1);
  (void)recording.tracer().start_span("after");
  const auto spans = recording.take();
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0].attribute("big"), big);
}

TEST(Span, OutlivesItsProvider) {
  Span late;
  weft::Tracer tracer;
  {
    Recording recording;
    tracer = recording.tracer();
    late = tracer.start_span("late");
  }
  late.set("still", "harmless");
  late.end();
  EXPECT_FALSE(tracer.enabled());
  EXPECT_FALSE(tracer.start_span("none").is_recording());
}

TEST(SpanRef, WritesToTheCurrentSpan) {
  Recording recording;
  {
    Span span = recording.tracer().start_span("current");
    auto scope = span.activate();
    weft::current_span().set("account.state", "suspended");
    weft::current_span().add_event("seen").set_status(StatusCode::kError, "e").update_name("new");
    EXPECT_TRUE(weft::current_span().context().span_id() == span.context().span_id());
  }
  weft::current_span().set("nobody", "hears");
  const DecodedSpan s = recording.take().at(0);
  EXPECT_EQ(s.name, "new");
  EXPECT_EQ(s.attribute("account.state"), "suspended");
  EXPECT_EQ(s.events.size(), 1U);
}

TEST(SpanRef, DoesNothingAfterTheEnd) {
  Recording recording;
  weft::SpanRef ref;
  {
    Span span = recording.tracer().start_span("first");
    auto scope = span.activate();
    ref = weft::current_span();
    EXPECT_TRUE(ref.is_recording());
  }
  EXPECT_FALSE(ref.is_recording());
  // The record is used again by the next span, which must not be reached.
  Span next = recording.tracer().start_span("second");
  ref.set("stray", true).set_status(StatusCode::kError);
  next.end();
  for (const auto& s : recording.take()) {
    EXPECT_TRUE(s.attributes.empty()) << s.name;
    EXPECT_EQ(s.status, 0);
  }
}

TEST(SpanRef, ManyThreadsWriteToOneSpan) {
  Recording recording(
      [](weft::TracerProviderConfig& config) { config.limits.attribute_count = 1000; });
  constexpr int kThreads = 4;
  constexpr int kEach = 100;
  {
    Span span = recording.tracer().start_span("shared");
    auto scope = span.activate();
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([t, ref = weft::current_span()]() mutable {
        for (int i = 0; i < kEach; ++i)
          ref.set("t" + std::to_string(t) + "." + std::to_string(i), i);
      });
    }
    for (int i = 0; i < kEach; ++i)
      span.set("owner." + std::to_string(i), i);
    for (auto& thread : threads)
      thread.join();
  }
  EXPECT_EQ(recording.take().at(0).attributes.size(), (kThreads + 1) * kEach);
}

TEST(SpanRef, RacingWithTheEndIsHarmless) {
  Recording recording;
  for (int round = 0; round < 300; ++round) {
    Span span = recording.tracer().start_span("race");
    weft::SpanRef ref;
    {
      auto scope = span.activate();
      ref = weft::current_span();
    }
    std::atomic<bool> go{false};
    std::thread other([&] {
      while (!go.load()) {
      }
      for (int i = 0; i < 20; ++i)
        ref.set("k", i);
    });
    go.store(true);
    span.end();
    Span next = recording.tracer().start_span("next");
    other.join();
    next.end();
  }
  for (const auto& s : recording.take()) {
    if (s.name == "next") {
      EXPECT_TRUE(s.attributes.empty());
    }
  }
}

TEST(Tracer, WithoutProviderPassesTheParentOn) {
  const weft::Tracer tracer = weft::tracer("no provider");
  EXPECT_FALSE(tracer.enabled());
  Span empty = tracer.start_span("x");
  EXPECT_FALSE(empty.context().is_valid());
  const weft::Context remote(weft::SpanContext({{7}}, {{8}}, 1, true));
  Span passed = tracer.start_span("x", {.parent = &remote});
  EXPECT_TRUE(passed.context().span_id() == remote.span_context().span_id());
  weft::Scope scope(remote);
  EXPECT_TRUE(tracer.start_span("x").context().trace_id() == remote.span_context().trace_id());
}

TEST(Tracer, MadeBeforeTheProviderRecordsAfterwards) {
  const weft::Tracer tracer = weft::tracer("early", "2.1", "https://example.org/schema");
  {
    Recording recording(
        [](weft::TracerProviderConfig& config) {
          config.resource.set("service.name", std::string("svc"));
        },
        true);
    tracer.start_span("recorded").set("x", 1);
    const DecodedSpan s = recording.take().at(0);
    EXPECT_EQ(s.scope, "early");
    EXPECT_EQ(s.scope_version, "2.1");
    EXPECT_EQ(s.resource.at("service.name"), "svc");
  }
  EXPECT_FALSE(tracer.enabled());
}

TEST(Tracer, AskedForByTwoThreadsAtOnceRecordsForBoth) {
  Recording recording;
  constexpr int kRounds = 900;  // below the limit of scopes
  std::atomic<int> arrived{0};
  auto work = [&] {
    for (int round = 0; round < kRounds; ++round) {
      const std::string scope = "scope " + std::to_string(round);
      arrived.fetch_add(1);
      while (arrived.load() < 2 * (round + 1))
        std::this_thread::yield();
      (void)recording.provider().tracer(scope).start_span("s");
    }
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(recording.take().size(), 2U * kRounds);
}

TEST(Tracer, SeveralProvidersAndScopesStayApart) {
  Recording one;
  Recording two;
  const auto a = one.provider().tracer("a");
  const auto b = one.provider().tracer("b");
  const auto c = two.provider().tracer("c");
  for (int i = 0; i < 100; ++i) {
    (void)a.start_span("in a");
    (void)b.start_span("in b");
    (void)c.start_span("in c");
  }
  const auto first = one.take();
  ASSERT_EQ(first.size(), 200U);
  for (const auto& s : first)
    EXPECT_EQ(s.name, "in " + s.scope);
  const auto second = two.take();
  ASSERT_EQ(second.size(), 100U);
  EXPECT_EQ(second[0].scope, "c");
}

TEST(Tracer, IdsAreUnique) {
  Recording recording;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i)
        (void)recording.tracer().start_span("x");
    });
  }
  for (auto& thread : threads)
    thread.join();
  std::set<std::string> ids;
  for (const auto& s : recording.take()) {
    ids.insert(s.trace_id);
    ids.insert(s.span_id);
  }
  EXPECT_EQ(ids.size(), 4000U);
}

}  // namespace
