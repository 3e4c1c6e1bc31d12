// TraceQL text to AST. Used by QueryService and, leniently, by completion. Never throws, never
// recurses deeper than kMaxQueryDepth, and says where and why a query is wrong.
#pragma once

#include <string_view>

#include "query/ast.h"

namespace weft::traceql {

// How deep parentheses and operators may nest, and how many parts a query may have.
inline constexpr int kMaxQueryDepth = 100;
inline constexpr size_t kMaxQueryNodes = 2'000;

// The syntax alone; validate() of query/validate.h checks that it makes sense. Most callers want
// compile_query() of query/query_service.h, which does both.
QueryExpected<Query> parse(std::string_view text);

}  // namespace weft::traceql
