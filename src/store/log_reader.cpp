#include "store/log_reader.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

namespace weft::store {
namespace {

constexpr size_t kMaxMissingNamed = 100;

// What records may say; more came with a newer version.
constexpr auto kFirstFormat = static_cast<uint8_t>(SpanSink::RawRequest::Format::kOtlpProtobuf);
constexpr auto kLastFormat = static_cast<uint8_t>(SpanSink::RawRequest::Format::kColumns);
constexpr auto kLastCompression = static_cast<uint8_t>(SpanSink::RawRequest::Compression::kDeflate);

// All single bits of a payload are tried up to this size, some 20 ms, for so many groups a file.
constexpr uint32_t kMaxMendBytes = 8192;
constexpr int kMaxMends = 4;

// The next record of `payload`, which is moved behind it; nullopt when it does not fit.
struct LoggedRecord {
  LogRecordHeader header;
  std::string_view body;
};
std::optional<LoggedRecord> next_record(std::string_view& payload) {
  LoggedRecord record;
  if (payload.size() < sizeof record.header) return std::nullopt;
  std::memcpy(&record.header, payload.data(), sizeof record.header);
  payload.remove_prefix(sizeof record.header);
  if (payload.size() < record.header.body_bytes) return std::nullopt;
  record.body = payload.substr(0, record.header.body_bytes);
  payload.remove_prefix(record.header.body_bytes);
  return record;
}

// Whether a payload is what its header was made for.
bool is_sound(const LogGroupHeader& header, std::string_view payload) {
  if (header.magic == kLogMagic1) return hash_bytes(payload) == header.payload_hash;
  if (header.record_count > payload.size() / sizeof(LogRecordHeader)) return false;
  std::vector<LogRecordSum> sums(header.record_count);
  for (LogRecordSum& sum : sums) {
    const auto record = next_record(payload);
    if (!record) return false;
    sum = {record->header, hash_bytes(record->body)};
  }
  return payload.empty() && hash_record_sums(sums) == header.payload_hash;
}

// Flips the one bit of `payload` with which it is sound; false, and nothing changed, when there is
// none.
bool mend_bit(std::span<char> payload, const LogGroupHeader& header) {
  for (char& byte : payload) {
    for (int bit = 0; bit < 8; ++bit) {
      byte = static_cast<char>(byte ^ (1 << bit));
      if (is_sound(header, {payload.data(), payload.size()})) return true;
      byte = static_cast<char>(byte ^ (1 << bit));
    }
  }
  return false;
}

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

  // The header at `offset` with one bit flipped back; nullopt when that makes no good header.
  std::optional<LogGroupHeader> mend_header(uint64_t offset) {
    LogGroupHeader header;
    if (offset + sizeof header > size_) return std::nullopt;
    char bytes[sizeof header];
    if (!file_->pread(offset, bytes)) return std::nullopt;
    for (size_t bit = 0; bit < sizeof bytes * 8; ++bit) {
      const auto flip = static_cast<char>(1 << bit % 8);
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ flip);
      std::memcpy(&header, bytes, sizeof header);
      if (is_good(header) && header.payload_bytes <= kLogMaxPayloadBytes) return header;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ flip);
    }
    return std::nullopt;
  }

  // Whether all sectors of a range were written: what a file that only grew has not been given
  // reads as zeros. A sector of zeros that was meant to be makes it false.
  bool is_written(uint64_t begin, uint64_t end) {
    buffer_.resize(kLogAlignment);
    for (uint64_t at = begin; at < end; at += kLogAlignment) {
      if (!file_->pread(at, buffer_)) return false;
      if (std::ranges::all_of(buffer_, [](char c) { return c == 0; })) return false;
    }
    return true;
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
    return (header.magic == kLogMagic || header.magic == kLogMagic1) &&
           header.header_hash == header.compute_hash() && header.generation == id_.generation &&
           header.file_index == id_.index;
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
  for (const uint32_t magic : {kLogMagic, kLogMagic1}) {
    first.magic = magic;
    if (first.header_hash == first.compute_hash()) return {};
  }
  return fail(ErrorCode::kUnimplemented, path + " was written by a newer version of Weft (format " +
                                             version + "); update to read it");
}

// Splits a payload whose checksum was right; false when it does not add up.
Expected<bool> split_records(
    std::string_view payload, uint32_t count, const std::string& path, uint64_t offset,
    const std::function<void(const SpanSink::RawRequest&, uint64_t)>& record) {
  for (uint32_t i = 0; i < count; ++i) {
    const auto logged = next_record(payload);
    if (!logged) return false;
    const LogRecordHeader& header = logged->header;
    // To go on would lose the record when the block is sealed and the file recycled.
    if (header.format < kFirstFormat || header.format > kLastFormat ||
        header.compression > kLastCompression) {
      return fail(ErrorCode::kUnimplemented,
                  path + " has a request at offset " + std::to_string(offset) +
                      " of a kind that this version of Weft does not know (format " +
                      std::to_string(header.format) + ", compression " +
                      std::to_string(header.compression) +
                      "); update to read it, or move the file away to go on without its spans");
    }
    SpanSink::RawRequest request;
    request.format = static_cast<SpanSink::RawRequest::Format>(header.format);
    request.compression = static_cast<SpanSink::RawRequest::Compression>(header.compression);
    request.body = logged->body;
    request.received_ns = header.received_ns;
    request.untrusted_clock = (header.flags & kLogFlagUntrustedClock) != 0;
    record(request, offset);
  }
  return payload.empty();
}

}  // namespace

bool is_whole_log(std::span<const LogId> files, uint64_t generation) {
  uint32_t next = 0;
  for (const LogId& id : files) {
    if (id.generation != generation) continue;
    if (id.index != next) return false;
    ++next;
  }
  return next > 0;
}

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
    std::vector<Finding>& findings, uint64_t full_bytes) {
  WEFT_ASSIGN(auto opened, fs.open(path, OpenMode::kRead));
  WEFT_ASSIGN(const uint64_t size, opened->size());
  LogFile file(std::move(opened), size, path, id, findings);
  LogGroupHeader first{};
  WEFT_ASSIGN(const bool begins_well, file.read_header(0, first));
  if (!begins_well && size >= sizeof first) WEFT_TRY(refuse_newer(first, path));
  LogFileSummary summary;
  uint32_t next_group = 0;
  uint64_t offset = 0;
  int mends = 0;
  std::string payload;
  // The group behind the good ones, when its header is good and its payload is not.
  std::optional<LogGroupHeader> unsound;
  while (offset < size) {
    LogGroupHeader header;
    const bool expected = offset == summary.end_offset;
    const char* mended = nullptr;
    WEFT_ASSIGN(bool good, file.read_header(offset, header));
    if (!good && expected) {
      if (const auto found = file.mend_header(offset); found && found->group_index == next_group) {
        header = *found;
        good = true;
        mended = "its header";
      }
    }
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
    bool readable = whole;
    if (whole) {
      payload.resize(header.payload_bytes);
      WEFT_ASSIGN(readable, file.read(offset + sizeof header, payload));
      whole = readable && is_sound(header, payload);
      if (readable && !whole && mended == nullptr && payload.size() <= kMaxMendBytes &&
          mends < kMaxMends) {
        ++mends;
        whole = mend_bit(payload, header);
        if (whole) mended = "its requests";
      }
    }
    if (!whole) {
      // Damage, if a good group follows (which then finds a gap); else most likely the torn end.
      summary.torn_tail = true;
      if (readable && mended == nullptr && expected && header.group_index == next_group &&
          (header.flags & kLogGroupOverwrites) == 0) {
        unsound = header;
      }
      WEFT_ASSIGN(offset, file.find_header(offset + 1));
      continue;
    }
    unsound.reset();
    if (mended != nullptr) {
      findings.push_back(
          {path, offset,
           std::string("one bit of a group of the write-ahead log was flipped, in ") + mended +
               "; it is known which, nothing is lost"});
    }
    if (header.group_index > next_group) {
      findings.push_back({path, summary.end_offset,
                          "damaged: " + std::to_string(header.group_index - next_group) +
                              " group(s) of the write-ahead log are lost before offset " +
                              std::to_string(offset)});
    }
    summary.torn_tail = false;
    WEFT_ASSIGN(const bool adds_up,
                split_records(payload, header.record_count, path, offset, record));
    if (!adds_up) {
      findings.push_back({path, offset, "a group of the write-ahead log does not add up"});
    }
    ++summary.groups;
    summary.records += header.record_count;
    next_group = header.group_index + 1;
    offset = align_log(offset + sizeof header + header.payload_bytes);
    summary.end_offset = offset;
  }
  // A file that was only appended to ends with its last group, and holds zeros where a torn write
  // left a hole; if there is none, the group was written in full.
  if (unsound && size < full_bytes && file.is_written(summary.end_offset, size) &&
      align_log(summary.end_offset + sizeof *unsound + unsound->payload_bytes) == size) {
    summary.torn_tail = false;
    findings.push_back({path, summary.end_offset,
                        "damaged: the last group was written in full, its " +
                            std::to_string(unsound->record_count) + " request(s) are lost"});
  }
  return summary;
}

}  // namespace weft::store
