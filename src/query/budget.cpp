#include "query/budget.h"

#include <fmt/format.h>

#include "base/clock.h"

namespace weft::traceql {

BudgetMeter::BudgetMeter(const QueryBudget& budget, const CancelToken* cancel)
    : budget_(budget), cancel_(cancel), begin_ns_(system_clock().steady_ns()) {}

Status BudgetMeter::check() const {
  if (cancel_ != nullptr && cancel_->cancelled()) {
    return fail(ErrorCode::kCancelled, "the query was cancelled");
  }
  if (budget_.time_ns != 0 && elapsed_ns() > budget_.time_ns) {
    return fail(ErrorCode::kDeadlineExceeded,
                fmt::format("the query ran longer than its time budget of {} ms; narrow the time "
                            "range or the filter, or give weft serve a longer --query-timeout",
                            budget_.time_ns / 1'000'000));
  }
  return {};
}

Status BudgetMeter::take_memory(size_t bytes) {
  const size_t held = memory_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (held <= budget_.memory_bytes) return {};
  return fail(ErrorCode::kResourceExhausted,
              fmt::format("the query needs more than its memory budget of {} bytes; narrow the "
                          "time range or the filter, or give weft serve more --query-memory",
                          budget_.memory_bytes));
}

uint64_t BudgetMeter::elapsed_ns() const {
  return system_clock().steady_ns() - begin_ns_;
}

Watchdog::Watchdog(const BudgetMeter& meter)
    : thread_([this, &meter] {
        std::unique_lock lock(mutex_);
        while (!ended_.wait_for(lock, kSupervision, [this] { return is_over_; })) {
          if (!meter.check()) cancel_.cancel();
        }
      }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

}  // namespace weft::traceql
