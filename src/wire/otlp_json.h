// OTLP traces as JSON (protobuf's JSON mapping with OTLP's exceptions: ids in hex, enums as
// numbers). Receivers, import and export, and the trace API use it.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "model/span_batch.h"
#include "wire/decode.h"

namespace weft {

// Decodes {"resourceSpans": [...]}. Ids are hex in either case; 64-bit numbers are strings or
// numbers; enums are numbers (names are taken too); bytes are base64; null stands for absence;
// unknown members are ignored; a lone surrogate escape, as JavaScript makes them when it cuts a
// string, becomes U+FFFD. Text that is not JSON or a known member of the wrong type refuses the
// request with kInvalidArgument and where it stands. Limits as for protobuf. Any thread.
Expected<DecodeResult> decode_otlp_traces_json(std::string_view body,
                                               const DecodeLimits& limits = {});

// Appends {"resourceSpans":[...]} without line breaks, grouped as encode_otlp_traces() does it.
// Always valid JSON: bytes that are not UTF-8 become U+FFFD. 64-bit integers are strings.
void encode_otlp_traces_json(const SpanBatch& batch, std::string& out);

// Appends one AnyValue: {"stringValue":"a"}; {} for kNone. `strings` belongs to the column.
struct AttributeColumn;
void append_any_value_json(std::string& out, const AttributeColumn& column, size_t index,
                           const StringPool& strings);
void append_any_value_json(std::string& out, const Value& value);

}  // namespace weft
