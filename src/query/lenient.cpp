// compile_lenient(): what can be made of a query that is still being typed.
#include "query/field_parser.h"
#include "query/lexer.h"
#include "query/plan.h"
#include "query/query_service.h"

namespace weft {
namespace {

using namespace traceql;

// Tries no more prefixes than this: longer unfinished queries fall back to `{ }`.
constexpr size_t kMaxTries = 50;

// What a search of the same spans would be.
CompiledQuery as_search(const CompiledQuery& query) {
  if (!query.is_metrics()) return query;
  Query search;
  search.pipeline = query.plan().spans.pipeline;
  search.text = to_string(search.pipeline);
  return CompiledQuery(make_plan(std::move(search)));
}

// The closing brackets that a prefix of tokens lacks, or nullopt when it closes too many.
std::optional<std::string> closers(const std::vector<Token>& tokens, size_t count) {
  std::string stack;
  for (size_t i = 0; i < count; ++i) {
    switch (tokens[i].kind) {
      case TokenKind::kOpenBrace:
        stack.push_back('}');
        break;
      case TokenKind::kOpenParen:
        stack.push_back(')');
        break;
      case TokenKind::kCloseBrace:
      case TokenKind::kCloseParen:
        if (stack.empty()) return std::nullopt;
        stack.pop_back();
        break;
      default:
        break;
    }
  }
  return std::string(stack.rbegin(), stack.rend());
}

// A name at the end is still being typed, and a string without its end too.
bool is_unfinished(const Token& token) {
  return token.unfinished || token.kind == TokenKind::kAttribute ||
         (token.kind == TokenKind::kWord && !literal_of_word(token.text));
}

}  // namespace

CompiledQuery compile_lenient(std::string_view text) {
  const auto whole = compile_query(text);
  if (whole) return as_search(*whole);
  if (whole.error().error.code == ErrorCode::kResourceExhausted) return *compile_query("{ }");
  if (const auto tokens = tokenize(text, true)) {
    const size_t all = tokens->size() - 1;  // without kEnd
    for (size_t tries = 0; tries < kMaxTries && tries < all; ++tries) {
      const size_t count = all - tries;
      const Token& last = (*tokens)[count - 1];
      if (is_unfinished(last)) continue;
      const auto closing = closers(*tokens, count);
      if (!closing) continue;
      const std::string prefix =
          std::string(text.substr(0, last.at.offset + last.at.length)) + " " + *closing;
      if (auto query = compile_query(prefix)) return as_search(*query);
    }
  }
  return *compile_query("{ }");
}

}  // namespace weft
