// The bridge from spdlog: a sink that sends what is logged as OpenTelemetry log records, and a
// pattern flag that writes the ids of the current span into spdlog's own lines. The component
// weft::spdlog, header-only.
//
//   auto log = spdlog::default_logger();
//   log->sinks().push_back(std::make_shared<weft::SpdlogSink>());
//   weft::set_spdlog_pattern(*log, "[%Y-%m-%d %H:%M:%S.%e] [%l] [%*] %v");   // %* are the ids
//
// With spdlog's asynchronous loggers a message is formatted on another thread, which knows no
// current span: use the ordinary loggers.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <spdlog/details/null_mutex.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <weft/context.h>
#include <weft/logs.h>

namespace weft::inline v1 {

// The severity of OpenTelemetry for a level of spdlog.
inline Severity to_severity(spdlog::level::level_enum level) noexcept {
  switch (level) {
    case spdlog::level::trace:
      return Severity::kTrace;
    case spdlog::level::debug:
      return Severity::kDebug;
    case spdlog::level::warn:
      return Severity::kWarn;
    case spdlog::level::err:
      return Severity::kError;
    case spdlog::level::critical:
      return Severity::kFatal;
    default:
      return Severity::kInfo;
  }
}

// Sends each message with the ids of the ambient span, the logger's name as the attribute
// `logger.name`, and the place in the code where spdlog's macros give it. Needs no lock: loggers
// are thread-safe.
class SpdlogSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  // Writes to the given logger, by default to that of the scope "spdlog".
  explicit SpdlogSink(Logger logger = weft::logger("spdlog")) : logger_(logger) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    Attribute attributes[4];
    std::size_t count = 0;
    if (message.logger_name.size() != 0) {
      attributes[count++] = {
          "logger.name", std::string_view(message.logger_name.data(), message.logger_name.size())};
    }
    if (!message.source.empty()) {
      attributes[count++] = {"code.file.path", message.source.filename};
      attributes[count++] = {"code.line.number", message.source.line};
      attributes[count++] = {"code.function.name", message.source.funcname};
    }
    const auto level = spdlog::level::to_string_view(message.level);
    LogRecord record;
    record.severity = to_severity(message.level);
    record.severity_text = {level.data(), level.size()};
    record.body = {message.payload.data(), message.payload.size()};
    record.attributes = std::span<const Attribute>(attributes, count);
    record.time_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(message.time.time_since_epoch())
            .count());
    logger_.emit(record);
  }
  void flush_() override {}

  const Logger logger_;
};

// "trace_id=<32 digits> span_id=<16 digits>", or "-" outside of a span.
class SpdlogTraceFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg&, const std::tm&, spdlog::memory_buf_t& out) override {
    auto append = [&out](std::string_view text) {
      out.append(text.data(), text.data() + text.size());
    };
    const SpanContext span = Context::current().span_context();
    if (!span.is_valid()) {
      append("-");
      return;
    }
    append("trace_id=");
    append(span.trace_id().hex());
    append(" span_id=");
    append(span.span_id().hex());
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<SpdlogTraceFlag>();
  }
};

// Sets a pattern in which %* stands for the ids.
inline void set_spdlog_pattern(spdlog::logger& logger, std::string pattern) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<SpdlogTraceFlag>('*').set_pattern(std::move(pattern));
  logger.set_formatter(std::move(formatter));
}

}  // namespace weft::inline v1
