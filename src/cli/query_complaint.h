// A mistake in a TraceQL query, shown where it is: the line of the query, a caret below the place,
// what was expected, and a hint.
#pragma once

#include <string>
#include <string_view>

#include "cli/api.h"

namespace weft::cli {

// Several lines, each ended by a line break.
std::string explain_query_error(std::string_view query, const ApiError& error, bool colour);

}  // namespace weft::cli
