// The operations of services: names of spans with their kinds, counted. Feeds the lists that the
// APIs of Jaeger and Zipkin offer before a search.
#pragma once

#include <string>
#include <vector>

#include "analysis/span_scan.h"
#include "model/span_batch.h"

namespace weft::analysis {

struct Operation {
  std::string name;
  SpanKind kind = SpanKind::kUnspecified;
  uint64_t spans = 0;
};

// Of the spans that match, by name and then kind. More than kMaxOperations: kResourceExhausted.
Expected<std::vector<Operation>> operations(const AnalysisRequest& request);

inline constexpr uint32_t kMaxOperations = 100'000;

}  // namespace weft::analysis
