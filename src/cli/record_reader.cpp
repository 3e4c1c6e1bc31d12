#include "cli/record_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace weft::cli {
namespace {

// Pieces of one TracesData are handed out in about this size.
constexpr size_t kPieceBytes = 1 << 20;
constexpr uint8_t kField1Bytes = 0x0A;  // repeated ResourceSpans resource_spans = 1

struct Varint {
  uint64_t value = 0;
  size_t length = 0;  // 0: malformed, or more bytes are needed
};

Varint read_varint(std::string_view bytes) {
  Varint out;
  for (size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    out.value |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      out.length = i + 1;
      return out;
    }
  }
  return {};
}

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// A ResourceSpans begins with its resource, its scope spans or its schema URL.
bool begins_resource_spans(std::string_view bytes) {
  return bytes.empty() || bytes[0] == '\x0A' || bytes[0] == '\x12' || bytes[0] == '\x1A';
}

// Whether the bytes look like a TracesData: its first field, and what follows the field.
bool begins_traces_data(std::string_view bytes) {
  if (bytes.empty() || static_cast<uint8_t>(bytes[0]) != kField1Bytes) return false;
  const Varint length = read_varint(bytes.substr(1));
  if (length.length == 0) return false;
  const std::string_view inside = bytes.substr(1 + length.length);
  if (length.value != 0 && !begins_resource_spans(inside.substr(0, 1))) return false;
  if (length.value >= inside.size()) return true;
  return static_cast<uint8_t>(inside[length.value]) == kField1Bytes;
}

// Begins a line only where a request begins.
constexpr std::string_view kNextRequest = "{\"resourceSpans\"";

// The end of the JSON value that begins at bytes[0] == '{' or '['; npos when it is not there yet.
// Only strings and brackets are looked at: the decoder judges the rest. A value in which the next
// request begins was cut off, and ends with its line: it must not take others along.
struct JsonScan {
  size_t at = 0;
  int depth = 0;
  bool in_string = false;
  bool escaped = false;

  bool advance(std::string_view bytes) {
    for (; at < bytes.size(); ++at) {
      const char c = bytes[at];
      if (c == '\n') {
        const std::string_view line = bytes.substr(at + 1, kNextRequest.size());
        if (line == kNextRequest) return true;
        if (at + 1 + line.size() == bytes.size() && kNextRequest.starts_with(line)) return false;
      }
      if (in_string) {
        if (escaped) {
          escaped = false;
        } else if (c == '\\') {
          escaped = true;
        } else if (c == '"') {
          in_string = false;
        }
        continue;
      }
      if (c == '"') in_string = true;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth <= 0) {
        ++at;
        return true;
      }
    }
    return false;
  }
};

}  // namespace

std::string_view to_string(RecordFormat format) {
  switch (format) {
    case RecordFormat::kUnknown:
      return "empty";
    case RecordFormat::kJson:
      return "OTLP/JSON";
    case RecordFormat::kProtobuf:
      return "OTLP protobuf";
    case RecordFormat::kProtobufVarint:
      return "OTLP protobuf, varint lengths";
    case RecordFormat::kProtobufBigEndian:
      return "OTLP protobuf, 4-byte lengths";
  }
  return "?";
}

RecordReader::RecordReader(std::unique_ptr<ByteSource> source, uint64_t max_record_bytes)
    : source_(std::move(source)), max_record_bytes_(max_record_bytes) {}

// Tries to have `bytes` bytes in rest(); false when the stream ends before.
Expected<bool> RecordReader::fill(size_t bytes) {
  while (rest().size() < bytes && !ended_) {
    // Moved to the front only when that frees at least half, so that moving stays linear.
    if (at_ > buffer_.size() / 2) {
      buffer_.erase(0, at_);
      buffer_offset_ += at_;
      at_ = 0;
    }
    WEFT_ASSIGN(const bool more, source_->read_more(buffer_));
    ended_ = !more;
  }
  return rest().size() >= bytes;
}

std::unexpected<Error> RecordReader::bad(ErrorCode code, const std::string& what) const {
  const uint64_t offset = buffer_offset_ + at_;
  if (format_ == RecordFormat::kJson) {
    return fail(code, fmt::format("line {} (byte {}): {}", line_, offset, what));
  }
  return fail(code, fmt::format("byte {}: {}", offset, what));
}

Record RecordReader::take(size_t bytes, uint64_t offset) {
  Record record;
  record.body = rest().substr(0, bytes);
  record.offset = offset;
  record.line = format_ == RecordFormat::kJson ? line_ : 0;
  at_ += bytes;
  record.end = buffer_offset_ + at_;
  return record;
}

Status RecordReader::detect() {
  WEFT_TRY(fill(64 << 10));
  std::string_view bytes = rest();
  if (bytes.starts_with("\xEF\xBB\xBF")) {
    at_ += 3;
    bytes.remove_prefix(3);
  }
  if (bytes.empty()) return {};
  const size_t text =
      static_cast<size_t>(std::find_if_not(bytes.begin(), bytes.end(), is_space) - bytes.begin());
  if (text == bytes.size() || bytes[text] == '{') {
    format_ = RecordFormat::kJson;
    return {};
  }
  if (begins_traces_data(bytes)) {
    format_ = RecordFormat::kProtobuf;
    return {};
  }
  const auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])); };
  if (bytes.size() >= 5) {
    const uint64_t length = byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
    if (length <= max_record_bytes_ && begins_traces_data(bytes.substr(4).substr(0, length))) {
      format_ = RecordFormat::kProtobufBigEndian;
      return {};
    }
  }
  const Varint length = read_varint(bytes);
  if (length.length != 0 && length.value <= max_record_bytes_ &&
      begins_traces_data(bytes.substr(length.length).substr(0, length.value))) {
    format_ = RecordFormat::kProtobufVarint;
    return {};
  }
  return fail(ErrorCode::kInvalidArgument,
              "neither OTLP/JSON nor OTLP protobuf (one TracesData, or messages behind varint or "
              "4-byte big-endian lengths), plain, gzip or zstd");
}

Expected<std::optional<Record>> RecordReader::next() {
  if (format_ == RecordFormat::kUnknown) WEFT_TRY(detect());
  switch (format_) {
    case RecordFormat::kUnknown:
      return std::nullopt;
    case RecordFormat::kJson:
      return next_json();
    case RecordFormat::kProtobuf:
      return next_traces_data();
    case RecordFormat::kProtobufVarint:
    case RecordFormat::kProtobufBigEndian:
      return next_prefixed();
  }
  return std::nullopt;
}

Expected<std::optional<Record>> RecordReader::next_json() {
  while (true) {
    WEFT_ASSIGN(const bool more, fill(1));
    if (!more) return std::nullopt;
    const char c = rest()[0];
    if (!is_space(c)) break;
    line_ += c == '\n';
    ++at_;
  }
  if (rest()[0] != '{') {
    return bad(ErrorCode::kInvalidArgument, "a JSON object should begin here");
  }
  JsonScan scan;
  while (!scan.advance(rest())) {
    if (rest().size() > max_record_bytes_) {
      return bad(ErrorCode::kResourceExhausted,
                 fmt::format("a request of more than {} bytes", max_record_bytes_));
    }
    WEFT_ASSIGN(const bool more, fill(rest().size() + 1));
    if (!more) return bad(ErrorCode::kCorrupt, "the file ends inside this JSON object");
  }
  if (scan.at > max_record_bytes_) {
    return bad(ErrorCode::kResourceExhausted,
               fmt::format("a request of more than {} bytes", max_record_bytes_));
  }
  Record record = take(scan.at, buffer_offset_ + at_);
  line_ += static_cast<uint64_t>(std::count(record.body.begin(), record.body.end(), '\n'));
  return record;
}

// TracesData is a repetition of one field, so any run of whole fields is a TracesData as well.
Expected<std::optional<Record>> RecordReader::next_traces_data() {
  size_t taken = 0;
  while (taken < kPieceBytes) {
    WEFT_TRY(fill(taken + 11));
    const std::string_view bytes = rest().substr(taken);
    if (bytes.empty()) break;
    if (static_cast<uint8_t>(bytes[0]) != kField1Bytes) {
      if (taken != 0) break;
      return bad(ErrorCode::kCorrupt, "no ResourceSpans begins here");
    }
    const Varint length = read_varint(bytes.substr(1));
    if (length.length == 0) return bad(ErrorCode::kCorrupt, "a malformed or cut-off length");
    if (length.value > max_record_bytes_) {
      return bad(ErrorCode::kResourceExhausted,
                 fmt::format("a ResourceSpans of {} bytes; {} are allowed", length.value,
                             max_record_bytes_));
    }
    const size_t field = 1 + length.length + length.value;
    WEFT_ASSIGN(const bool whole, fill(taken + field));
    if (!whole) {
      if (taken != 0) break;
      return bad(ErrorCode::kCorrupt, "the file ends inside this ResourceSpans");
    }
    taken += field;
  }
  if (taken == 0) return std::nullopt;
  return take(taken, buffer_offset_ + at_);
}

Expected<std::optional<Record>> RecordReader::next_prefixed() {
  WEFT_TRY(fill(10));
  if (rest().empty()) return std::nullopt;
  uint64_t length = 0;
  size_t prefix = 4;
  if (format_ == RecordFormat::kProtobufVarint) {
    const Varint varint = read_varint(rest());
    length = varint.value;
    prefix = varint.length;
  } else if (rest().size() >= 4) {
    for (const char c : rest().substr(0, 4))
      length = length << 8 | static_cast<uint8_t>(c);
  } else {
    prefix = 0;
  }
  if (prefix == 0) return bad(ErrorCode::kCorrupt, "a malformed or cut-off length");
  if (length > max_record_bytes_) {
    return bad(ErrorCode::kResourceExhausted,
               fmt::format("a message of {} bytes; {} are allowed", length, max_record_bytes_));
  }
  WEFT_ASSIGN(const bool whole, fill(prefix + length));
  if (!whole) return bad(ErrorCode::kCorrupt, "the file ends inside this message");
  const uint64_t offset = buffer_offset_ + at_;
  at_ += prefix;
  return take(length, offset);
}

}  // namespace weft::cli
