// What a query has looked at, as its answer says.
#pragma once

#include <cstdint>
#include <string>

namespace weft::cli {

struct InspectedCounts {
  uint64_t spans = 0;
  uint64_t bytes = 0;
  uint64_t blocks = 0;
  uint64_t skipped_blocks = 0;
  double elapsed_ms = 0;
};

// "inspected 120,000 spans, 346 kB in 3 blocks, skipped 1, 12.3 ms"
std::string to_text(const InspectedCounts& inspected);

// "42.1 ms"; negative ones are 0.
std::string duration_ms_text(double ms);

}  // namespace weft::cli
