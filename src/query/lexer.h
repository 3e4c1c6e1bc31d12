// The tokens of a TraceQL query. The parser is the only user. Attribute names are lexed whole
// ("span.http.route", `resource."a b"`), since they may contain what are operators elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "query/ast.h"

namespace weft::traceql {

enum class TokenKind : uint8_t {
  kEnd,
  kInt,
  kFloat,
  kDuration,
  kString,
  kWord,       // a bare name: intrinsic, function, keyword; with colon or dots in it perhaps
  kAttribute,  // with its scope
  kOpenBrace,
  kCloseBrace,
  kOpenParen,
  kCloseParen,
  kComma,
  kPipe,
  kOperator,  // see Token::op
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  TextSpan at;
  Op op = Op::kAnd;  // kOperator; `!~`, `>`, `<` are kNotRegex, kGreater, kLess whatever they
                     // stand between; `~` is kSibling, `-` kSubtract, `!` kNot
  Value value;       // of literals; kString's text
  FieldRef field;    // kAttribute
  std::string text;  // as written
  bool unfinished = false;  // a string or quoted name without its end (lenient lexing only)
};

// The longest query that is read.
inline constexpr size_t kMaxQueryBytes = 64 * 1024;

// All tokens, closed by kEnd. Lenient: a string that the query's end cuts off is a token too.
QueryExpected<std::vector<Token>> tokenize(std::string_view query, bool lenient = false);

}  // namespace weft::traceql
