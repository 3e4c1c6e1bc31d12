#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include <fmt/format.h>

#include "base/ascii.h"

namespace weft::cli {
namespace {

struct Decoded {
  uint32_t code = 0;
  size_t length = 0;  // 0: not valid UTF-8
};

Decoded decode_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first >= 0xC2 && first < 0xE0 && tail(1)) {
    return {(first & 0x1Fu) << 6 | (byte(1) & 0x3Fu), 2};
  }
  if (first >= 0xE0 && first < 0xF0 && tail(1) && tail(2)) {
    const uint32_t code = (first & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    if (code >= 0x800 && (code < 0xD800 || code > 0xDFFF)) return {code, 3};
  }
  if (first >= 0xF0 && first < 0xF5 && tail(1) && tail(2) && tail(3)) {
    const uint32_t code = (first & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 |
                          (byte(3) & 0x3Fu);
    if (code >= 0x10000 && code < 0x110000) return {code, 4};
  }
  return {};
}

bool within(uint32_t code, uint32_t low, uint32_t high) {
  return code >= low && code <= high;
}

size_t code_width(uint32_t code) {
  if (code < 0x300) return 1;
  const bool combining = within(code, 0x300, 0x36F) || within(code, 0x483, 0x489) ||
                         within(code, 0x591, 0x5BD) || within(code, 0x610, 0x61A) ||
                         within(code, 0x64B, 0x65F) || within(code, 0x1AB0, 0x1AFF) ||
                         within(code, 0x1DC0, 0x1DFF) || within(code, 0x200B, 0x200F) ||
                         within(code, 0x20D0, 0x20FF) || within(code, 0xFE00, 0xFE0F) ||
                         within(code, 0xFE20, 0xFE2F) || code == 0xFEFF;
  if (combining) return 0;
  const bool wide = within(code, 0x1100, 0x115F) || within(code, 0x2E80, 0x303E) ||
                    within(code, 0x3041, 0xA4CF) || within(code, 0xAC00, 0xD7A3) ||
                    within(code, 0xF900, 0xFAFF) || within(code, 0xFE30, 0xFE6F) ||
                    within(code, 0xFF00, 0xFF60) || within(code, 0xFFE0, 0xFFE6) ||
                    within(code, 0x1F300, 0x1F64F) || within(code, 0x1F680, 0x1F6FF) ||
                    within(code, 0x1F900, 0x1FAFF) || within(code, 0x20000, 0x3FFFD);
  return wide ? 2 : 1;
}

// Controls, and the marks that reorder text on screen.
bool is_unprintable(uint32_t code) {
  return code < 0x20 || within(code, 0x7F, 0x9F) || within(code, 0x202A, 0x202E) ||
         within(code, 0x2066, 0x2069) || code == 0x2028 || code == 0x2029;
}

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kEllipsis = "…";

}  // namespace

bool is_terminal(int fd) {
  return isatty(fd) == 1;
}

size_t terminal_width(int fd, size_t fallback) {
  size_t width = 0;
  if (const char* columns = std::getenv("COLUMNS")) width = std::strtoul(columns, nullptr, 10);
  winsize size{};
  if (width == 0 && ioctl(fd, TIOCGWINSZ, &size) == 0) width = size.ws_col;
  if (width == 0) width = fallback;
  return std::clamp<size_t>(width, 40, 500);
}

bool use_colour(std::string_view choice, int fd) {
  if (choice == "always") return true;
  if (choice == "never") return false;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  if (no_color != nullptr && *no_color != 0) return false;
  if (term != nullptr && std::string_view(term) == "dumb") return false;
  return is_terminal(fd);
}

bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == 0) continue;
    const std::string lower = lower_ascii(value);
    return lower.find("utf-8") != std::string::npos || lower.find("utf8") != std::string::npos;
  }
  return true;
}

size_t display_width(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const Decoded c = decode_utf8(text);
    width += c.length == 0 ? 1 : code_width(c.code);
    text.remove_prefix(std::max<size_t>(c.length, 1));
  }
  return width;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Decoded c = decode_utf8(text);
    const size_t length = std::max<size_t>(c.length, 1);
    if (c.code == '\n' || c.code == '\t' || c.code == '\r') {
      out += ' ';
    } else if (c.length == 0 || is_unprintable(c.code)) {
      out += kReplacement;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string cut_to_width(std::string_view text, size_t width) {
  // Long values are cut before they are looked at: at most 4 bytes a column, some of no width.
  const bool long_text = text.size() > width * 8 + 64;
  std::string clean = printable(long_text ? text.substr(0, width * 8 + 64) : text);
  if (!long_text && display_width(clean) <= width) return clean;
  if (width == 0) return {};
  std::string_view rest = clean;
  std::string out;
  size_t used = 0;
  while (!rest.empty()) {
    const Decoded c = decode_utf8(rest);
    const size_t length = std::max<size_t>(c.length, 1);
    const size_t columns = c.length == 0 ? 1 : code_width(c.code);
    if (used + columns > width - 1) break;
    used += columns;
    out += rest.substr(0, length);
    rest.remove_prefix(length);
  }
  out += kEllipsis;
  return out;
}

std::string fit_to_width(std::string_view text, size_t width) {
  std::string out = cut_to_width(text, width);
  const size_t used = display_width(out);
  if (used < width) out.append(width - used, ' ');
  return out;
}

std::string with_thousands(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3; at -= 3)
    digits.insert(at - 3, ",");
  return digits;
}

std::string plural(uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", with_thousands(count), count == 1 ? one : many);
}

std::string format_duration_ns(uint64_t duration_ns) {
  const auto scaled = [&](double unit, const char* name) {
    const double value = static_cast<double>(duration_ns) / unit;
    const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f} {}", value, digits, name);
  };
  if (duration_ns < 1'000) return fmt::format("{} ns", duration_ns);
  if (duration_ns < 999'500) return scaled(1e3, "µs");
  if (duration_ns < 999'500'000) return scaled(1e6, "ms");
  if (duration_ns < 60'000'000'000) return scaled(1e9, "s");
  const uint64_t seconds = duration_ns / 1'000'000'000;
  if (seconds < 3'600) return fmt::format("{} m {:02} s", seconds / 60, seconds % 60);
  if (seconds < 86'400 * 2) return fmt::format("{} h {:02} m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{} d {:02} h", seconds / 86'400, seconds / 3600 % 24);
}

std::string format_bytes(uint64_t bytes) {
  if (bytes < 1'000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  const char* units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  size_t unit = 0;
  for (value /= 1e3; value >= 999.5 && unit + 1 < std::size(units); value /= 1e3)
    ++unit;
  return fmt::format("{:.{}f} {}", value, value < 99.95 ? 1 : 0, units[unit]);
}

std::string format_time_ns(uint64_t time_ns) {
  const time_t seconds = static_cast<time_t>(time_ns / 1'000'000'000);
  std::tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr || parts.tm_year + 1900 > 9999) {
    return fmt::format("{} ns", time_ns);
  }
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} UTC", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     time_ns / 1'000'000 % 1'000);
}

}  // namespace weft::cli
