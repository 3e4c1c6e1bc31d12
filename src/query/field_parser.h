// Parses what stands between braces and in the parentheses of functions: expressions over one
// span. Part of the parser.
#pragma once

#include "query/token_cursor.h"

namespace weft::traceql {

// Precedence from loose to tight: && || (equal) · comparisons · + - · ! · * / % · ^ (to the
// right). A failure is left in the cursor.
FieldExpr parse_field_expression(TokenCursor& cursor);

// An attribute or intrinsic alone.
FieldRef parse_field(TokenCursor& cursor);

// true, nil, error, server ...; nullopt when the word is none of them.
std::optional<Literal> literal_of_word(std::string_view word);
std::optional<FieldKind> intrinsic_of_word(std::string_view word);

// A number, duration, string or word literal with its sign; for arguments and hints.
std::optional<Literal> take_literal(TokenCursor& cursor);

}  // namespace weft::traceql
