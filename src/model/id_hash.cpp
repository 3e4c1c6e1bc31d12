#include "model/id_hash.h"

#include <random>

namespace weft {
namespace {

uint64_t random_word() {
  std::random_device source;
  return uint64_t{source()} << 32 | source();
}

}  // namespace

const uint64_t kSpanIdHashKey = random_word();
const uint64_t kTraceIdHashKeys[2] = {random_word(), random_word()};

}  // namespace weft
