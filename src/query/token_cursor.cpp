#include "query/token_cursor.h"

#include <fmt/format.h>

namespace weft::traceql {

void TokenCursor::fail_at(TextSpan at, std::string message, std::vector<std::string> expected,
                          std::string hint) {
  if (!error_) {
    error_ = make_query_error(query_, at, std::move(message), std::move(expected), std::move(hint));
  }
  position_ = tokens_.size() - 1;
}

void TokenCursor::fail_unexpected(std::vector<std::string> expected, std::string hint) {
  fail_at(peek().at, "unexpected " + describe(peek()), std::move(expected), std::move(hint));
}

void TokenCursor::fail_limit(TextSpan at, std::string message) {
  fail_at(at, std::move(message), {}, "split the query or make it simpler");
  error_->error.code = ErrorCode::kResourceExhausted;
}

void TokenCursor::count_node(TextSpan at) {
  if (++nodes_ > kMaxQueryNodes && !error_) {
    fail_limit(at, fmt::format("the query has more than {} parts", kMaxQueryNodes));
  }
}

TokenCursor::Level::Level(TokenCursor& cursor) : cursor_(cursor) {
  if (++cursor_.depth_ > kMaxQueryDepth && !cursor_.error_) {
    cursor_.fail_limit(cursor_.peek().at,
                       fmt::format("the query nests deeper than {} levels", kMaxQueryDepth));
  }
}

std::string describe(const Token& token) {
  if (token.kind == TokenKind::kEnd) return "end of the query";
  constexpr size_t kLongest = 40;
  if (token.text.size() <= kLongest) return fmt::format("`{}`", token.text);
  return fmt::format("`{}...`", token.text.substr(0, kLongest));
}

}  // namespace weft::traceql
