// Compiled for AVX2, and run only where the machine has it. Nothing but xxhash's own static
// functions may be used here: an inline function of another header could be the one that the
// linker keeps for the whole program.
#include "base/hash_avx2.h"

#ifdef __AVX2__
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weft {

bool has_avx2_hash() {
  return __builtin_cpu_supports("avx2") != 0;
}

uint64_t hash_bytes_avx2(const char* bytes, size_t size, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, size, seed);
}

}  // namespace weft

#else

namespace weft {

bool has_avx2_hash() {
  return false;
}

uint64_t hash_bytes_avx2(const char*, size_t, uint64_t) {
  return 0;
}

}  // namespace weft

#endif
