// The inside of a Store, shared by the files that implement it; nobody else includes this.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "store/flusher.h"
#include "store/log_writer.h"
#include "store/store.h"
#include "store/unsealed.h"

namespace weft::store {

struct Store::Impl {
  explicit Impl(Options opts)
      : options(std::move(opts)),
        fs(*options.fs),
        log(fs, options.dir, {options.log_file_bytes, options.log_spare_files}) {}
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // --- store_open.cpp ---
  Status open();
  Status replay(const std::vector<LogId>& files);
  Status replay_file(const LogId& id);
  Status replay_record(const SpanSink::RawRequest& record);

  // --- helpers ---
  std::string path(const std::string& name) const { return options.dir + "/" + name; }
  void say(Severity severity, const std::string& message) const {
    if (options.log) options.log(severity, message);
  }
  void report(Finding finding);

  Options options;
  FileSystem& fs;
  Counters counters;
  std::unique_ptr<FileLock> lock;

  LogWriter log;
  Unsealed unsealed{1};

  mutable std::mutex findings_mutex;
  std::vector<Finding> findings;

  std::unique_ptr<Flusher> flusher;  // null when read-only
};

}  // namespace weft::store
