// What the parts of the parser share: the place in the token list, and the first error. After an
// error the cursor stands at the end for good, so that every parsing loop comes to its end; what
// is returned from then on is thrown away.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "query/lexer.h"
#include "query/parser.h"

namespace weft::traceql {

class TokenCursor {
 public:
  TokenCursor(std::string_view query, std::vector<Token> tokens)
      : query_(query), tokens_(std::move(tokens)) {}

  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(position_ + ahead, tokens_.size() - 1)];
  }
  bool at(TokenKind kind) const { return peek().kind == kind; }
  bool at_word(std::string_view word) const { return at(TokenKind::kWord) && peek().text == word; }
  bool at_operator(Op op) const { return at(TokenKind::kOperator) && peek().op == op; }
  Token take() {
    Token token = peek();
    last_end_ = token.at.offset + token.at.length;
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }
  bool take_if(TokenKind kind) {
    if (!at(kind)) return false;
    take();
    return true;
  }

  bool failed() const { return error_.has_value(); }
  QueryError take_error() { return std::move(*error_); }
  // Keeps the first error.
  void fail_at(TextSpan at, std::string message, std::vector<std::string> expected = {},
               std::string hint = {});
  // "unexpected `x`" at the current token.
  void fail_unexpected(std::vector<std::string> expected, std::string hint = {});

  // From the start of `from` to the end of the last token taken.
  TextSpan since(TextSpan from) const {
    return {from.offset, last_end_ > from.offset ? last_end_ - from.offset : from.length};
  }
  std::string_view query() const { return query_; }

  // Counts a part of the query against kMaxQueryNodes.
  void count_node(TextSpan at);

  // Holds one level of nesting while it lives.
  class Level {
   public:
    explicit Level(TokenCursor& cursor);
    ~Level() { --cursor_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    TokenCursor& cursor_;
  };

 private:
  void fail_limit(TextSpan at, std::string message);

  std::string_view query_;
  std::vector<Token> tokens_;
  size_t position_ = 0;
  uint32_t last_end_ = 0;
  int depth_ = 0;
  size_t nodes_ = 0;
  std::optional<QueryError> error_;
};

// "`&&`", "the end of the query": how an error names a token.
std::string describe(const Token& token);

}  // namespace weft::traceql
