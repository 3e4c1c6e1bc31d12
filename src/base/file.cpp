#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/huge_pages.h"

namespace weft {
namespace {

constexpr size_t kMaxIov = 512;

// The folder that a path lies in.
std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return path.substr(0, std::max<size_t>(slash, 1));
}

class RealFile final : public File {
 public:
  RealFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~RealFile() override { ::close(fd_); }
  RealFile(const RealFile&) = delete;
  RealFile& operator=(const RealFile&) = delete;

  Status pread(uint64_t offset, std::span<char> out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n =
          ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (n < 0) {
        if (errno == EINTR) continue;
        return std::unexpected(errno_error(errno, "read " + path_));
      }
      if (n == 0) {
        return fail(ErrorCode::kCorrupt, path_ + " ends at offset " +
                                             std::to_string(offset + done) + ", expected " +
                                             std::to_string(out.size() - done) + " bytes more");
      }
      done += static_cast<size_t>(n);
    }
    return {};
  }

  Status pwritev(std::span<const std::string_view> pieces, uint64_t offset) override {
    std::vector<iovec> iov;
    iov.reserve(pieces.size());
    for (std::string_view piece : pieces) {
      // writev takes a pointer to non-const and does not write through it.
      if (!piece.empty()) iov.push_back({const_cast<char*>(piece.data()), piece.size()});
    }
    size_t first = 0;
    while (first < iov.size()) {
      const int count = static_cast<int>(std::min(iov.size() - first, kMaxIov));
      const ssize_t n = ::pwritev(fd_, iov.data() + first, count, static_cast<off_t>(offset));
      if (n < 0) {
        if (errno == EINTR) continue;
        // The disk's sectors are larger than kDirectAlignment, or the file system took the flag
        // and cannot do it.
        if (errno == EINVAL && direct_ && set_direct(false)) continue;
        return std::unexpected(errno_error(errno, "write " + path_));
      }
      offset += static_cast<uint64_t>(n);
      size_t left = static_cast<size_t>(n);
      while (first < iov.size() && left >= iov[first].iov_len)
        left -= iov[first++].iov_len;
      if (left > 0) {
        iov[first].iov_base = static_cast<char*>(iov[first].iov_base) + left;
        iov[first].iov_len -= left;
      }
    }
    return {};
  }

  Status sync() override {
    if (::fdatasync(fd_) != 0) return std::unexpected(errno_error(errno, "sync " + path_));
    return {};
  }

  void write_directly() override { set_direct(true); }
  void fetch() override {
    // Linux cuts one call off at what a disk reads at once; the default read-ahead is below that.
    constexpr off_t kPiece = 128 << 10;
    const auto bytes = size();
    if (!bytes) return;
    for (off_t at = 0; at < static_cast<off_t>(*bytes); at += kPiece)
      (void)::posix_fadvise(fd_, at, kPiece, POSIX_FADV_WILLNEED);
  }

  Expected<uint64_t> size() override {
    struct stat st{};
    if (::fstat(fd_, &st) != 0) return std::unexpected(errno_error(errno, "stat " + path_));
    return static_cast<uint64_t>(st.st_size);
  }

 private:
  // Whether it could be done.
  bool set_direct(bool direct) {
    const int flags = ::fcntl(fd_, F_GETFL);
    if (flags < 0) return false;
    if (::fcntl(fd_, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) != 0) return false;
    direct_ = direct;
    return true;
  }

  int fd_;
  std::string path_;
  bool direct_ = false;
};

class RealLock final : public FileLock {
 public:
  explicit RealLock(int fd) : fd_(fd) {}
  ~RealLock() override {
    if (fd_ >= 0) ::close(fd_);
  }
  RealLock(const RealLock&) = delete;
  RealLock& operator=(const RealLock&) = delete;

 private:
  int fd_;
};

class RealFileSystem final : public FileSystem {
 public:
  Expected<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    if (mode == OpenMode::kRead) flags |= O_RDONLY;
    if (mode == OpenMode::kReadWrite) flags |= O_RDWR;
    if (mode == OpenMode::kCreate) flags |= O_RDWR | O_CREAT | O_TRUNC;
    const int fd = ::open(path.c_str(), flags, 0640);
    if (fd < 0) {
      if (errno == ENOENT) return fail(ErrorCode::kNotFound, path + " does not exist");
      return std::unexpected(errno_error(errno, "open " + path));
    }
    return std::make_unique<RealFile>(fd, path);
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return std::unexpected(errno_error(errno, "rename " + from + " to " + to));
    }
    return {};
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return std::unexpected(errno_error(errno, "remove " + path));
    }
    return {};
  }

  Status sync_dir(const std::string& dir) override {
    const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return std::unexpected(errno_error(errno, "open " + dir));
    const int result = ::fsync(fd);
    const int error = errno;
    ::close(fd);
    if (result != 0) return std::unexpected(errno_error(error, "sync " + dir));
    return {};
  }

  Status create_dirs(const std::string& dir) override {
    for (size_t slash = dir.find('/', 1);; slash = dir.find('/', slash + 1)) {
      const std::string part = dir.substr(0, slash);
      const bool made = !part.empty() && ::mkdir(part.c_str(), 0750) == 0;
      if (!made && !part.empty() && errno != EEXIST) {
        return std::unexpected(errno_error(errno, "create " + part));
      }
      if (made) WEFT_TRY(sync_dir(parent_of(part)));
      if (slash == std::string::npos) break;
    }
    struct stat st{};
    if (::stat(dir.c_str(), &st) != 0) return std::unexpected(errno_error(errno, "stat " + dir));
    if (!S_ISDIR(st.st_mode)) return fail(ErrorCode::kIo, dir + " is not a directory");
    return {};
  }

  Expected<std::vector<std::string>> list(const std::string& dir) override {
    DIR* handle = ::opendir(dir.c_str());
    if (handle == nullptr) {
      if (errno == ENOENT) return fail(ErrorCode::kNotFound, dir + " does not exist");
      return std::unexpected(errno_error(errno, "list " + dir));
    }
    std::vector<std::string> names;
    errno = 0;  // a part of the names must not be taken for all of them
    while (const dirent* entry = ::readdir(handle)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    const int error = errno;
    ::closedir(handle);
    if (error != 0) return std::unexpected(errno_error(error, "list " + dir));
    std::ranges::sort(names);
    return names;
  }

  Expected<uint64_t> free_bytes(const std::string& dir) override {
    struct statvfs st{};
    if (::statvfs(dir.c_str(), &st) != 0) {
      return std::unexpected(errno_error(errno, "statvfs " + dir));
    }
    return static_cast<uint64_t>(st.f_bavail) * st.f_frsize;
  }

  Expected<std::unique_ptr<FileLock>> lock(const std::string& path, bool exclusive) override {
    const int flags = O_CLOEXEC | (exclusive ? O_RDWR | O_CREAT : O_RDONLY);
    const int fd = ::open(path.c_str(), flags, 0640);
    if (fd < 0) {
      if (!exclusive) return std::make_unique<RealLock>(-1);
      return std::unexpected(errno_error(errno, "open " + path));
    }
    auto held = std::make_unique<RealLock>(fd);
    if (::flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        return fail(ErrorCode::kUnavailable, path + " is held by another process");
      }
      return std::unexpected(errno_error(errno, "lock " + path));
    }
    return held;
  }
};

}  // namespace

FileSystem& real_file_system() {
  static RealFileSystem instance;
  return instance;
}

void DirectBuffer::Free::operator()(char* memory) const {
  std::free(memory);
}

char* DirectBuffer::room(size_t bytes) {
  if (bytes > capacity_) {
    // A huge page is one page to hand to the device, instead of 512.
    const size_t size = (bytes + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
    void* const memory = bytes >= kHugePageBytes / 2 ? allocate_huge_pages(bytes)
                                                     : std::aligned_alloc(kDirectAlignment, size);
    if (memory == nullptr) throw std::bad_alloc();
    memory_.reset(static_cast<char*>(memory));
    capacity_ = bytes;
  }
  return memory_.get();
}

Expected<std::string> read_file(FileSystem& fs, const std::string& path, uint64_t max_bytes) {
  WEFT_ASSIGN(auto file, fs.open(path, OpenMode::kRead));
  WEFT_ASSIGN(const uint64_t size, file->size());
  if (size > max_bytes) {
    return fail(ErrorCode::kResourceExhausted,
                path + " has more than " + std::to_string(max_bytes) + " bytes");
  }
  std::string out(size, '\0');
  WEFT_TRY(file->pread(0, out));
  return out;
}

namespace {

constexpr size_t kLargeFileBytes = 4u << 20;
constexpr size_t kDirectPieceBytes = 2u << 20;
static_assert(kDirectPieceBytes % kDirectAlignment == 0);

// In pieces, out of memory that a device can read.
Status write_large(File& file, std::string_view data) {
  file.write_directly();
  DirectBuffer buffer;
  char* const piece = buffer.room(kDirectPieceBytes);
  uint64_t offset = 0;
  while (data.size() - offset >= kDirectAlignment) {
    const size_t left = (data.size() - offset) / kDirectAlignment * kDirectAlignment;
    const size_t bytes = std::min(left, kDirectPieceBytes);
    std::memcpy(piece, data.data() + offset, bytes);
    WEFT_TRY(file.pwrite({piece, bytes}, offset));
    offset += bytes;
  }
  // The last part of a sector goes through the page cache.
  return file.pwrite(data.substr(offset), offset);
}

}  // namespace

Status write_file_atomically(FileSystem& fs, const std::string& dir, const std::string& name,
                             std::string_view data) {
  const std::string temporary = dir + "/" + name + ".tmp";
  const auto write = [&]() -> Status {
    WEFT_ASSIGN(auto file, fs.open(temporary, OpenMode::kCreate));
    const bool large = data.size() >= kLargeFileBytes;
    WEFT_TRY(large ? write_large(*file, data) : file->pwrite(data, 0));
    WEFT_TRY(file->sync());
    if (large) file->fetch();
    file.reset();
    return fs.rename(temporary, dir + "/" + name);
  };
  if (Status status = write(); !status) {
    (void)fs.remove(temporary);  // the space is needed elsewhere
    return status;
  }
  return fs.sync_dir(dir);
}

}  // namespace weft
