// The rules of W3C Trace Context (level 2) and Baggage, and of B3 and Jaeger.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <weft/propagation.h>
#include <weft/span.h>

#include "seed.h"

namespace {

using weft::Baggage;
using weft::Context;
using weft::Format;
using weft::Propagator;
using weft::SpanContext;
using weft::TraceState;
using Headers = std::map<std::string, std::string>;
using Lines = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

SpanContext extract(const Headers& headers) {
  return Propagator().extract(headers).span_context();
}

TEST(Traceparent, RoundTrips) {
  const SpanContext span = extract({{"traceparent", kParent}});
  ASSERT_TRUE(span.is_valid());
  EXPECT_EQ(span.trace_id().hex().view(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(span.span_id().hex().view(), "00f067aa0ba902b7");
  EXPECT_TRUE(span.is_sampled());
  EXPECT_TRUE(span.is_remote());
  Headers out;
  Propagator().inject(Context(span), out);
  EXPECT_EQ(out, (Headers{{"traceparent", kParent}}));
}

TEST(Traceparent, KeepsTheTwoKnownFlagsAndDropsTheRest) {
  const std::string head(kParent, 53);
  EXPECT_EQ(extract({{"traceparent", head + "00"}}).flags(), 0);
  EXPECT_EQ(extract({{"traceparent", head + "02"}}).flags(), weft::kFlagRandom);
  EXPECT_EQ(extract({{"traceparent", head + "03"}}).flags(), 3);
  EXPECT_EQ(extract({{"traceparent", head + "ff"}}).flags(), 3);
  EXPECT_EQ(extract({{"traceparent", head + "08"}}).flags(), 0);
}

TEST(Traceparent, RefusesWhatIsMalformed) {
  const std::string good(kParent);
  auto with = [&](std::size_t at, char c) {
    std::string text = good;
    text[at] = c;
    return text;
  };
  std::vector<std::string> bad = {
      "",
      "00",
      "-",
      good.substr(0, 54),
      good + "-",
      good + "-extra",
      good + "0",
      "ff" + good.substr(2),  // version 255
      "0x" + good.substr(2),
      "." + good.substr(1),
      "0" + good,                                                   //
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",    // no trace
      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",    // no span
      "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",    // upper case
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",    //
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A",    //
      "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",    //
      "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x",  // later version, no dash
      std::string("00-4bf92f3577b34da6\0a3ce929d0e0e4736-00f067aa0ba902b7-01", 56),
  };
  for (std::size_t i = 0; i < 55; ++i) {
    for (const char c : {'g', '.', ' ', '/', ':', '`', '\x80', 'A'})
      bad.push_back(with(i, c));
  }
  for (const std::string& text : bad) {
    EXPECT_FALSE(extract({{"traceparent", text}}).is_valid()) << text;
  }
}

TEST(Traceparent, TakesLaterVersionsByTheirFirstPart) {
  const std::string rest = "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  for (const std::string& text : {"01" + rest, "cc" + rest, "cc" + rest + "-what-comes-later"}) {
    EXPECT_TRUE(extract({{"traceparent", text}}).is_valid()) << text;
  }
}

TEST(Traceparent, BlanksAroundAndNamesInAnyCaseAreFine) {
  EXPECT_TRUE(extract({{"TraceParent", " \t" + std::string(kParent) + " \t"}}).is_valid());
}

TEST(Traceparent, TwiceIsAsGoodAsNone) {
  const Lines lines = {{"traceparent", kParent}, {"traceparent", kParent}};
  EXPECT_FALSE(Propagator().extract(lines).span_context().is_valid());
}

TEST(Tracestate, IsCarriedWhenTheTraceparentIs) {
  Headers headers{{"traceparent", kParent}, {"tracestate", "foo=1,bar=2"}};
  const SpanContext span = extract(headers);
  EXPECT_EQ(span.trace_state().header(), "foo=1,bar=2");
  EXPECT_EQ(span.trace_state().get("bar"), "2");
  Headers out;
  Propagator().inject(Context(span), out);
  EXPECT_EQ(out.at("tracestate"), "foo=1,bar=2");
  headers["traceparent"] = "nonsense";
  EXPECT_TRUE(extract(headers).trace_state().empty());
}

TEST(Tracestate, SeveralHeadersAreOneList) {
  const Lines lines = {{"traceparent", kParent},
                       {"tracestate", "a=1"},
                       {"tracestate", "b=2"},
                       {"tracestate", ""},
                       {"TraceState", "c=3"}};
  EXPECT_EQ(Propagator().extract(lines).span_context().trace_state().header(), "a=1,b=2,c=3");
}

TEST(Tracestate, FollowsTheGrammar) {
  auto header = [](const std::string& text) {
    return std::string(TraceState::parse(text).header());
  };
  EXPECT_EQ(header("foo=1 , bar=2"), "foo=1,bar=2");
  EXPECT_EQ(header("foo=1,,bar=2,"), "foo=1,bar=2");
  EXPECT_EQ(header(" \tfoo=1\t,\tbar=2"), "foo=1,bar=2");
  EXPECT_EQ(header("foo=1 \t , \t bar=2, \t baz=3"), "foo=1,bar=2,baz=3");
  EXPECT_EQ(header("foo=1\t \t,\t \tbar=2\t "), "foo=1,bar=2");
  EXPECT_EQ(header("foo=1 \t x,bar=2"), "");
  EXPECT_EQ(header("foo=1,foo=2"), "foo=1");
  EXPECT_EQ(header("foo=1,bar=2, foo=3 ,baz=4,bar=2"), "foo=1,bar=2,baz=4");
  EXPECT_EQ(header("foo=1,foo"), "");
  EXPECT_EQ(header("foo=a b"), "foo=a b");
  EXPECT_EQ(header("0foo=1"), "0foo=1");
  EXPECT_EQ(header("a_-*/b=!\"#$%"), "a_-*/b=!\"#$%");
  EXPECT_EQ(header("tenant@sys=1"), "tenant@sys=1");
  EXPECT_EQ(header(std::string(256, 'z') + "=1"), std::string(256, 'z') + "=1");
  EXPECT_EQ(header(std::string(241, 't') + "@" + std::string(14, 'v') + "=1").size(), 258U);
  EXPECT_EQ(header("k=" + std::string(256, 'v')).size(), 258U);
  for (const std::string& bad : std::vector<std::string>{"",
                                                         "foo",
                                                         "foo=",
                                                         "=1",
                                                         "foo =1",
                                                         "foo = 1",
                                                         "FOO=1",
                                                         "foo.bar=1",
                                                         "foo=1=2",
                                                         "foo=\x01",
                                                         "foo@=1",
                                                         "@foo=1",
                                                         "foo@@bar=1",
                                                         "a@b@c=1",
                                                         "foo=\xC3\xBC",
                                                         "*a=1",
                                                         std::string(257, 'z') + "=1",
                                                         "t@" + std::string(15, 'v') + "=1",
                                                         std::string(242, 't') + "@v=1",
                                                         "k=" + std::string(257, 'v'),
                                                         "foo=1;bar=2=3"}) {
    EXPECT_EQ(header(bad), "") << bad;
  }
}

TEST(Tracestate, HoldsThirtyTwoMembers) {
  std::string text;
  for (int i = 0; i < 32; ++i)
    text += (i == 0 ? "k" : ",k") + std::to_string(i) + "=v";
  EXPECT_EQ(TraceState::parse(text).header(), text);
  EXPECT_TRUE(TraceState::parse(text + ",one=more").empty());
  const TraceState pushed = TraceState::parse(text).with("new", "x");
  EXPECT_TRUE(pushed.header().starts_with("new=x,k0=v"));
  EXPECT_EQ(pushed.get("k31"), "");
  EXPECT_EQ(pushed.get("k30"), "v");
}

TEST(Tracestate, WithMovesToTheFrontAndRemoves) {
  const TraceState state = TraceState::parse("a=1,b=2");
  EXPECT_EQ(state.with("b", "3").header(), "b=3,a=1");
  EXPECT_EQ(state.with("a", "").header(), "b=2");
  EXPECT_EQ(state.with("A", "3").header(), "a=1,b=2");
  EXPECT_EQ(state.with("c", "x,y").header(), "a=1,b=2");
  EXPECT_TRUE(TraceState().with("a", "").empty());
}

TEST(Baggage, RoundTripsWhatNeedsEncoding) {
  Baggage baggage;
  baggage = baggage.with("user", "Zoë, 100%").with("plain", "a=b/c").with("meta", "1", "ttl=3;x");
  EXPECT_EQ(baggage.header(), "user=Zo%C3%AB%2C%20100%25,plain=a=b/c,meta=1;ttl=3;x");
  const Baggage back = Baggage::parse(baggage.header());
  EXPECT_EQ(back.get("user"), "Zoë, 100%");
  EXPECT_EQ(back.get("plain"), "a=b/c");
  EXPECT_EQ(back.header(), baggage.header());
  EXPECT_EQ(back.without("user").size(), 2U);
  EXPECT_TRUE(Baggage().with("a", "1").without("a").empty());
}

TEST(Baggage, LeavesOutWhatIsMalformed) {
  const Baggage baggage =
      Baggage::parse("good=1, =2, k y=3,noequals,quote=\"x\",back=a\\b, last = 9 ; p = q,%=%,e=");
  EXPECT_EQ(baggage.get("good"), "1");
  EXPECT_EQ(baggage.get("last"), "9");
  EXPECT_EQ(baggage.get("%"), "%");
  EXPECT_EQ(baggage.size(), 4U);
  EXPECT_EQ(Baggage::parse("a=1,a=2").get("a"), "2");
  EXPECT_EQ(Baggage::parse("bad=%FF%4").get("bad"), "\xEF\xBF\xBD%4");
}

TEST(Baggage, MetadataDoesNotBecomeAHeaderOrAMemberOfItsOwn) {
  for (const char* metadata : {"x\r\nevil: 1", "x,admin=1", "caf\xC3\xA9"}) {
    const Baggage baggage = Baggage().with("a", "1", metadata);
    EXPECT_EQ(baggage.header(), "a=1") << metadata;
    EXPECT_EQ(baggage.with("a", "2", metadata).header(), "a=2") << metadata;
  }
}

TEST(Baggage, HasLimits) {
  std::string many;
  for (int i = 0; i < 200; ++i)
    many += "k" + std::to_string(i) + "=v,";
  EXPECT_EQ(Baggage::parse(many).size(), Baggage::kMaxMembers);
  const Baggage cut = Baggage::parse("a=1,b=" + std::string(9000, 'x') + ",c=3");
  EXPECT_EQ(cut.size(), 1U);
  Baggage big;
  for (int i = 0; i < 100; ++i)
    big = big.with("k" + std::to_string(i), std::string(500, 'v'));
  EXPECT_EQ(big.size(), Baggage::kMaxMembers);
  EXPECT_LE(big.header().size(), Baggage::kMaxBytes);
}

TEST(Baggage, TravelsWithTheContext) {
  Headers out;
  const Context context = Context().with_baggage(Baggage().with("kind", "vip"));
  Propagator().inject(context, out);
  EXPECT_EQ(out, (Headers{{"baggage", "kind=vip"}}));
  EXPECT_EQ(Propagator().extract(out).baggage().get("kind"), "vip");
}

TEST(B3, SingleHeader) {
  const Propagator b3({Format::kB3});
  const std::string ids = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1";
  auto read = [&](const std::string& text) {
    return b3.extract(Headers{{"b3", text}}).span_context();
  };
  EXPECT_TRUE(read(ids + "-1").is_sampled());
  EXPECT_TRUE(read(ids + "-d").is_sampled());
  EXPECT_FALSE(read(ids + "-0").is_sampled());
  EXPECT_TRUE(read(ids).is_valid());
  EXPECT_TRUE(read(ids + "-1-05e3ac9a4f6e3b90").is_valid());
  EXPECT_EQ(read("64fe8b2a57d3eff7-e457b5a2e4d86bd1-1").trace_id().hex().view(),
            "000000000000000064fe8b2a57d3eff7");
  for (const char* bad : {"", "0", "1", "-", "--", "x-y-1", "80f198ee56343ba864fe8b2a57d3eff7",
                          "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-x",
                          "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3",
                          "00000000000000000000000000000000-e457b5a2e4d86bd1-1"}) {
    EXPECT_FALSE(read(bad).is_valid()) << bad;
  }
  Headers out;
  b3.inject(Context(read(ids + "-1")), out);
  EXPECT_EQ(out.at("b3"), ids + "-1");
}

TEST(B3, MultipleHeaders) {
  const Propagator multi({Format::kB3Multi});
  Headers in{{"X-B3-TraceId", "80f198ee56343ba864fe8b2a57d3eff7"},
             {"x-b3-spanid", "e457b5a2e4d86bd1"},
             {"X-B3-Sampled", "1"}};
  const SpanContext span = multi.extract(in).span_context();
  EXPECT_TRUE(span.is_sampled());
  Headers out;
  multi.inject(Context(span), out);
  EXPECT_EQ(out.at("X-B3-TraceId"), in.at("X-B3-TraceId"));
  EXPECT_EQ(out.at("X-B3-Sampled"), "1");
  in["X-B3-Sampled"] = "0";
  in["X-B3-Flags"] = "1";
  EXPECT_TRUE(multi.extract(in).span_context().is_sampled());
  in["x-b3-spanid"] = "zz";
  EXPECT_FALSE(multi.extract(in).span_context().is_valid());
}

TEST(Jaeger, Header) {
  const Propagator jaeger({Format::kJaeger});
  auto read = [&](const std::string& text) {
    return jaeger.extract(Headers{{"uber-trace-id", text}}).span_context();
  };
  EXPECT_TRUE(read("4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1").is_sampled());
  EXPECT_EQ(read("1:2:0:3").trace_id().hex().view(), "00000000000000000000000000000001");
  EXPECT_TRUE(read("1%3A2%3A0%3A1").is_sampled());
  EXPECT_FALSE(read("1:2:0:0").is_sampled());
  for (const char* bad :
       {"", "1", "1:2:0", "1:2:0:1:5", "0:2:0:1", "1:0:0:1", "g:2:0:1", "1:2:0:", "1:2:0:100"}) {
    EXPECT_FALSE(read(bad).is_valid()) << bad;
  }
  Headers out;
  jaeger.inject(Context(read("1:2:0:1")).with_baggage(Baggage().with("a", "b c")), out);
  EXPECT_EQ(out.at("uber-trace-id"), "00000000000000000000000000000001:0000000000000002:0:1");
  EXPECT_EQ(out.at("uberctx-a"), "b%20c");
  EXPECT_EQ(jaeger.extract(out).baggage().get("a"), "b c");
}

TEST(Propagator, TheLastFormatThatFindsASpanWins) {
  const Propagator both({Format::kB3, Format::kTraceContext});
  const Headers headers{{"b3", "64fe8b2a57d3eff7-e457b5a2e4d86bd1-1"}, {"traceparent", kParent}};
  EXPECT_EQ(both.extract(headers).span_context().span_id().hex().view(), "00f067aa0ba902b7");
  EXPECT_TRUE(both.extract(Headers{{"b3", "64fe8b2a57d3eff7-e457b5a2e4d86bd1-1"}})
                  .span_context()
                  .is_valid());
}

TEST(Propagator, KeepsTheBaseWhenThereIsNothing) {
  const Context base =
      Context(extract({{"traceparent", kParent}})).with_baggage(Baggage().with("k", "v"));
  const Context same = Propagator().extract(Headers{}, base);
  EXPECT_TRUE(same.span_context().is_valid());
  EXPECT_EQ(same.baggage().get("k"), "v");
}

TEST(Propagator, ReadsEveryKindOfCarrier) {
  const std::unordered_map<std::string, std::string> map{{"traceparent", kParent}};
  const std::multimap<std::string, std::string> multimap{{"traceparent", kParent}};
  const Propagator p;
  EXPECT_TRUE(p.extract(map).span_context().is_valid());
  EXPECT_TRUE(p.extract(multimap).span_context().is_valid());
  const std::string stored(kParent);
  auto is_parent = [](std::string_view name) { return name == "traceparent"; };
  EXPECT_TRUE(p.extract([&](std::string_view n) {
                 return is_parent(n) ? std::string_view(stored) : std::string_view();
               })
                  .span_context()
                  .is_valid());
  EXPECT_TRUE(p.extract([&](std::string_view n) {
                 return is_parent(n) ? std::optional<std::string>(stored) : std::nullopt;
               })
                  .span_context()
                  .is_valid());
  EXPECT_TRUE(p.extract([&](std::string_view n) { return is_parent(n) ? stored.c_str() : nullptr; })
                  .span_context()
                  .is_valid());
  EXPECT_TRUE(p.extract([&](std::string_view n) { return is_parent(n) ? stored : std::string(); })
                  .span_context()
                  .is_valid());
  EXPECT_TRUE(p.extract([&](std::string_view n, auto emit) {
                 if (is_parent(n)) emit(std::string_view(stored));
               })
                  .span_context()
                  .is_valid());
}

std::vector<Format> formats(const Propagator& propagator) {
  return {propagator.begin(), propagator.end()};
}

TEST(Propagator, FromNames) {
  EXPECT_THAT(formats(Propagator::from_names("b3, jaeger,b3,tracecontext")),
              testing::ElementsAre(Format::kB3, Format::kJaeger, Format::kTraceContext));
  EXPECT_THAT(formats(Propagator::from_names("none,b3")), testing::IsEmpty());
  EXPECT_THAT(formats(Propagator::from_names("smoke")),
              testing::ElementsAre(Format::kTraceContext, Format::kBaggage));
  const Propagator before = weft::global_propagator();
  EXPECT_THAT(formats(before), testing::ElementsAre(Format::kTraceContext, Format::kBaggage));
  weft::set_global_propagator(Propagator({Format::kB3Multi}));
  EXPECT_THAT(formats(weft::global_propagator()), testing::ElementsAre(Format::kB3Multi));
  weft::set_global_propagator(before);
}

TEST(Propagator, SurvivesRandomHeaders) {
  std::mt19937_64 random = sdk_test::make_random();
  const Propagator all(
      {Format::kTraceContext, Format::kBaggage, Format::kB3, Format::kB3Multi, Format::kJaeger});
  const std::string alphabet = "0123456789abcdefxyzABC-:=,;%@ \t\"\\\x80\xFF";
  for (int round = 0; round < 20'000; ++round) {
    Headers headers;
    for (const char* name : {"traceparent", "tracestate", "baggage", "b3", "X-B3-TraceId",
                             "X-B3-SpanId", "uber-trace-id", "uberctx-k"}) {
      std::string value = name[0] == 't' && name[5] == 'p' && random() % 2 == 0 ? kParent : "";
      const auto edits = random() % 60;
      for (unsigned i = 0; i < edits; ++i) {
        const char c = alphabet[random() % alphabet.size()];
        if (value.empty() || random() % 2 == 0) {
          value.insert(value.begin() + static_cast<long>(random() % (value.size() + 1)), c);
        } else {
          value[random() % value.size()] = c;
        }
      }
      headers[name] = value;
    }
    const Context context = all.extract(headers);
    Headers out;
    all.inject(context, out);
    // What was written can be read again, and says the same.
    if (context.span_context().is_valid()) {
      ASSERT_TRUE(all.extract(out).span_context().trace_id() == context.span_context().trace_id());
    }
  }
}

}  // namespace
