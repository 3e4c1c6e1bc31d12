#include "store/log_reader.h"

#include <algorithm>

namespace weft::store {
namespace {

constexpr size_t kMaxMissingNamed = 100;

// Reads the header at `offset`; false when there is no good header of this log file there.
Expected<bool> read_header(File& file, uint64_t size, const LogId& id, uint64_t offset,
                           LogGroupHeader& header) {
  if (offset + sizeof header > size) return false;
  WEFT_TRY(file.pread(offset, {reinterpret_cast<char*>(&header), sizeof header}));
  return header.magic == kLogMagic && header.header_hash == header.compute_hash() &&
         header.generation == id.generation && header.file_index == id.index &&
         header.payload_bytes <= kLogMaxPayloadBytes;
}

// The offset of the next good header at or behind `offset`, or `size`.
Expected<uint64_t> find_header(File& file, uint64_t size, const LogId& id, uint64_t offset) {
  // In large pieces: a recycled file can hold megabytes of an earlier life.
  std::string buffer;
  constexpr uint64_t kPiece = 1u << 20;
  for (uint64_t at = align_log(offset); at < size; at += kPiece) {
    const uint64_t count = std::min(kPiece, size - at);
    buffer.resize(count);
    WEFT_TRY(file.pread(at, buffer));
    for (uint64_t i = 0; i + sizeof(LogGroupHeader) <= count; i += kLogAlignment) {
      LogGroupHeader header;
      std::memcpy(&header, buffer.data() + i, sizeof header);
      if (header.magic == kLogMagic && header.generation == id.generation &&
          header.file_index == id.index && header.header_hash == header.compute_hash()) {
        return at + i;
      }
    }
  }
  return size;
}

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
  WEFT_ASSIGN(auto file, fs.open(path, OpenMode::kRead));
  WEFT_ASSIGN(const uint64_t size, file->size());
  LogGroupHeader first;
  WEFT_ASSIGN(const bool begins_well, read_header(*file, size, id, 0, first));
  if (!begins_well && size >= sizeof first) WEFT_TRY(refuse_newer(first, path));
  LogFileSummary summary;
  uint32_t next_group = 0;
  uint64_t offset = 0;
  std::string payload;
  while (offset < size) {
    LogGroupHeader header;
    WEFT_ASSIGN(const bool good, read_header(*file, size, id, offset, header));
    if (!good) {
      WEFT_ASSIGN(offset, find_header(*file, size, id, offset + 1));
      continue;
    }
    // Groups of one file count up; a lower number is a leftover within a damaged one.
    if (header.group_index < next_group) {
      WEFT_ASSIGN(offset, find_header(*file, size, id, offset + 1));
      continue;
    }
    bool whole = offset + sizeof header + header.payload_bytes <= size;
    if (whole) {
      payload.resize(header.payload_bytes);
      WEFT_TRY(file->pread(offset + sizeof header, payload));
      whole = hash_bytes(payload) == header.payload_hash;
    }
    if (!whole) {
      // Damage, if a good group follows (which then finds a gap); else the torn end.
      summary.torn_tail = true;
      WEFT_ASSIGN(offset, find_header(*file, size, id, offset + 1));
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
