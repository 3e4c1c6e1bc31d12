// The time, as a dependency: everything that waits, expires or stamps takes a Clock, so that a
// test can move it.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft {

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since the Unix epoch. Any thread.
  virtual uint64_t now_ns() const = 0;
  // Nanoseconds of a clock that never goes back, for durations and deadlines. Any thread.
  virtual uint64_t steady_ns() const = 0;
};

// The machine's clock (CLOCK_REALTIME, CLOCK_MONOTONIC). Lives for ever.
const Clock& system_clock();

// A clock that stands still until a test moves it; both readings move together.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(uint64_t now_ns) : now_ns_(now_ns) {}
  uint64_t now_ns() const override { return now_ns_.load(std::memory_order_relaxed); }
  uint64_t steady_ns() const override { return now_ns(); }
  void advance(uint64_t by_ns) { now_ns_.fetch_add(by_ns, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> now_ns_;
};

}  // namespace weft
