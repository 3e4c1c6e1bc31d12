#include "model/span_id_hash.h"

#include <random>

namespace weft {

const uint64_t kSpanIdHashKey = [] {
  std::random_device source;
  return uint64_t{source()} << 32 | source();
}();

}  // namespace weft
