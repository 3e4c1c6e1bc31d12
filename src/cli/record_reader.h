// Splits a stream into OTLP requests: JSON (one document a line, or documents one after another)
// or protobuf (one TracesData, or messages each behind its length). The form is told by the first
// bytes. `weft import` decodes what comes out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/byte_source.h"

namespace weft::cli {

enum class RecordFormat : uint8_t {
  kUnknown,  // nothing was read yet, or the stream is empty
  kJson,
  kProtobuf,           // one TracesData; handed out in pieces that are messages themselves
  kProtobufVarint,     // each message behind its length as a varint
  kProtobufBigEndian,  // each message behind its length in four bytes, big endian
};

std::string_view to_string(RecordFormat format);

struct Record {
  std::string_view body;  // valid until the next call of next()
  uint64_t offset = 0;    // of its first byte in the decompressed stream
  uint64_t end = 0;       // one past its last byte: where a resumed import goes on
  uint64_t line = 0;      // JSON: from 1
};

class RecordReader {
 public:
  // Records over max_record_bytes are refused (kResourceExhausted); at most about twice that is
  // held in memory.
  RecordReader(std::unique_ptr<ByteSource> source, uint64_t max_record_bytes);

  // nullopt at the end. Errors name the offset (and the line, for JSON). One thread.
  Expected<std::optional<Record>> next();
  // Known after the first next().
  RecordFormat format() const { return format_; }
  const ByteSource& source() const { return *source_; }

 private:
  std::string_view rest() const { return std::string_view(buffer_).substr(at_); }
  Expected<bool> fill(size_t bytes);
  Status detect();
  Expected<std::optional<Record>> next_json();
  Expected<std::optional<Record>> next_traces_data();
  Expected<std::optional<Record>> next_prefixed();
  Record take(size_t bytes, uint64_t offset);
  std::unexpected<Error> bad(ErrorCode code, const std::string& what) const;

  std::unique_ptr<ByteSource> source_;
  uint64_t max_record_bytes_;
  RecordFormat format_ = RecordFormat::kUnknown;
  std::string buffer_;
  size_t at_ = 0;               // start of what was not handed out, in buffer_
  uint64_t buffer_offset_ = 0;  // of buffer_[0] in the stream
  uint64_t line_ = 1;
  bool ended_ = false;
};

}  // namespace weft::cli
