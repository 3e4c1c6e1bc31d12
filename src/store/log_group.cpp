#include "store/log_group.h"

#include <cstring>

#include "base/hash.h"

namespace weft::store {

Expected<uint64_t> log_group_bytes(std::span<const SpanSink::RawRequest> records) {
  uint64_t payload_bytes = 0;
  for (const auto& record : records) {
    if (record.body.size() > kLogMaxPayloadBytes - sizeof(LogRecordHeader)) {
      return fail(ErrorCode::kInvalidArgument, "the request is too large for the log");
    }
    payload_bytes += sizeof(LogRecordHeader) + record.body.size();
  }
  if (payload_bytes > kLogMaxPayloadBytes) {
    return fail(ErrorCode::kInvalidArgument, "the requests are too large for one group of the log");
  }
  return align_log(sizeof(LogGroupHeader) + payload_bytes);
}

void put_log_group(LogGroupHeader header, std::span<const SpanSink::RawRequest> records, char* to) {
  char* const payload = to + sizeof header;
  char* at = payload;
  const auto put = [&at](const void* data, size_t size) {
    if (size > 0) std::memcpy(at, data, size);
    at += size;
  };
  for (const auto& record : records) {
    LogRecordHeader of_record;
    of_record.body_bytes = static_cast<uint32_t>(record.body.size());
    of_record.format = static_cast<uint8_t>(record.format);
    of_record.compression = static_cast<uint8_t>(record.compression);
    of_record.flags = record.untrusted_clock ? kLogFlagUntrustedClock : 0;
    of_record.received_ns = record.received_ns;
    put(&of_record, sizeof of_record);
    put(record.body.data(), record.body.size());
  }
  const auto payload_bytes = static_cast<size_t>(at - payload);
  // Zeros up to the next sector, so that nothing old follows within it.
  const uint64_t used = sizeof header + payload_bytes;
  std::memset(at, 0, align_log(used) - used);
  header.record_count = static_cast<uint32_t>(records.size());
  header.payload_bytes = static_cast<uint32_t>(payload_bytes);
  header.payload_hash = hash_bytes({payload, payload_bytes});
  header.header_hash = header.compute_hash();
  std::memcpy(to, &header, sizeof header);
}

}  // namespace weft::store
