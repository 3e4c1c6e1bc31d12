// Conditions on spans that were made at random, of which some rows of them meet some: for tests
// that hold a fast way of filtering to the plain one.
#pragma once

#include <random>
#include <vector>

#include "model/span.h"
#include "scan/scan.h"
#include "store/trace_order.h"

namespace weft::testing {

// An intrinsic, or an attribute of some scope that one of the spans has.
ColumnRef random_column(std::mt19937_64& random, const std::vector<Span>& spans);
// Conditions on such columns with values of rows of `all`, which holds the spans; joined by and and
// or up to `depth` times.
Predicate random_predicate(std::mt19937_64& random, const store::SpanBatchPtr& all,
                           const std::vector<Span>& spans, int depth);
Value value_at(const ValueColumn& column, size_t i);

}  // namespace weft::testing
