#include <weft/logs.h>

#include <atomic>
#include <deque>
#include <mutex>

#include "../attribute_encoder.h"
#include "../clock.h"
#include "../diagnostics.h"
#include "../fork.h"
#include "../pipeline.h"
#include "../protobuf_writer.h"
#include "../thread_state.h"

namespace weft {

namespace sdk_detail {

struct LoggerBinding {
  LoggerProviderCore* provider;
  std::uint32_t scope;
};

// One instrumentation scope, of one provider or of the process.
struct LoggerCore : LoggerHandle {
  std::string name;
  std::string version;
  std::string schema_url;
};

// Never freed: loggers point here without counting.
struct LoggerProviderCore final : ForkParticipant {
  LogLimits limits;
  Pipeline* pipeline = nullptr;
  std::mutex mutex;
  std::deque<LoggerCore> loggers;
  std::deque<LoggerBinding> bindings;

  void before_fork() noexcept override { mutex.lock(); }
  void after_fork_in_parent() noexcept override { mutex.unlock(); }
  void after_fork_in_child() noexcept override { mutex.unlock(); }
};

namespace {

constinit const LoggerHandle null_handle{nullptr};
constexpr std::size_t kMaxLoggers = 1000;

struct GlobalLoggers final : ForkParticipant {
  std::mutex mutex;
  std::deque<LoggerCore> loggers;
  LoggerProviderCore* provider = nullptr;

  void before_fork() noexcept override { mutex.lock(); }
  void after_fork_in_parent() noexcept override { mutex.unlock(); }
  void after_fork_in_child() noexcept override { mutex.unlock(); }
};

GlobalLoggers& global() {
  static auto* instance = [] {
    auto* made = new GlobalLoggers;  // never destroyed: static loggers use it to the end
    register_fork_participant(ForkRank::kRegistry, made);
    return made;
  }();
  return *instance;
}

// Under the mutex of the provider, if there is one.
void bind_to(LoggerProviderCore* provider, LoggerCore& logger) {
  const LoggerBinding* binding = nullptr;
  if (provider != nullptr && !provider->pipeline->closed()) {
    const std::uint32_t scope =
        provider->pipeline->add_scope(logger.name, logger.version, logger.schema_url);
    binding = &provider->bindings.emplace_back(LoggerBinding{provider, scope});
  }
  __atomic_store_n(&logger.binding, binding, __ATOMIC_RELEASE);
}

LoggerCore& find_or_make(std::deque<LoggerCore>& list, std::string_view name,
                         std::string_view version, std::string_view schema_url, bool& made) {
  made = false;
  for (LoggerCore& l : list) {
    if (l.name == name && l.version == version && l.schema_url == schema_url) return l;
  }
  if (list.size() >= kMaxLoggers) return list.front();
  made = true;
  LoggerCore& l = list.emplace_back();
  l.binding = nullptr;
  l.name = name;
  l.version = version;
  l.schema_url = schema_url;
  return l;
}

std::string_view short_name(Severity severity) noexcept {
  static constexpr std::string_view kNames[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
  const auto number = static_cast<unsigned>(severity);
  return number == 0 || number > 24 ? std::string_view() : kNames[(number - 1) / 4];
}

// A LogRecord message: time = 1, severity = 2, text = 3, body = 5, attributes = 6, dropped = 7,
// flags = 8, trace_id = 9, span_id = 10, observed time = 11, event_name = 12.
void encode(const LogRecord& record, const LogLimits& limits, const ContextWords& context,
            std::string& out) {
  const std::uint64_t now = wall_now_ns();
  std::string scratch;
  append_fixed64(out, 1, record.time_ns == 0 ? now : record.time_ns);
  if (record.severity != Severity::kUnspecified) {
    append_uint(out, 2, static_cast<std::uint64_t>(record.severity));
  }
  const std::string_view severity =
      record.severity_text.empty() ? short_name(record.severity) : record.severity_text;
  if (!severity.empty()) append_len(out, 3, fit_text(severity, SIZE_MAX, scratch));
  const std::string_view body = fit_text(record.body, SIZE_MAX, scratch);
  append_varint(out, len_tag(5));
  append_varint(out, len_size(body.size()));
  append_len(out, 1, body);
  const std::uint32_t dropped = append_attributes(out, 6, record.attributes, limits.attribute_count,
                                                  limits.attribute_value_length);
  if (dropped != 0) append_uint(out, 7, dropped);
  if (context.span_id != 0) {
    append_fixed32(out, 8, context.flags);
    append_len(out, 9, {reinterpret_cast<const char*>(context.trace_id), 16});
    append_len(out, 10, {reinterpret_cast<const char*>(&context.span_id), 8});
  }
  append_fixed64(out, 11, now);
  if (!record.event_name.empty()) {
    append_len(out, 12, fit_text(record.event_name, SIZE_MAX, scratch));
  }
}

}  // namespace
}  // namespace sdk_detail

inline namespace v1 {

using sdk_detail::LoggerCore;

Logger::Logger() noexcept : handle_(&sdk_detail::null_handle) {}

void Logger::write(const LogRecord& record) const noexcept {
  const sdk_detail::LoggerBinding* binding = __atomic_load_n(&handle_->binding, __ATOMIC_ACQUIRE);
  if (binding == nullptr) return;
  sdk_detail::LoggerProviderCore& provider = *binding->provider;
  if (!provider.pipeline->has_exporters()) return;
  try {
    std::string message;
    message.reserve(256 + record.body.size());
    sdk_detail::encode(
        record, provider.limits,
        record.context == nullptr ? sdk_detail::ambient_context : record.context->words_, message);
    sdk_detail::ThreadState& state = sdk_detail::thread_state;
    const std::size_t field = sdk_detail::len_size(message.size());
    char* p = provider.pipeline->reserve(state, field);
    if (p == nullptr) return;
    sdk_detail::put_len(p, sdk_detail::len_tag(2), message);  // ScopeLogs.log_records
    provider.pipeline->commit(state, field, binding->scope);
  } catch (const std::exception&) {
    provider.pipeline->count_dropped(sdk_detail::kNoMemory);
  }
}

Logger logger(std::string_view name, std::string_view version, std::string_view schema_url) {
  sdk_detail::GlobalLoggers& global = sdk_detail::global();
  const std::lock_guard lock(global.mutex);
  bool made = false;
  LoggerCore& core = sdk_detail::find_or_make(global.loggers, name, version, schema_url, made);
  if (made && global.provider != nullptr) {
    const std::lock_guard provider_lock(global.provider->mutex);
    sdk_detail::bind_to(global.provider, core);
  }
  return Logger(&core);
}

LoggerProvider::LoggerProvider(LoggerProviderConfig config)
    : core_(new sdk_detail::LoggerProviderCore), shutdown_timeout_ms_(config.shutdown_timeout_ms) {
  core_->limits = config.limits;
  core_->pipeline =
      sdk_detail::Pipeline::create(Signal::kLogs, config.resource, std::move(config.exporters));
  sdk_detail::register_fork_participant(sdk_detail::ForkRank::kProvider, core_);
}

LoggerProvider& LoggerProvider::operator=(LoggerProvider&& other) noexcept {
  if (this != &other) {
    shutdown(shutdown_timeout_ms_);
    core_ = std::exchange(other.core_, nullptr);
    shutdown_timeout_ms_ = other.shutdown_timeout_ms_;
  }
  return *this;
}

LoggerProvider::~LoggerProvider() {
  shutdown(shutdown_timeout_ms_);
}

Logger LoggerProvider::logger(std::string_view name, std::string_view version,
                              std::string_view schema_url) const {
  if (core_ == nullptr) return {};
  // Made and bound in one step: another thread that finds it may record at once.
  const std::lock_guard lock(core_->mutex);
  bool made = false;
  LoggerCore& logger = sdk_detail::find_or_make(core_->loggers, name, version, schema_url, made);
  if (made) sdk_detail::bind_to(core_, logger);
  return Logger(&logger);
}

void LoggerProvider::set_global() noexcept {
  if (core_ == nullptr) return;
  sdk_detail::GlobalLoggers& global = sdk_detail::global();
  const std::lock_guard lock(global.mutex);
  global.provider = core_;
  const std::lock_guard provider_lock(core_->mutex);
  for (LoggerCore& logger : global.loggers)
    sdk_detail::bind_to(core_, logger);
}

bool LoggerProvider::force_flush(std::uint32_t timeout_ms) noexcept {
  return core_ == nullptr ||
         core_->pipeline->flush(sdk_detail::monotonic_ns() + timeout_ms * sdk_detail::kNsPerMs);
}

bool LoggerProvider::shutdown(std::uint32_t timeout_ms) noexcept {
  if (core_ == nullptr) return true;
  sdk_detail::GlobalLoggers& global = sdk_detail::global();
  {
    const std::lock_guard lock(global.mutex);
    if (global.provider == core_) {
      global.provider = nullptr;
      for (LoggerCore& logger : global.loggers)
        sdk_detail::bind_to(nullptr, logger);
    }
  }
  {
    const std::lock_guard lock(core_->mutex);
    for (LoggerCore& logger : core_->loggers)
      sdk_detail::bind_to(nullptr, logger);
  }
  return core_->pipeline->shutdown(sdk_detail::monotonic_ns() + timeout_ms * sdk_detail::kNsPerMs);
}

std::vector<ExporterStats> LoggerProvider::stats() const {
  return core_ == nullptr ? std::vector<ExporterStats>() : core_->pipeline->stats();
}

}  // namespace v1
}  // namespace weft
