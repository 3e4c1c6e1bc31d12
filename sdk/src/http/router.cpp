#include <weft/http/router.h>

namespace weft::inline v1::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string decode_path_segment(std::string_view segment) {
  if (segment.find('%') == std::string_view::npos) return std::string(segment);
  std::string out;
  out.reserve(segment.size());
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] == '%' && i + 2 < segment.size()) {
      const int high = hex_digit(segment[i + 1]);
      const int low = hex_digit(segment[i + 2]);
      if (high >= 0 && low >= 0) {
        out.push_back(static_cast<char>(high << 4 | low));
        i += 2;
        continue;
      }
    }
    out.push_back(segment[i]);
  }
  return out;
}

namespace router_detail {
namespace {

bool is_parameter(std::string_view segment) noexcept {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}
bool is_rest(std::string_view segment) noexcept {
  return is_parameter(segment) && segment.size() > 5 &&
         segment.substr(segment.size() - 4) == "...}";
}

}  // namespace

Route::Segment Route::classify(std::string_view segment) {
  if (is_rest(segment)) {
    return {Kind::kRest, std::string(segment.substr(1, segment.size() - 5))};
  }
  if (is_parameter(segment)) {
    return {Kind::kParameter, std::string(segment.substr(1, segment.size() - 2))};
  }
  return {Kind::kLiteral, std::string(segment)};
}

Route::Route(std::string method, std::string text)
    : method_(std::move(method)), text_(std::move(text)) {
  std::string_view rest = text_;
  if (!rest.empty() && rest.front() == '/') rest.remove_prefix(1);
  while (true) {
    const std::size_t slash = rest.find('/');
    Segment segment = classify(rest.substr(0, slash));
    if (segment.kind == Kind::kLiteral && segments_.empty()) {
      ++literals_;
      start_.append(segment.text);
      if (slash != std::string_view::npos) start_.push_back('/');
    } else {
      segments_.push_back(std::move(segment));
    }
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
}

bool Route::takes_head(std::string_view method) const noexcept {
  return method == "HEAD" && method_ == "GET";
}

// Segments are short: looking at each character costs less than a call of memchr.
bool Route::walk(std::string_view path, RouteParameters* parameters) const {
  const char* at = path.data() + start_.size();
  const char* const end = path.data() + path.size();
  const Segment* wanted = segments_.data();
  const Segment* const wanted_end = wanted + segments_.size();
  if (wanted == wanted_end) return at == end;
  while (true) {
    const char* const begin = at;
    bool escaped = false;
    for (; at != end && (*at != '/' || wanted->kind == Kind::kRest); ++at)
      escaped |= *at == '%';
    const std::string_view text(begin, static_cast<std::size_t>(at - begin));
    const bool is_last = wanted + 1 == wanted_end;
    if (is_last && at != end) return false;
    if (wanted->kind == Kind::kLiteral) {
      if (text != wanted->text) return false;
    } else {
      if (text.empty() && wanted->kind == Kind::kParameter) return false;
      if (parameters != nullptr) {
        if (escaped) [[unlikely]] {
          parameters->add(wanted->text, decode_path_segment(text));
        } else {
          parameters->add(wanted->text, text);
        }
      }
      if (wanted->kind == Kind::kRest) return true;
    }
    if (is_last) return true;
    if (at == end) return false;
    ++wanted;
    ++at;  // the slash
  }
}

bool Route::fits(std::string_view path, RouteParameters* parameters) const {
  // Texts are copied when it is certain that the route fits: of several that begin alike, most do
  // not. With one segment it is certain when there is a text.
  if ((parameters == nullptr || segments_.size() > 1) && !walk(path, nullptr)) return false;
  return parameters == nullptr || walk(path, parameters);
}

bool Route::is_more_literal_than(const Route& other) const noexcept {
  const std::size_t size = literals_ + segments_.size();
  const std::size_t other_size = other.literals_ + other.segments_.size();
  for (std::size_t i = 0; i < size && i < other_size; ++i) {
    const Kind kind = kind_of(i);
    const Kind other_kind = other.kind_of(i);
    if (kind != other_kind) return kind < other_kind;
  }
  return false;
}

}  // namespace router_detail

}  // namespace weft::inline v1::http
