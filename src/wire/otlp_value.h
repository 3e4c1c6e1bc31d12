// Nested attribute values (arrays, key-value lists), which columns keep as protobuf bytes: the
// check that such bytes are sound before they are stored.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/value.h"

namespace weft {

enum class NestedCheck : uint8_t { kOk, kMalformed, kTooDeep };

// Walks the bytes of an ArrayValue (kArray) or KeyValueList (kKvlist). A value without further
// values in it has depth 1. What is kOk with max_depth <= kMaxValueDepth, decode_nested() can read.
NestedCheck check_nested(ValueType type, std::string_view bytes, uint32_t max_depth);

}  // namespace weft
