// `{a} >> {b}` and its kin: which spans of one trace stand in a relation of the tree to others.
// Time and memory grow with the trace's spans alone, whatever its parents look like: cycles of
// parents (hostile or broken senders) are found and treated as below.
//
// A span's ancestors are the spans met on the way up its parents, until there is none stored or a
// span would be met again; a span is never its own ancestor. Siblings have the same stored parent.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "query/ast.h"

namespace weft::traceql {

// The rows of `right` that are op's relatives of a row of `left` (`{left} > {right}`: children);
// for negated operators the other rows of `right`; for unions the related rows of both sides.
// `parents` are the trace's parent rows, counted from the trace's first row (negative: none), and
// so are left, right and the result: ascending, without doubles.
std::vector<uint32_t> relate(Op op, std::span<const int32_t> parents,
                             std::span<const uint32_t> left, std::span<const uint32_t> right);

}  // namespace weft::traceql
