// The two clocks of the library: the monotonic one, which times everything, and its distance to
// the wall clock, which turns its readings into time stamps. A span reads one clock at its start
// and one at its end, so its duration is right whatever happens to the wall clock meanwhile.
#pragma once

#include <time.h>

#include <atomic>
#include <cstdint>

namespace weft::sdk_detail {

inline constexpr std::int64_t kNsPerMs = 1'000'000;
inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;

inline std::int64_t clock_ns(clockid_t clock) noexcept {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<std::int64_t>(t.tv_sec) * kNsPerSecond + t.tv_nsec;
}

inline std::int64_t monotonic_ns() noexcept {
  return clock_ns(CLOCK_MONOTONIC);
}

// Wall clock minus monotonic clock. Refreshed by the workers at each of their turns, so that a step
// of the wall clock is followed within the delay of a batch or the interval of a reader.
extern constinit std::atomic<std::int64_t> wall_offset_ns;
void refresh_wall_offset() noexcept;

// Nanoseconds since the epoch.
inline std::uint64_t to_wall_ns(std::int64_t monotonic) noexcept {
  return static_cast<std::uint64_t>(monotonic + wall_offset_ns.load(std::memory_order_relaxed));
}
inline std::uint64_t wall_now_ns() noexcept {
  return to_wall_ns(monotonic_ns());
}

}  // namespace weft::sdk_detail
