// The protobuf wire format, read by hand: varints, lengths and fields, each checked against the
// end of the message. Used by the OTLP decoder and by whatever else reads protobuf bytes. Every
// function takes a position and the end and returns the position after what it read, or nullptr
// when the bytes are malformed.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace weft::wire {

using Position = const uint8_t*;

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t value = 0;      // kVarint, kFixed64, kFixed32
  std::string_view bytes;  // kBytes; borrowed from the message
};

inline std::string_view view(Position begin, Position end) {
  return {reinterpret_cast<const char*>(begin), static_cast<size_t>(end - begin)};
}
inline Position begin_of(std::string_view bytes) {
  return reinterpret_cast<Position>(bytes.data());
}
inline Position end_of(std::string_view bytes) {
  return begin_of(bytes) + bytes.size();
}

// At most ten bytes; bits beyond the 64th are dropped, as protobuf does.
inline Position read_varint(Position p, Position end, uint64_t& out) {
  if (p < end && *p < 0x80) [[likely]] {
    out = *p;
    return p + 1;
  }
  if (end - p >= 2 && p[1] < 0x80) {
    out = (*p & 0x7Fu) | static_cast<uint32_t>(p[1]) << 7;
    return p + 2;
  }
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (p >= end) return nullptr;
    const uint8_t byte = *p++;
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      out = value;
      return p;
    }
  }
  return nullptr;
}

// A length that fits before the end.
inline Position read_length(Position p, Position end, size_t& out) {
  uint64_t value = 0;
  p = read_varint(p, end, value);
  if (p == nullptr || value > static_cast<uint64_t>(end - p)) return nullptr;
  out = static_cast<size_t>(value);
  return p;
}

// Length-prefixed bytes.
inline Position read_bytes(Position p, Position end, std::string_view& out) {
  size_t size = 0;
  p = read_length(p, end, size);
  if (p == nullptr) return nullptr;
  out = view(p, p + size);
  return p + size;
}

inline uint64_t load_fixed64(Position p) {
  uint64_t out;
  std::memcpy(&out, p, 8);
  return out;
}
inline uint32_t load_fixed32(Position p) {
  uint32_t out;
  std::memcpy(&out, p, 4);
  return out;
}

// One field of any number. Groups, wire types that do not exist and field numbers out of range
// are malformed.
inline Position read_field(Position p, Position end, Field& field) {
  uint64_t tag = 0;
  p = read_varint(p, end, tag);
  if (p == nullptr || tag >> 3 == 0 || tag >> 32 != 0) return nullptr;
  field.number = static_cast<uint32_t>(tag >> 3);
  switch (tag & 7) {
    case 0:
      field.type = WireType::kVarint;
      return read_varint(p, end, field.value);
    case 1:
      field.type = WireType::kFixed64;
      if (end - p < 8) return nullptr;
      field.value = load_fixed64(p);
      return p + 8;
    case 2:
      field.type = WireType::kBytes;
      return read_bytes(p, end, field.bytes);
    case 5:
      field.type = WireType::kFixed32;
      if (end - p < 4) return nullptr;
      field.value = load_fixed32(p);
      return p + 4;
    default:
      return nullptr;
  }
}

}  // namespace weft::wire
