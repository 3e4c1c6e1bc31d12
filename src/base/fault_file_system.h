// A file system in memory that fails on demand: for tests of everything that must survive a
// crash. It keeps what was synced apart from what was only written, for data and for names, as a
// disk behind a page cache does.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"

namespace weft {

class FaultFileSystem final : public FileSystem {
 public:
  explicit FaultFileSystem(uint64_t seed = 1) : random_(seed) {}

  // --- faults; may be set at any time, from any thread ---
  // The power fails just before the n-th operation that changes anything from now on (0: the
  // next one): it and all later ones fail with kIo, until restart().
  void crash_after(uint64_t operations);
  // The n-th changing operation from now on fails once with kIo. A failing write may have written
  // a part; a failing sync leaves the data in doubt.
  void fail_once_after(uint64_t operations);
  // Total bytes the disk takes; writes beyond fail with kNoSpace after a short write.
  void set_capacity(uint64_t bytes);
  // The machine comes back: what was not synced is lost; when `torn`, data is kept in random
  // pieces (a torn write), and of the changes of names the first few, as a journal keeps them. Open
  // files of before the crash stay useless. Faults are cleared.
  void restart(bool torn);
  // Changing operations so far.
  uint64_t operations() const { return operations_.load(); }
  // Flips one bit of a stored file, behind the cache. False when it is shorter.
  bool flip_bit(const std::string& path, uint64_t bit);
  // From now on reads that touch these bytes of a file that exists fail with kIo: a bad sector,
  // wherever the file is renamed to. Until restart(). False when there is no such file.
  [[nodiscard]] bool fail_reads(const std::string& path, uint64_t begin, uint64_t end);
  // Number of files that exist now and the bytes in them.
  uint64_t used_bytes();

  Expected<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_dir(const std::string& dir) override;
  Status create_dirs(const std::string& dir) override;
  Expected<std::vector<std::string>> list(const std::string& dir) override;
  Expected<uint64_t> free_bytes(const std::string& dir) override;
  Expected<std::unique_ptr<FileLock>> lock(const std::string& path, bool exclusive) override;

 private:
  friend class FaultFile;
  friend class FaultLock;
  struct Node {
    std::string data;     // what a read sees
    std::string durable;  // what survives
    struct Write {
      uint64_t offset;
      std::string bytes;
    };
    std::vector<Write> unsynced;
    bool truncated_unsynced = false;
    uint64_t bad_begin = 0;  // what cannot be read
    uint64_t bad_end = 0;
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;
  // One change of a name that was not synced: `node` is put there, or, null, the name is removed.
  struct NameChange {
    std::string path;
    std::shared_ptr<Node> node;
    bool with_next = false;  // a rename is two changes at once
  };

  // Counts a changing operation and says whether it has to fail. Called with mutex_ held.
  Status step(const std::string& what, bool& partial);
  uint64_t used_locked() const;

  std::mutex mutex_;
  std::mt19937_64 random_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> unsynced_names_;  // in the order in which they were made
  std::map<std::string, int> locks_;        // -1 exclusive, n shared
  uint64_t capacity_ = UINT64_MAX;
  std::atomic<uint64_t> operations_{0};
  uint64_t crash_at_ = UINT64_MAX;
  uint64_t fail_at_ = UINT64_MAX;
  uint64_t life_ = 0;  // of the machine: restarts
  bool crashed_ = false;
};

}  // namespace weft
