// Which traces are recorded.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include <weft/sampler.h>

#include "recording.h"
#include "seed.h"

namespace {

using weft::Sampler;
using weft::SpanContext;

bool decide(const Sampler& sampler, const weft::TraceIdentifier& id,
            const SpanContext& parent = {}) {
  return sampler.decide({parent, id, "name", weft::SpanKind::kInternal, {}, {}});
}

weft::TraceIdentifier random_id(std::mt19937_64& random) {
  weft::TraceIdentifier id;
  const std::uint64_t words[2] = {random(), random()};
  std::memcpy(id.bytes, words, 16);
  return id;
}

TEST(Sampler, RatioKeepsAboutThatShareAndTheSameEverywhere) {
  std::mt19937_64 random = sdk_test::make_random();
  const Sampler tenth = Sampler::trace_id_ratio(0.1);
  const Sampler half = Sampler::trace_id_ratio(0.5);
  int kept = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto id = random_id(random);
    if (!decide(tenth, id)) continue;
    ++kept;
    EXPECT_TRUE(decide(half, id));  // a lower ratio keeps a part of what a higher one keeps
  }
  EXPECT_NEAR(kept, 10'000, 600);
}

TEST(Sampler, RatioLooksAtTheLast56BitsOrTheGivenRandomValue) {
  const Sampler half = Sampler::trace_id_ratio(0.5);
  weft::TraceIdentifier id{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}};
  EXPECT_FALSE(decide(half, id));
  id.bytes[9] = 0x80;
  EXPECT_TRUE(decide(half, id));
  const SpanContext parent({{1}}, {{1}}, 0, true,
                           weft::TraceState::parse("ot=th:8;rv:00000000000001,x=1"));
  EXPECT_FALSE(decide(half, id, parent));
}

TEST(Sampler, RatioTakesAnyNumber) {
  EXPECT_EQ(Sampler::trace_id_ratio(-1).description(), "AlwaysOff");
  EXPECT_EQ(Sampler::trace_id_ratio(2).description(), "AlwaysOn");
  EXPECT_EQ(Sampler::trace_id_ratio(std::numeric_limits<double>::quiet_NaN()).description(),
            "AlwaysOff");
  EXPECT_EQ(Sampler::trace_id_ratio(0.25).description(), "TraceIdRatio{0.25}");
}

TEST(Sampler, ParentBasedFollowsTheParent) {
  const Sampler sampler = Sampler::parent_based(Sampler::always_off());
  const weft::TraceIdentifier id{{1}};
  EXPECT_FALSE(decide(sampler, id));
  for (const bool remote : {false, true}) {
    EXPECT_TRUE(decide(sampler, id, SpanContext({{1}}, {{1}}, 1, remote)));
    EXPECT_FALSE(decide(sampler, id, SpanContext({{1}}, {{1}}, 0, remote)));
  }
  const Sampler odd =
      Sampler::parent_based(Sampler::always_on(), Sampler::always_off(), Sampler::always_on(),
                            Sampler::always_on(), Sampler::always_off());
  EXPECT_FALSE(decide(odd, id, SpanContext({{1}}, {{1}}, 1, true)));
  EXPECT_TRUE(decide(odd, id, SpanContext({{1}}, {{1}}, 0, true)));
}

TEST(Sampler, RateLimitedLetsABurstThroughAndNoMore) {
  const Sampler sampler = Sampler::rate_limited(50);
  int kept = 0;
  for (int i = 0; i < 10'000; ++i)
    kept += decide(sampler, {{1}}) ? 1 : 0;
  EXPECT_GE(kept, 50);
  EXPECT_LT(kept, 500);  // unless ten thousand decisions took ten seconds
  EXPECT_FALSE(decide(Sampler::rate_limited(0), {{1}}));
  const Sampler rare = Sampler::rate_limited(0.001);
  EXPECT_TRUE(decide(rare, {{1}}));
  EXPECT_FALSE(decide(rare, {{1}}));
}

TEST(Sampler, FromNames) {
  auto name = [](const char* n, const char* a = "") {
    return Sampler::from_names(n, a).description();
  };
  EXPECT_EQ(name("always_off"), "AlwaysOff");
  EXPECT_EQ(name("traceidratio", "0.5"), "TraceIdRatio{0.5}");
  EXPECT_EQ(name("parentbased_traceidratio", "0.5"), "ParentBased{TraceIdRatio{0.5}}");
  EXPECT_EQ(name("parentbased_always_off"), "ParentBased{AlwaysOff}");
  EXPECT_EQ(name("rate_limited", "10"), "RateLimited{10}");
  EXPECT_EQ(name(""), "ParentBased{AlwaysOn}");
  EXPECT_EQ(name("nonsense"), "ParentBased{AlwaysOn}");
  EXPECT_EQ(name("traceidratio", "lots"), "AlwaysOn");
}

TEST(Sampler, UnsampledSpansPassTheirIdentityOn) {
  sdk_test::Recording recording(
      [](weft::TracerProviderConfig& config) { config.sampler = Sampler::always_off(); });
  {
    weft::Span span = recording.tracer().start_span("x");
    EXPECT_TRUE(span.context().is_valid());
    EXPECT_FALSE(span.context().is_sampled());
    EXPECT_FALSE(span.is_recording());
    span.set("k", 1);
  }
  EXPECT_TRUE(recording.take().empty());
}

TEST(Sampler, ACustomOneSeesTheStart) {
  class Even final : public weft::CustomSampler {
   public:
    bool decide(const weft::SamplingInput& input) noexcept override {
      for (const auto& a : input.attributes) {
        if (a.key == "n") return a.value.integer() % 2 == 0;
      }
      return false;
    }
    std::string description() const override { return "Even"; }
  };
  sdk_test::Recording recording([](weft::TracerProviderConfig& config) {
    config.sampler = Sampler::custom(std::make_shared<Even>());
  });
  for (int i = 0; i < 10; ++i) {
    (void)recording.tracer().start_span("x", {.attributes = {{"n", i}}});
  }
  EXPECT_EQ(recording.take().size(), 5U);
}

}  // namespace
