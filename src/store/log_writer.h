// Writes the write-ahead log: groups of requests, each on disk before write_group returns. The
// store's flusher thread uses it; nobody else.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "scan/scan.h"
#include "store/log_group.h"

namespace weft::store {

class LogWriter {
 public:
  struct Limits {
    uint64_t file_bytes = 64u << 20;  // a file is left when it has reached this
    size_t spare_files = 8;           // obsolete files kept for reuse
  };

  LogWriter(FileSystem& fs, std::string dir, Limits limits);

  // Names of spare files found when the directory was opened.
  void add_spare(std::string name) { spares_.push_back(std::move(name)); }

  // From the next group on, write for this generation, in a new file.
  void start_generation(uint64_t generation, uint32_t first_file_index);

  // Files of the same generation that were written before a restart.
  void adopt(std::vector<LogId> files) { files_ = std::move(files); }

  // Success means that the group's records are on disk. After an error none of them is kept
  // (kNoSpace, kIo), the file is given up where it is in doubt, and the next call uses a new one.
  Status write_group(LogGroup& group);

  // Removes a log file that is not needed any more, or keeps it as a spare.
  Status recycle(const LogId& id);
  // Makes a spare of full size when there is none, so that the flusher overwrites blocks that the
  // disk has already allotted: two to three times as fast as growing a file.
  Status prepare_spare();
  // Deletes all spares: at shutdown.
  Status drop_spares();

  // Files of the current generation that may hold groups.
  const std::vector<LogId>& files() const { return files_; }

 private:
  Status open_next();
  std::string path(const std::string& name) const { return dir_ + "/" + name; }

  FileSystem& fs_;
  std::string dir_;
  Limits limits_;
  std::unique_ptr<File> file_;
  LogId id_;
  uint64_t offset_ = 0;
  uint64_t attempt_end_ = 0;  // how far groups that failed may have been written
  uint32_t group_index_ = 0;
  uint32_t next_index_ = 0;
  uint64_t generation_ = 0;
  std::vector<LogId> files_;

  std::mutex spares_mutex_;  // spares come from the sealing thread
  std::vector<std::string> spares_;
  uint64_t spare_counter_ = 0;
};

}  // namespace weft::store
