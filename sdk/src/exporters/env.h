// Reading OTEL_* variables: an empty one is as good as unset; one that makes no sense is reported
// and its default used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::sdk_detail {

// Empty when unset. Blanks around it are taken off.
std::string env_text(const char* name);
// The same in lower case: names of exporters, protocols and the like may be written in any.
std::string env_name(const char* name);
std::string lower_case(std::string text);
// Smaller numbers than `least` make no sense.
std::uint32_t env_number(const char* name, std::uint32_t fallback, std::uint32_t least = 0);
// "true" in any case is true, "false" and unset are false; anything else is reported.
bool env_bool(const char* name, bool fallback = false);
// Parts between commas, trimmed, without empty ones.
std::vector<std::string> split_list(std::string_view text);
// "name=value,name=value" with percent-encoded values, as OTEL_EXPORTER_OTLP_HEADERS has it.
std::vector<std::pair<std::string, std::string>> parse_headers(const char* variable,
                                                               std::string_view text);

}  // namespace weft::sdk_detail
