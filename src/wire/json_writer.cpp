#include "wire/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>

namespace weft::json {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr char kHexDigits[] = "0123456789abcdef";

// Characters that stand for themselves in a JSON string and in UTF-8.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (int c = 0x20; c < 0x80; ++c)
    plain[static_cast<size_t>(c)] = c != '"' && c != '\\';
  return plain;
}();

// The length of the well-formed UTF-8 sequence at `at`; 0 when there is none, then `skip` is the
// length of the ill-formed part.
size_t utf8_sequence(std::string_view text, size_t at, size_t& skip) {
  const auto byte = [&](size_t i) -> int {
    return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : -1;
  };
  const int lead = byte(0);
  int low = 0x80;
  int high = 0xBF;
  size_t length = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  }
  skip = 1;
  if (length == 0 || byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) {
      skip = i;
      return 0;
    }
  }
  return length;
}

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out.push_back(kHexDigits[static_cast<uint8_t>(c) >> 4]);
      out.push_back(kHexDigits[c & 15]);
  }
}

template <typename Number>
void append_number(std::string& out, Number value) {
  char buffer[40];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  out.append(buffer, result.ptr);
}

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> kBase64Values = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (int i = 0; i < 64; ++i) {
    values[static_cast<uint8_t>(kBase64[i])] = static_cast<int8_t>(i);
  }
  values['-'] = 62;
  values['_'] = 63;
  return values;
}();

}  // namespace

void append_string(std::string& out, std::string_view text) {
  out.push_back('"');
  size_t done = 0;
  size_t at = 0;
  while (at < text.size()) {
    if (kPlain[static_cast<uint8_t>(text[at])]) {
      ++at;
      continue;
    }
    if (static_cast<uint8_t>(text[at]) >= 0x80) {
      size_t skip = 1;
      if (const size_t length = utf8_sequence(text, at, skip); length > 0) {
        at += length;
        continue;
      }
      out.append(text.substr(done, at - done));
      out += kReplacement;
      at += skip;
    } else {
      out.append(text.substr(done, at - done));
      append_escaped(out, text[at++]);
    }
    done = at;
  }
  out.append(text.substr(done));
  out.push_back('"');
}

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t skip = 1;
    const size_t length = static_cast<uint8_t>(text[at]) < 0x80 ? 1 : utf8_sequence(text, at, skip);
    if (length > 0) {
      out.append(text.substr(at, length));
      at += length;
    } else {
      out += kReplacement;
      at += skip;
    }
  }
  return out;
}

void append_int(std::string& out, int64_t value) {
  append_number(out, value);
}
void append_uint(std::string& out, uint64_t value) {
  append_number(out, value);
}

void append_double(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "\"NaN\"";
  } else if (std::isinf(value)) {
    out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    const size_t begin = out.size();
    append_number(out, value);
    // A big whole number would be taken for an integer by parsers that keep those apart, and then
    // not fit 64 bits; -0 would lose its sign.
    const bool plain = out.find_first_of(".e", begin) == std::string::npos;
    const bool negative_zero = value == 0 && std::signbit(value);
    if (plain && (negative_zero || std::abs(value) >= 9007199254740992.0)) out += ".0";
  }
}

void append_hex(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    out.push_back(kHexDigits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(kHexDigits[c & 15]);
  }
}

void append_base64(std::string& out, std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](size_t k) -> uint32_t {
      return i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0;
    };
    const uint32_t group = byte(0) << 16 | byte(1) << 8 | byte(2);
    out.push_back(kBase64[group >> 18]);
    out.push_back(kBase64[group >> 12 & 63]);
    out.push_back(i + 1 < bytes.size() ? kBase64[group >> 6 & 63] : '=');
    out.push_back(i + 2 < bytes.size() ? kBase64[group & 63] : '=');
  }
}

bool decode_base64(std::string_view text, std::string& out) {
  for (int i = 0; i < 2 && text.ends_with('='); ++i)
    text.remove_suffix(1);
  out.clear();
  if (text.size() % 4 == 1) return false;
  uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    const int8_t value = kBase64Values[static_cast<uint8_t>(c)];
    if (value < 0) return false;
    group = group << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<char>(group >> bits & 0xFF));
    }
  }
  return true;
}

}  // namespace weft::json
