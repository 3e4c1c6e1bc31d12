// JSON text appended to a string: escaping, numbers and base64, always valid JSON whatever bytes
// come in. The encoders of src/wire write with it, and any other place that makes JSON may.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::json {

// A quoted string. Bytes that are not UTF-8 become U+FFFD, one for each maximal ill-formed part.
void append_string(std::string& out, std::string_view text);
// The text with ill-formed parts replaced in the same way.
std::string to_valid_utf8(std::string_view text);
void append_int(std::string& out, int64_t value);
void append_uint(std::string& out, uint64_t value);
// The shortest text that reads back as the same number; "NaN", "Infinity" and "-Infinity" as
// quoted strings, as protobuf's JSON has it.
void append_double(std::string& out, double value);
// Lower-case hex digits, two a byte, not quoted.
void append_hex(std::string& out, std::string_view bytes);
// RFC 4648 with padding, not quoted.
void append_base64(std::string& out, std::string_view bytes);
// Standard or URL alphabet, padding optional. False (and `out` undefined) for anything else.
bool decode_base64(std::string_view text, std::string& out);

}  // namespace weft::json
