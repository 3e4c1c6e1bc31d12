#include "store/log_reader.h"

#include <algorithm>
#include <memory>
#include <set>

namespace weft::store {
namespace {

constexpr size_t kMaxMissingNamed = 100;

// A log file, of which a disk may be unable to read parts: those count as damage.
class LogFile {
 public:
  LogFile(std::unique_ptr<File> file, uint64_t size, std::string path, const LogId& id,
          std::vector<Finding>& findings)
      : file_(std::move(file)), size_(size), path_(std::move(path)), id_(id), findings_(findings) {}

  uint64_t size() const { return size_; }

  // False when the bytes cannot be read, which is then a finding.
  Expected<bool> read(uint64_t offset, std::span<char> out) {
    Status status = file_->pread(offset, out);
    if (status) return true;
    if (status.error().code != ErrorCode::kIo) return std::unexpected(std::move(status).error());
    if (unreadable_.insert(offset / kSector).second) {
      findings_.push_back({path_, offset, status.error().message});
    }
    return false;
  }

  // Reads the header at `offset`; false when there is no good header of this log file there.
  Expected<bool> read_header(uint64_t offset, LogGroupHeader& header) {
    if (offset + sizeof header > size_) return false;
    WEFT_ASSIGN(const bool readable,
                read(offset, {reinterpret_cast<char*>(&header), sizeof header}));
    return readable && is_good(header) && header.payload_bytes <= kLogMaxPayloadBytes;
  }

  // The offset of the next good header at or behind `offset`, or size().
  Expected<uint64_t> find_header(uint64_t offset) {
    // In large pieces: a recycled file can hold megabytes of an earlier life. Around what cannot be
    // read, in small ones.
    constexpr uint64_t kPiece = 1u << 20;
    for (uint64_t at = align_log(offset); at < size_;) {
      uint64_t count = std::min(kPiece, size_ - at);
      buffer_.resize(count);
      if (!file_->pread(at, buffer_)) {
        count = std::min(kSector, size_ - at);
        buffer_.resize(count);
        WEFT_ASSIGN(const bool readable, read(at, buffer_));
        if (!readable) {
          at += count;
          continue;
        }
      }
      for (uint64_t i = 0; i + sizeof(LogGroupHeader) <= count; i += kLogAlignment) {
        LogGroupHeader header;
        std::memcpy(&header, buffer_.data() + i, sizeof header);
        if (is_good(header)) return at + i;
      }
      at += count;
    }
    return size_;
  }

 private:
  static constexpr uint64_t kSector = 4096;
  static_assert(kSector % kLogAlignment == 0);

  bool is_good(const LogGroupHeader& header) const {
    return header.magic == kLogMagic && header.header_hash == header.compute_hash() &&
           header.generation == id_.generation && header.file_index == id_.index;
  }

  std::unique_ptr<File> file_;
  uint64_t size_;
  std::string path_;
  LogId id_;
  std::vector<Finding>& findings_;
  std::set<uint64_t> unreadable_;  // sectors that are findings already
  std::string buffer_;
};

// A group of a newer version at the file's beginning: a file is begun by one process, and spares do
// not outlive theirs, so all of the file is of that version. Not to be taken for an empty one.
// `first` is what lies there, not a good header.
Status refuse_newer(LogGroupHeader first, const std::string& path) {
  constexpr uint32_t kVersionByte = 0xFF000000;
  const char version = static_cast<char>(first.magic >> 24);
  if (((first.magic ^ kLogMagic) & ~kVersionByte) != 0 ||
      version <= static_cast<char>(kLogMagic >> 24) || version > '9') {
    return {};
  }
  // All the rest fits: a bit of the version was flipped.
  first.magic = kLogMagic;
  if (first.header_hash == first.compute_hash()) return {};
  return fail(ErrorCode::kUnimplemented, path + " was written by a newer version of Weft (format " +
                                             version + "); update to read it");
}

// Splits a payload whose checksum was right.
bool split_records(std::string_view payload, uint32_t count, uint64_t offset,
                   const std::function<void(const SpanSink::RawRequest&, uint64_t)>& record) {
  for (uint32_t i = 0; i < count; ++i) {
    LogRecordHeader header;
    if (payload.size() < sizeof header) return false;
    std::memcpy(&header, payload.data(), sizeof header);
    payload.remove_prefix(sizeof header);
    if (payload.size() < header.body_bytes) return false;
    SpanSink::RawRequest request;
    request.format = static_cast<SpanSink::RawRequest::Format>(header.format);
    request.compression = static_cast<SpanSink::RawRequest::Compression>(header.compression);
    request.body = payload.substr(0, header.body_bytes);
    request.received_ns = header.received_ns;
    request.untrusted_clock = (header.flags & kLogFlagUntrustedClock) != 0;
    record(request, offset);
    payload.remove_prefix(header.body_bytes);
  }
  return payload.empty();
}

}  // namespace

std::vector<Finding> missing_log_files(const std::string& dir, std::span<const LogId> files) {
  std::vector<Finding> missing;
  for (size_t i = 0; i < files.size(); ++i) {
    const bool begins = i == 0 || files[i - 1].generation != files[i].generation;
    for (uint32_t index = begins ? 0 : files[i - 1].index + 1; index < files[i].index; ++index) {
      missing.push_back({dir + "/" + log_file_name({files[i].generation, index}), 0,
                         "this file of the write-ahead log is missing, its spans are lost"});
      if (missing.size() == kMaxMissingNamed) return missing;
    }
  }
  return missing;
}

Expected<LogFileSummary> read_log(
    FileSystem& fs, const std::string& path, const LogId& id,
    const std::function<void(const SpanSink::RawRequest&, uint64_t)>& record,
    std::vector<Finding>& findings) {
  WEFT_ASSIGN(auto opened, fs.open(path, OpenMode::kRead));
  WEFT_ASSIGN(const uint64_t size, opened->size());
  LogFile file(std::move(opened), size, path, id, findings);
  LogGroupHeader first{};
  WEFT_ASSIGN(const bool begins_well, file.read_header(0, first));
  if (!begins_well && size >= sizeof first) WEFT_TRY(refuse_newer(first, path));
  LogFileSummary summary;
  uint32_t next_group = 0;
  uint64_t offset = 0;
  std::string payload;
  while (offset < size) {
    LogGroupHeader header;
    WEFT_ASSIGN(const bool good, file.read_header(offset, header));
    if (!good) {
      WEFT_ASSIGN(offset, file.find_header(offset + 1));
      continue;
    }
    // Groups of one file count up; a lower number is a leftover within a damaged one.
    if (header.group_index < next_group) {
      WEFT_ASSIGN(offset, file.find_header(offset + 1));
      continue;
    }
    bool whole = offset + sizeof header + header.payload_bytes <= size;
    if (whole) {
      payload.resize(header.payload_bytes);
      WEFT_ASSIGN(whole, file.read(offset + sizeof header, payload));
      whole = whole && hash_bytes(payload) == header.payload_hash;
    }
    if (!whole) {
      // Damage, if a good group follows (which then finds a gap); else the torn end.
      summary.torn_tail = true;
      WEFT_ASSIGN(offset, file.find_header(offset + 1));
      continue;
    }
    if (header.group_index > next_group) {
      findings.push_back({path, summary.end_offset,
                          "damaged: " + std::to_string(header.group_index - next_group) +
                              " group(s) of the write-ahead log are lost before offset " +
                              std::to_string(offset)});
    }
    summary.torn_tail = false;
    if (!split_records(payload, header.record_count, offset, record)) {
      findings.push_back({path, offset, "a group of the write-ahead log does not add up"});
    }
    ++summary.groups;
    summary.records += header.record_count;
    next_group = header.group_index + 1;
    offset = align_log(offset + sizeof header + header.payload_bytes);
    summary.end_offset = offset;
  }
  return summary;
}

}  // namespace weft::store
