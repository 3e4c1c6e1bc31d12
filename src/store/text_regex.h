// Rules out strings of near-unique columns (ColumnEncoding::kText) that a regular expression cannot
// match, template by template: what a match needs has to fit into its text and its variables. What
// TextProbe is for one string.
#pragma once

#include <string_view>

#include "scan/regex_prefilter.h"

namespace weft::store {

// Whether a string of the template can match. True also for some templates of which none can.
bool template_may_match(std::string_view skeleton, const RegexPrefilter& prefilter);

// Whether `part` (lower case, not empty) can occur in a string of the template, in lower case. True
// also for some parts that cannot.
bool template_may_contain(std::string_view skeleton, std::string_view part);

}  // namespace weft::store
