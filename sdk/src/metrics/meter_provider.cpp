#include <weft/metrics.h>

#include <algorithm>
#include <cmath>

#include "../clock.h"
#include "../diagnostics.h"
#include "../fork.h"
#include "../text.h"
#include "meter_core.h"

namespace weft {

namespace sdk_detail {
namespace {

// OpenTelemetry's default buckets.
constexpr double kDefaultBoundaries[] = {0,   5,   10,   25,   50,   75,   100,  250,
                                         500, 750, 1000, 2500, 5000, 7500, 10000};

// What weft::meter() gave out before and after a provider was installed.
struct GlobalMeters final : ForkParticipant {
  struct GlobalInstrument {
    std::uint32_t scope;
    InstrumentSpec spec;
    InstrumentHandle handle;
  };
  std::mutex mutex;
  MeterCore* core = nullptr;
  std::deque<ScopeName> scopes;
  std::deque<MeterHandle> handles;
  std::deque<GlobalInstrument> instruments;
  std::vector<ObservedInstrument> observed;

  void before_fork() noexcept override { mutex.lock(); }
  void after_fork_in_parent() noexcept override { mutex.unlock(); }
  void after_fork_in_child() noexcept override { mutex.unlock(); }
};

GlobalMeters& global() {
  static auto* instance = [] {
    auto* made = new GlobalMeters;  // never destroyed: static instruments use it to the end
    register_fork_participant(ForkRank::kRegistry, made);
    return made;
  }();
  return *instance;
}

void bind_to(GlobalMeters& g, GlobalMeters::GlobalInstrument& instrument) {
  InstrumentState* state =
      g.core == nullptr ? nullptr
                        : g.core->find_instrument(g.core->find_scope(g.scopes[instrument.scope]),
                                                  instrument.spec);
  __atomic_store_n(&instrument.handle.state, state, __ATOMIC_RELEASE);
}

// No receiver is to refuse a request, nor a scraper a text, for what an instrument is called.
std::string valid_text(std::string_view text) {
  return is_utf8(text) ? std::string(text) : repair_utf8(text);
}

InstrumentSpec make_spec(InstrumentKind kind, bool is_double, std::string_view name,
                         const InstrumentOptions& options) {
  InstrumentSpec spec{
      kind, is_double, std::string(name), valid_text(options.unit), valid_text(options.description),
      {}};
  if (kind != InstrumentKind::kHistogram) return spec;
  std::span<const double> bounds = options.boundaries;
  const bool ascending =
      std::adjacent_find(bounds.begin(), bounds.end(),
                         [](double a, double b) { return !(a < b); }) == bounds.end() &&
      std::none_of(bounds.begin(), bounds.end(), [](double b) { return !std::isfinite(b); });
  if (bounds.size() > 160 || !ascending) {
    diagnose(DiagnosticLevel::kWarn, "histogram " + spec.name +
                                         ": boundaries must ascend, be finite and at most 160; the "
                                         "defaults are used");
    bounds = {};
  }
  if (bounds.empty()) bounds = kDefaultBoundaries;
  spec.boundaries.assign(bounds.begin(), bounds.end());
  return spec;
}

ScopeName make_scope(std::string_view name, std::string_view version, std::string_view schema_url) {
  return {valid_text(name), valid_text(version), valid_text(schema_url)};
}

// OpenTelemetry: a letter, then up to 254 of letters, digits, _ . - /
bool is_instrument_name(std::string_view name) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !name.empty() && name.size() <= 255 && letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-' ||
                  c == '/';
         });
}

}  // namespace
}  // namespace sdk_detail

inline namespace v1 {

using sdk_detail::global;
using sdk_detail::InstrumentHandle;
using sdk_detail::InstrumentSpec;

const InstrumentHandle* Meter::make(InstrumentKind kind, bool is_double, std::string_view name,
                                    const InstrumentOptions& options) const {
  if (handle_ == nullptr) return sdk_detail::null_instrument();
  if (!sdk_detail::is_instrument_name(name)) {
    sdk_detail::diagnose(DiagnosticLevel::kError,
                         "\"" + std::string(name.substr(0, 255)) +
                             "\" is no name for an instrument (a letter, then letters, digits, "
                             "_ . - /, at most 255); it records nothing");
    return sdk_detail::null_instrument();
  }
  const InstrumentSpec spec = sdk_detail::make_spec(kind, is_double, name, options);
  if (handle_->core != nullptr) return handle_->core->make_instrument(handle_->scope, spec);
  sdk_detail::GlobalMeters& g = global();
  const std::lock_guard lock(g.mutex);
  for (auto& i : g.instruments) {
    if (i.scope == handle_->scope && i.spec.name == name && i.spec.kind == kind &&
        i.spec.is_double == is_double) {
      return &i.handle;
    }
  }
  if (g.instruments.size() >= 10000) return sdk_detail::null_instrument();
  auto& made = g.instruments.emplace_back(
      sdk_detail::GlobalMeters::GlobalInstrument{handle_->scope, spec, {nullptr}});
  sdk_detail::bind_to(g, made);
  return &made.handle;
}

void Meter::observe(InstrumentKind kind, std::string_view name, const InstrumentOptions& options,
                    std::function<void(const Observer&)> observe) const {
  if (handle_ == nullptr || kind == InstrumentKind::kHistogram ||
      !sdk_detail::is_instrument_name(name)) {
    return;
  }
  sdk_detail::ObservedInstrument made{
      handle_->scope, sdk_detail::make_spec(kind, true, name, options), std::move(observe)};
  if (handle_->core != nullptr) {
    handle_->core->add_observed(std::move(made));
    return;
  }
  sdk_detail::GlobalMeters& g = global();
  const std::lock_guard lock(g.mutex);
  if (g.observed.size() >= 10000) return;
  g.observed.push_back(made);
  if (g.core != nullptr) {
    made.scope = g.core->find_scope(g.scopes[made.scope]);
    g.core->add_observed(std::move(made));
  }
}

Meter meter(std::string_view name, std::string_view version, std::string_view schema_url) {
  sdk_detail::GlobalMeters& g = global();
  const sdk_detail::ScopeName scope = sdk_detail::make_scope(name, version, schema_url);
  const std::lock_guard lock(g.mutex);
  for (std::size_t i = 0; i < g.scopes.size(); ++i) {
    if (g.scopes[i] == scope) return Meter(&g.handles[i]);
  }
  if (g.scopes.size() >= 1000) return Meter(&g.handles[0]);
  g.scopes.push_back(scope);
  return Meter(&g.handles.emplace_back(
      sdk_detail::MeterHandle{nullptr, static_cast<std::uint32_t>(g.scopes.size() - 1)}));
}

MeterProvider::MeterProvider(MeterProviderConfig config)
    : shutdown_timeout_ms_(config.shutdown_timeout_ms) {
  core_ = new sdk_detail::MeterCore(std::move(config));
  sdk_detail::register_fork_participant(sdk_detail::ForkRank::kProvider, core_);
}

MeterProvider& MeterProvider::operator=(MeterProvider&& other) noexcept {
  if (this != &other) {
    shutdown(shutdown_timeout_ms_);
    core_ = std::exchange(other.core_, nullptr);
    shutdown_timeout_ms_ = other.shutdown_timeout_ms_;
  }
  return *this;
}

MeterProvider::~MeterProvider() {
  shutdown(shutdown_timeout_ms_);
}

Meter MeterProvider::meter(std::string_view name, std::string_view version,
                           std::string_view schema_url) const {
  if (core_ == nullptr) return {};
  return Meter(
      core_->make_handle(core_->find_scope(sdk_detail::make_scope(name, version, schema_url))));
}

void MeterProvider::set_global() noexcept {
  if (core_ == nullptr) return;
  sdk_detail::GlobalMeters& g = global();
  const std::lock_guard lock(g.mutex);
  if (g.core == core_) return;  // it has the call-backs already
  g.core = core_;
  for (auto& instrument : g.instruments)
    sdk_detail::bind_to(g, instrument);
  for (auto observed : g.observed) {
    observed.scope = core_->find_scope(g.scopes[observed.scope]);
    core_->add_observed(std::move(observed));
  }
}

std::string MeterProvider::collect_otlp(std::uint64_t* points) const {
  return core_ == nullptr ? std::string() : core_->collect(points);
}

std::string MeterProvider::prometheus_text(std::string_view accept,
                                           std::string* content_type) const {
  const bool open_metrics = accept.find("application/openmetrics-text") != std::string_view::npos;
  if (content_type != nullptr) {
    *content_type = open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                 : "text/plain; version=0.0.4; charset=utf-8";
  }
  if (core_ == nullptr) return open_metrics ? "# EOF\n" : "";
  return core_->prometheus(open_metrics);
}

bool MeterProvider::force_flush(std::uint32_t timeout_ms) noexcept {
  return core_ == nullptr ||
         core_->flush(sdk_detail::monotonic_ns() + timeout_ms * sdk_detail::kNsPerMs);
}

bool MeterProvider::shutdown(std::uint32_t timeout_ms) noexcept {
  if (core_ == nullptr) return true;
  sdk_detail::GlobalMeters& g = global();
  {
    const std::lock_guard lock(g.mutex);
    if (g.core == core_) {
      g.core = nullptr;
      for (auto& instrument : g.instruments)
        sdk_detail::bind_to(g, instrument);
      g.observed.clear();  // they may point into what goes away with the provider
    }
  }
  return core_->shutdown(sdk_detail::monotonic_ns() + timeout_ms * sdk_detail::kNsPerMs);
}

}  // namespace v1
}  // namespace weft
