// One metrics function over the spans of one pipeline: from the source's own aggregates where it
// has them, else from a scan. compare() has a file of its own. Parts of query_metrics().
#pragma once

#include "query/metrics_accumulator.h"
#include "query/plan.h"
#include "query/trace_evaluator.h"

namespace weft::traceql {

struct MetricsContext {
  SpanSource& source;
  const MetricsOptions& options;
  const TimeAxis& axis;
  size_t exemplars;
  BudgetMeter& meter;
  ScanStats& stats;
};

Expected<std::vector<MetricsSeries>> run_metrics_leaf(const MetricsExpr& metrics,
                                                      const MetricsContext& context);

// The spans of the pipeline that start in the range, batch after batch, on all threads.
using LeafConsumer =
    std::function<Status(unsigned worker, BatchFields& fields, const std::vector<uint32_t>& rows)>;
Status scan_leaf(const SpanPlan& plan, FieldTable& table,
                 std::shared_ptr<const PipelineProgram> program, const MetricsContext& context,
                 const LeafConsumer& consume);

// {...} | compare({...})
Expected<std::vector<MetricsSeries>> run_compare(const MetricsExpr& metrics,
                                                 const MetricsContext& context);

}  // namespace weft::traceql
