// Text that is fit for protobuf: strings there must be UTF-8, and a receiver refuses a whole
// request for one that is not. Used by the encoders of attributes, names and messages.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace weft::sdk_detail {

// True when every byte is below 0x80: the common case, and the quick one.
inline bool is_ascii(std::string_view text) noexcept {
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  const char* p = text.data();
  std::size_t n = text.size();
  std::uint64_t seen = 0;
  for (; n >= 8; p += 8, n -= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    seen |= word;
  }
  for (; n != 0; ++p, --n)
    seen |= static_cast<unsigned char>(*p);
  return (seen & kHigh) == 0;
}

bool is_utf8(std::string_view text) noexcept;
// Invalid sequences become U+FFFD.
std::string repair_utf8(std::string_view text);
// The first `limit` characters of valid UTF-8.
std::string_view truncate_characters(std::string_view text, std::size_t limit) noexcept;

// `text` itself, or a copy in `scratch`, that is valid UTF-8 of at most `limit` characters.
std::string_view fit_text(std::string_view text, std::size_t limit, std::string& scratch);

}  // namespace weft::sdk_detail
