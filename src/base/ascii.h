// Text of protocols, in which the case of ASCII letters means nothing. Whatever the locale.
#pragma once

#include <string>
#include <string_view>

namespace weft {

// With A to Z in lower case; all other bytes as they are.
inline std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace weft
