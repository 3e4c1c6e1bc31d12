// Runs one scan on several threads within a query's budget: time, memory, cancellation. Search,
// metrics and match_spans are built on it.
#pragma once

#include <cstdint>
#include <functional>

#include "base/error.h"
#include "query/budget.h"
#include "query/query_service.h"
#include "scan/scan.h"

namespace weft::traceql {

enum class ScanStep : uint8_t { kContinue, kStop };

struct ParallelScan {
  // Called with every batch, from `worker`'s thread (0 ..). kStop: no further batches are claimed,
  // by no worker; those already claimed are still processed.
  std::function<Expected<ScanStep>(unsigned worker, const ScanBatch& batch)> process;
  // Called from the calling thread about every `tick_ns` while the workers run; may be empty.
  std::function<Status()> tick;
  uint64_t tick_ns = 150'000'000;
};

// Returns when all workers have ended. The first error ends the scan.
Status run_scan(SpanSource& source, const ScanRequest& request, unsigned threads,
                BudgetMeter& meter, ScanStats& stats, const ParallelScan& work);

Inspected inspected(const ScanStats& stats);

}  // namespace weft::traceql
