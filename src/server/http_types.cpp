#include "server/http_types.h"

#include <algorithm>

namespace weft::server {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The length of the valid UTF-8 sequence that `text` begins with, 0 when there is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const auto continues = [&](size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return continues(1) ? 2 : 0;
  if (first < 0xF0) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;   // overlong
    if (first == 0xED && byte(1) >= 0xA0) return 0;  // surrogate
    return 3;
  }
  if (first > 0xF4 || !continues(1) || !continues(2) || !continues(3)) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) >= 0x90) return 0;
  return 4;
}

// Segments of "/a/b": "a", "b". A trailing slash gives a last, empty segment.
std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> out;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (true) {
    const size_t slash = path.find('/');
    out.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

enum class SegmentKind : uint8_t { kLiteral, kOne, kRest };

SegmentKind kind_of(std::string_view segment) {
  if (!segment.starts_with('{') || !segment.ends_with('}')) return SegmentKind::kLiteral;
  return segment.ends_with("...}") ? SegmentKind::kRest : SegmentKind::kOne;
}

std::string name_of(std::string_view segment) {
  segment.remove_prefix(1);
  segment.remove_suffix(1);
  if (segment.ends_with("...")) segment.remove_suffix(3);
  return std::string(segment);
}

std::optional<HttpParameters> match_segments(const std::vector<std::string>& pattern,
                                             const std::vector<std::string_view>& path) {
  HttpParameters params;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const SegmentKind kind = kind_of(pattern[i]);
    if (kind == SegmentKind::kRest) {
      std::string rest;
      for (size_t j = i; j < path.size(); ++j) {
        if (j != i) rest += '/';
        rest += path[j];
      }
      auto decoded = percent_decode(rest, false);
      if (!decoded) return std::nullopt;
      params.add(name_of(pattern[i]), *std::move(decoded));
      return params;
    }
    if (i >= path.size()) return std::nullopt;
    if (kind == SegmentKind::kLiteral) {
      if (pattern[i] != path[i]) return std::nullopt;
      continue;
    }
    auto decoded = percent_decode(path[i], false);
    if (!decoded || decoded->empty()) return std::nullopt;
    params.add(name_of(pattern[i]), *std::move(decoded));
  }
  if (pattern.size() != path.size()) return std::nullopt;
  return params;
}

// Of two patterns that fit the same path, the one that is literal for longer comes first.
bool more_specific(const Route& a, const Route& b) {
  for (size_t i = 0; i < std::min(a.segments.size(), b.segments.size()); ++i) {
    const SegmentKind x = kind_of(a.segments[i]);
    const SegmentKind y = kind_of(b.segments[i]);
    if (x != y) return x < y;
  }
  return a.segments.size() > b.segments.size();
}

}  // namespace

std::string_view to_string(HttpMethod method) {
  switch (method) {
    case HttpMethod::kGet:
      return "GET";
    case HttpMethod::kHead:
      return "HEAD";
    case HttpMethod::kPost:
      return "POST";
    case HttpMethod::kPut:
      return "PUT";
    case HttpMethod::kDelete:
      return "DELETE";
    case HttpMethod::kPatch:
      return "PATCH";
    case HttpMethod::kOptions:
      return "OPTIONS";
    case HttpMethod::kOther:
      return "other";
  }
  return "other";
}

void HttpHeaders::set(std::string_view name, std::string_view value) {
  std::erase_if(fields_, [&](const auto& field) { return equal_ignoring_case(field.first, name); });
  add(name, value);
}

std::optional<std::string_view> HttpHeaders::find(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return std::nullopt;
}

HttpParameters HttpParameters::parse(std::string_view query) {
  HttpParameters out;
  while (!query.empty() && out.fields_.size() < kMax) {
    const size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    // What is not well encoded is taken as it stands: a lone '%' in a query is a frequent slip.
    out.add(percent_decode(name, true).value_or(std::string(name)),
            percent_decode(value, true).value_or(std::string(value)));
  }
  return out;
}

std::optional<std::string_view> HttpParameters::find(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> HttpParameters::all(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const auto& [key, value] : fields_) {
    if (key == name) out.push_back(value);
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

void append_json_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  while (!text.empty()) {
    const char c = text.front();
    size_t length = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<uint8_t>(c) < 0x20) {
      out += "\\u00";
      out += kHex[static_cast<uint8_t>(c) >> 4];
      out += kHex[static_cast<uint8_t>(c) & 15];
    } else if (length = utf8_length(text); length == 0) {
      out += "\xEF\xBF\xBD";
      length = 1;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
}

HttpResponse json_response(std::string body, int status) {
  HttpResponse out;
  out.status = status;
  out.content_type = "application/json";
  out.body = std::move(body);
  return out;
}

HttpResponse text_response(std::string body, int status) {
  HttpResponse out;
  out.status = status;
  out.content_type = "text/plain; charset=utf-8";
  out.body = std::move(body);
  return out;
}

HttpResponse redirect_response(std::string_view location, int status) {
  HttpResponse out = text_response({}, status);
  out.headers.add("Location", location);
  return out;
}

int http_status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kCorrupt:
      return 500;
    case ErrorCode::kIo:
      return 500;
    case ErrorCode::kNoSpace:
      return 503;
    case ErrorCode::kResourceExhausted:
      return 422;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kDeadlineExceeded:
      return 504;
    case ErrorCode::kCancelled:
      return 499;
    case ErrorCode::kUnauthenticated:
      return 401;
    case ErrorCode::kPermissionDenied:
      return 403;
    case ErrorCode::kUnimplemented:
      return 501;
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

HttpResponse error_response(const Error& error) {
  std::string body = R"({"error":{"code":")";
  body += to_string(error.code);
  body += R"(","message":")";
  append_json_escaped(body, error.message);
  body += "\"}}";
  return json_response(std::move(body), http_status_of(error.code));
}

void Router::add(HttpMethod method, std::string_view pattern, Access access, HttpHandler handler) {
  add_route({method, std::string(pattern), access, std::move(handler), nullptr, {}});
}

void Router::add_async(HttpMethod method, std::string_view pattern, Access access,
                       HttpAsyncHandler handler) {
  add_route({method, std::string(pattern), access, nullptr, std::move(handler), {}});
}

void Router::add_route(Route route) {
  for (const std::string_view segment : split_path(route.pattern)) {
    route.segments.emplace_back(segment);
  }
  // The most specific first, so that the first that fits is the one.
  const auto position = std::ranges::find_if(
      routes_, [&](const Route& other) { return more_specific(route, other); });
  routes_.insert(position, std::move(route));
}

Router::Match Router::match(HttpMethod method, std::string_view raw_path) const {
  const std::vector<std::string_view> path = split_path(raw_path);
  Match out;
  for (const Route& route : routes_) {
    auto params = match_segments(route.segments, path);
    if (!params) continue;
    const bool is_rest = kind_of(route.segments.back()) == SegmentKind::kRest;
    if (is_rest && !out.allow.empty()) break;
    const bool fits =
        route.method == method || (method == HttpMethod::kHead && route.method == HttpMethod::kGet);
    if (fits) {
      out.route = &route;
      out.params = *std::move(params);
      out.allow.clear();
      return out;
    }
    if (is_rest) continue;  // the page's fallback does not make every other method a 405
    if (!out.allow.empty()) out.allow += ", ";
    out.allow += to_string(route.method);
    if (route.method == HttpMethod::kGet) out.allow += ", HEAD";
  }
  return out;
}

}  // namespace weft::server
