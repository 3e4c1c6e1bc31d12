#include "query/query_error.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft {
namespace {

std::string expected_list(const std::vector<std::string>& expected) {
  std::string out;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (i > 0) out += i + 1 == expected.size() ? " or " : ", ";
    out += expected[i];
  }
  return out;
}

}  // namespace

QueryError make_query_error(std::string_view query, TextSpan at, std::string message,
                            std::vector<std::string> expected, std::string hint) {
  QueryError out;
  out.error = {ErrorCode::kInvalidArgument, std::move(message)};
  at.offset = std::min<uint32_t>(at.offset, static_cast<uint32_t>(query.size()));
  out.at = at;
  for (size_t i = 0; i < at.offset; ++i) {
    if (query[i] == '\n') {
      ++out.line;
      out.column = 1;
    } else {
      ++out.column;
    }
  }
  out.expected = std::move(expected);
  out.hint = std::move(hint);
  return out;
}

std::string to_terminal(const QueryError& error, std::string_view query) {
  std::string out = fmt::format("error: {} at line {}, column {}\n", error.error.message,
                                error.line, error.column);
  const size_t begin = error.at.offset - (error.column - 1);
  size_t end = query.find('\n', begin);
  if (end == std::string_view::npos) end = query.size();
  // Long lines are cut to a window around the error.
  constexpr size_t kWindow = 100;
  size_t from = begin;
  if (error.at.offset > begin + kWindow / 2) from = error.at.offset - kWindow / 2;
  const size_t to = std::min(end, from + kWindow);
  std::string shown(query.substr(from, to - from));
  std::replace(shown.begin(), shown.end(), '\t', ' ');
  const size_t carets = std::clamp<size_t>(
      error.at.length, 1, std::max<size_t>(1, to > error.at.offset ? to - error.at.offset : 1));
  out += fmt::format("  {}\n  {}{}\n", shown, std::string(error.at.offset - from, ' '),
                     std::string(carets, '^'));
  if (!error.expected.empty()) {
    out += fmt::format("expected: {}\n", expected_list(error.expected));
  }
  if (!error.hint.empty()) out += fmt::format("hint: {}\n", error.hint);
  return out;
}

Error flatten(const QueryError& error) {
  std::string message =
      fmt::format("line {}, column {}: {}", error.line, error.column, error.error.message);
  if (!error.expected.empty()) message += "; expected " + expected_list(error.expected);
  if (!error.hint.empty()) message += "; " + error.hint;
  return {error.error.code, std::move(message)};
}

}  // namespace weft
