#include <weft/provider.h>

#include <algorithm>

#include "clock.h"
#include "diagnostics.h"
#include "provider_core.h"

namespace weft {

namespace sdk_detail {
namespace {

constexpr std::size_t kMaxTracers = 1000;

// The tracers that weft::tracer() gave out, and the provider behind them.
struct GlobalTracers final : ForkParticipant {
  std::mutex mutex;
  std::deque<TracerCore> tracers;
  ProviderCore* provider = nullptr;

  void before_fork() noexcept override { mutex.lock(); }
  void after_fork_in_parent() noexcept override { mutex.unlock(); }
  void after_fork_in_child() noexcept override { mutex.unlock(); }
};

GlobalTracers& global() {
  static auto* instance = [] {
    auto* made = new GlobalTracers;  // never destroyed: static tracers use it to the end
    register_fork_participant(ForkRank::kRegistry, made);
    return made;
  }();
  return *instance;
}

// Under the provider's mutex.
const TracerBinding* make_binding(ProviderCore& core, const TracerCore& tracer) {
  if (core.pipeline->closed()) return nullptr;
  const std::uint32_t scope =
      core.pipeline->add_scope(tracer.name, tracer.version, tracer.schema_url);
  return &core.bindings.emplace_back(TracerBinding{&core, scope});
}

void set_binding(TracerCore& tracer, const TracerBinding* binding) noexcept {
  __atomic_store_n(&tracer.binding, binding, __ATOMIC_RELEASE);
}

// The tracer of that scope in the list, made if need be; `made` says so.
TracerCore& find_or_make(std::deque<TracerCore>& list, std::string_view name,
                         std::string_view version, std::string_view schema_url, bool& made) {
  made = false;
  for (TracerCore& t : list) {
    if (t.name == name && t.version == version && t.schema_url == schema_url) return t;
  }
  if (list.size() >= kMaxTracers) {
    static RateLimit limit;
    if (limit.allow()) {
      diagnose(DiagnosticLevel::kWarn, "more than 1000 instrumentation scopes; spans of " +
                                           std::string(name) + " are shown under another");
    }
    return list.front();
  }
  made = true;
  TracerCore& t = list.emplace_back();
  t.binding = nullptr;
  t.name = name;
  t.version = version;
  t.schema_url = schema_url;
  return t;
}

}  // namespace

}  // namespace sdk_detail

inline namespace v1 {

using sdk_detail::ProviderCore;
using sdk_detail::SpanFactory;
using sdk_detail::TracerCore;

Tracer tracer(std::string_view name, std::string_view version, std::string_view schema_url) {
  sdk_detail::GlobalTracers& global = sdk_detail::global();
  const std::lock_guard lock(global.mutex);
  bool made = false;
  TracerCore& core = sdk_detail::find_or_make(global.tracers, name, version, schema_url, made);
  if (made && global.provider != nullptr) {
    const std::lock_guard provider_lock(global.provider->mutex);
    sdk_detail::set_binding(core, sdk_detail::make_binding(*global.provider, core));
  }
  return SpanFactory::make_tracer(&core);
}

TracerProvider::TracerProvider(TracerProviderConfig config)
    : core_(new ProviderCore), shutdown_timeout_ms_(config.shutdown_timeout_ms) {
  core_->sampler = std::move(config.sampler);
  core_->fixed_decision = core_->sampler.fixed_decision();
  core_->limits = config.limits;
  core_->pipeline =
      sdk_detail::Pipeline::create(Signal::kTraces, config.resource, std::move(config.exporters));
  sdk_detail::register_fork_participant(sdk_detail::ForkRank::kProvider, core_);
}

TracerProvider& TracerProvider::operator=(TracerProvider&& other) noexcept {
  if (this != &other) {
    shutdown(shutdown_timeout_ms_);
    core_ = std::exchange(other.core_, nullptr);
    shutdown_timeout_ms_ = other.shutdown_timeout_ms_;
  }
  return *this;
}

TracerProvider::~TracerProvider() {
  shutdown(shutdown_timeout_ms_);
}

Tracer TracerProvider::tracer(std::string_view name, std::string_view version,
                              std::string_view schema_url) const {
  if (core_ == nullptr) return {};
  // Made and bound in one step: another thread that finds it may record at once.
  const std::lock_guard lock(core_->mutex);
  bool made = false;
  TracerCore& tracer = sdk_detail::find_or_make(core_->tracers, name, version, schema_url, made);
  if (made) sdk_detail::set_binding(tracer, sdk_detail::make_binding(*core_, tracer));
  return SpanFactory::make_tracer(&tracer);
}

void TracerProvider::set_global() noexcept {
  if (core_ == nullptr) return;
  sdk_detail::GlobalTracers& global = sdk_detail::global();
  const std::lock_guard lock(global.mutex);
  global.provider = core_;
  const std::lock_guard provider_lock(core_->mutex);
  for (TracerCore& tracer : global.tracers) {
    sdk_detail::set_binding(tracer, sdk_detail::make_binding(*core_, tracer));
  }
}

bool TracerProvider::force_flush(std::uint32_t timeout_ms) noexcept {
  return core_ == nullptr ||
         core_->pipeline->flush(sdk_detail::monotonic_ns() + timeout_ms * sdk_detail::kNsPerMs);
}

bool TracerProvider::shutdown(std::uint32_t timeout_ms) noexcept {
  if (core_ == nullptr) return true;
  sdk_detail::GlobalTracers& global = sdk_detail::global();
  {
    const std::lock_guard lock(global.mutex);
    if (global.provider == core_) {
      global.provider = nullptr;
      for (TracerCore& tracer : global.tracers)
        sdk_detail::set_binding(tracer, nullptr);
    }
  }
  {
    const std::lock_guard lock(core_->mutex);
    for (TracerCore& tracer : core_->tracers)
      sdk_detail::set_binding(tracer, nullptr);
  }
  return core_->pipeline->shutdown(sdk_detail::monotonic_ns() + timeout_ms * sdk_detail::kNsPerMs);
}

std::vector<ExporterStats> TracerProvider::stats() const {
  return core_ == nullptr ? std::vector<ExporterStats>() : core_->pipeline->stats();
}

}  // namespace v1
}  // namespace weft
