// The insides of a TracerProvider and of its tracers. Never freed: tracers and open spans point
// here without counting.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include <weft/provider.h>
#include <weft/tracer.h>

#include "fork.h"
#include "pipeline.h"

namespace weft::sdk_detail {

// What a tracer needs to start a span.
struct TracerBinding {
  ProviderCore* provider;
  std::uint32_t scope;  // the pipeline's number for the instrumentation scope
};

// One instrumentation scope, of one provider or of the process.
struct TracerCore : TracerHandle {
  std::string name;
  std::string version;
  std::string schema_url;
};

struct ProviderCore final : ForkParticipant {
  Sampler sampler;
  // 0 or 1 when the sampler always says the same, else -1.
  int fixed_decision = -1;
  SpanLimits limits;
  Pipeline* pipeline = nullptr;
  std::mutex mutex;
  std::deque<TracerCore> tracers;      // under mutex
  std::deque<TracerBinding> bindings;  // under mutex

  void before_fork() noexcept override { mutex.lock(); }
  void after_fork_in_parent() noexcept override { mutex.unlock(); }
  void after_fork_in_child() noexcept override { mutex.unlock(); }
};

// Lets the library's sources make tracers and spans.
struct SpanFactory {
  static Tracer make_tracer(const TracerHandle* handle) noexcept { return Tracer(handle); }
  static const TracerHandle* handle_of(const Tracer& tracer) noexcept { return tracer.handle_; }
  static Record* record_of(const Span& span) noexcept { return span.record_; }

  // A span below `parent`. decide(trace id, parent) says whether it is recorded; fill(record)
  // writes what it has from the start into a record that is otherwise prepared.
  template <class Decide, class Fill>
  static Span start(const TracerBinding& binding, const ContextWords& parent, SpanKind kind,
                    Decide&& decide, Fill&& fill) noexcept;
};

}  // namespace weft::sdk_detail
