// The answer of a search as a table for the terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "query/query_service.h"

namespace weft::cli {

struct FoundSpan {
  std::string span_id;
  std::string service;
  std::string name;
  std::string status;
  double duration_ms = 0;
  std::vector<std::string> attributes;  // "key=value"
};

struct FoundTrace {
  std::string trace_id;
  std::string root_service;
  std::string root_name;
  uint64_t start_ns = 0;
  double duration_ms = 0;
  uint64_t spans = 0;
  uint64_t errors = 0;
  uint64_t matched = 0;
  std::vector<FoundSpan> matches;  // as many as were asked for
};

struct FoundTraces {
  std::vector<FoundTrace> traces;
  Inspected inspected;
  double elapsed_ms = 0;
  bool limit_reached = false;
};

// The JSON of GET /api/v1/search. kCorrupt when it is something else.
Expected<FoundTraces> read_found_traces(std::string_view json);

struct TraceTableOptions {
  size_t width = 100;
  bool colour = false;
  bool spans = false;  // the matching spans below each trace
};

// Lines without line breaks; the last one says what was looked at.
std::vector<std::string> render_trace_table(const FoundTraces& found,
                                            const TraceTableOptions& options);

}  // namespace weft::cli
