// Guesses at what was meant by a wrong word in a query; for error messages alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::traceql {

// The candidate with the fewest typing errors between it and `word` (at most a third of its
// length), or empty.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

// What to write instead of a bare word in an expression: "did you mean `span.http.status_code`?".
// `is_operand` says that it stands on the right of a comparison, where text may have been meant.
std::string hint_for_word(std::string_view word, bool is_operand);

// Well-known resource attributes get `resource.`, all others `span.`.
std::string with_likely_scope(std::string_view key);

}  // namespace weft::traceql
