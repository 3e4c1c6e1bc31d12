// What a running query may use: time, memory, and how long its caller waits. One for each query,
// shared by its threads and its phases.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "query/query_service.h"
#include "scan/scan.h"

namespace weft::traceql {

// How often a running query looks at its deadline and at its caller's cancellation.
inline constexpr auto kSupervision = std::chrono::milliseconds(5);

// What a query may still use; shared by its threads and its phases.
class BudgetMeter {
 public:
  // Starts the clock. `cancel` may be nullptr.
  BudgetMeter(const QueryBudget& budget, const CancelToken* cancel);

  // kCancelled or kDeadlineExceeded when the query must end.
  Status check() const;
  // kResourceExhausted when the query then holds more than it may.
  Status take_memory(size_t bytes);
  void give_memory(size_t bytes) { memory_.fetch_sub(bytes, std::memory_order_relaxed); }
  // Said once the query has failed. What still works for it may leave off wherever it is: nobody
  // reads what it makes.
  void give_up() { given_up_.store(true, std::memory_order_relaxed); }
  bool given_up() const { return given_up_.load(std::memory_order_relaxed); }
  uint64_t elapsed_ns() const;

 private:
  QueryBudget budget_;
  const CancelToken* cancel_;
  uint64_t begin_ns_;
  std::atomic<size_t> memory_{0};
  std::atomic<bool> given_up_{false};
};

// While it lives, cancels its token as soon as the query must end: for calls into a source that
// take a token and may take long. What they then return is explained by BudgetMeter::check().
class Watchdog {
 public:
  explicit Watchdog(const BudgetMeter& meter);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  const CancelToken& cancel() const { return cancel_; }

 private:
  CancelToken cancel_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace weft::traceql
