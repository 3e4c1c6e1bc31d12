// Checks that a parsed query makes sense: types of operands, what may be aggregated, arguments,
// regular expressions, hints. Between parser and planner.
#pragma once

#include "query/ast.h"

namespace weft::traceql {

// Series can be split by this many fields.
inline constexpr size_t kMaxGroupBy = 8;
// What all regular expressions of a query may compile to: about a tenth of a second of work. A
// plain one has some tens, a class of Unicode a thousand.
inline constexpr size_t kMaxRegexInstructions = 100'000;

QueryExpected<void> validate(const Query& query);

// The type that an expression has whatever the span; kUnknown when that depends on attributes.
// Precondition: the expression is valid.
StaticType type_of(const FieldExpr& expression);

// Calls visit(const FieldRef&) for every field that the expression names.
template <typename Visit>
void for_each_field(const FieldExpr& expression, const Visit& visit) {
  if (expression.kind == FieldExpr::Kind::kField) visit(expression.field);
  for (const FieldExpr& child : expression.children)
    for_each_field(child, visit);
}

}  // namespace weft::traceql
