// A group of the write-ahead log as bytes: what LogWriter appends, and what files of requests that
// could not be decoded consist of.
#pragma once

#include <cstdint>
#include <span>

#include "base/error.h"
#include "scan/scan.h"
#include "store/log_format.h"

namespace weft::store {

// The bytes of the group of these records, a multiple of kLogAlignment. kInvalidArgument when they
// are more than a group may hold.
Expected<uint64_t> log_group_bytes(std::span<const SpanSink::RawRequest> records);

// Writes the group to `to`, which has room for log_group_bytes(records). Of `header` the caller
// fills in where the group will lie.
void put_log_group(LogGroupHeader header, std::span<const SpanSink::RawRequest> records, char* to);

}  // namespace weft::store
