// XXH3, the one hash of the project: dictionaries, bloom filters and checksums on disk.
#pragma once

#include <cstdint>
#include <string_view>

namespace weft {

// XXH3-64 of the bytes. The same on every machine; on-disk checksums depend on it.
uint64_t hash_bytes(std::string_view bytes, uint64_t seed = 0);

// For unordered containers of strings, which are then found by string views, too (with
// std::equal_to<>).
struct BytesHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return hash_bytes(text); }
};

}  // namespace weft
