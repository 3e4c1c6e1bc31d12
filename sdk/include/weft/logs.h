// Logs: records that carry the ids of the span they were written in, exported by OTLP through the
// same bounded queues as spans. For bridges from logging libraries (<weft/spdlog.h> is one) and
// for events of one's own.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <weft/attribute.h>
#include <weft/context.h>
#include <weft/exporter.h>
#include <weft/provider.h>
#include <weft/resource.h>

namespace weft {

namespace sdk_detail {
struct LoggerBinding;
struct LoggerProviderCore;
struct LoggerHandle {
  const LoggerBinding* binding;  // null: records go nowhere. Read and written atomically.
};
}  // namespace sdk_detail

inline namespace v1 {

// The first of each of the six ranges of OpenTelemetry; the numbers between may be used too.
enum class Severity : std::uint8_t {
  kUnspecified = 0,
  kTrace = 1,
  kDebug = 5,
  kInfo = 9,
  kWarn = 13,
  kError = 17,
  kFatal = 21,
};

// One record, seen and not owned.
struct LogRecord {
  Severity severity = Severity::kInfo;
  // The level as the logging library names it; empty: OpenTelemetry's short name.
  std::string_view severity_text = {};
  std::string_view body = {};
  Attributes attributes = {};
  // Names the class of event, for records that are events.
  std::string_view event_name = {};
  // When it happened, in nanoseconds since the epoch; 0 means now.
  std::uint64_t time_ns = 0;
  // Whose span it belongs to; null means the ambient context.
  const Context* context = nullptr;
};

// Writes records of one instrumentation scope. A pointer in size; any thread.
class Logger {
 public:
  // A logger that writes nothing.
  Logger() noexcept;
  // Never blocks; a record that finds the queue full is counted as dropped.
  void emit(const LogRecord& record) const noexcept {
    if (enabled()) write(record);
  }
  // False when no provider is installed: worth asking before a costly message is put together.
  bool enabled() const noexcept {
    return __atomic_load_n(&handle_->binding, __ATOMIC_ACQUIRE) != nullptr;
  }

 private:
  friend class LoggerProvider;
  friend Logger logger(std::string_view, std::string_view, std::string_view);
  explicit Logger(const sdk_detail::LoggerHandle* handle) noexcept : handle_(handle) {}
  void write(const LogRecord& record) const noexcept;
  const sdk_detail::LoggerHandle* handle_;
};

// The logger of the global provider; may be called before one is installed.
Logger logger(std::string_view scope_name, std::string_view scope_version = {},
              std::string_view schema_url = {});

// Limits of one record (OTEL_LOGRECORD_* and OTEL_ATTRIBUTE_*), as SpanLimits.
struct LogLimits {
  std::uint32_t attribute_count = 128;
  std::uint32_t attribute_value_length = UINT32_MAX;
};

// What a LoggerProvider is made of.
struct LoggerProviderConfig {
  Resource resource;
  LogLimits limits;
  std::vector<ExporterSlot> exporters;  // at most 16
  std::uint32_t shutdown_timeout_ms = 5000;
};

// Owns the queues of the log records. As TracerProvider in every other respect.
class LoggerProvider {
 public:
  LoggerProvider() noexcept = default;
  // Takes the exporters over and installs nothing: see set_global().
  explicit LoggerProvider(LoggerProviderConfig config);
  LoggerProvider(LoggerProvider&& other) noexcept
      : core_(other.core_), shutdown_timeout_ms_(other.shutdown_timeout_ms_) {
    other.core_ = nullptr;
  }
  LoggerProvider& operator=(LoggerProvider&& other) noexcept;
  ~LoggerProvider();

  // The logger of an instrumentation scope; look-up under a lock, so keep the result.
  Logger logger(std::string_view scope_name, std::string_view scope_version = {},
                std::string_view schema_url = {}) const;
  // Makes weft::logger() and the loggers that it gave out before use this provider.
  void set_global() noexcept;
  // Exports what is queued; true when it went out in time.
  bool force_flush(std::uint32_t timeout_ms = 10000) noexcept;
  // Flushes, then stops the workers; waits at most about `timeout_ms`.
  bool shutdown(std::uint32_t timeout_ms) noexcept;
  // What each exporter has sent, dropped and failed to send, in records.
  std::vector<ExporterStats> stats() const;

 private:
  sdk_detail::LoggerProviderCore* core_ = nullptr;
  std::uint32_t shutdown_timeout_ms_ = 5000;
};

}  // namespace v1
}  // namespace weft
