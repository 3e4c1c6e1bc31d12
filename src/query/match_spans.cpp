// match_spans(): every span that a query selects, for the analyses.
#include "query/matching_rows.h"
#include "query/parallel_scan.h"
#include "query/plan.h"
#include "query/query_service.h"
#include "query/trace_evaluator.h"

namespace weft {
namespace {

using namespace traceql;

}  // namespace

Expected<Inspected> match_spans(SpanSource& source, const CompiledQuery& query,
                                const MatchOptions& options, const MatchConsumer& consume) {
  const SpanPlan& plan = query.plan().spans;
  if (query.is_metrics()) {
    return fail(ErrorCode::kInvalidArgument, "a metrics query selects no spans");
  }
  FieldTable table;
  WEFT_ASSIGN(auto program, PipelineProgram::create(plan.pipeline, table));
  std::vector<size_t> wanted;
  for (const ColumnRef& column : options.columns)
    wanted.push_back(table.add_column(column));
  ScanRequest request;
  request.range = options.range;
  request.filter = plan.candidates.predicate;
  request.columns = table.columns();
  request.whole_traces = plan.whole_traces || options.whole_traces;
  request.needed = plan.needed;
  request.parents = plan.parents || table.needs_trace() || options.whole_traces;

  BudgetMeter meter(options.budget, options.cancel);
  const unsigned threads = worker_count(options.budget);
  std::vector<TraceEvaluator> evaluators;
  for (unsigned i = 0; i < threads; ++i)
    evaluators.emplace_back(program);
  std::vector<std::vector<uint32_t>> matches(threads);
  ParallelScan work;
  work.process = [&](unsigned worker, const ScanBatch& batch) -> Expected<ScanStep> {
    BatchFields fields(table, batch, meter);
    evaluators[worker].begin_batch(fields);
    WEFT_TRY(matching_rows(plan, options.range, evaluators[worker], batch, matches[worker]));
    if (matches[worker].empty()) return ScanStep::kContinue;
    MatchBatch out{batch, {}, matches[worker]};
    for (size_t column : wanted)
      out.columns.push_back(&batch.columns[column]);
    WEFT_TRY(consume(worker, out));
    return ScanStep::kContinue;
  };
  ScanStats stats;
  WEFT_TRY(run_scan(source, request, threads, meter, stats, work));
  return inspected(stats);
}

}  // namespace weft
