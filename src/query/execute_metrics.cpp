// query_metrics(): every leaf of a metrics expression over the same time buckets, then arithmetic
// and what follows the functions.
#include "query/metrics_leaf.h"
#include "query/metrics_stages.h"
#include "query/plan.h"
#include "query/parallel_scan.h"
#include "query/query_service.h"

namespace weft {
namespace {

using namespace traceql;

// How many exemplars the query wants: its own hint, else the caller's wish.
size_t exemplar_count(const Query& query, const MetricsOptions& options) {
  constexpr size_t kMost = 1'000;
  constexpr size_t kUsual = 100;
  size_t wanted = options.max_exemplars;
  if (const Hint* hint = query.hint("exemplars")) {
    const Value& value = hint->value.value;
    if (const auto* flag = std::get_if<bool>(&value.data)) {
      wanted = !*flag ? 0 : options.max_exemplars == 0 ? kUsual : options.max_exemplars;
    } else if (const auto* number = std::get_if<int64_t>(&value.data)) {
      wanted = *number < 0 ? 0 : static_cast<size_t>(*number);
    }
  }
  return std::min(wanted, kMost);
}

size_t total_bytes(const std::vector<MetricsSeries>& series) {
  size_t out = 0;
  for (const MetricsSeries& one : series)
    out += traceql::memory_bytes(one);
  return out;
}

// The series of what it gives back are charged to the budget.
Expected<SeriesOperand> evaluate(const MetricsExpr& metrics, const MetricsContext& context) {
  SeriesOperand out;
  size_t charged = 0;
  switch (metrics.kind) {
    case MetricsExpr::Kind::kNumber:
      out.number = metrics.number;
      return out;
    case MetricsExpr::Kind::kQuery: {
      WEFT_ASSIGN(out.series, run_metrics_leaf(metrics, context));
      charged = total_bytes(out.series);
      break;
    }
    case MetricsExpr::Kind::kBinary: {
      WEFT_ASSIGN(const SeriesOperand left, evaluate(metrics.children[0], context));
      WEFT_ASSIGN(const SeriesOperand right, evaluate(metrics.children[1], context));
      out.series = combine_series(metrics.op, left, right);
      charged = total_bytes(left.series) + total_bytes(right.series);
      break;
    }
  }
  for (const SeriesStage& stage : metrics.stages)
    apply_stage(stage, out.series);
  context.meter.give_memory(charged);
  WEFT_TRY(context.meter.take_memory(total_bytes(out.series)));
  return out;
}

}  // namespace

Expected<MetricsResult> query_metrics(SpanSource& source, const CompiledQuery& query,
                                      const MetricsOptions& options) {
  if (!query.is_metrics()) {
    return fail(ErrorCode::kInvalidArgument,
                "this query selects spans; add a metrics function, such as `| rate()`");
  }
  const Query& parsed = query.plan().query;
  WEFT_ASSIGN(const TimeAxis axis, TimeAxis::create(options));
  BudgetMeter meter(options.budget, options.cancel);
  ScanStats stats;
  const MetricsContext context{source, options, axis, exemplar_count(parsed, options),
                               meter,  stats};
  WEFT_ASSIGN(SeriesOperand result, evaluate(*parsed.metrics, context));
  MetricsResult out;
  out.series = std::move(result.series);
  out.step_ns = axis.step_ns;
  out.inspected = inspected(stats);
  out.elapsed_ns = meter.elapsed_ns();
  return out;
}

}  // namespace weft
