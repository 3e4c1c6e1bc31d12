// `weft check`: reads everything in a data directory and names what is damaged.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "scan/scan.h"
#include "store/finding.h"

namespace weft::store {

struct CheckResult {
  std::vector<Finding> findings;  // empty: all is sound
  uint64_t blocks = 0;
  uint64_t log_files = 0;
  uint64_t spans = 0;  // in blocks, as they are stored
  uint64_t logged_requests = 0;
};

// Changes nothing. kUnavailable while another process has the directory open for writing. With
// `decode`, logged requests are decoded as well.
Expected<CheckResult> check(
    const std::string& dir, FileSystem& fs = real_file_system(),
    const std::function<Expected<SpanBatch>(const SpanSink::RawRequest&)>& decode = nullptr);

// Whether the directory is one of a store: it has the lock file, which every writer leaves, or data
// that was copied without it. Every directory could be opened, and would be empty.
Expected<bool> is_data_directory(const std::string& dir, FileSystem& fs = real_file_system());

}  // namespace weft::store
