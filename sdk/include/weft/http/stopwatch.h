// How long a request has been running, for the duration metrics of server_span.h and
// client_span.h. Moving it stops the one that is left behind.
#pragma once

#include <cstdint>
#include <ctime>
#include <utility>

namespace weft::sdk_detail {

class Stopwatch {
 public:
  Stopwatch() = default;
  Stopwatch(Stopwatch&& other) noexcept : start_ns_(std::exchange(other.start_ns_, 0)) {}
  Stopwatch& operator=(Stopwatch&& other) noexcept {
    start_ns_ = std::exchange(other.start_ns_, 0);
    return *this;
  }

  // `elapsed_ns`: how long it has been running already.
  void start(std::uint64_t elapsed_ns = 0) { start_ns_ = now_ns() - elapsed_ns; }
  bool running() const { return start_ns_ != 0; }
  // Seconds since start(). It is not running any more afterwards.
  double stop_s() { return static_cast<double>(now_ns() - std::exchange(start_ns_, 0)) * 1e-9; }

 private:
  static std::uint64_t now_ns() {
    timespec ts{};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return static_cast<std::uint64_t>(ts.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(ts.tv_nsec);
  }
  std::uint64_t start_ns_ = 0;
};

}  // namespace weft::sdk_detail
