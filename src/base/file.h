// Files, as a dependency: the store does all of its I/O through a FileSystem, so that a test can
// cut the power, fill the disk or flip a bit (base/fault_file_system.h). The real one is
// real_file_system(). Errors name the path and what the operating system said.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft {

// What File::write_directly asks of writes. Disks of larger sectors get their writes through the
// page cache.
inline constexpr size_t kDirectAlignment = 512;

// An open file. pread may be called from any thread; writes come from one thread at a time.
// Closed when destroyed.
class File {
 public:
  virtual ~File() = default;
  // Fills all of `out`. kCorrupt when the file ends before.
  virtual Status pread(uint64_t offset, std::span<char> out) = 0;
  // Writes all pieces one after the other. After an error the range holds anything.
  virtual Status pwritev(std::span<const std::string_view> pieces, uint64_t offset) = 0;
  // fdatasync. After an error nothing is known about what was written since the last success, and
  // a second call proves nothing: give the file up.
  virtual Status sync() = 0;
  virtual Expected<uint64_t> size() = 0;
  // From now on writes go past the page cache where the file system can do that: for what will
  // not be read soon. Address, size and offset of every piece that is written must then be
  // multiples of kDirectAlignment. Where it cannot be done nothing changes.
  virtual void write_directly() {}
  // The file will be read soon: asks for it in the page cache, where that can be asked for.
  virtual void fetch() {}

  Status pwrite(std::string_view data, uint64_t offset) {
    return pwritev(std::span<const std::string_view>(&data, 1), offset);
  }
};

// A lock on a path, held until destroyed or until the process ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode : uint8_t {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // read and write; created, or emptied when it exists
};

// All functions may be called from any thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // kNotFound when it must exist and does not.
  virtual Expected<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // Replaces `to`. Durable after sync_dir of the folder.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // No error when it does not exist.
  virtual Status remove(const std::string& path) = 0;
  virtual Status sync_dir(const std::string& dir) = 0;
  // Creates the folder and those above it, durably; no error when it exists.
  virtual Status create_dirs(const std::string& dir) = 0;
  // Names (not paths) of the files in a folder, sorted. kNotFound when there is no such folder.
  virtual Expected<std::vector<std::string>> list(const std::string& dir) = 0;
  virtual Expected<uint64_t> free_bytes(const std::string& dir) = 0;
  // kUnavailable when another process holds it. A shared lock on a path that does not exist or
  // cannot be written is granted without a file.
  virtual Expected<std::unique_ptr<FileLock>> lock(const std::string& path, bool exclusive) = 0;
};

// The machine's file system. Lives for ever.
FileSystem& real_file_system();

// The whole file. kResourceExhausted when it is larger than max_bytes.
Expected<std::string> read_file(FileSystem& fs, const std::string& path,
                                uint64_t max_bytes = 64u << 20);

// Memory that may be written directly; its contents do not survive growing.
class DirectBuffer {
 public:
  // At least `bytes`, uninitialized.
  char* room(size_t bytes);
  void free() { *this = DirectBuffer(); }
  size_t capacity() const { return capacity_; }

 private:
  struct Free {
    void operator()(char* memory) const;
  };
  std::unique_ptr<char, Free> memory_;
  size_t capacity_ = 0;
};

// Writes `name` so that after a crash it holds either the old bytes or the new: a temporary file
// beside it (`name`.tmp, removed when that fails), synced, renamed, and the folder synced. Large
// files are written past the page cache and fetched into it by the device: copying them there costs
// more, above all where each page of it is memory that the machine has to be given first.
Status write_file_atomically(FileSystem& fs, const std::string& dir, const std::string& name,
                             std::string_view data);

}  // namespace weft
