#include "analysis/message_template.h"

#include <array>
#include <cstdint>

namespace weft::analysis {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_letter(char c) {
  return is_lower(c) || is_upper(c) || static_cast<uint8_t>(c) >= 0x80;
}
bool is_alnum(char c) {
  return is_digit(c) || is_letter(c);
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

// Each of these matches at the start of `text` and returns the length, or 0. `text` starts at a
// word's beginning.

size_t match_pattern(std::string_view text, std::string_view pattern) {
  // x: hex digit, 0: decimal digit, anything else: itself.
  if (text.size() < pattern.size()) return 0;
  for (size_t i = 0; i < pattern.size(); i++) {
    const char p = pattern[i];
    const bool fits = p == 'x' ? is_hex(text[i]) : p == '0' ? is_digit(text[i]) : text[i] == p;
    if (!fits) return 0;
  }
  return pattern.size();
}

bool ends_word(std::string_view text, size_t length) {
  return length == text.size() || (!is_alnum(text[length]) && text[length] != '_');
}

size_t match_uuid(std::string_view text) {
  const size_t length = match_pattern(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
  return length > 0 && ends_word(text, length) ? length : 0;
}

// RFC 3339 and what loggers make of it: date, T or space, time, fraction, zone.
size_t match_time(std::string_view text) {
  size_t length = match_pattern(text, "0000-00-00");
  if (length == 0) return 0;
  if (length < text.size() && (text[length] == 'T' || text[length] == ' ')) {
    const size_t clock = match_pattern(text.substr(length + 1), "00:00:00");
    if (clock > 0) length += 1 + clock;
  }
  if (length + 1 < text.size() && (text[length] == '.' || text[length] == ',') &&
      is_digit(text[length + 1])) {
    length++;
    while (length < text.size() && is_digit(text[length]))
      length++;
  }
  if (length < text.size() && text[length] == 'Z') return length + 1;
  if (length < text.size() && (text[length] == '+' || text[length] == '-')) {
    const std::string_view zone = text.substr(length + 1);
    if (const size_t wide = match_pattern(zone, "00:00"); wide > 0) return length + 1 + wide;
    if (const size_t narrow = match_pattern(zone, "0000"); narrow > 0) return length + 1 + narrow;
  }
  return length;
}

size_t match_ipv4(std::string_view text) {
  size_t at = 0;
  for (int part = 0; part < 4; part++) {
    const size_t begin = at;
    while (at < text.size() && is_digit(text[at]) && at - begin < 4)
      at++;
    if (at == begin || at - begin > 3) return 0;
    if (part == 3) break;
    if (at >= text.size() || text[at] != '.') return 0;
    at++;
  }
  if (!ends_word(text, at)) return 0;
  if (at + 1 < text.size() && text[at] == ':' && is_digit(text[at + 1])) {  // a port
    at++;
    while (at < text.size() && is_digit(text[at]))
      at++;
  }
  return at;
}

// At least three groups of hex digits with colons: an IPv6 or a hardware address.
size_t match_ipv6(std::string_view text) {
  size_t at = 0, colons = 0, digits = 0;
  while (at < text.size() && (is_hex(text[at]) || text[at] == ':')) {
    if (text[at] == ':') {
      colons++;
      digits = 0;
    } else if (++digits > 4) {
      return 0;
    }
    at++;
  }
  if (at > 0 && text[at - 1] == ':' && (at < 2 || text[at - 2] != ':')) at--;
  return colons >= 3 && ends_word(text, at) ? at : 0;
}

size_t match_email(std::string_view text) {
  const auto is_local = [](char c) {
    return is_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-';
  };
  size_t at = 0;
  while (at < text.size() && is_local(text[at]))
    at++;
  if (at == 0 || at >= text.size() || text[at] != '@') return 0;
  const size_t domain = ++at;
  size_t last_dot = 0;
  while (at < text.size() && (is_alnum(text[at]) || text[at] == '.' || text[at] == '-')) {
    if (text[at] == '.' && at + 1 < text.size() && is_alnum(text[at + 1])) last_dot = at;
    at++;
  }
  while (at > domain && !is_alnum(text[at - 1]))
    at--;
  return last_dot > domain ? at : 0;
}

// A number with sign-free digits, fraction and exponent; stops before a unit ("6000ms").
size_t match_number(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && is_digit(text[at]))
    at++;
  if (at == 0) return 0;
  while (at + 1 < text.size() && (text[at] == '.' || text[at] == ',') && is_digit(text[at + 1])) {
    at++;
    while (at < text.size() && is_digit(text[at]))
      at++;
  }
  if (at + 1 < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    size_t exponent = at + 1;
    if (text[exponent] == '+' || text[exponent] == '-') exponent++;
    size_t end = exponent;
    while (end < text.size() && is_digit(text[end]))
      end++;
    if (end > exponent && ends_word(text, end)) return end;
  }
  return at;
}

struct Word {
  size_t length = 0;
  size_t digits = 0;
  size_t digit_runs = 0;
  bool all_hex = true;
  bool lower = false;
  bool upper = false;
};

Word measure_word(std::string_view text) {
  Word word;
  bool in_digits = false;
  for (; word.length < text.size() && is_alnum(text[word.length]); word.length++) {
    const char c = text[word.length];
    word.all_hex = word.all_hex && is_hex(c);
    word.lower = word.lower || is_lower(c);
    word.upper = word.upper || is_upper(c);
    word.digits += is_digit(c);
    word.digit_runs += is_digit(c) && !in_digits;
    in_digits = is_digit(c);
  }
  return word;
}

struct Match {
  size_t length = 0;
  std::string_view placeholder;
};

Match match_hex_or_id(std::string_view text, const Word& word) {
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && is_hex(text[2])) {
    size_t at = 2;
    while (at < text.size() && is_hex(text[at]))
      at++;
    if (ends_word(text, at)) return {at, "<hex>"};
  }
  const bool letters = word.lower || word.upper;
  if (word.all_hex && letters && word.length >= 7 && word.digits > 0) return {word.length, "<hex>"};
  // A long word of letters and scattered digits: a random id in base 32, 58 or 62.
  if (letters && word.length >= 12 && word.digits >= 3 && word.digit_runs >= 2)
    return {word.length, "<id>"};
  return {};
}

// What varies at the beginning of a word, if anything does.
Match match_variable(std::string_view text) {
  if (const size_t n = match_uuid(text)) return {n, "<uuid>"};
  if (const size_t n = match_email(text)) return {n, "<email>"};
  if (const size_t n = match_time(text)) return {n, "<time>"};
  if (const size_t n = match_ipv4(text)) return {n, "<ip>"};
  if (const size_t n = match_ipv6(text)) return {n, "<ip>"};
  const Word word = measure_word(text);
  if (const Match id = match_hex_or_id(text, word); id.length > 0) return id;
  if (const size_t n = match_number(text)) return {n, "<num>"};
  return {};
}

// A short quoted text that closes on the same line: 'a' "b" `c`. An apostrophe within a word
// ("can't") opens nothing, since the caller asks at a word's beginning only.
size_t match_quoted(std::string_view text) {
  const char quote = text[0];
  if (quote != '\'' && quote != '"' && quote != '`') return 0;
  const size_t end = text.find(quote, 1);
  return end != std::string_view::npos && end <= 200 && ends_word(text, end + 1) ? end + 1 : 0;
}

// The rest of a word that does not begin with something variable: letters stay, and long runs of
// digits in it ("customer4711", not "oauth2") do not.
size_t append_word(std::string& out, std::string_view text) {
  size_t at = 0;
  while (at < text.size() && is_alnum(text[at])) {
    if (!is_digit(text[at])) {
      out += text[at++];
      continue;
    }
    const size_t begin = at;
    while (at < text.size() && is_digit(text[at]))
      at++;
    if (at - begin >= 3) {
      out += "<num>";
    } else {
      out.append(text, begin, at - begin);
    }
  }
  return at;
}

std::string_view first_line(std::string_view message) {
  const size_t begin = message.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  message.remove_prefix(begin);
  message = message.substr(0, message.find('\n'));
  if (message.size() > kMaxTemplateBytes) {
    size_t end = kMaxTemplateBytes;
    while (end > 0 && (static_cast<uint8_t>(message[end]) & 0xC0) == 0x80)
      end--;
    message = message.substr(0, end);
  }
  while (!message.empty() && is_space(message.back()))
    message.remove_suffix(1);
  return message;
}

}  // namespace

std::string message_template(std::string_view message) {
  const std::string_view line = first_line(message);
  std::string out;
  out.reserve(line.size());
  size_t at = 0;
  while (at < line.size()) {
    const std::string_view rest = line.substr(at);
    if (is_space(rest[0])) {
      if (out.empty() || out.back() != ' ') out += ' ';
      at++;
    } else if (const size_t quoted = match_quoted(rest); quoted > 0) {
      out += "<str>";
      at += quoted;
    } else if (!is_alnum(rest[0])) {
      out += rest[0];
      at++;
    } else if (const Match match = match_variable(rest); match.length > 0) {
      out += match.placeholder;
      at += match.length;
      // A unit right behind a number ("6000ms") stays.
      if (match.placeholder == "<num>") at += append_word(out, line.substr(at));
    } else {
      at += append_word(out, rest);
    }
  }
  return out;
}

}  // namespace weft::analysis
