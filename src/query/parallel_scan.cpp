#include "query/parallel_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "query/trace_columns.h"

namespace weft {

unsigned worker_count(const QueryBudget& budget) {
  constexpr unsigned kMost = 16;
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  return std::min(budget.threads == 0 ? cores : budget.threads, kMost);
}

}  // namespace weft

namespace weft::traceql {
namespace {

class Run {
 public:
  Run(SpanSource& source, const ScanRequest& request, BudgetMeter& meter, ScanStats& stats,
      const ParallelScan& work)
      : source_(source), request_(request), meter_(meter), stats_(stats), work_(work) {}

  Status execute(unsigned threads) {
    std::vector<std::thread> workers;
    running_ = threads;
    try {
      for (unsigned i = 0; i < threads; ++i) {
        workers.emplace_back([this, i] {
          guarded_work(i);
          const std::lock_guard lock(mutex_);
          --running_;
          ended_.notify_all();
        });
      }
    } catch (const std::system_error& error) {
      const std::lock_guard lock(mutex_);
      running_ -= threads - static_cast<unsigned>(workers.size());
      if (workers.empty()) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("no thread for the query: {}", error.what()));
      }
    }
    supervise();
    for (std::thread& worker : workers)
      worker.join();
    if (error_) return std::unexpected(std::move(*error_));
    return {};
  }

 private:
  void fail_with(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    cancel_.cancel();
    meter_.give_up();
  }

  void supervise() {
    uint64_t next_tick_ns = work_.tick_ns;
    std::unique_lock lock(mutex_);
    while (!ended_.wait_for(lock, kSupervision, [this] { return running_ == 0; })) {
      lock.unlock();
      if (auto status = meter_.check(); !status) {
        fail_with(std::move(status).error());
      } else if (work_.tick && meter_.elapsed_ns() >= next_tick_ns) {
        next_tick_ns = meter_.elapsed_ns() + work_.tick_ns;
        if (auto ticked = work_.tick(); !ticked) fail_with(std::move(ticked).error());
      }
      lock.lock();
    }
  }

  void guarded_work(unsigned worker) {
    try {
      if (auto status = work(worker); !status) fail_with(std::move(status).error());
    } catch (const std::bad_alloc&) {
      fail_with({ErrorCode::kResourceExhausted, "the machine has no memory left for the query"});
    }
  }

  Status open_cursor() {
    const std::lock_guard lock(open_mutex_);
    if (cursor_ || stop_.load()) return {};
    auto cursor = source_.scan(request_, cancel_, stats_);
    if (!cursor) {
      stop_.store(true);
      return std::unexpected(std::move(cursor).error());
    }
    cursor_ = std::move(*cursor);
    return {};
  }

  Status work(unsigned worker) {
    WEFT_TRY(open_cursor());
    while (!stop_.load(std::memory_order_relaxed)) {
      WEFT_ASSIGN(std::optional<ScanBatch> batch, cursor_->next());
      if (!batch) return {};
      const size_t bytes = memory_bytes(*batch);
      WEFT_TRY(meter_.take_memory(bytes));
      auto step = work_.process(worker, *batch);
      meter_.give_memory(bytes);
      if (!step) return std::unexpected(std::move(step).error());
      if (*step == ScanStep::kStop) stop_.store(true);
    }
    return {};
  }

  SpanSource& source_;
  const ScanRequest& request_;
  BudgetMeter& meter_;
  ScanStats& stats_;
  const ParallelScan& work_;
  CancelToken cancel_;
  std::mutex open_mutex_;
  std::unique_ptr<ScanCursor> cursor_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable ended_;
  unsigned running_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Status run_scan(SpanSource& source, const ScanRequest& request, unsigned threads,
                BudgetMeter& meter, ScanStats& stats, const ParallelScan& work) {
  WEFT_TRY(meter.check());
  return Run(source, request, meter, stats, work).execute(threads);
}

Inspected inspected(const ScanStats& stats) {
  Inspected out;
  out.blocks = stats.blocks.load(std::memory_order_relaxed);
  out.blocks_skipped = stats.blocks_skipped.load(std::memory_order_relaxed);
  out.spans = stats.spans.load(std::memory_order_relaxed);
  out.bytes = stats.bytes.load(std::memory_order_relaxed);
  return out;
}

}  // namespace weft::traceql
