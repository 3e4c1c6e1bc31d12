// What the tables of src/cli have in common: reading members of the API's JSON, and saying what a
// query has looked at. Private to src/cli: the header is heavy.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/inspected.h"

namespace weft::cli {

// "" and 0 for a member that is missing or of another type.
std::string text_at(simdjson::dom::element object, std::string_view key);
double number_at(simdjson::dom::element object, std::string_view key);
uint64_t count_at(simdjson::dom::element object, std::string_view key);
// Nanoseconds, which the API has in strings.
uint64_t nanos_at(simdjson::dom::element object, std::string_view key);

// "inspected" and "elapsedMs" of an answer.
InspectedCounts read_inspected(simdjson::dom::element answer);

}  // namespace weft::cli
