// The values of one column among the spans that match, with counts: completion of attribute values
// within a query, and the names of roots and operations for the APIs of Tempo, Jaeger and Zipkin.
#pragma once

#include "analysis/span_scan.h"

namespace weft::analysis {

// Most frequent first, then by value as text. A span with several values (events, links) counts for
// each. Arrays count as a whole. More distinct values than kMaxDistinct: kResourceExhausted.
Expected<AttributeValueList> value_counts(const AnalysisRequest& request, const ColumnRef& column,
                                          size_t limit);

inline constexpr size_t kMaxDistinct = 1'000'000;

}  // namespace weft::analysis
