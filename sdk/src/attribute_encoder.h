// Attributes into OTLP KeyValue messages (opentelemetry/proto/common/v1/common.proto: KeyValue{key
// = 1, value = 2}; AnyValue{string = 1, bool = 2, int = 3, double = 4, array = 5, bytes = 7}).
// Used for spans, events, links, log records, data points and resources.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <weft/attribute.h>

#include "protobuf_writer.h"
#include "text.h"

namespace weft::sdk_detail {

// Size and bytes of an AnyValue message without its own tag and length.
std::size_t any_value_size(const AttributeValue& value) noexcept;
char* put_any_value(char* p, const AttributeValue& value) noexcept;

// Size of a whole field: `tag` (one byte), length, KeyValue.
inline std::size_t key_value_field_size(std::string_view key, std::size_t any_size) noexcept {
  return len_size(len_size(key.size()) + len_size(any_size));
}
char* put_key_value_field(char* p, unsigned tag, std::string_view key, const AttributeValue& value,
                          std::size_t any_size) noexcept;

// Holds the copies that an attribute needs when its text is not fit as it is.
class AttributeFitter {
 public:
  // `attribute` with valid UTF-8 and no string of more than `limit` characters. The views in the
  // result live until the next call.
  Attribute fit(const Attribute& attribute, std::size_t limit);

 private:
  std::string key_;
  std::string text_;
  std::vector<std::string> texts_;
  std::vector<std::string_view> views_;
};

// Quick test for attributes that need no fitting.
bool is_fit(const Attribute& attribute, std::size_t limit) noexcept;

// Appends the attributes as fields `field` to `out`, at most `count_limit` of them, the last of
// several with one key, none with an empty key. Returns how many the limit left out.
std::uint32_t append_attributes(std::string& out, unsigned field, Attributes attributes,
                                std::uint32_t count_limit, std::size_t value_limit);

}  // namespace weft::sdk_detail
