#include "query/lexer.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <optional>

namespace weft::traceql {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_word(char c) {
  return is_word_start(c) || is_digit(c);
}

// What may stand in an attribute's name without quotes.
bool is_attribute_char(char c) {
  if (is_space(c)) return false;
  switch (c) {
    case '{':
    case '}':
    case '(':
    case ')':
    case '=':
    case '~':
    case '!':
    case '<':
    case '>':
    case '&':
    case '|':
    case '^':
    case ',':
    case '"':
    case '`':
    case '\0':
      return false;
    default:
      return true;
  }
}

struct OperatorText {
  std::string_view text;
  Op op;
};
// Longer ones first.
constexpr std::array kOperators = {
    OperatorText{"!>>", Op::kNotDescendant},
    OperatorText{"!<<", Op::kNotAncestor},
    OperatorText{"&>>", Op::kUnionDescendant},
    OperatorText{"&<<", Op::kUnionAncestor},
    OperatorText{"&&", Op::kAnd},
    OperatorText{"||", Op::kOr},
    OperatorText{"=~", Op::kRegex},
    OperatorText{"!~", Op::kNotRegex},
    OperatorText{"!=", Op::kNotEqual},
    OperatorText{"<=", Op::kLessEqual},
    OperatorText{">=", Op::kGreaterEqual},
    OperatorText{">>", Op::kDescendant},
    OperatorText{"<<", Op::kAncestor},
    OperatorText{"!>", Op::kNotChild},
    OperatorText{"!<", Op::kNotParent},
    OperatorText{"&>", Op::kUnionChild},
    OperatorText{"&<", Op::kUnionParent},
    OperatorText{"&~", Op::kUnionSibling},
    OperatorText{"=", Op::kEqual},
    OperatorText{"<", Op::kLess},
    OperatorText{">", Op::kGreater},
    OperatorText{"~", Op::kSibling},
    OperatorText{"!", Op::kNot},
    OperatorText{"+", Op::kAdd},
    OperatorText{"-", Op::kSubtract},
    OperatorText{"*", Op::kMultiply},
    OperatorText{"/", Op::kDivide},
    OperatorText{"%", Op::kModulo},
    OperatorText{"^", Op::kPower},
};

struct Unit {
  std::string_view text;
  double ns;
};
constexpr std::array kUnits = {
    Unit{"ns", 1},
    Unit{"us", 1e3},
    Unit{"\u00b5s", 1e3},
    Unit{"\u03bcs", 1e3},
    Unit{"ms", 1e6},
    Unit{"s", 1e9},
    Unit{"m", 60e9},
    Unit{"h", 3600e9},
    Unit{"d", 24 * 3600e9},
    Unit{"w", 7 * 24 * 3600e9},
    Unit{"y", 365 * 24 * 3600e9},
};

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | code >> 6));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | code >> 12));
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | code >> 18));
    out.push_back(static_cast<char>(0x80 | (code >> 12 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

class Lexer {
 public:
  Lexer(std::string_view query, bool lenient) : query_(query), lenient_(lenient) {}

  QueryExpected<std::vector<Token>> run() {
    while (!failed_) {
      skip_blanks();
      if (failed_) break;
      if (at_ >= query_.size()) {
        begin(TokenKind::kEnd);
        finish();
        return std::move(tokens_);
      }
      next();
    }
    return std::unexpected(std::move(error_));
  }

 private:
  char peek(size_t ahead = 0) const {
    return at_ + ahead < query_.size() ? query_[at_ + ahead] : '\0';
  }
  std::string_view rest() const { return query_.substr(at_); }

  void begin(TokenKind kind) {
    token_ = Token{};
    token_.kind = kind;
    begin_ = at_;
  }
  void finish() {
    token_.at = {static_cast<uint32_t>(begin_), static_cast<uint32_t>(at_ - begin_)};
    token_.text = std::string(query_.substr(begin_, at_ - begin_));
    tokens_.push_back(std::move(token_));
  }
  void error(size_t from, size_t to, std::string message, std::string hint = {},
             std::vector<std::string> expected = {}) {
    if (failed_) return;
    failed_ = true;
    error_ = make_query_error(
        query_, {static_cast<uint32_t>(from), static_cast<uint32_t>(to > from ? to - from : 1)},
        std::move(message), std::move(expected), std::move(hint));
  }

  void skip_blanks() {
    for (;;) {
      while (at_ < query_.size() && is_space(query_[at_]))
        ++at_;
      if (rest().starts_with("//")) {
        while (at_ < query_.size() && query_[at_] != '\n')
          ++at_;
      } else if (rest().starts_with("/*")) {
        const size_t end = query_.find("*/", at_ + 2);
        if (end == std::string_view::npos) {
          return error(at_, at_ + 2, "the comment is not closed", "close it with `*/`");
        }
        at_ = end + 2;
      } else {
        return;
      }
    }
  }

  void next() {
    const char c = peek();
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
    if (c == '"') return quoted_string();
    if (c == '`') return raw_string();
    if (c == '.') return unscoped_attribute();
    if (is_word_start(c)) return word();
    switch (c) {
      case '{':
        return punctuation(TokenKind::kOpenBrace);
      case '}':
        return punctuation(TokenKind::kCloseBrace);
      case '(':
        return punctuation(TokenKind::kOpenParen);
      case ')':
        return punctuation(TokenKind::kCloseParen);
      case ',':
        return punctuation(TokenKind::kComma);
      default:
        return symbol();
    }
  }

  void punctuation(TokenKind kind) {
    begin(kind);
    ++at_;
    finish();
  }

  void symbol() {
    if (rest().starts_with("==")) {
      return error(at_, at_ + 2, "`==` is not an operator of TraceQL", "write `=`");
    }
    if (rest().starts_with("'")) {
      return error(at_, at_ + 1, "strings stand in double quotes or backticks",
                   "write \"...\" instead of '...'");
    }
    for (const OperatorText& candidate : kOperators) {
      if (!rest().starts_with(candidate.text)) continue;
      begin(TokenKind::kOperator);
      token_.op = candidate.op;
      at_ += candidate.text.size();
      return finish();
    }
    if (peek() == '|') return punctuation(TokenKind::kPipe);
    if (peek() == '&') return error(at_, at_ + 1, "`&` alone is not an operator", "write `&&`");
    size_t end = at_ + 1;
    while (end < query_.size() && (static_cast<uint8_t>(query_[end]) & 0xC0) == 0x80)
      ++end;
    const auto byte = static_cast<uint8_t>(peek());
    const bool printable = byte >= 0x20 && byte != 0x7F;
    error(at_, end,
          printable ? fmt::format("unexpected character `{}`", query_.substr(at_, end - at_))
                    : fmt::format("unexpected byte 0x{:02x}", byte));
  }

  size_t digits() {
    const size_t from = at_;
    while (is_digit(peek()))
      ++at_;
    return at_ - from;
  }

  void number() {
    begin(TokenKind::kInt);
    bool is_float = false;
    digits();
    if (peek() == '.' && is_digit(peek(1))) {
      is_float = true;
      ++at_;
      digits();
    }
    if ((peek() == 'e' || peek() == 'E') &&
        (is_digit(peek(1)) || ((peek(1) == '-' || peek(1) == '+') && is_digit(peek(2))))) {
      is_float = true;
      at_ += 2;
      digits();
    }
    const bool unit_follows = is_word(peek()) || static_cast<uint8_t>(peek()) >= 0x80;
    if (unit_follows) return duration();
    const std::string_view text = query_.substr(begin_, at_ - begin_);
    if (!is_float) {
      int64_t value = 0;
      const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
      if (result.ec != std::errc()) {
        return error(begin_, at_, "the integer does not fit 64 bits",
                     "write it as a float, with `.0` at its end");
      }
      token_.value = Value(value);
      return finish();
    }
    double value = 0;
    const std::string padded = "0" + std::string(text);
    const auto result = std::from_chars(padded.data(), padded.data() + padded.size(), value);
    if (result.ec != std::errc()) return error(begin_, at_, "the number is out of range");
    token_.kind = TokenKind::kFloat;
    token_.value = Value(value);
    finish();
  }

  // One or more of number and unit: 1h30m, 1.5s.
  void duration() {
    at_ = begin_;
    double total = 0;
    int64_t exact = 0;
    bool is_exact = true;
    while (is_digit(peek()) || peek() == '.') {
      const size_t from = at_;
      const size_t whole = digits();
      size_t fraction = 0;
      if (peek() == '.') {
        ++at_;
        fraction = digits();
      }
      if (whole + fraction == 0) break;
      const std::string text = "0" + std::string(query_.substr(from, at_ - from)) + "0";
      double number = 0;
      std::from_chars(text.data(), text.data() + text.size() - (fraction == 0 ? 1 : 0), number);
      const Unit* unit = nullptr;
      for (const Unit& candidate : kUnits) {
        if (rest().starts_with(candidate.text) &&
            (unit == nullptr || candidate.text.size() > unit->text.size())) {
          unit = &candidate;
        }
      }
      if (unit == nullptr) break;
      at_ += unit->text.size();
      total += number * unit->ns;
      int64_t count = 0;
      const auto result =
          std::from_chars(query_.data() + from, query_.data() + from + whole, count);
      is_exact = is_exact && fraction == 0 && result.ec == std::errc() &&
                 !__builtin_mul_overflow(count, static_cast<int64_t>(unit->ns), &count) &&
                 !__builtin_add_overflow(exact, count, &exact);
    }
    if (is_word(peek()) || static_cast<uint8_t>(peek()) >= 0x80 || at_ == begin_) {
      size_t end = at_;
      while (end < query_.size() && is_attribute_char(query_[end]))
        ++end;
      return error(begin_, end,
                   fmt::format("`{}` is neither a number nor a duration",
                               query_.substr(begin_, end - begin_)),
                   "durations are written like 100ms, 1.5s or 1h30m; text stands in quotes",
                   {"ns", "us", "ms", "s", "m", "h", "d", "w", "y"});
    }
    if (total >= 9.2e18) return error(begin_, at_, "the duration is too long (292 years at most)");
    token_.kind = TokenKind::kDuration;
    token_.value = Value(is_exact ? exact : static_cast<int64_t>(std::llround(total)));
    finish();
  }

  // The body of a quoted string or name; at_ stands after the opening quote.
  std::optional<std::string> quoted_body() {
    const size_t open = at_ - 1;
    std::string out;
    while (at_ < query_.size()) {
      const char c = query_[at_];
      if (c == '"') {
        ++at_;
        return out;
      }
      if (c == '\n' && !lenient_) break;
      ++at_;
      if (c != '\\') {
        out.push_back(c);
      } else if (!escape(out)) {
        return std::nullopt;
      }
    }
    if (lenient_) {
      token_.unfinished = true;
      return out;
    }
    error(open, at_, "the string is not closed", "close it with `\"`");
    return std::nullopt;
  }

  bool escape(std::string& out) {
    const size_t from = at_ - 1;
    if (at_ >= query_.size()) return true;  // the caller reports the open string
    const char c = query_[at_++];
    switch (c) {
      case 'n':
        out.push_back('\n');
        return true;
      case 't':
        out.push_back('\t');
        return true;
      case 'r':
        out.push_back('\r');
        return true;
      case 'a':
        out.push_back('\a');
        return true;
      case 'b':
        out.push_back('\b');
        return true;
      case 'f':
        out.push_back('\f');
        return true;
      case 'v':
        out.push_back('\v');
        return true;
      case '0':
        out.push_back('\0');
        return true;
      case '\\':
      case '"':
      case '\'':
        out.push_back(c);
        return true;
      case 'x':
        return hex_escape(out, from, 2, false);
      case 'u':
        return hex_escape(out, from, 4, true);
      case 'U':
        return hex_escape(out, from, 8, true);
      default:
        if (lenient_) return true;
        error(from, at_, fmt::format("`\\{}` is not an escape sequence", c),
              "write `\\\\` for a backslash, or the string in backticks, where nothing is escaped");
        return false;
    }
  }

  bool hex_escape(std::string& out, size_t from, size_t count, bool unicode) {
    uint32_t code = 0;
    const size_t available = std::min(count, query_.size() - at_);
    const char* first = query_.data() + at_;
    const auto result = std::from_chars(first, first + available, code, 16);
    if (result.ptr != first + count || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      if (lenient_) return true;
      error(from, at_ + available, "the escape sequence is not complete or no character",
            unicode ? "write \\u and four hex digits" : "write \\x and two hex digits");
      return false;
    }
    at_ += count;
    if (unicode) {
      append_utf8(out, code);
    } else {
      out.push_back(static_cast<char>(code));
    }
    return true;
  }

  void quoted_string() {
    begin(TokenKind::kString);
    ++at_;
    auto body = quoted_body();
    if (!body) return;
    token_.value = Value(std::move(*body));
    finish();
  }

  void raw_string() {
    begin(TokenKind::kString);
    const size_t close = query_.find('`', at_ + 1);
    if (close == std::string_view::npos && !lenient_) {
      return error(at_, query_.size(), "the string is not closed", "close it with a backtick");
    }
    const size_t end = close == std::string_view::npos ? query_.size() : close;
    token_.unfinished = close == std::string_view::npos;
    token_.value = Value(std::string(query_.substr(at_ + 1, end - at_ - 1)));
    at_ = token_.unfinished ? end : end + 1;
    finish();
  }

  // The name after a scope's dot: plain characters and quoted parts.
  void attribute_key() {
    const size_t from = at_;
    std::string key;
    while (at_ < query_.size()) {
      if (peek() == '"') {
        ++at_;
        auto part = quoted_body();
        if (!part) return;
        key += *part;
      } else if (is_attribute_char(peek())) {
        key.push_back(query_[at_++]);
      } else {
        break;
      }
    }
    if (key.empty() && !lenient_) {
      return error(begin_, std::max(at_, from),
                   "the name of the attribute is missing after the dot",
                   "write it like `span.http.route` or `.http.route`", {"an attribute's name"});
    }
    token_.field.key = std::move(key);
    finish();
  }

  void unscoped_attribute() {
    begin(TokenKind::kAttribute);
    ++at_;
    attribute_key();
  }

  bool scope_of(std::string_view name, AttributeScope& scope) {
    if (name == "span")
      scope = AttributeScope::kSpan;
    else if (name == "resource")
      scope = AttributeScope::kResource;
    else if (name == "event")
      scope = AttributeScope::kEvent;
    else if (name == "link")
      scope = AttributeScope::kLink;
    else if (name == "instrumentation")
      scope = AttributeScope::kInstrumentation;
    else
      return false;
    return true;
  }

  void word() {
    begin(TokenKind::kWord);
    while (is_word(peek()))
      ++at_;
    const std::string_view name = query_.substr(begin_, at_ - begin_);
    if (peek() == '.') {
      AttributeScope scope = AttributeScope::kAny;
      if (scope_of(name, scope)) {
        token_.kind = TokenKind::kAttribute;
        token_.field.scope = scope;
        ++at_;
        return attribute_key();
      }
      if (name == "parent") return parent_attribute();
      // A name without a scope: the parser explains.
      while (is_attribute_char(peek()))
        ++at_;
      return finish();
    }
    if (peek() == ':') {
      ++at_;
      while (is_word(peek()))
        ++at_;
    }
    finish();
  }

  void parent_attribute() {
    token_.kind = TokenKind::kAttribute;
    token_.field.of_parent = true;
    ++at_;
    for (const auto& [prefix, scope] :
         {std::pair{std::string_view("span."), AttributeScope::kSpan},
          std::pair{std::string_view("resource."), AttributeScope::kResource},
          std::pair{std::string_view("instrumentation."), AttributeScope::kInstrumentation}}) {
      if (!rest().starts_with(prefix)) continue;
      token_.field.scope = scope;
      at_ += prefix.size();
      break;
    }
    attribute_key();
  }

  std::string_view query_;
  bool lenient_;
  size_t at_ = 0;
  size_t begin_ = 0;
  Token token_;
  std::vector<Token> tokens_;
  bool failed_ = false;
  QueryError error_;
};

}  // namespace

QueryExpected<std::vector<Token>> tokenize(std::string_view query, bool lenient) {
  if (query.size() > kMaxQueryBytes) {
    QueryError error = make_query_error(
        query.substr(0, 1), {},
        fmt::format("the query has {} bytes; {} are the limit", query.size(), kMaxQueryBytes));
    error.error.code = ErrorCode::kResourceExhausted;
    return std::unexpected(std::move(error));
  }
  return Lexer(query, lenient).run();
}

}  // namespace weft::traceql
