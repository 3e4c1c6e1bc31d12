// The answer of a TraceQL metrics query as a table for the terminal: a line a series, with a curve.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "query/query_service.h"

namespace weft::cli {

struct FoundSeries {
  std::vector<std::pair<std::string, std::string>> labels;  // name, value
  // Time (of the step's start) and value; in order, one at least; some steps may have none.
  std::vector<std::pair<uint64_t, double>> points;
};

struct FoundMetrics {
  std::vector<FoundSeries> series;
  double step_ms = 0;
  Inspected inspected;
  double elapsed_ms = 0;
};

// The JSON of GET /api/v1/metrics. kCorrupt when it is something else.
Expected<FoundMetrics> read_found_metrics(std::string_view json);

struct SeriesTableOptions {
  size_t width = 100;
  size_t limit = 20;  // series; one at least
  bool colour = false;
  bool ascii = false;  // no characters beyond ASCII in the curves
};

// Lines without line breaks: last, smallest, mean and largest value of each series, and its curve
// on one time axis for all, from 0 (or the smallest value below it) to its own largest. The last
// line says what a point stands for and what was looked at.
std::vector<std::string> render_series_table(const FoundMetrics& found,
                                             const SeriesTableOptions& options);

}  // namespace weft::cli
