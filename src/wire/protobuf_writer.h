// Protobuf messages written into a string, nested ones without knowing their length ahead.
#pragma once

#include <string>

#include "model/protobuf.h"

namespace weft::wire {

// A length-delimited field that is written between the constructor and finish().
class MessageScope {
 public:
  MessageScope(std::string& out, uint32_t field) : out_(out) {
    protobuf::put_tag(out, field, protobuf::WireType::kLength);
    begin_ = out.size();
    out.push_back('\0');
  }
  MessageScope(const MessageScope&) = delete;
  MessageScope& operator=(const MessageScope&) = delete;
  ~MessageScope() { finish(); }

 private:
  // One byte was kept for the length; longer messages are moved up.
  void finish() {
    const size_t size = out_.size() - begin_ - 1;
    if (size < 0x80) {
      out_[begin_] = static_cast<char>(size);
      return;
    }
    std::string length;
    protobuf::put_varint(length, size);
    out_.replace(begin_, 1, length);
  }

  std::string& out_;
  size_t begin_;
};

inline void put_uint(std::string& out, uint32_t field, uint64_t value) {
  protobuf::put_tag(out, field, protobuf::WireType::kVarint);
  protobuf::put_varint(out, value);
}

inline void put_fixed32(std::string& out, uint32_t field, uint32_t value) {
  protobuf::put_tag(out, field, protobuf::WireType::kFixed32);
  out.append(reinterpret_cast<const char*>(&value), 4);
}

}  // namespace weft::wire
