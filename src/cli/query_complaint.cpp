#include "cli/query_complaint.h"

#include <algorithm>

#include "cli/terminal.h"

namespace weft::cli {

std::string explain_query_error(std::string_view query, const ApiError& error, bool colour) {
  const auto paint = [colour](const char* code, const std::string& text) {
    return colour ? std::string(code) + text + "\x1b[0m" : text;
  };
  std::string out = paint("\x1b[31m", "error:") + " " + printable(error.error.message) + "\n";
  if (error.offset) {
    const size_t offset = std::min<size_t>(*error.offset, query.size());
    const size_t before = offset == 0 ? std::string_view::npos : query.rfind('\n', offset - 1);
    const size_t begin = before == std::string_view::npos ? 0 : before + 1;
    const size_t end = std::min(query.find('\n', offset), query.size());
    const std::string_view line = query.substr(begin, end - begin);
    const size_t indent = display_width(printable(line.substr(0, offset - begin)));
    const std::string marked = printable(line.substr(offset - begin, error.length));
    out += "  " + printable(line) + "\n";
    out += "  " + std::string(indent, ' ') +
           paint("\x1b[31m", std::string(std::max<size_t>(display_width(marked), 1), '^')) + "\n";
  }
  if (!error.expected.empty()) {
    out += "expected: ";
    for (size_t i = 0; i < error.expected.size(); ++i) {
      out += (i == 0 ? "" : ", ") + printable(error.expected[i]);
    }
    out += "\n";
  }
  if (!error.hint.empty()) out += "hint: " + printable(error.hint) + "\n";
  return out;
}

}  // namespace weft::cli
