// Writing protobuf into memory whose size was computed before: the primitives of every encoder of
// the library. All functions write at `p` and return the end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace weft::sdk_detail {

static_assert(std::endian::native == std::endian::little, "fixed-size fields are little-endian");

// Tags of length-delimited, varint, 64-bit and 32-bit fields.
constexpr unsigned len_tag(unsigned field) {
  return field << 3 | 2;
}
constexpr unsigned varint_tag(unsigned field) {
  return field << 3;
}
constexpr unsigned fixed64_tag(unsigned field) {
  return field << 3 | 1;
}
constexpr unsigned fixed32_tag(unsigned field) {
  return field << 3 | 5;
}

constexpr unsigned varint_size(std::uint64_t value) {
  return (static_cast<unsigned>(std::bit_width(value | 1)) + 6) / 7;
}

inline char* put_varint(char* p, std::uint64_t value) noexcept {
  while (value >= 0x80) {
    *p++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *p++ = static_cast<char>(value);
  return p;
}

inline char* put_fixed64(char* p, std::uint64_t value) noexcept {
  std::memcpy(p, &value, 8);
  return p + 8;
}

inline char* put_fixed32(char* p, std::uint32_t value) noexcept {
  std::memcpy(p, &value, 4);
  return p + 4;
}

inline char* put_raw(char* p, const void* data, std::size_t size) noexcept {
  if (size != 0) std::memcpy(p, data, size);
  return p + size;
}

// Tag (a single byte), length and bytes.
inline char* put_len(char* p, unsigned tag, std::string_view bytes) noexcept {
  *p++ = static_cast<char>(tag);
  p = put_varint(p, bytes.size());
  return put_raw(p, bytes.data(), bytes.size());
}

constexpr std::size_t len_size(std::size_t bytes) {
  return 1 + varint_size(bytes) + bytes;
}

// The same onto the end of a string, for what is not on a hot path.
inline void append_varint(std::string& out, std::uint64_t value) {
  char buffer[10];
  out.append(buffer, static_cast<std::size_t>(put_varint(buffer, value) - buffer));
}
inline void append_len(std::string& out, unsigned field, std::string_view bytes) {
  append_varint(out, len_tag(field));
  append_varint(out, bytes.size());
  out.append(bytes);
}
inline void append_uint(std::string& out, unsigned field, std::uint64_t value) {
  append_varint(out, varint_tag(field));
  append_varint(out, value);
}
inline void append_fixed64(std::string& out, unsigned field, std::uint64_t value) {
  append_varint(out, fixed64_tag(field));
  out.append(reinterpret_cast<const char*>(&value), 8);
}
inline void append_fixed32(std::string& out, unsigned field, std::uint32_t value) {
  append_varint(out, fixed32_tag(field));
  out.append(reinterpret_cast<const char*>(&value), 4);
}
inline void append_double(std::string& out, unsigned field, double value) {
  append_fixed64(out, field, std::bit_cast<std::uint64_t>(value));
}

}  // namespace weft::sdk_detail
