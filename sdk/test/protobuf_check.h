// The second opinion on what was exported: protobuf's own library decodes the same bytes by the
// OTLP schema, and has to find the same. Used by decode_spans(), so every test that looks at spans
// asks it.
#pragma once

#include <string_view>
#include <vector>

#include "decoded_span.h"

namespace sdk_test {

// What protobuf's decoder finds. Throws std::runtime_error when it refuses the bytes, or when they
// hold a field that the schema does not know.
std::vector<DecodedSpan> decode_with_protobuf(std::string_view otlp);

}  // namespace sdk_test
