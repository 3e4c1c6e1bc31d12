// Reads a write-ahead log file back: at start-up, for `weft check` and for the fuzzer. Any bytes
// may come; damaged groups are named and stepped over.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "scan/scan.h"
#include "store/finding.h"
#include "store/log_format.h"

namespace weft::store {

struct LogFileSummary {
  uint64_t groups = 0;
  uint64_t records = 0;
  uint64_t end_offset = 0;  // behind the last good group
  // The file ends in a group that was not finished: it was never acknowledged. Not damage.
  bool torn_tail = false;
};

// Calls `record` for each record of each good group, in order. A group is damaged when its checksum
// is wrong although good groups follow, or when groups are missing before a good one; each such
// place becomes a finding. So does the last group where the bytes tell that it was written in full
// (docs/formats/wal.md says when they do). A group with one flipped bit is mended where that can be
// told, and named. Errors of the operating system end the reading, and so does, with
// kUnimplemented, a record of a kind that only a newer version knows. `full_bytes` is the size at
// which the writer leaves a file; smaller ones were never used before.
Expected<LogFileSummary> read_log(
    FileSystem& fs, const std::string& path, const LogId& id,
    const std::function<void(const SpanSink::RawRequest&, uint64_t offset)>& record,
    std::vector<Finding>& findings, uint64_t full_bytes = kLogFileBytes);

// Whether all files of a generation are there, as far as `files` (of one folder, ascending) tell:
// files go in the order of their numbers, so none is gone when the first is there and there is no
// gap.
bool is_whole_log(std::span<const LogId> files, uint64_t generation);

// Names files that must be there and are not: those of one generation are numbered from 0 without
// a gap. `files` are those of `dir` that no block stands for, ascending.
std::vector<Finding> missing_log_files(const std::string& dir, std::span<const LogId> files);

}  // namespace weft::store
