#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/hash_avx2.h"

namespace weft {
namespace {

// Bodies of requests and chunks of blocks, where the width of the vectors counts. Below, XXH3 has
// other ways.
constexpr size_t kLongBytes = 256;

}  // namespace

uint64_t hash_bytes(std::string_view bytes, uint64_t seed) {
  if (bytes.size() >= kLongBytes) {
    static const bool has_avx2 = has_avx2_hash();
    if (has_avx2) return hash_bytes_avx2(bytes.data(), bytes.size(), seed);
  }
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace weft
