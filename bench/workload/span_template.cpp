#include "workload/span_template.h"

#include <array>
#include <cstring>

#include "model/protobuf.h"
#include "wire/protobuf_writer.h"

namespace weft::workload {
namespace {

using protobuf::put_tag;
using protobuf::put_varint;
using protobuf::WireType;

constexpr char kHexDigits[] = "0123456789abcdef";

void write_digits(char* at, uint64_t bits, size_t width) {
  for (size_t i = 0; i < width; ++i) {
    // The high half of the product is a digit, the low half the rest of the randomness.
    const uint64_t product = (bits & 0xFFFF'FFFFu) * (i == 0 ? 9 : 10);
    at[i] = static_cast<char>('0' + (product >> 32) + (i == 0 ? 1 : 0));
    bits = product & 0xFFFF'FFFFu;
  }
}

void write_hex(char* at, uint64_t bits, size_t width) {
  for (size_t i = 0; i < width; ++i, bits >>= 4)
    at[i] = kHexDigits[bits & 15];
}

void write_uuid(char* at, Random& random) {
  const uint64_t low = random.next();
  write_hex(at, low, 8);
  at[8] = '-';
  write_hex(at + 9, low >> 32, 4);
  at[13] = '-';
  at[14] = '4';
  write_hex(at + 15, low >> 48, 3);
  at[18] = '-';
  const uint64_t high = random.next();
  at[19] = kHexDigits[8 + (high & 3)];
  write_hex(at + 20, high >> 2, 3);
  at[23] = '-';
  write_hex(at + 24, high >> 14, 12);
}

}  // namespace

SpanTemplate::SpanTemplate(std::string_view name, SpanKind kind, bool root) {
  open_segment(false);
  bytes_.append("\x0A\x10", 2);
  put_hole(Hole::kTraceId, 16);
  bytes_.append("\x12\x08", 2);
  put_hole(Hole::kSpanId, 8);
  if (!root) {
    bytes_.append("\x22\x08", 2);
    put_hole(Hole::kParentId, 8);
  }
  protobuf::put_bytes(bytes_, 5, name);
  wire::put_uint(bytes_, 6, static_cast<uint64_t>(kind));
  put_tag(bytes_, 7, WireType::kFixed64);
  put_hole(Hole::kStart, 8);
  put_tag(bytes_, 8, WireType::kFixed64);
  put_hole(Hole::kEnd, 8);
  close_segment();
}

void SpanTemplate::open_segment(bool is_attribute) {
  segments_.push_back({static_cast<uint32_t>(bytes_.size()), 0,
                       static_cast<uint32_t>(patches_.size()), 0, is_attribute});
}

void SpanTemplate::close_segment() {
  segments_.back().end = static_cast<uint32_t>(bytes_.size());
  segments_.back().last_patch = static_cast<uint32_t>(patches_.size());
}

void SpanTemplate::put_hole(Hole hole, uint8_t width) {
  patches_.push_back({static_cast<uint32_t>(bytes_.size()), hole, width});
  bytes_.append(width, '\0');
}

// The pattern with holes as zeros; their offsets are relative to the text.
std::string SpanTemplate::parse_pattern(std::string_view pattern,
                                        std::vector<Patch>& patches) const {
  std::string text;
  while (!pattern.empty()) {
    if (pattern[0] != '{') {
      text.push_back(pattern[0]);
      pattern.remove_prefix(1);
      continue;
    }
    const size_t close = pattern.find('}');
    const std::string_view hole = pattern.substr(1, close - 1);
    pattern.remove_prefix(close + 1);
    const bool sized =
        hole.size() == 2 && (hole[0] == 'd' || hole[0] == 'x') && hole[1] >= '1' && hole[1] <= '9';
    if (hole != "o" && hole != "uuid" && !sized) {
      // A parameter of a route, "{id}", which is text.
      text.append("{").append(hole).append("}");
      continue;
    }
    Patch patch{static_cast<uint32_t>(text.size()), Hole::kUuid, 36};
    if (hole == "o") {
      patch.hole = Hole::kOctet;
      patch.width = 3;
    } else if (hole != "uuid") {
      patch.hole = hole[0] == 'd' ? Hole::kDigits : Hole::kHex;
      patch.width = static_cast<uint8_t>(hole[1] - '0');
    }
    patches.push_back(patch);
    text.append(patch.width, '0');
  }
  return text;
}

void SpanTemplate::put_pattern(uint32_t field, std::string_view pattern) {
  std::vector<Patch> patches;
  const std::string text = parse_pattern(pattern, patches);
  protobuf::put_bytes(bytes_, field, text);
  for (Patch patch : patches) {
    patch.offset += static_cast<uint32_t>(bytes_.size() - text.size());
    patches_.push_back(patch);
  }
}

void SpanTemplate::add_string(std::string_view key, std::string_view pattern) {
  std::vector<Patch> ignored;
  const size_t size = parse_pattern(pattern, ignored).size();
  std::string length;
  put_varint(length, size);
  const size_t value_size = 1 + length.size() + size;
  std::string value_length;
  put_varint(value_length, value_size);
  open_segment(true);
  put_tag(bytes_, 9, WireType::kLength);
  put_varint(bytes_, 2 + key.size() + 1 + value_length.size() + value_size);
  protobuf::put_bytes(bytes_, 1, key);
  put_tag(bytes_, 2, WireType::kLength);
  bytes_ += value_length;
  put_pattern(1, pattern);
  close_segment();
}

void SpanTemplate::add_int(std::string_view key, int64_t value) {
  open_segment(true);
  {
    wire::MessageScope attribute(bytes_, 9);
    protobuf::put_bytes(bytes_, 1, key);
    wire::MessageScope any(bytes_, 2);
    wire::put_uint(bytes_, 3, static_cast<uint64_t>(value));
  }
  close_segment();
}

void SpanTemplate::add_random_int(std::string_view key) {
  open_segment(true);
  put_tag(bytes_, 9, WireType::kLength);
  put_varint(bytes_, 2 + key.size() + 2 + 3);
  protobuf::put_bytes(bytes_, 1, key);
  put_tag(bytes_, 2, WireType::kLength);
  put_varint(bytes_, 3);
  put_tag(bytes_, 3, WireType::kVarint);
  put_hole(Hole::kVarint, 2);
  close_segment();
}

void SpanTemplate::add_exception(std::string_view type, std::string_view message,
                                 std::string_view stacktrace) {
  std::string event;
  std::vector<Patch> patches;
  event.push_back('\x09');
  patches.push_back({1, Hole::kMiddle, 8});
  event.append(8, '\0');
  protobuf::put_bytes(event, 2, "exception");
  const std::array<std::pair<std::string_view, std::string_view>, 3> attributes = {
      {{"exception.type", type},
       {"exception.message", message},
       {"exception.stacktrace", stacktrace}}};
  for (const auto& [key, pattern] : attributes) {
    std::vector<Patch> holes;
    const std::string text = parse_pattern(pattern, holes);
    {
      wire::MessageScope attribute(event, 3);
      protobuf::put_bytes(event, 1, key);
      wire::MessageScope any(event, 2);
      protobuf::put_bytes(event, 1, text);
    }
    // The text is the last thing written, wherever the lengths before it ended.
    for (Patch hole : holes) {
      hole.offset += static_cast<uint32_t>(event.size() - text.size());
      patches.push_back(hole);
    }
  }
  open_segment(false);
  protobuf::put_bytes(bytes_, 11, event);
  for (Patch patch : patches) {
    patch.offset += static_cast<uint32_t>(bytes_.size() - event.size());
    patches_.push_back(patch);
  }
  close_segment();
}

void SpanTemplate::finish(StatusCode code, std::string_view status_message) {
  open_segment(false);
  {
    wire::MessageScope status(bytes_, 15);
    if (!status_message.empty()) protobuf::put_bytes(bytes_, 2, status_message);
    if (code != StatusCode::kUnset) wire::put_uint(bytes_, 3, static_cast<uint64_t>(code));
  }
  wire::put_fixed32(bytes_, 16, 0x101);
  close_segment();
  put_tag(header_, 2, WireType::kLength);
  put_varint(header_, bytes_.size());
}

void SpanTemplate::apply(const Stamp& stamp, Random& random, uint32_t first_patch,
                         uint32_t last_patch, char* base) const {
  for (uint32_t i = first_patch; i < last_patch; ++i) {
    const Patch& patch = patches_[i];
    char* at = base + patch.offset;
    switch (patch.hole) {
      case Hole::kTraceId:
        std::memcpy(at, stamp.trace_id.bytes.data(), 16);
        break;
      case Hole::kSpanId:
        std::memcpy(at, stamp.span_id.bytes.data(), 8);
        break;
      case Hole::kParentId:
        std::memcpy(at, stamp.parent_span_id.bytes.data(), 8);
        break;
      case Hole::kStart:
        std::memcpy(at, &stamp.start_ns, 8);
        break;
      case Hole::kEnd:
        std::memcpy(at, &stamp.end_ns, 8);
        break;
      case Hole::kMiddle: {
        const uint64_t time_ns = stamp.end_ns - (stamp.end_ns - stamp.start_ns) / 8;
        std::memcpy(at, &time_ns, 8);
        break;
      }
      case Hole::kDigits:
        write_digits(at, random.next(), patch.width);
        break;
      case Hole::kHex:
        write_hex(at, random.next(), patch.width);
        break;
      case Hole::kUuid:
        write_uuid(at, random);
        break;
      case Hole::kOctet: {
        const uint32_t octet = 100 + random.below(150);
        at[0] = static_cast<char>('0' + octet / 100);
        at[1] = static_cast<char>('0' + octet / 10 % 10);
        at[2] = static_cast<char>('0' + octet % 10);
        break;
      }
      case Hole::kVarint: {
        const uint32_t value = 128 + random.below(16383 - 128);
        at[0] = static_cast<char>(value | 0x80);
        at[1] = static_cast<char>(value >> 7);
        break;
      }
    }
  }
}

void SpanTemplate::stamp(const Stamp& stamp, Random& random, std::string& out) const {
  out += header_;
  const size_t begin = out.size();
  out += bytes_;
  apply(stamp, random, 0, static_cast<uint32_t>(patches_.size()), out.data() + begin);
}

void SpanTemplate::stamp_messy(const Stamp& stamp, Random& random, uint32_t drop_percent,
                               std::string_view extra, std::string& out) const {
  wire::MessageScope span(out, 2);
  bool attributes_done = false;
  for (size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = segments_[i];
    if (segment.is_attribute && random.chance(drop_percent)) continue;
    // Extra attributes come after the others, as those of an instrumentation's user do.
    if (!attributes_done && i > 0 && !segment.is_attribute) {
      out += extra;
      attributes_done = true;
    }
    const size_t begin = out.size();
    out.append(bytes_, segment.begin, segment.end - segment.begin);
    apply(stamp, random, segment.first_patch, segment.last_patch,
          out.data() + begin - segment.begin);
  }
}

}  // namespace weft::workload
