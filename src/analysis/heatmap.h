// Spans counted by start time and duration: the two axes of the page's heatmap. Counted where the
// data lies when the query is one filter, else from a scan.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/span_scan.h"

namespace weft::analysis {

struct HeatmapOptions {
  uint32_t columns = 120;           // 1 to 2000
  uint32_t buckets_per_octave = 4;  // 1, 2, 4, 8 or 16
};

struct HeatmapCell {
  uint32_t column = 0;
  uint32_t bucket = 0;  // histogram_bucket(duration_ns, buckets_per_octave)
  uint64_t count = 0;
  uint64_t errors = 0;
  friend bool operator==(const HeatmapCell&, const HeatmapCell&) = default;
};

struct Heatmap {
  TimeRange range;
  uint64_t column_ns = 0;
  uint32_t buckets_per_octave = 0;
  std::vector<HeatmapCell> cells;  // by column, then bucket; without the empty ones
  uint64_t spans = 0;
};

// Of the spans that match the query; with an empty query, of those without a parent.
Expected<Heatmap> heatmap(const AnalysisRequest& request, const HeatmapOptions& options);

}  // namespace weft::analysis
