#include <weft/sampler.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "clock.h"
#include "diagnostics.h"

namespace weft {

namespace sdk_detail {

// The parts of the samplers that are more than a number.
struct SamplerState {
  // kParentBased: root, remote sampled, remote not sampled, local sampled, local not sampled.
  std::vector<Sampler> delegates;
  std::shared_ptr<CustomSampler> custom;
  // kRateLimited: the generic cell rate algorithm; the time at which the bucket is full again.
  std::int64_t interval_ns = 0;
  std::int64_t burst_ns = 0;
  std::atomic<std::int64_t> next_ns{0};

  bool take_token() noexcept {
    const std::int64_t now = monotonic_ns();
    std::int64_t next = next_ns.load(std::memory_order_relaxed);
    while (true) {
      const std::int64_t start = std::max(next, now - burst_ns);
      if (start > now) return false;
      if (next_ns.compare_exchange_weak(next, start + interval_ns, std::memory_order_relaxed)) {
        return true;
      }
    }
  }
};

namespace {

constexpr std::uint64_t kRandomValues = std::uint64_t{1} << 56;

// The random value of a trace: `rv` of the tracestate's `ot` member (14 hexadecimal digits), else
// the last 56 bits of the trace id.
std::uint64_t random_value(const SamplingInput& input) noexcept {
  if (!input.parent.trace_state().empty()) {
    std::string_view member = input.parent.trace_state().get("ot");
    while (!member.empty()) {
      const std::size_t end = member.find(';');
      const std::string_view part = member.substr(0, end);
      member = end == std::string_view::npos ? std::string_view() : member.substr(end + 1);
      std::uint64_t value = 0;
      if (part.size() == 17 && part.starts_with("rv:") &&
          std::from_chars(part.data() + 3, part.data() + 17, value, 16).ptr == part.data() + 17) {
        return value;
      }
    }
  }
  std::uint64_t tail;
  std::memcpy(&tail, input.trace_id.bytes + 8, 8);
  return __builtin_bswap64(tail) & (kRandomValues - 1);
}

bool read_number(std::string_view text, double& out) noexcept {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), out);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() && std::isfinite(out);
}

std::string format_number(double value) {
  char text[32];
  const int n = std::snprintf(text, sizeof(text), "%g", value);
  return std::string(text, static_cast<std::size_t>(n));
}

}  // namespace
}  // namespace sdk_detail

inline namespace v1 {

using sdk_detail::SamplerState;

Sampler::Sampler() : Sampler(parent_based(always_on())) {}
Sampler Sampler::always_on() {
  return Sampler(Kind::kAlwaysOn);
}
Sampler Sampler::always_off() {
  return Sampler(Kind::kAlwaysOff);
}

Sampler Sampler::trace_id_ratio(double ratio) {
  if (!(ratio > 0)) return always_off();
  if (ratio >= 1) return always_on();
  Sampler sampler(Kind::kRatio);
  // Keep when the random value is among the highest `ratio` of all.
  const auto kept = static_cast<std::uint64_t>(
      std::llround(ratio * static_cast<double>(sdk_detail::kRandomValues)));
  sampler.threshold_ = sdk_detail::kRandomValues - std::max<std::uint64_t>(kept, 1);
  return sampler;
}

Sampler Sampler::rate_limited(double per_second) {
  if (!(per_second > 0)) return always_off();
  Sampler sampler(Kind::kRateLimited);
  sampler.state_ = std::make_shared<SamplerState>();
  const double interval = static_cast<double>(sdk_detail::kNsPerSecond) / per_second;
  sampler.state_->interval_ns = static_cast<std::int64_t>(std::clamp(interval, 1.0, 1e18));
  sampler.state_->burst_ns =
      std::max<std::int64_t>(sdk_detail::kNsPerSecond - sampler.state_->interval_ns, 0);
  return sampler;
}

Sampler Sampler::custom(std::shared_ptr<CustomSampler> custom) {
  if (custom == nullptr) return always_off();
  Sampler sampler(Kind::kCustom);
  sampler.state_ = std::make_shared<SamplerState>();
  sampler.state_->custom = std::move(custom);
  return sampler;
}

Sampler Sampler::parent_based(Sampler root) {
  return parent_based(std::move(root), always_on(), always_off(), always_on(), always_off());
}

Sampler Sampler::parent_based(Sampler root, Sampler remote_sampled, Sampler remote_not_sampled,
                              Sampler local_sampled, Sampler local_not_sampled) {
  Sampler sampler(Kind::kParentBased);
  sampler.state_ = std::make_shared<SamplerState>();
  sampler.state_->delegates = {std::move(root), std::move(remote_sampled),
                               std::move(remote_not_sampled), std::move(local_sampled),
                               std::move(local_not_sampled)};
  return sampler;
}

bool Sampler::decide(const SamplingInput& input) const noexcept {
  const Sampler* sampler = this;
  while (sampler->kind_ == Kind::kParentBased) {
    std::size_t delegate = 0;
    if (input.parent.is_valid()) {
      delegate = (input.parent.is_remote() ? 1 : 3) + (input.parent.is_sampled() ? 0 : 1);
    }
    sampler = &sampler->state_->delegates[delegate];
  }
  switch (sampler->kind_) {
    case Kind::kAlwaysOn:
      return true;
    case Kind::kRatio:
      return sdk_detail::random_value(input) >= sampler->threshold_;
    case Kind::kRateLimited:
      return sampler->state_->take_token();
    case Kind::kCustom:
      return sampler->state_->custom->decide(input);
    default:
      return false;
  }
}

std::string Sampler::description() const {
  switch (kind_) {
    case Kind::kAlwaysOn:
      return "AlwaysOn";
    case Kind::kAlwaysOff:
      return "AlwaysOff";
    case Kind::kRatio:
      return "TraceIdRatio{" +
             sdk_detail::format_number(1 - static_cast<double>(threshold_) /
                                               static_cast<double>(sdk_detail::kRandomValues)) +
             "}";
    case Kind::kRateLimited:
      return "RateLimited{" +
             sdk_detail::format_number(static_cast<double>(sdk_detail::kNsPerSecond) /
                                       static_cast<double>(state_->interval_ns)) +
             "}";
    case Kind::kParentBased:
      return "ParentBased{" + state_->delegates[0].description() + "}";
    case Kind::kCustom:
      return state_->custom->description();
  }
  return "";
}

Sampler Sampler::from_names(std::string_view name, std::string_view argument) {
  using sdk_detail::diagnose;
  constexpr std::string_view kParentBased = "parentbased_";
  const bool parent = name.starts_with(kParentBased);
  const std::string_view root = parent ? name.substr(kParentBased.size()) : name;
  auto finish = [parent](Sampler sampler) {
    return parent ? parent_based(std::move(sampler)) : sampler;
  };
  if (name.empty()) return {};
  if (root == "always_on") return finish(always_on());
  if (root == "always_off") return finish(always_off());
  if (root == "traceidratio") {
    double ratio = 1;
    if (!argument.empty() &&
        (!sdk_detail::read_number(argument, ratio) || ratio < 0 || ratio > 1)) {
      diagnose(DiagnosticLevel::kWarn, "OTEL_TRACES_SAMPLER_ARG=" + std::string(argument) +
                                           " is no number from 0 to 1; every trace is sampled");
      ratio = 1;
    }
    return finish(trace_id_ratio(ratio));
  }
  if (root == "rate_limited") {
    double rate = 100;
    if (!argument.empty() && (!sdk_detail::read_number(argument, rate) || rate < 0)) {
      diagnose(DiagnosticLevel::kWarn, "OTEL_TRACES_SAMPLER_ARG=" + std::string(argument) +
                                           " is no number of traces a second; 100 are sampled");
      rate = 100;
    }
    return finish(rate_limited(rate));
  }
  diagnose(DiagnosticLevel::kWarn,
           "OTEL_TRACES_SAMPLER=" + std::string(name) +
               " is unknown; parentbased_always_on is used. Known are always_on, always_off, "
               "traceidratio, rate_limited, and each of them after parentbased_");
  return {};
}

}  // namespace v1
}  // namespace weft
