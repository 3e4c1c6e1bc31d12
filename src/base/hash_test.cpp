#include "base/hash.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <string>

namespace weft {
namespace {

// Whatever vectors the machine has: checksums on disk depend on it. Compared with the library.
TEST(Hash, IsXxh3OnEveryPath) {
  std::string bytes;
  for (size_t size = 0; size < 5000; size += size < 1100 ? 1 : 61) {
    while (bytes.size() < size)
      bytes.push_back(static_cast<char>(bytes.size() * 131 >> 3));
    for (const uint64_t seed : {uint64_t{0}, uint64_t{42}, ~uint64_t{0}}) {
      ASSERT_EQ(hash_bytes(bytes, seed), XXH3_64bits_withSeed(bytes.data(), size, seed)) << size;
    }
  }
}

}  // namespace
}  // namespace weft
