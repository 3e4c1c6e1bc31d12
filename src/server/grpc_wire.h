// The small forms of gRPC over HTTP/2: what stands before a message, and how texts become values
// of header fields (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weft::server {

// A byte that says whether the message is compressed, and its length, big-endian.
inline constexpr size_t kGrpcPrefixBytes = 5;
struct GrpcPrefix {
  bool compressed = false;
  uint32_t size = 0;
};
GrpcPrefix read_grpc_prefix(std::span<const char, kGrpcPrefixBytes> bytes);
// Appends a message that is not compressed, with its prefix.
void append_grpc_message(std::string& out, std::string_view message);

// Codings that a message may come in.
inline constexpr std::string_view kGrpcAcceptEncoding = "identity,deflate,gzip,zstd";

inline constexpr int kGrpcInternal = 13;

// For grpc-message: everything but printable ASCII as %XX, and '%' too.
std::string grpc_percent_encoded(std::string_view text);
// For fields whose names end in -bin: base64 (RFC 4648, 4) without padding.
std::string grpc_base64(std::string_view bytes);

}  // namespace weft::server
