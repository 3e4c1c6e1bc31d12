// Compressed request bodies, made plain within a bound, and compressed for tests, clients and
// exports. The receivers, the replay of the log and import use it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft {

// The numbers are those that the write-ahead log keeps.
enum class Compression : uint8_t { kNone = 0, kGzip = 1, kZstd = 2, kDeflate = 3 };

// A Content-Encoding or grpc-encoding: "", "identity", "none", "gzip", "x-gzip", "zstd",
// "deflate", in either case. nullopt for any other.
std::optional<Compression> compression_from_name(std::string_view name);
std::string_view to_string(Compression compression);

// The plain bytes. More than max_bytes of them: kResourceExhausted, after having touched no more
// memory than that. Malformed, truncated, or followed by garbage: kInvalidArgument. gzip may have
// several members, zstd several frames; deflate is taken with zlib's header (as RFC 9110 has it)
// and without (as some clients send it). kNone copies.
Expected<std::string> decompress(std::string_view body, Compression compression,
                                 uint64_t max_bytes);

// At the library's default level.
Expected<std::string> compress(std::string_view plain, Compression compression);

}  // namespace weft
