// Columns, conditions and predicates on plain Span values, as slowly and plainly as can be: the
// definition that sources and the executor are tested against.
#pragma once

#include <vector>

#include "model/span.h"
#include "scan/predicate.h"

namespace weft::testing {

// The values that the span has in a column: none, one, or one an event or link.
std::vector<Value> column_values(const Span& span, const ColumnRef& column);

bool holds(const Predicate& predicate, const Span& span);

}  // namespace weft::testing
