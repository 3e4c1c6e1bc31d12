// A span request of any format and compression to a batch: what the receivers do with a body, and
// what the replay of the write-ahead log does with the same body again.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "wire/compress.h"
#include "wire/decode.h"

namespace weft {

// The numbers are those that the write-ahead log keeps.
enum class WireFormat : uint8_t { kOtlpProtobuf = 1, kOtlpJson = 2, kZipkinJson = 3 };

// Decompresses (the limit of the plain body is limits.max_body_bytes) and decodes. With
// `untrusted_received_ns` the sender's clock is not trusted and every span gets the annotation
// "received_ns". Any thread.
Expected<DecodeResult> decode_raw(WireFormat format, Compression compression, std::string_view body,
                                  std::optional<uint64_t> untrusted_received_ns = std::nullopt,
                                  const DecodeLimits& limits = {});

}  // namespace weft
