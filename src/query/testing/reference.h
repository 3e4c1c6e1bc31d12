// A slow and obvious evaluator of TraceQL on plain spans: no plan, no columns, no threads. What the
// executor is tested against; written from docs/traceql.md, sharing none of the executor's code.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/span.h"
#include "query/ast.h"
#include "scan/scan.h"

namespace weft::testing {

struct ReferenceSpanset {
  std::vector<const Span*> spans;  // by (start, span id)
  std::vector<std::pair<std::string, Value>> attributes;
};

struct ReferenceTrace {
  TraceId trace_id;
  uint64_t start_ns = 0;
  std::vector<ReferenceSpanset> spansets;
};

// All traces that match, newest first. `spans` must hold no span twice and outlive the result.
std::vector<ReferenceTrace> reference_search(const traceql::Query& query,
                                             const std::vector<Span>& spans, TimeRange range);

// The spans of the final spansets that start in the range, each once.
std::vector<const Span*> reference_matches(const traceql::Pipeline& pipeline,
                                           const std::vector<Span>& spans, TimeRange range);

// The value of a field as by() and metrics see it: the first one, ids as hex digits, status and
// kind by name. `trace` is the span's whole trace.
Value reference_value(const traceql::FieldRef& field, const Span& span,
                      const std::vector<const Span*>& trace);

}  // namespace weft::testing
