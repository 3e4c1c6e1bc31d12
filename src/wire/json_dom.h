// What the JSON decoders of src/wire share: parsing (simdjson), a path for error messages, and
// lenient readers of ids, numbers and enums. Private to src/wire: the header is heavy.
#pragma once

#include <fmt/format.h>
#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "wire/decode.h"

namespace weft::json {

using simdjson::dom::element;

// Where in the document a decoder is; lives on the stack, one link a level.
struct Path {
  const Path* parent = nullptr;
  std::string_view member;  // or
  size_t index = 0;         // of an array, when member is empty
};
std::string to_string(const Path& path);

// The kInvalidArgument of something that stands in the document but cannot be meant.
Error wrong(const Path& path, std::string_view expected);

// Parses a document: too big a body gives kResourceExhausted, text that is not JSON
// kInvalidArgument ("the body is not <what>"). The parser belongs to the thread: an element and its
// strings live until the thread's next parse() or release().
class Document {
 public:
  static Expected<element> parse(std::string_view body, const DecodeLimits& limits,
                                 std::string_view what);
  // Gives back the memory of an unusually large document.
  static void release();
};

// By value, so that a range-based for may go over the result. Precondition: the element is one.
inline simdjson::dom::object as_object(const element& value) {
  return value.get_object().value_unsafe();
}
inline simdjson::dom::array as_array(const element& value) {
  return value.get_array().value_unsafe();
}

// A number written as a number or in a string. nullopt when it is neither or does not fit.
std::optional<uint64_t> to_uint64(const element& value);
std::optional<int64_t> to_int64(const element& value);
// Also "NaN", "Infinity", "-Infinity".
std::optional<double> to_double(const element& value);

// Exactly 2 * size hex digits in either case.
bool decode_hex(std::string_view hex, uint8_t* out, size_t size);

}  // namespace weft::json
