// Every service with rate, errors and durations, by operation and over time: the first page that
// somebody opens. Entry spans alone count, since they are the requests that a service answers.
#pragma once

#include <string>
#include <vector>

#include "analysis/ownership.h"
#include "analysis/span_scan.h"
#include "model/span_batch.h"

namespace weft::analysis {

struct RedStats {  // rate, errors, duration
  uint64_t spans = 0;
  uint64_t errors = 0;
  double rate = 0;        // a second
  double error_rate = 0;  // share of the spans
  double p50_ns = 0, p95_ns = 0, p99_ns = 0;
};

struct OperationOverview {
  std::string name;
  SpanKind kind = SpanKind::kUnspecified;
  RedStats stats;
};

struct ServiceStep {
  uint64_t start_ns = 0;
  uint64_t spans = 0;
  uint64_t errors = 0;
  double p95_ns = 0;
};

struct ServiceOverview {
  std::string service;
  Owner owner;
  RedStats stats;
  std::vector<OperationOverview> operations;  // most frequent first; at most kMaxOperations
  bool operations_cut = false;
  std::vector<ServiceStep> over_time;  // without the empty steps

  static constexpr size_t kMaxOperations = 500;
};

struct ServicesOverview {
  std::vector<ServiceOverview> services;  // by name
  uint64_t step_ns = 0;
  TimeRange range;
};

// Of the entry spans (kind server or consumer, or without a parent) that match the query. A step
// of 0 is chosen by the range; at most kMaxSteps steps (kInvalidArgument). kResourceExhausted when
// the operations and steps of all services together are too many.
Expected<ServicesOverview> services_overview(const AnalysisRequest& request,
                                             const Ownership& ownership, uint64_t step_ns);

inline constexpr uint64_t kMaxSteps = 2'000;

}  // namespace weft::analysis
