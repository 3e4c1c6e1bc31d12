#include "text.h"

namespace weft::sdk_detail {
namespace {

// Length of the valid sequence at the start of [p, end), 0 when it is not one.
unsigned sequence_length(const unsigned char* p, const unsigned char* end) noexcept {
  const unsigned char c = *p;
  const auto left = end - p;
  auto continues = [&](int i) { return (p[i] & 0xC0) == 0x80; };
  if (c < 0x80) return 1;
  if (c < 0xC2) return 0;
  if (c < 0xE0) return left >= 2 && continues(1) ? 2 : 0;
  if (c < 0xF0) {
    if (left < 3 || !continues(1) || !continues(2)) return 0;
    if (c == 0xE0 && p[1] < 0xA0) return 0;   // overlong
    if (c == 0xED && p[1] >= 0xA0) return 0;  // surrogate
    return 3;
  }
  if (c > 0xF4 || left < 4 || !continues(1) || !continues(2) || !continues(3)) return 0;
  if (c == 0xF0 && p[1] < 0x90) return 0;
  if (c == 0xF4 && p[1] >= 0x90) return 0;
  return 4;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  if (is_ascii(text)) return true;
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = p + text.size();
  while (p < end) {
    const unsigned n = sequence_length(p, end);
    if (n == 0) return false;
    p += n;
  }
  return true;
}

std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = p + text.size();
  while (p < end) {
    const unsigned n = sequence_length(p, end);
    if (n == 0) {
      out.append("\xEF\xBF\xBD");
      ++p;
    } else {
      out.append(reinterpret_cast<const char*>(p), n);
      p += n;
    }
  }
  return out;
}

std::string_view truncate_characters(std::string_view text, std::size_t limit) noexcept {
  if (text.size() <= limit) return text;  // a character has at least one byte
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
    if (characters == limit) return text.substr(0, i);
    ++characters;
  }
  return text;
}

std::string_view fit_text(std::string_view text, std::size_t limit, std::string& scratch) {
  if (!is_utf8(text)) {
    scratch = repair_utf8(text);
    text = scratch;
  }
  return truncate_characters(text, limit);
}

}  // namespace weft::sdk_detail
