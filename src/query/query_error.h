// What is wrong with a query, said so that a person can mend it: where, what was expected there,
// and a guess at what was meant. The parser and the validator make it; the APIs and the command
// line print it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "base/error.h"

namespace weft {

// A stretch of the query's text, in bytes.
struct TextSpan {
  uint32_t offset = 0;
  uint32_t length = 0;
  friend bool operator==(const TextSpan&, const TextSpan&) = default;
};

struct QueryError {
  // kInvalidArgument for what cannot be parsed or makes no sense, kResourceExhausted for a query
  // over the limits of length, depth or size.
  Error error;
  TextSpan at;
  uint32_t line = 1;                  // counted from 1
  uint32_t column = 1;                // counted from 1, in bytes
  std::vector<std::string> expected;  // what could have stood there; may be empty
  std::string hint;                   // "did you mean `span.http.status_code`?"; may be empty
};

template <typename T>
using QueryExpected = std::expected<T, QueryError>;

// The error with line and column worked out from `query` and `at`.
QueryError make_query_error(std::string_view query, TextSpan at, std::string message,
                            std::vector<std::string> expected = {}, std::string hint = {});

// For a terminal:
//   error: unknown intrinsic `nam` at line 1, column 3
//   { nam = "a" }
//     ^^^
//   hint: did you mean `name`?
std::string to_terminal(const QueryError& error, std::string_view query);

// One line that says all of it, for callers that only have an Error.
Error flatten(const QueryError& error);

}  // namespace weft
