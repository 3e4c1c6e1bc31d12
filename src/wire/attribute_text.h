// Attribute values as text, for formats that know strings alone (Zipkin's and Jaeger's tags).
#pragma once

#include <string>

#include "model/attribute_table.h"

namespace weft {

// Entry `index` of the column: strings bare, bytes as base64, arrays and key-value lists as JSON,
// "" for a value that is none. `strings` belongs to the column's batch.
std::string attribute_text(const AttributeColumn& column, size_t index, const StringPool& strings);

}  // namespace weft
