// Reading protobuf without a schema, field by field, from bytes that may be anything. Used by the
// exporters that write other formats than OTLP protobuf, and to read receivers' answers.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weft::sdk_detail {

class ProtoReader {
 public:
  explicit ProtoReader(std::string_view bytes) : p_(bytes.data()), end_(p_ + bytes.size()) {}

  // Moves to the next field. False at the end, and when the bytes are malformed (see ok()).
  bool next() noexcept {
    if (p_ == end_ || !ok_) return false;
    std::uint64_t tag = 0;
    if (!varint(tag)) return fail();
    field_ = static_cast<std::uint32_t>(tag >> 3);
    wire_ = static_cast<unsigned>(tag & 7);
    if (field_ == 0) return fail();
    switch (wire_) {
      case 0:
        return varint(number_) || fail();
      case 1:
        return fixed(8) || fail();
      case 2: {
        std::uint64_t size = 0;
        if (!varint(size) || size > static_cast<std::uint64_t>(end_ - p_)) return fail();
        bytes_ = {p_, static_cast<std::size_t>(size)};
        p_ += size;
        return true;
      }
      case 5:
        return fixed(4) || fail();
      default:
        return fail();
    }
  }

  bool ok() const noexcept { return ok_; }
  std::uint32_t field() const noexcept { return field_; }
  bool is_bytes() const noexcept { return wire_ == 2; }
  // The value of a varint or fixed field; 0 for others.
  std::uint64_t number() const noexcept { return wire_ == 2 ? 0 : number_; }
  double floating() const noexcept { return std::bit_cast<double>(number()); }
  // The value of a length-delimited field; empty for others.
  std::string_view bytes() const noexcept { return wire_ == 2 ? bytes_ : std::string_view(); }

 private:
  bool fail() noexcept {
    ok_ = false;
    return false;
  }
  bool varint(std::uint64_t& out) noexcept {
    out = 0;
    for (int shift = 0; shift < 70 && p_ != end_; shift += 7) {
      const auto byte = static_cast<unsigned char>(*p_++);
      if (shift < 64) out |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool fixed(unsigned size) noexcept {
    if (static_cast<std::size_t>(end_ - p_) < size) return false;
    number_ = 0;
    std::memcpy(&number_, p_, size);
    p_ += size;
    return true;
  }

  const char* p_;
  const char* end_;
  bool ok_ = true;
  std::uint32_t field_ = 0;
  unsigned wire_ = 0;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
};

}  // namespace weft::sdk_detail
