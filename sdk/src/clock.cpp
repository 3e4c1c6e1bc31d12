#include "clock.h"

namespace weft::sdk_detail {

constinit std::atomic<std::int64_t> wall_offset_ns{0};

void refresh_wall_offset() noexcept {
  // The narrowest of three sandwiches: a preemption between the readings would shift the offset.
  std::int64_t best_width = INT64_MAX;
  std::int64_t best_offset = 0;
  for (int i = 0; i < 3; ++i) {
    const std::int64_t before = monotonic_ns();
    const std::int64_t wall = clock_ns(CLOCK_REALTIME);
    const std::int64_t after = monotonic_ns();
    if (after - before < best_width) {
      best_width = after - before;
      best_offset = wall - (before + (after - before) / 2);
    }
  }
  wall_offset_ns.store(best_offset, std::memory_order_relaxed);
}

namespace {
// So that time stamps are right before the first provider is made.
[[maybe_unused]] const bool initialised = (refresh_wall_offset(), true);
}  // namespace

}  // namespace weft::sdk_detail
