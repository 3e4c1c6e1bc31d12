#include "cli/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <utility>
#include <vector>

namespace weft::cli {
namespace {

constexpr size_t kChunkBytes = 256 << 10;

class RawInput {
 public:
  virtual ~RawInput() = default;
  // 0 at the end.
  virtual Expected<size_t> read(char* to, size_t bytes) = 0;
  virtual uint64_t size() const = 0;
};

class FileInput final : public RawInput {
 public:
  FileInput(int fd, uint64_t size, std::string name)
      : fd_(fd), size_(size), name_(std::move(name)) {}
  ~FileInput() override {
    if (fd_ > STDIN_FILENO) ::close(fd_);
  }
  FileInput(const FileInput&) = delete;
  FileInput& operator=(const FileInput&) = delete;

  Expected<size_t> read(char* to, size_t bytes) override {
    while (true) {
      const ssize_t got = ::read(fd_, to, bytes);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) return std::unexpected(errno_error(errno, "read " + name_));
    }
  }
  uint64_t size() const override { return size_; }

 private:
  int fd_;
  uint64_t size_;
  std::string name_;
};

class MemoryInput final : public RawInput {
 public:
  explicit MemoryInput(std::string bytes) : bytes_(std::move(bytes)) {}
  Expected<size_t> read(char* to, size_t bytes) override {
    const size_t got = bytes_.copy(to, bytes, at_);
    at_ += got;
    return got;
  }
  uint64_t size() const override { return bytes_.size(); }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

// Reads the input in pieces; subclasses decompress what lies in `window_`.
class BufferedSource : public ByteSource {
 public:
  BufferedSource(std::unique_ptr<RawInput> input, std::string first)
      : input_(std::move(input)), buffer_(std::move(first)), window_(buffer_) {
    offset_ = buffer_.size();
  }
  uint64_t raw_offset() const override { return offset_; }
  uint64_t raw_size() const override { return input_->size(); }

 protected:
  // Fills the window when it is empty; false at the end of the input.
  Expected<bool> fill() {
    if (!window_.empty()) return true;
    buffer_.resize(kChunkBytes);
    WEFT_ASSIGN(const size_t got, input_->read(buffer_.data(), buffer_.size()));
    offset_ += got;
    window_ = std::string_view(buffer_).substr(0, got);
    return got != 0;
  }
  // Who reads puts the file's name in front.
  static std::unexpected<Error> damaged(const std::string& what) {
    return fail(ErrorCode::kCorrupt, what);
  }

  std::unique_ptr<RawInput> input_;
  std::string buffer_;
  std::string_view window_;
  uint64_t offset_ = 0;
};

class PlainSource final : public BufferedSource {
 public:
  using BufferedSource::BufferedSource;
  Expected<bool> read_more(std::string& out) override {
    WEFT_ASSIGN(const bool more, fill());
    out += window_;
    window_ = {};
    return more;
  }
};

// Concatenated members are read as one stream, as gzip -d does.
class GzipSource final : public BufferedSource {
 public:
  GzipSource(std::unique_ptr<RawInput> input, std::string first)
      : BufferedSource(std::move(input), std::move(first)) {
    ready_ = inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK;
  }
  ~GzipSource() override {
    if (ready_) inflateEnd(&stream_);
  }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  Expected<bool> read_more(std::string& out) override {
    if (!ready_) return fail(ErrorCode::kResourceExhausted, "zlib could not get its memory");
    while (true) {
      WEFT_ASSIGN(const bool more, fill());
      if (!more) {
        if (inside_) return damaged("the gzip stream is cut off");
        return false;
      }
      WEFT_ASSIGN(const size_t written, inflate_some(out));
      if (written != 0) return true;
    }
  }

 private:
  Expected<size_t> inflate_some(std::string& out) {
    const size_t before = out.size();
    out.resize(before + kChunkBytes);
    // zlib's interface is not const-correct; it only reads next_in.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(window_.data()));
    stream_.avail_in = static_cast<uInt>(window_.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream_.avail_out = kChunkBytes;
    inside_ = true;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    out.resize(out.size() - stream_.avail_out);
    window_.remove_prefix(window_.size() - stream_.avail_in);
    if (result == Z_STREAM_END) {
      inside_ = false;
      inflateReset2(&stream_, 16 + MAX_WBITS);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return damaged(std::string("the gzip stream is damaged: ") +
                     (stream_.msg != nullptr ? stream_.msg : "unknown fault"));
    }
    return out.size() - before;
  }

  z_stream stream_{};
  bool ready_ = false;
  bool inside_ = false;
};

class ZstdSource final : public BufferedSource {
 public:
  ZstdSource(std::unique_ptr<RawInput> input, std::string first)
      : BufferedSource(std::move(input), std::move(first)), context_(ZSTD_createDCtx()) {
    // A frame may ask for a window of gigabytes; 128 MiB is what the zstd tool takes by default.
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, 27);
  }
  ~ZstdSource() override { ZSTD_freeDCtx(context_); }
  ZstdSource(const ZstdSource&) = delete;
  ZstdSource& operator=(const ZstdSource&) = delete;

  Expected<bool> read_more(std::string& out) override {
    while (true) {
      bool more = true;
      if (!pending_) {
        WEFT_ASSIGN(more, fill());
      }
      if (!more) {
        if (inside_) return damaged("the zstd stream is cut off");
        return false;
      }
      const size_t before = out.size();
      out.resize(before + kChunkBytes);
      ZSTD_inBuffer in{window_.data(), window_.size(), 0};
      ZSTD_outBuffer to{out.data() + before, kChunkBytes, 0};
      const size_t result = ZSTD_decompressStream(context_, &to, &in);
      out.resize(before + to.pos);
      window_.remove_prefix(in.pos);
      if (ZSTD_isError(result)) {
        return damaged(std::string("the zstd stream is damaged: ") + ZSTD_getErrorName(result));
      }
      inside_ = result != 0;
      pending_ = to.pos == to.size;  // more may lie inside the decoder
      if (to.pos != 0) return true;
    }
  }

 private:
  ZSTD_DCtx* context_;
  bool inside_ = false;
  bool pending_ = false;
};

Expected<std::unique_ptr<ByteSource>> detect(std::unique_ptr<RawInput> input) {
  std::string first(kChunkBytes, '\0');
  size_t filled = 0;
  while (filled < 4) {
    WEFT_ASSIGN(const size_t got, input->read(first.data() + filled, first.size() - filled));
    if (got == 0) break;
    filled += got;
  }
  first.resize(filled);
  std::unique_ptr<ByteSource> source;
  if (first.starts_with("\x1f\x8b")) {
    source = std::make_unique<GzipSource>(std::move(input), std::move(first));
  } else if (first.starts_with("\x28\xb5\x2f\xfd")) {
    source = std::make_unique<ZstdSource>(std::move(input), std::move(first));
  } else {
    source = std::make_unique<PlainSource>(std::move(input), std::move(first));
  }
  return source;
}

}  // namespace

Expected<std::unique_ptr<ByteSource>> ByteSource::open(const std::string& path) {
  if (path == "-") return detect(std::make_unique<FileInput>(STDIN_FILENO, 0, "stdin"));
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::unexpected(errno_error(errno, "open " + path));
  struct stat facts{};
  const bool known = ::fstat(fd, &facts) == 0;
  auto input = std::make_unique<FileInput>(
      fd, known && S_ISREG(facts.st_mode) ? static_cast<uint64_t>(facts.st_size) : 0, path);
  if (known && S_ISDIR(facts.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, path + " is a directory; name the files in it");
  }
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return detect(std::move(input));
}

Expected<std::unique_ptr<ByteSource>> ByteSource::from_memory(std::string bytes) {
  return detect(std::make_unique<MemoryInput>(std::move(bytes)));
}

}  // namespace weft::cli
