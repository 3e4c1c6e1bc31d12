#include <weft/init.h>

#include <curl/curl.h>

#include <cstdlib>
#include <mutex>
#include <set>

#include <weft/otlp.h>

#include "../clock.h"
#include "../diagnostics.h"
#include "config_file.h"
#include "env.h"

namespace weft::inline v1 {

using sdk_detail::diagnose;
using sdk_detail::env_number;
using sdk_detail::env_text;

struct Sdk::State {
  TracerProvider tracers;
  MeterProvider meters;
  LoggerProvider loggers;
  std::unique_ptr<PrometheusServer> prometheus;
  bool enabled = false;
  std::uint32_t shutdown_timeout_ms = 5000;

  bool shutdown(std::uint32_t timeout_ms) noexcept;
};

namespace {

BatchOptions read_batch(const std::string& prefix, std::uint32_t delay_ms) {
  BatchOptions out;
  auto read = [&](const char* name, std::uint32_t fallback, std::uint32_t least) {
    return env_number((prefix + name).c_str(), fallback, least);
  };
  out.schedule_delay_ms = read("SCHEDULE_DELAY", delay_ms, 0);
  out.export_timeout_ms = read("EXPORT_TIMEOUT", out.export_timeout_ms, 1);
  out.max_queue_size = read("MAX_QUEUE_SIZE", out.max_queue_size, 1);
  out.max_export_batch_size = read("MAX_EXPORT_BATCH_SIZE", out.max_export_batch_size, 1);
  if (out.max_export_batch_size > out.max_queue_size) {
    diagnose(DiagnosticLevel::kWarn, prefix + "MAX_EXPORT_BATCH_SIZE is above " + prefix +
                                         "MAX_QUEUE_SIZE; the latter is used for both");
  }
  return out;
}

SpanLimits read_span_limits() {
  SpanLimits out;
  const std::uint32_t count = env_number("OTEL_ATTRIBUTE_COUNT_LIMIT", out.attribute_count);
  const std::uint32_t length = env_number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", UINT32_MAX);
  out.attribute_count = env_number("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", count);
  out.attribute_value_length = env_number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", length);
  out.event_count = env_number("OTEL_SPAN_EVENT_COUNT_LIMIT", out.event_count);
  out.link_count = env_number("OTEL_SPAN_LINK_COUNT_LIMIT", out.link_count);
  out.event_attribute_count =
      env_number("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", out.event_attribute_count);
  out.link_attribute_count =
      env_number("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", out.link_attribute_count);
  return out;
}

LogLimits read_log_limits() {
  LogLimits out;
  out.attribute_count = env_number("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
                                   env_number("OTEL_ATTRIBUTE_COUNT_LIMIT", out.attribute_count));
  out.attribute_value_length =
      env_number("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
                 env_number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", UINT32_MAX));
  return out;
}

// One exporter by its name in OTEL_*_EXPORTER. Null when there is none such, reported.
std::unique_ptr<Exporter> make_exporter(Signal signal, const std::string& name,
                                        const std::string& variable) {
  std::string error;
  std::unique_ptr<Exporter> out;
  if (name == "otlp") {
    out = make_otlp_exporter(otlp_config_from_env(signal), &error);
  } else if (name == "console" || name == "logging") {
    out = make_console_exporter();
  } else if (name == "otlp_file") {
    const std::string path = env_text("WEFT_OTLP_FILE");
    out = make_file_exporter(path.empty() ? std::string(signal_name(signal)) + ".otlp.jsonl" : path,
                             &error);
  } else if (name == "zipkin" && signal == Signal::kTraces) {
    ZipkinConfig config;
    const std::string endpoint = env_text("OTEL_EXPORTER_ZIPKIN_ENDPOINT");
    if (!endpoint.empty()) config.endpoint = endpoint;
    config.timeout_ms = env_number("OTEL_EXPORTER_ZIPKIN_TIMEOUT", config.timeout_ms, 1);
    const std::string headers = env_text("WEFT_EXPORTER_ZIPKIN_HEADERS");
    config.headers = sdk_detail::parse_headers("WEFT_EXPORTER_ZIPKIN_HEADERS", headers);
    out = make_zipkin_exporter(std::move(config), &error);
  } else {
    error = "unknown; known are otlp, otlp_file, console, none" +
            std::string(signal == Signal::kTraces    ? ", zipkin"
                        : signal == Signal::kMetrics ? ", prometheus"
                                                     : "");
  }
  if (out == nullptr) {
    diagnose(DiagnosticLevel::kError,
             variable + ": " + name + ": " + error + "; nothing is exported there");
  }
  return out;
}

// The names in the variable; "otlp" when it is unset, nothing for "none".
std::vector<std::string> exporter_names(const std::string& variable) {
  const std::string text = sdk_detail::env_name(variable.c_str());
  std::vector<std::string> out = sdk_detail::split_list(text.empty() ? "otlp" : text);
  for (const std::string& name : out) {
    if (name == "none") return {};
  }
  return out;
}

std::vector<ExporterSlot> make_slots(Signal signal, const std::string& variable,
                                     const BatchOptions& batch) {
  std::vector<ExporterSlot> out;
  for (const std::string& name : exporter_names(variable)) {
    if (auto exporter = make_exporter(signal, name, variable)) {
      out.push_back({std::move(exporter), batch});
    }
  }
  return out;
}

ExemplarFilter read_exemplar_filter() {
  const std::string text = sdk_detail::env_name("OTEL_METRICS_EXEMPLAR_FILTER");
  if (text == "always_on") return ExemplarFilter::kAlwaysOn;
  if (text == "always_off") return ExemplarFilter::kAlwaysOff;
  if (!text.empty() && text != "trace_based") {
    diagnose(DiagnosticLevel::kWarn,
             "OTEL_METRICS_EXEMPLAR_FILTER=" + text + " is unknown; trace_based is used");
  }
  return ExemplarFilter::kTraceBased;
}

// Those alive when the process exits without having destroyed them. Never destroyed itself.
struct Alive {
  std::mutex mutex;
  std::set<void*> states;
};
Alive& alive() {
  static auto* instance = new Alive;
  return *instance;
}

}  // namespace

bool Sdk::State::shutdown(std::uint32_t timeout_ms) noexcept {
  // One deadline for all: what traces leave over is for logs, then for metrics.
  const std::int64_t end = sdk_detail::monotonic_ns() + timeout_ms * sdk_detail::kNsPerMs;
  auto left = [end] {
    const std::int64_t ms = (end - sdk_detail::monotonic_ns()) / sdk_detail::kNsPerMs;
    return static_cast<std::uint32_t>(ms > 0 ? ms : 0);
  };
  prometheus.reset();
  bool good = tracers.shutdown(left());
  good &= loggers.shutdown(left());
  good &= meters.shutdown(left());
  return good;
}

Sdk::Sdk() noexcept = default;
Sdk::Sdk(Sdk&&) noexcept = default;
Sdk& Sdk::operator=(Sdk&& other) noexcept {
  if (this != &other) {
    shutdown(state_ == nullptr ? 0 : state_->shutdown_timeout_ms);
    state_ = std::move(other.state_);
  }
  return *this;
}

Sdk::~Sdk() {
  if (state_ != nullptr) shutdown(state_->shutdown_timeout_ms);
}

bool Sdk::enabled() const noexcept {
  return state_ != nullptr && state_->enabled;
}
Sdk::State& Sdk::state() noexcept {
  if (state_ == nullptr) state_ = std::make_unique<State>();
  return *state_;
}
TracerProvider& Sdk::tracer_provider() noexcept {
  return state().tracers;
}
MeterProvider& Sdk::meter_provider() noexcept {
  return state().meters;
}
LoggerProvider& Sdk::logger_provider() noexcept {
  return state().loggers;
}

bool Sdk::force_flush(std::uint32_t timeout_ms) noexcept {
  if (state_ == nullptr) return true;
  bool good = state_->tracers.force_flush(timeout_ms);
  good &= state_->loggers.force_flush(timeout_ms);
  good &= state_->meters.force_flush(timeout_ms);
  return good;
}

bool Sdk::shutdown(std::uint32_t timeout_ms) noexcept {
  if (state_ == nullptr) return true;
  {
    const std::lock_guard lock(alive().mutex);
    alive().states.erase(state_.get());
  }
  return state_->shutdown(timeout_ms);
}

Sdk init_from_env(const InitOptions& options) {
  Sdk sdk;
  sdk.state_ = std::make_unique<Sdk::State>();
  Sdk::State& state = *sdk.state_;
  sdk_detail::FileConfig file;
  const std::string config_path = env_text("OTEL_CONFIG_FILE");
  bool from_file = false;
  if (!config_path.empty()) {
    std::string why;
    from_file = sdk_detail::read_config_file(config_path, file, why);
    if (!from_file) {
      diagnose(DiagnosticLevel::kError,
               "OTEL_CONFIG_FILE: " + why + "; the other OTEL_* variables are used");
    }
  }
  // The file's variables are in force until this function returns.
  struct Restore {
    ~Restore() { sdk_detail::use_variables(nullptr); }
  } restore;
  if (from_file) sdk_detail::use_variables(&file.variables);
  state.shutdown_timeout_ms = options.shutdown_timeout_ms;
  const std::string propagators = sdk_detail::env_name("OTEL_PROPAGATORS");
  if (!propagators.empty()) set_global_propagator(Propagator::from_names(propagators));
  if (sdk_detail::env_bool("OTEL_SDK_DISABLED")) return sdk;
  state.enabled = true;

  // Detected, then what the program says, then what the environment says.
  Resource resource = Resource::detect();
  if (!options.service_name.empty())
    resource.set("service.name", std::string(options.service_name));
  if (!options.service_version.empty()) {
    resource.set("service.version", std::string(options.service_version));
  }
  resource.merge(options.resource);
  resource.merge(from_file ? file.resource : Resource::from_variables());

  TracerProviderConfig traces;
  traces.resource = resource;
  traces.sampler = Sampler::from_names(sdk_detail::env_name("OTEL_TRACES_SAMPLER"),
                                       env_text("OTEL_TRACES_SAMPLER_ARG"));
  traces.limits = read_span_limits();
  traces.exporters =
      make_slots(Signal::kTraces, "OTEL_TRACES_EXPORTER", read_batch("OTEL_BSP_", 5000));
  LoggerProviderConfig logs;
  logs.resource = resource;
  logs.limits = read_log_limits();
  logs.exporters = make_slots(Signal::kLogs, "OTEL_LOGS_EXPORTER", read_batch("OTEL_BLRP_", 1000));

  MeterProviderConfig metrics;
  metrics.resource = resource;
  metrics.exemplars = read_exemplar_filter();
  bool prometheus = false;
  for (const std::string& name : exporter_names("OTEL_METRICS_EXPORTER")) {
    if (name == "prometheus") {
      prometheus = true;
    } else if (auto exporter = make_exporter(Signal::kMetrics, name, "OTEL_METRICS_EXPORTER")) {
      metrics.readers.push_back({std::move(exporter),
                                 env_number("OTEL_METRIC_EXPORT_INTERVAL", 60000, 1),
                                 env_number("OTEL_METRIC_EXPORT_TIMEOUT", 30000, 1)});
    }
  }
  // No exporter, no recording.
  if (!traces.exporters.empty()) {
    state.tracers = TracerProvider(std::move(traces));
    state.tracers.set_global();
  }
  if (!logs.exporters.empty()) {
    state.loggers = LoggerProvider(std::move(logs));
    state.loggers.set_global();
  }
  if (!metrics.readers.empty() || prometheus) {
    state.meters = MeterProvider(std::move(metrics));
    state.meters.set_global();
  }
  if (prometheus) {
    std::string host = env_text("OTEL_EXPORTER_PROMETHEUS_HOST");
    if (host.empty()) host = "localhost";
    constexpr std::uint16_t kDefaultPort = 9464;
    std::uint32_t port = env_number("OTEL_EXPORTER_PROMETHEUS_PORT", kDefaultPort);
    if (port > UINT16_MAX) {
      diagnose(DiagnosticLevel::kWarn, "OTEL_EXPORTER_PROMETHEUS_PORT=" + std::to_string(port) +
                                           " is no port; " + std::to_string(kDefaultPort) +
                                           " is used");
      port = kDefaultPort;
    }
    std::string error;
    state.prometheus =
        PrometheusServer::start(state.meters, host, static_cast<std::uint16_t>(port), &error);
    if (state.prometheus == nullptr) {
      diagnose(DiagnosticLevel::kError, "the Prometheus endpoint cannot listen: " + error);
    }
  }

  // After libcurl's and OpenSSL's own handlers are in place, so that ours runs before them.
  curl_global_init(CURL_GLOBAL_DEFAULT);
  static const int registered = std::atexit([] {
    const std::lock_guard lock(alive().mutex);
    for (void* left : alive().states) {
      auto* s = static_cast<Sdk::State*>(left);
      s->shutdown(std::min(s->shutdown_timeout_ms, 5000U));
    }
  });
  (void)registered;
  const std::lock_guard lock(alive().mutex);
  alive().states.insert(&state);
  return sdk;
}

}  // namespace weft::inline v1
