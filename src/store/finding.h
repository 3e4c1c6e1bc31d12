// Damage found in a data directory: what `weft check` prints, and what is logged when a reader
// comes upon it.
#pragma once

#include <cstdint>
#include <string>

namespace weft::store {

struct Finding {
  std::string file;  // path
  uint64_t offset = 0;
  std::string what;  // one sentence without a full stop; says what is lost
};

inline std::string to_string(const Finding& finding) {
  return finding.file + " at offset " + std::to_string(finding.offset) + ": " + finding.what;
}

}  // namespace weft::store
