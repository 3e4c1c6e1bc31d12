// A group of the write-ahead log as bytes: what LogWriter appends, and what files of requests that
// could not be decoded consist of.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>

#include "base/file.h"
#include "scan/scan.h"
#include "store/log_format.h"

namespace weft::store {

// A group while it is put together. Records are reserved one after the other by one thread at a
// time (the owner sees to that); each is then filled by whoever reserved it, at the same time as
// the others. In one piece and aligned, so that it can be written past the page cache: the log is
// read after a crash alone, and what the kernel does for a cached page costs more than copying.
class LogGroup {
 public:
  // The largest body that a record can have.
  static constexpr uint64_t kMaxBodyBytes = kLogMaxPayloadBytes - sizeof(LogRecordHeader);

  // Room for bodies of `body_bytes` in all, or for one of that size; a little less for many.
  explicit LogGroup(uint64_t body_bytes);

  bool has_room(uint64_t body_bytes) const {
    // Memory is rounded up; a payload above the limit would be damage to a reader.
    const uint64_t end = used_ + sizeof(LogRecordHeader) + body_bytes;
    return end <= capacity_ && end <= sizeof(LogGroupHeader) + kLogMaxPayloadBytes;
  }
  // Where a record goes, and its part of the checksum. Valid until finish().
  struct Place {
    char* bytes;
    LogRecordSum* sum;
  };
  // The place of a record with such a body; put_record() has to follow. has_room() must be true.
  Place reserve(uint64_t body_bytes);
  static void put_record(Place place, const SpanSink::RawRequest& record);
  // Both at once.
  void add(const SpanSink::RawRequest& record) { put_record(reserve(record.body.size()), record); }

  // Of memory.
  uint64_t capacity() const { return capacity_; }
  // The bytes of the group, a multiple of kLogAlignment, once all records are filled. Of `header`
  // the caller fills in where the group will lie. Valid until the next call of anything else.
  std::string_view finish(LogGroupHeader header);
  // No records; the memory stays.
  void clear();

 private:
  DirectBuffer buffer_;
  char* bytes_;
  uint64_t capacity_;
  uint64_t used_ = sizeof(LogGroupHeader);
  std::deque<LogRecordSum> sums_;  // one a record; they stay where they are when more come
};

}  // namespace weft::store
