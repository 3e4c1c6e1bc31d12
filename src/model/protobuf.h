// The protobuf wire format, as far as nested attribute values need it: varints, tags and
// length-delimited fields, bounds-checked. See protobuf.dev/programming-guides/encoding.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace weft::protobuf {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

inline void put_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

inline void put_tag(std::string& out, uint32_t field, WireType type) {
  put_varint(out, field << 3 | static_cast<uint32_t>(type));
}

inline void put_bytes(std::string& out, uint32_t field, std::string_view bytes) {
  put_tag(out, field, WireType::kLength);
  put_varint(out, bytes.size());
  out.append(bytes);
}

inline void put_fixed64(std::string& out, uint32_t field, uint64_t value) {
  put_tag(out, field, WireType::kFixed64);
  out.append(reinterpret_cast<const char*>(&value), 8);
}

// A cursor over one message. Every read returns false at a malformed or truncated input and the
// cursor is then of no further use.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  bool done() const { return at_ == end_; }
  bool varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool tag(uint32_t& field, WireType& type) {
    uint64_t raw;
    if (!varint(raw) || raw >> 3 == 0 || raw >> 32 != 0) return false;
    field = static_cast<uint32_t>(raw >> 3);
    type = static_cast<WireType>(raw & 7);
    return true;
  }
  bool fixed64(uint64_t& value) {
    if (end_ - at_ < 8) return false;
    std::memcpy(&value, at_, 8);
    at_ += 8;
    return true;
  }
  bool bytes(std::string_view& value) {
    uint64_t size;
    if (!varint(size) || size > static_cast<uint64_t>(end_ - at_)) return false;
    value = {at_, static_cast<size_t>(size)};
    at_ += size;
    return true;
  }
  bool skip(WireType type) {
    uint64_t ignored;
    std::string_view bytes_ignored;
    switch (type) {
      case WireType::kVarint:
        return varint(ignored);
      case WireType::kFixed64:
        return fixed64(ignored);
      case WireType::kLength:
        return bytes(bytes_ignored);
      case WireType::kFixed32:
        if (end_ - at_ < 4) return false;
        at_ += 4;
        return true;
    }
    return false;
  }

 private:
  const char* at_;
  const char* end_;
};

}  // namespace weft::protobuf
