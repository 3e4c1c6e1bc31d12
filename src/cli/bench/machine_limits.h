// What the machine itself can do, measured in the same run as Weft, so that a table of budgets can
// be read on any machine: copying memory, getting memory, and making groups of bytes durable.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace weft::cli {

struct SyncLimit {
  uint64_t group_bytes = 0;
  double mb_per_s = 0;
  double p50_ms = 0;
  double p99_ms = 0;
};

struct MachineLimits {
  std::string cpu;  // model name
  unsigned cores = 0;
  double memcpy_gb_per_s = 0;  // 64 MiB to 64 MiB, one core, bytes copied
  double first_touch_ns = 0;   // CPU of the first write to a page of 4 KiB of new memory
  SyncLimit sync_256k;         // pwrite + fdatasync on a prewritten file
  SyncLimit sync_1m;
};

// Takes about two seconds. `dir` is where files are written (and removed again): the disk that is
// to be measured.
Expected<MachineLimits> measure_machine(const std::string& dir);

}  // namespace weft::cli
