#include "query/matching_rows.h"

namespace weft::traceql {

Status matching_rows(const SpanPlan& plan, const TimeRange& range, TraceEvaluator& evaluator,
                     const ScanBatch& batch, std::vector<uint32_t>& out) {
  out.clear();
  std::vector<uint8_t> mask;
  if (plan.filters_only) {
    evaluator.evaluate_filters(mask);
  } else {
    mask.resize(batch.rows());
    for (uint32_t trace = 0; trace < batch.traces(); ++trace) {
      WEFT_ASSIGN(const std::vector<Spanset> sets, evaluator.evaluate(trace));
      for (const Spanset& set : sets) {
        for (uint32_t row : set.rows)
          mask[row] = 1;
      }
    }
  }
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (mask[row] != 0 && range.contains(batch.start_ns[row])) out.push_back(row);
  }
  return {};
}

}  // namespace weft::traceql
