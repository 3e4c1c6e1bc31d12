#include "store/log_group.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

#include "base/hash.h"
#include "base/stream_copy.h"

namespace weft::store {

LogGroup::LogGroup(uint64_t body_bytes)
    : capacity_(align_log(sizeof(LogGroupHeader) + sizeof(LogRecordHeader) +
                          std::min(body_bytes, kMaxBodyBytes))) {
  bytes_ = buffer_.room(capacity_);
}

LogGroup::Place LogGroup::reserve(uint64_t body_bytes) {
  assert(has_room(body_bytes));
  char* const to = bytes_ + used_;
  used_ += sizeof(LogRecordHeader) + body_bytes;
  return {to, &sums_.emplace_back()};
}

void LogGroup::put_record(Place place, const SpanSink::RawRequest& record) {
  LogRecordHeader header;
  header.body_bytes = static_cast<uint32_t>(record.body.size());
  header.format = static_cast<uint8_t>(record.format);
  header.compression = static_cast<uint8_t>(record.compression);
  header.flags = record.untrusted_clock ? kLogFlagUntrustedClock : 0;
  header.received_ns = record.received_ns;
  *place.sum = {header, hash_bytes(record.body)};
  std::memcpy(place.bytes, &header, sizeof header);
  if (!record.body.empty()) {
    stream_copy(place.bytes + sizeof header, record.body.data(), record.body.size());
  }
}

std::string_view LogGroup::finish(LogGroupHeader header) {
  // Zeros up to the next sector, so that nothing old follows within it.
  const uint64_t total = align_log(used_);
  std::memset(bytes_ + used_, 0, total - used_);
  const std::vector<LogRecordSum> sums(sums_.begin(), sums_.end());
  header.record_count = static_cast<uint32_t>(sums.size());
  header.payload_bytes = static_cast<uint32_t>(used_ - sizeof header);
  header.payload_hash = hash_record_sums(sums);
  header.header_hash = header.compute_hash();
  std::memcpy(bytes_, &header, sizeof header);
  return {bytes_, total};
}

void LogGroup::clear() {
  used_ = sizeof(LogGroupHeader);
  sums_.clear();
}

}  // namespace weft::store
