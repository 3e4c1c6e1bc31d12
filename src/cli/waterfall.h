// A trace as lines of text: a tree of services and names on the left, bars on a common time axis
// on the right, events and errors below their span. `weft trace` prints it; a pure function, so
// that tests compare its lines.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/span.h"

namespace weft::cli {

struct WaterfallOptions {
  size_t width = 100;       // columns; at least 40
  bool colour = false;      // ANSI escape sequences
  bool ascii = false;       // for terminals without UTF-8
  bool attributes = false;  // every attribute below its span
  size_t max_spans = 400;   // more are counted, not drawn; errors and long ones go first
  size_t max_events = 8;    // a span
};

// `spans` are those of one trace, in any order. Without colour no line is wider than `width`.
std::vector<std::string> render_waterfall(const std::vector<Span>& spans,
                                          const WaterfallOptions& options);

}  // namespace weft::cli
