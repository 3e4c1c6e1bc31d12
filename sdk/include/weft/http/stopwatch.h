// How long a request has been running, for the duration metrics of server_span.h and
// client_span.h. Shares its readings of the clock with the request's span where there is one.
// Moving it stops the one that is left behind.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <utility>

#include <weft/span.h>

namespace weft::sdk_detail {

class Stopwatch {
 public:
  Stopwatch() = default;
  Stopwatch(Stopwatch&& other) noexcept : start_ns_(std::exchange(other.start_ns_, 0)) {}
  Stopwatch& operator=(Stopwatch&& other) noexcept {
    start_ns_ = std::exchange(other.start_ns_, 0);
    return *this;
  }

  // Runs since the start of the span, or from now on when the span is not recorded.
  void start(const Span& span) {
    start_ns_ = span.record_ != nullptr ? started_at(span.record_) : now_ns();
  }
  // Has been running for so long.
  void start_ago(std::int64_t elapsed_ns) { start_ns_ = now_ns() - elapsed_ns; }
  bool running() const { return start_ns_ != 0; }
  // When it was stopped, on the monotonic clock, and how long it had run.
  struct Stopped {
    std::int64_t at_ns;
    double seconds;
  };
  // Ends the span. Not running any more afterwards.
  Stopped stop(Span& span) {
    const std::int64_t now = now_ns();
    if (Record* record = std::exchange(span.record_, nullptr)) end_span_at(record, now);
    return stopped(now);
  }
  // The same with one more attribute of the span's, http.response.status_code.
  Stopped stop(Span& span, int status_code) {
    const std::int64_t now = now_ns();
    if (Record* record = std::exchange(span.record_, nullptr)) {
      end_span_with_status(record, status_code, now);
    }
    return stopped(now);
  }

 private:
  Stopped stopped(std::int64_t now) {
    // A start that was given may lie in the future.
    const std::int64_t elapsed = std::max<std::int64_t>(0, now - std::exchange(start_ns_, 0));
    return {now, static_cast<double>(elapsed) * 1e-9};
  }
  static std::int64_t now_ns() {
    timespec ts{};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return std::int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
  }
  std::int64_t start_ns_ = 0;
};

}  // namespace weft::sdk_detail
