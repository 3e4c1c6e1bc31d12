// OTLP traces as protobuf: opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest, which
// has the same bytes as opentelemetry.proto.trace.v1.TracesData. Receivers, the replay of the log
// and import decode with it; the API and export encode.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/span_batch.h"
#include "wire/decode.h"

namespace weft {

// Decodes a request. Unknown fields are skipped; strings are kept as they came, valid UTF-8 or
// not. Malformed bytes (truncation, groups, a known field of the wrong wire type) refuse the whole
// request with kInvalidArgument and the byte offset; limits see DecodeLimits. Any thread; each
// thread keeps a decoder (some hundred KB) of its own.
Expected<DecodeResult> decode_otlp_traces(std::string_view body, const DecodeLimits& limits = {});

// Appends all spans of the batch, grouped by resource and by scope in the order of their rows in
// the batch's tables; spans keep their order within a group.
void encode_otlp_traces(const SpanBatch& batch, std::string& out);

}  // namespace weft
