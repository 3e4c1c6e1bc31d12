#include "store/log_group.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/hash.h"
#include "base/stream_copy.h"

namespace weft::store {

LogGroup::LogGroup(uint64_t body_bytes)
    : capacity_(align_log(sizeof(LogGroupHeader) + sizeof(LogRecordHeader) +
                          std::min(body_bytes, kMaxBodyBytes))) {
  bytes_ = buffer_.room(capacity_);
}

char* LogGroup::reserve(uint64_t body_bytes) {
  assert(has_room(body_bytes));
  char* const to = bytes_ + used_;
  used_ += sizeof(LogRecordHeader) + body_bytes;
  ++records_;
  return to;
}

void LogGroup::put_record(char* to, const SpanSink::RawRequest& record) {
  LogRecordHeader header;
  header.body_bytes = static_cast<uint32_t>(record.body.size());
  header.format = static_cast<uint8_t>(record.format);
  header.compression = static_cast<uint8_t>(record.compression);
  header.flags = record.untrusted_clock ? kLogFlagUntrustedClock : 0;
  header.received_ns = record.received_ns;
  std::memcpy(to, &header, sizeof header);
  if (!record.body.empty()) {
    stream_copy(to + sizeof header, record.body.data(), record.body.size());
  }
}

std::string_view LogGroup::finish(LogGroupHeader header) {
  const char* const payload = bytes_ + sizeof header;
  const uint64_t payload_bytes = used_ - sizeof header;
  // Zeros up to the next sector, so that nothing old follows within it.
  const uint64_t total = align_log(used_);
  std::memset(bytes_ + used_, 0, total - used_);
  header.record_count = records_;
  header.payload_bytes = static_cast<uint32_t>(payload_bytes);
  header.payload_hash = hash_bytes({payload, payload_bytes});
  header.header_hash = header.compute_hash();
  std::memcpy(bytes_, &header, sizeof header);
  return {bytes_, total};
}

void LogGroup::clear() {
  used_ = sizeof(LogGroupHeader);
  records_ = 0;
}

}  // namespace weft::store
