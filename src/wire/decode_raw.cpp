#include "wire/decode_raw.h"

#include <string>

#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"
#include "wire/zipkin_json.h"

namespace weft {
namespace {

Expected<DecodeResult> decode_plain(WireFormat format, std::string_view body,
                                    const DecodeLimits& limits) {
  switch (format) {
    case WireFormat::kOtlpProtobuf:
      return decode_otlp_traces(body, limits);
    case WireFormat::kOtlpJson:
      return decode_otlp_traces_json(body, limits);
    case WireFormat::kZipkinJson:
      return decode_zipkin_json(body, limits);
  }
  return fail(ErrorCode::kInvalidArgument, "unknown format of a span request");
}

}  // namespace

Expected<DecodeResult> decode_raw(WireFormat format, Compression compression, std::string_view body,
                                  std::optional<uint64_t> untrusted_received_ns,
                                  const DecodeLimits& limits) {
  std::string plain;
  if (compression != Compression::kNone) {
    auto decompressed = decompress(body, compression, limits.max_body_bytes);
    if (!decompressed) return std::unexpected(std::move(decompressed).error());
    plain = *std::move(decompressed);
    body = plain;
  }
  auto result = decode_plain(format, body, limits);
  if (result && untrusted_received_ns) annotate_received(result->batch, *untrusted_received_ns);
  return result;
}

}  // namespace weft
