// XXH3 with vectors of 32 bytes, for base/hash.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft {

// Whether the build and this machine have it.
bool has_avx2_hash();
// As hash_bytes; call only when has_avx2_hash().
uint64_t hash_bytes_avx2(const char* bytes, size_t size, uint64_t seed);

}  // namespace weft
