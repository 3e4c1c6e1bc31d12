// Writing and reading of small structures in block files: varints, fixed numbers, strings. A
// reader never goes beyond its bytes; after the first error everything reads as zero or empty.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace weft::store {

inline void put_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

template <typename T>
void put_fixed(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline void put_string(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out.append(text);
}

inline uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t unzigzag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

class ByteReader {
 public:
  explicit ByteReader(std::string_view in) : in_(in) {}

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (in_.empty()) break;
      const auto byte = static_cast<uint8_t>(in_.front());
      in_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return failed<uint64_t>();
  }
  template <typename T>
  T fixed() {
    T value{};
    if (in_.size() < sizeof value) return failed<T>();
    std::memcpy(&value, in_.data(), sizeof value);
    in_.remove_prefix(sizeof value);
    return value;
  }
  std::string_view bytes(uint64_t count) {
    if (count > in_.size()) return failed<std::string_view>();
    const std::string_view out = in_.substr(0, count);
    in_.remove_prefix(count);
    return out;
  }
  std::string_view string() { return bytes(varint()); }

  bool ok() const { return ok_; }
  void set_failed() { (void)failed<int>(); }
  size_t remaining() const { return in_.size(); }

 private:
  template <typename T>
  T failed() {
    ok_ = false;
    in_ = {};
    return T{};
  }
  std::string_view in_;
  bool ok_ = true;
};

}  // namespace weft::store
