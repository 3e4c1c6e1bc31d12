// TraceQL from anywhere: parsing, validating and planning never crash or hang, and what parses
// prints as a query that parses to the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "query/parser.h"
#include "query/query_service.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)weft::compile_lenient(text);
  const auto query = weft::compile_query(text);
  if (!query) {
    if (weft::to_terminal(query.error(), text).empty()) std::abort();
    return 0;
  }
  (void)query->explain();
  const auto parsed = weft::traceql::parse(text);
  if (!parsed) std::abort();
  const std::string printed = to_string(*parsed);
  const auto again = weft::traceql::parse(printed);
  // Printing adds parentheses: a query at the limit of length or depth may then be over it.
  if (!again) {
    if (again.error().error.code != weft::ErrorCode::kResourceExhausted) std::abort();
    return 0;
  }
  if (to_string(*again) != printed) std::abort();
  return 0;
}
