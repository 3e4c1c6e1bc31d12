// What the tables of src/cli have in common: reading members of the API's JSON, and saying what a
// query has looked at. Private to src/cli: the header is heavy.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "query/query_service.h"

namespace weft::cli {

// "" and 0 for a member that is missing or of another type.
std::string text_at(simdjson::dom::element object, std::string_view key);
double number_at(simdjson::dom::element object, std::string_view key);
uint64_t count_at(simdjson::dom::element object, std::string_view key);
// Nanoseconds, which the API has in strings.
uint64_t nanos_at(simdjson::dom::element object, std::string_view key);

// "inspected" of an answer.
Inspected read_inspected(simdjson::dom::element answer);
// "inspected 120,000 spans, 346 kB in 3 blocks, skipped 1, 12.3 ms"
std::string inspected_text(const Inspected& inspected, double elapsed_ms);

// "42.1 ms"; negative ones are 0.
std::string duration_ms_text(double ms);

}  // namespace weft::cli
