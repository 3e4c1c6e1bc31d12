#include "server/api/traceql_text.h"

#include <charconv>

namespace weft::server {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t';
}

// A quoted value that begins at `at` (the opening quote), moved behind its end.
Expected<std::string> quoted_value(std::string_view text, size_t& at) {
  std::string out;
  for (at++; at < text.size() && text[at] != '"'; at++) {
    if (text[at] == '\\' && at + 1 < text.size()) at++;
    out += text[at];
  }
  if (at >= text.size())
    return fail(ErrorCode::kInvalidArgument, "tags: a quoted value is not closed");
  at++;
  return out;
}

}  // namespace

Expected<std::vector<std::pair<std::string, std::string>>> parse_logfmt(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  size_t at = 0;
  while (true) {
    while (at < text.size() && is_space(text[at]))
      at++;
    if (at >= text.size()) return out;
    const size_t begin = at;
    while (at < text.size() && !is_space(text[at]) && text[at] != '=')
      at++;
    std::string key(text.substr(begin, at - begin));
    std::string value;
    if (key.empty()) return fail(ErrorCode::kInvalidArgument, "tags: a value has no name");
    if (at < text.size() && text[at] == '=') {
      at++;
      if (at < text.size() && text[at] == '"') {
        WEFT_ASSIGN(value, quoted_value(text, at));
      } else {
        const size_t value_begin = at;
        while (at < text.size() && !is_space(text[at]))
          at++;
        value = text.substr(value_begin, at - value_begin);
      }
    }
    out.emplace_back(std::move(key), std::move(value));
  }
}

std::string quote_traceql(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
      case '\\':
        out += '\\';
        out += c;
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
        out += c;
    }
  }
  out += '"';
  return out;
}

std::string any_attribute(std::string_view key) {
  return "." + quote_traceql(key);
}

std::string escape_regex(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\.+*?()|[]{}^$").contains(c)) out += '\\';
    out += c;
  }
  return out;
}

bool is_typed_literal(std::string_view text) {
  if (text == "true" || text == "false") return true;
  double number = 0;
  const auto result =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  return !text.empty() && result.ec == std::errc{} && result.ptr == text.data() + text.size() &&
         text.find_first_not_of("0123456789.-") == std::string_view::npos && text.back() != '.' &&
         text.front() != '.';
}

}  // namespace weft::server
