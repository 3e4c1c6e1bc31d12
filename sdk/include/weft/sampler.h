// Samplers: which traces are recorded. A Sampler is a value that is handed to a TracerProvider;
// the built-in ones are decided without a virtual call.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <weft/attribute.h>
#include <weft/span.h>
#include <weft/span_context.h>
#include <weft/tracer.h>

namespace weft {

namespace sdk_detail {
struct SamplerState;
}

inline namespace v1 {

// What a sampler may look at.
struct SamplingInput {
  const SpanContext& parent;  // invalid for the root of a trace
  const TraceIdentifier& trace_id;
  std::string_view name;
  SpanKind kind;
  Attributes attributes;
  Links links;
};

// A sampler of one's own. Called by every thread that starts a span, at once: it must be
// thread-safe, quick, and not throw.
class CustomSampler {
 public:
  virtual ~CustomSampler() = default;
  // True to record and sample the span.
  virtual bool decide(const SamplingInput& input) noexcept = 0;
  // For the diagnostic output.
  virtual std::string description() const = 0;
};

// A decision about each span at its start. A value; copies share the state of those that count.
// Any thread.
class Sampler {
 public:
  // Parent-based with always_on for roots: OpenTelemetry's default.
  Sampler();

  // Everything, and nothing.
  static Sampler always_on();
  static Sampler always_off();
  // A share of the traces, 0 to 1 (anything else is brought into that range). Consistent: a trace
  // is kept when its random value (`rv` of the tracestate's `ot` member, else the last 56 bits of
  // the trace id, as W3C level 2 lays down) reaches a threshold, so all services agree, and the
  // traces kept at a low ratio are among those kept at a higher one.
  static Sampler trace_id_ratio(double ratio);
  // At most so many sampled spans a second (a token bucket that holds one second's worth, at least
  // one). Use it as the root of parent_based to limit traces.
  static Sampler rate_limited(double per_second);
  // A sampler of one's own; any thread calls it.
  static Sampler custom(std::shared_ptr<CustomSampler> sampler);

  // Follows the parent's sampled flag; `root` decides where there is no parent.
  static Sampler parent_based(Sampler root);
  // The same with a sampler for each of the four kinds of parent.
  static Sampler parent_based(Sampler root, Sampler remote_sampled, Sampler remote_not_sampled,
                              Sampler local_sampled, Sampler local_not_sampled);

  // From OTEL_TRACES_SAMPLER and its argument: always_on, always_off, traceidratio,
  // parentbased_always_on, parentbased_always_off, parentbased_traceidratio, and Weft's own
  // rate_limited and parentbased_rate_limited. An unknown name or a bad argument is reported on
  // the diagnostic output and gives the default.
  static Sampler from_names(std::string_view name, std::string_view argument);

  // Whether the span is recorded.
  bool decide(const SamplingInput& input) const noexcept;
  // 1 or 0 when it decides the same whatever the input, else -1.
  int fixed_decision() const noexcept {
    return kind_ == Kind::kAlwaysOn ? 1 : kind_ == Kind::kAlwaysOff ? 0 : -1;
  }
  // Its name with its arguments, such as "ParentBased{TraceIdRatio{0.1}}".
  std::string description() const;

 private:
  enum class Kind : std::uint8_t {
    kAlwaysOn,
    kAlwaysOff,
    kRatio,
    kRateLimited,
    kParentBased,
    kCustom,
  };
  explicit Sampler(Kind kind) : kind_(kind) {}
  Kind kind_;
  std::uint64_t threshold_ = 0;  // of kRatio: keep when the 56-bit random value reaches it
  std::shared_ptr<sdk_detail::SamplerState> state_;
};

}  // namespace v1
}  // namespace weft
