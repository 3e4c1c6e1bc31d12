#include "model/ids.h"

#include <span>

namespace weft {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Right-aligns the digits into `out`. False when a character is no hex digit, the digits are too
// many or none, or the id is zero.
bool parse_hex(std::string_view hex, std::span<uint8_t> out) {
  if (hex.empty() || hex.size() > out.size() * 2) return false;
  bool any = false;
  size_t nibble = out.size() * 2 - hex.size();
  for (char c : hex) {
    const int digit = hex_digit(c);
    if (digit < 0) return false;
    any = any || digit != 0;
    out[nibble / 2] |= static_cast<uint8_t>(nibble % 2 == 0 ? digit << 4 : digit);
    ++nibble;
  }
  return any;
}

std::string format_hex(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (uint8_t b : bytes) {
    out.push_back(kDigits[b >> 4]);
    out.push_back(kDigits[b & 15]);
  }
  return out;
}

}  // namespace

std::string TraceId::to_hex() const {
  return format_hex(bytes);
}
std::string SpanId::to_hex() const {
  return format_hex(bytes);
}

std::optional<TraceId> TraceId::from_hex(std::string_view hex) {
  TraceId id;
  if (!parse_hex(hex, id.bytes)) return std::nullopt;
  return id;
}

std::optional<SpanId> SpanId::from_hex(std::string_view hex) {
  SpanId id;
  if (!parse_hex(hex, id.bytes)) return std::nullopt;
  return id;
}

}  // namespace weft
