#include "diagnostics.h"

#include <strings.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <span>

#include "clock.h"

namespace weft {

namespace sdk_detail {
namespace {

constinit std::atomic<DiagnosticHandler> handler{nullptr};
// 255: not yet read from the environment.
constinit std::atomic<std::uint8_t> chosen_level{255};

DiagnosticLevel level_from_env() noexcept {
  const char* text = std::getenv("OTEL_LOG_LEVEL");
  if (text == nullptr) return DiagnosticLevel::kInfo;
  auto is = [text](const char* name) { return strcasecmp(text, name) == 0; };
  if (is("none")) return DiagnosticLevel::kNone;
  if (is("error") || is("fatal")) return DiagnosticLevel::kError;
  if (is("warn") || is("warning")) return DiagnosticLevel::kWarn;
  if (is("debug") || is("verbose") || is("all")) return DiagnosticLevel::kDebug;
  return DiagnosticLevel::kInfo;
}

const char* level_name(DiagnosticLevel level) noexcept {
  switch (level) {
    case DiagnosticLevel::kError:
      return "error";
    case DiagnosticLevel::kWarn:
      return "warning";
    case DiagnosticLevel::kDebug:
      return "debug";
    default:
      return "info";
  }
}

}  // namespace

void diagnose(DiagnosticLevel level, std::string_view message) noexcept {
  if (level == DiagnosticLevel::kNone || level > diagnostic_level()) return;
  if (const DiagnosticHandler own = handler.load(std::memory_order_acquire)) {
    own(level, message);
    return;
  }
  // One write, so that lines of several threads do not mix, and no lock that a fork could leave
  // locked.
  char line[1024];
  std::size_t size = 0;
  auto put = [&](std::string_view text) {
    const std::size_t room = sizeof(line) - 1 - size;
    const std::size_t n = text.size() < room ? text.size() : room;
    std::memcpy(line + size, text.data(), n);
    size += n;
  };
  put("weft: ");
  put(level_name(level));
  put(": ");
  const std::size_t start = size;
  put(message);
  // What a receiver or a variable says is in it: one line it stays, and no command to a terminal.
  for (char& c : std::span(line + start, size - start)) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  line[size++] = '\n';
  if (::write(2, line, size) < 0) return;  // nowhere left to complain to
}

bool RateLimit::allow() noexcept {
  const std::int64_t now = monotonic_ns();
  std::int64_t next = next_ns_.load(std::memory_order_relaxed);
  return now >= next &&
         next_ns_.compare_exchange_strong(next, now + 10 * kNsPerSecond, std::memory_order_relaxed);
}

}  // namespace sdk_detail

inline namespace v1 {

void set_diagnostic_handler(DiagnosticHandler handler) noexcept {
  sdk_detail::handler.store(handler, std::memory_order_release);
}

void set_diagnostic_level(DiagnosticLevel level) noexcept {
  sdk_detail::chosen_level.store(static_cast<std::uint8_t>(level), std::memory_order_relaxed);
}

DiagnosticLevel diagnostic_level() noexcept {
  const std::uint8_t level = sdk_detail::chosen_level.load(std::memory_order_relaxed);
  if (level != 255) return static_cast<DiagnosticLevel>(level);
  const DiagnosticLevel from_env = sdk_detail::level_from_env();
  set_diagnostic_level(from_env);
  return from_env;
}

}  // namespace v1
}  // namespace weft
