// The bytes of the write-ahead log, shared by its writer and its reader; docs/formats/wal.md
// explains them with an example. A log file is a row of groups, each of which was synced as one.
// All numbers are little-endian.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/hash.h"

namespace weft::store {

static_assert(std::endian::native == std::endian::little, "the formats are written as they lie");

inline constexpr uint32_t kLogMagic = 0x32474C57;  // "WLG2"
// Read, not written any more: its groups differ in what payload_hash is of.
inline constexpr uint32_t kLogMagic1 = 0x31474C57;  // "WLG1"
// Groups start at multiples of this, so that a group never shares a sector with the one before and
// a reader can look for the next group behind a damaged one.
inline constexpr uint64_t kLogAlignment = 512;
// More than this in one group is damage.
inline constexpr uint32_t kLogMaxPayloadBytes = 1u << 30;

// A file is left for the next one when it has reached this.
inline constexpr uint64_t kLogFileBytes = 64u << 20;

// Each log file belongs to one generation of the open block; all files of a generation are
// obsolete when it is sealed. Files are reused, so every group says whose it is.
struct LogId {
  uint64_t generation = 0;
  uint32_t index = 0;  // of the file within the generation
  friend auto operator<=>(const LogId&, const LogId&) = default;
};

struct LogGroupHeader {
  uint32_t magic = kLogMagic;
  uint32_t record_count = 0;
  uint64_t generation = 0;
  uint32_t file_index = 0;
  uint32_t group_index = 0;  // within the file, from 0
  uint32_t payload_bytes = 0;
  uint32_t flags = 0;
  uint64_t payload_hash = 0;  // XXH3-64 of the LogRecordSums; WLG1: of the payload
  uint64_t header_hash = 0;   // XXH3-64 of the fields before

  uint64_t compute_hash() const {
    return hash_bytes({reinterpret_cast<const char*>(this), offsetof(LogGroupHeader, header_hash)});
  }
};
static_assert(sizeof(LogGroupHeader) == 48);

struct LogRecordHeader {
  uint32_t body_bytes = 0;
  uint8_t format = 0;       // SpanSink::RawRequest::Format
  uint8_t compression = 0;  // SpanSink::RawRequest::Compression
  uint8_t flags = 0;        // bit 0: the sender's clock is not trusted
  uint8_t reserved = 0;
  uint64_t received_ns = 0;
};
static_assert(sizeof(LogRecordHeader) == 16);

inline constexpr uint8_t kLogFlagUntrustedClock = 1;

// What a group's checksum is made of, for each of its records: so that each body is hashed by the
// thread that has just read it, and not by the one that writes groups.
struct LogRecordSum {
  LogRecordHeader header;
  uint64_t body_hash = 0;  // XXH3-64
};
static_assert(sizeof(LogRecordSum) == 24);

inline uint64_t hash_record_sums(std::span<const LogRecordSum> sums) {
  return hash_bytes({reinterpret_cast<const char*>(sums.data()), sums.size_bytes()});
}

// Of a group: it was written over an attempt that failed on a full disk.
inline constexpr uint32_t kLogGroupOverwrites = 1;

inline uint64_t align_log(uint64_t offset) {
  return (offset + kLogAlignment - 1) / kLogAlignment * kLogAlignment;
}

// "log-0000000000000003-0001.wal", and the inverse.
std::string log_file_name(const LogId& id);
std::optional<LogId> parse_log_file_name(std::string_view name);

}  // namespace weft::store
