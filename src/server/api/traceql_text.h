// Pieces of TraceQL made from what clients of other APIs ask for (tags, durations). Private to
// server/api.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace weft::server {

// "a=b c=\"d e\"": pairs of logfmt. A key without a value has the value "".
Expected<std::vector<std::pair<std::string, std::string>>> parse_logfmt(std::string_view text);

// The text as a TraceQL string: "a\"b".
std::string quote_traceql(std::string_view text);

// An attribute of span or resource by its key: ."service.name".
std::string any_attribute(std::string_view key);

// Every special character of RE2 escaped.
std::string escape_regex(std::string_view text);

// The text is a number or true or false: attributes with such values may be typed.
bool is_typed_literal(std::string_view text);

}  // namespace weft::server
