// What happens to finished series: arithmetic between metrics queries, topk, bottomk, comparisons.
#pragma once

#include <vector>

#include "query/ast.h"
#include "query/query_service.h"

namespace weft::traceql {

// Series or a constant.
struct SeriesOperand {
  std::vector<MetricsSeries> series;
  std::optional<double> number;
};

// Series meet those with the same labels (but for __name__) at the same times, else one that has no
// labels: each service's part of the whole. The others drop out, and so do points whose result is
// no finite number (division by zero). A number meets every point.
std::vector<MetricsSeries> combine_series(Op op, const SeriesOperand& left,
                                          const SeriesOperand& right);

// Points outside the k largest (smallest) of their time go, then series without points. Equal
// values: the series first in order stays.
void apply_stage(const SeriesStage& stage, std::vector<MetricsSeries>& series);

}  // namespace weft::traceql
