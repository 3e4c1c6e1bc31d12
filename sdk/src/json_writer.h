// Pieces of JSON onto the end of a string. Used by the JSON, Zipkin and console exporters and by
// the access log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::sdk_detail {

// A quoted string; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
// A number; NaN and infinities as the strings that protobuf's JSON mapping uses.
void append_json_double(std::string& out, double value);
void append_base64(std::string& out, std::string_view bytes);
void append_hex(std::string& out, std::string_view bytes);

}  // namespace weft::sdk_detail
