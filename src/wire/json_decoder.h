// What the decoders of spans in JSON have in common: how they go over a document, how they refuse
// something in it, and the way from a body to a batch. Private to src/wire: the header is heavy.
#pragma once

#include <string_view>
#include <utility>

#include "wire/batch_builder.h"
#include "wire/decode.h"
#include "wire/json_dom.h"

namespace weft::json {

// To derive from. A derived decoder has `bool decode(const element& root)`. All functions that
// return a bool return false once error() is set.
class SpanDecoder {
 public:
  SpanDecoder(BatchBuilder& builder, const DecodeLimits& limits)
      : builder_(builder), limits_(limits) {}
  Error& error() { return error_; }

 protected:
  bool refuse(const Path& path, std::string_view expected) {
    error_ = wrong(path, expected);
    return false;
  }

  // Calls f(value, path) for each element of an array; `expected` says what it should have been.
  template <typename F>
  bool each(const element& array, const Path& path, F&& f, std::string_view expected = "an array") {
    if (array.type() != simdjson::dom::element_type::ARRAY) return refuse(path, expected);
    Path at{&path, {}, 0};
    for (const element value : as_array(array)) {
      if (!f(value, at)) return false;
      ++at.index;
    }
    return true;
  }
  // Calls f(name, value, path) for each member of an object that is not null.
  template <typename F>
  bool members(const element& object, const Path& path, F&& f) {
    if (object.type() != simdjson::dom::element_type::OBJECT) return refuse(path, "an object");
    for (const auto [name, value] : as_object(object)) {
      if (value.is_null()) continue;
      if (!f(name, value, Path{&path, name, 0})) return false;
    }
    return true;
  }
  bool text(const element& value, const Path& path, std::string_view& out) {
    if (value.type() != simdjson::dom::element_type::STRING) return refuse(path, "a string");
    out = value.get_string().value_unsafe();
    return true;
  }

  BatchBuilder& builder_;
  const DecodeLimits& limits_;
  Error error_;
};

// The spans of a body, by a decoder of that kind.
template <typename Decoder>
Expected<DecodeResult> decode_spans(std::string_view body, const DecodeLimits& limits) {
  auto root = Document::parse(body, limits, "JSON");
  if (!root) return std::unexpected(std::move(root).error());
  thread_local BatchBuilder builder;
  // A span of a real request has rarely less than 500 bytes.
  builder.begin(limits, body.size() / 512 + 1);
  Decoder decoder(builder, limits);
  const bool ok = decoder.decode(*root);
  DecodeResult result = builder.finish();
  Document::release();
  if (!ok) return std::unexpected(std::move(decoder.error()));
  return result;
}

}  // namespace weft::json
