#include "wire/json_dom.h"

#include <charconv>
#include <cmath>
#include <limits>

namespace weft::json {
namespace {

// Nested attribute values need four levels a step, down to kMaxValueDepth, and then some: a value
// that is too deep should be left out rather than refuse the request.
constexpr size_t kMaxJsonDepth = 512;
constexpr size_t kKeptBytes = 4u << 20;

simdjson::dom::parser& thread_parser() {
  thread_local simdjson::dom::parser parser;
  return parser;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The code unit of the \uXXXX at `at`; -1 when there is none.
int unicode_escape(std::string_view text, size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
  int unit = 0;
  for (size_t i = 2; i < 6; ++i) {
    const int digit = hex_digit(text[at + i]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

// JavaScript cuts strings in the middle of a surrogate pair and writes the half as an escape.
// Replaces such halves by U+FFFD, which has as many characters. False when there is none.
bool replace_lone_surrogates(std::string& text) {
  bool replaced = false;
  for (size_t at = text.find('\\'); at != std::string::npos; at = text.find('\\', at)) {
    const int unit = unicode_escape(text, at);
    if (unit < 0) {
      at += 2;
      continue;
    }
    const bool high = unit >= 0xD800 && unit <= 0xDBFF;
    const int next = high ? unicode_escape(text, at + 6) : -1;
    if (high && next >= 0xDC00 && next <= 0xDFFF) {
      at += 12;
      continue;
    }
    if (unit >= 0xD800 && unit <= 0xDFFF) {
      text.replace(at, 6, "\\ufffd");
      replaced = true;
    }
    at += 6;
  }
  return replaced;
}

// JavaScript writes doubles below 1e21 without exponent, and simdjson takes no integer above 64
// bits. Makes doubles of such numbers by ".0". False when there is none.
bool mark_big_integers(std::string& text) {
  std::string out;
  bool changed = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (text[at] == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at)
        at += text[at] == '\\';
      at = std::min(at + 1, text.size());
      out.append(text, begin, at - begin);
      continue;
    }
    const auto is_digit = [&](size_t i) {
      return i < text.size() && text[i] >= '0' && text[i] <= '9';
    };
    while (is_digit(at))
      ++at;
    if (at == begin) {
      out.push_back(text[at++]);
      continue;
    }
    out.append(text, begin, at - begin);
    const bool fraction = begin > 0 && (text[begin - 1] == '.' || text[begin - 1] == '+');
    const char next = at < text.size() ? text[at] : '\0';
    if (at - begin < 19 || fraction || next == '.' || next == 'e' || next == 'E') continue;
    uint64_t fits = 0;
    const auto result = std::from_chars(text.data() + begin, text.data() + at, fits);
    const bool negative = begin > 0 && text[begin - 1] == '-';
    if (result.ec == std::errc{} && !(negative && fits > uint64_t{1} << 63)) continue;
    out += ".0";
    changed = true;
  }
  if (changed) text = std::move(out);
  return changed;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number out{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), out);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size()) return std::nullopt;
  return out;
}

// 1e3 is an integer too.
template <typename Integer>
std::optional<Integer> from_double(double value) {
  // The largest double that fits is below 2^63 or 2^64, which max() rounds up to.
  const auto upper = static_cast<double>(std::numeric_limits<Integer>::max());
  const auto lower = static_cast<double>(std::numeric_limits<Integer>::min());
  if (!(value >= lower && value < upper) || value != std::trunc(value)) return std::nullopt;
  return static_cast<Integer>(value);
}

}  // namespace

std::string to_string(const Path& path) {
  std::string out;
  if (path.parent != nullptr) out = to_string(*path.parent);
  if (path.member.empty()) {
    if (path.parent != nullptr) out += fmt::format("[{}]", path.index);
    return out;
  }
  if (!out.empty()) out += '.';
  return out.append(path.member);
}

Error wrong(const Path& path, std::string_view expected) {
  const std::string where = to_string(path);
  return {ErrorCode::kInvalidArgument,
          fmt::format("{} is not {}", where.empty() ? "the document" : where, expected)};
}

Expected<element> Document::parse(std::string_view body, const DecodeLimits& limits,
                                  std::string_view what) {
  // simdjson takes documents below 4 GiB; half of that keeps sizes signed.
  const uint64_t max_bytes = std::min(limits.max_body_bytes, uint64_t{2} << 30);
  if (body.size() > max_bytes) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("the request has {} bytes, the limit is {}", body.size(), max_bytes));
  }
  try {
    auto& parser = thread_parser();
    element root;
    auto error = parser.allocate(std::max<size_t>(body.size(), 32), kMaxJsonDepth);
    // simdjson copies with memcpy, which takes no address of nothing.
    const char* const bytes = body.empty() ? "" : body.data();
    if (error == simdjson::SUCCESS) error = parser.parse(bytes, body.size()).get(root);
    if (error == simdjson::STRING_ERROR || error == simdjson::NUMBER_ERROR) {
      // What JavaScript writes and simdjson does not take is mended in a copy.
      std::string mended(body);
      const bool surrogates = replace_lone_surrogates(mended);
      if (mark_big_integers(mended) || surrogates) error = parser.parse(mended).get(root);
    }
    if (error != simdjson::SUCCESS) {
      return fail(
          error == simdjson::MEMALLOC ? ErrorCode::kResourceExhausted : ErrorCode::kInvalidArgument,
          fmt::format("the body is not {}: {}", what, simdjson::error_message(error)));
    }
    return root;
  } catch (const std::exception& e) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("the body cannot be parsed: {}", e.what()));
  }
}

void Document::release() {
  if (thread_parser().capacity() > kKeptBytes) thread_parser() = simdjson::dom::parser();
}

std::optional<uint64_t> to_uint64(const element& value) {
  switch (value.type()) {
    case simdjson::dom::element_type::UINT64:
      return value.get_uint64().value_unsafe();
    case simdjson::dom::element_type::INT64: {
      const int64_t number = value.get_int64().value_unsafe();
      if (number < 0) return std::nullopt;
      return static_cast<uint64_t>(number);
    }
    case simdjson::dom::element_type::DOUBLE:
      return from_double<uint64_t>(value.get_double().value_unsafe());
    case simdjson::dom::element_type::STRING:
      return parse_number<uint64_t>(value.get_string().value_unsafe());
    default:
      return std::nullopt;
  }
}

std::optional<int64_t> to_int64(const element& value) {
  switch (value.type()) {
    case simdjson::dom::element_type::INT64:
      return value.get_int64().value_unsafe();
    case simdjson::dom::element_type::UINT64:
      return std::nullopt;  // above the largest int64, else it were an INT64
    case simdjson::dom::element_type::DOUBLE:
      return from_double<int64_t>(value.get_double().value_unsafe());
    case simdjson::dom::element_type::STRING:
      return parse_number<int64_t>(value.get_string().value_unsafe());
    default:
      return std::nullopt;
  }
}

std::optional<double> to_double(const element& value) {
  switch (value.type()) {
    case simdjson::dom::element_type::INT64:
    case simdjson::dom::element_type::UINT64:
    case simdjson::dom::element_type::DOUBLE:
      return value.get_double().value_unsafe();
    case simdjson::dom::element_type::STRING: {
      const std::string_view text = value.get_string().value_unsafe();
      if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
      if (text == "Infinity") return std::numeric_limits<double>::infinity();
      if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
      const auto number = parse_number<double>(text);
      return number && std::isfinite(*number) ? number : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

bool decode_hex(std::string_view hex, uint8_t* out, size_t size) {
  if (hex.size() != size * 2) return false;
  for (size_t i = 0; i < size; ++i) {
    const int high = hex_digit(hex[2 * i]);
    const int low = hex_digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

}  // namespace weft::json
