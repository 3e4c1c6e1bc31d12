#include "analysis/heatmap.h"

#include <algorithm>
#include <bit>
#include <map>

namespace weft::analysis {
namespace {

// Counts by column << 32 | bucket.
struct CellCounts {
  uint64_t count = 0;
  uint64_t errors = 0;
};
using CellMap = std::map<uint64_t, CellCounts>;

bool is_error(uint64_t status) {
  return status == static_cast<uint64_t>(StatusCode::kError);
}

Expected<CellMap> from_aggregate(const AnalysisRequest& request, const Heatmap& frame) {
  AggregateRequest aggregate;
  aggregate.range = frame.range;
  aggregate.step_ns = frame.column_ns;
  aggregate.group_by = {ColumnRef::of(Intrinsic::kStatusCode)};
  aggregate.value = ColumnRef::of(Intrinsic::kDurationNs);
  aggregate.want_histogram = true;
  aggregate.buckets_per_octave = frame.buckets_per_octave;
  WEFT_ASSIGN(const GroupTable table, aggregate_spans(request, std::move(aggregate)));
  CellMap cells;
  for (const GroupTable::Group& group : table.groups) {
    const auto* status = std::get_if<int64_t>(&group.keys[0].data);
    const bool failed = status && is_error(static_cast<uint64_t>(*status));
    for (uint64_t column = 0; column < group.cells.size(); column++) {
      for (const auto& [bucket, count] : group.cells[column].histogram) {
        CellCounts& cell = cells[column << 32 | bucket];
        cell.count += count;
        if (failed) cell.errors += count;
      }
    }
  }
  return cells;
}

Expected<CellMap> from_scan(const AnalysisRequest& request, const Heatmap& frame) {
  enum Column : size_t { kDuration, kStatus };
  ScanShape shape;
  shape.columns = {ColumnRef::of(Intrinsic::kDurationNs), ColumnRef::of(Intrinsic::kStatusCode)};
  std::vector<CellMap> workers(request.workers());
  WEFT_TRY(scan_spans(request, frame.range, shape, [&](unsigned worker, const BatchView& view) {
    for (const uint32_t row : view.rows) {
      const uint64_t start_ns = view.batch.start_ns[row];
      if (!frame.range.contains(start_ns)) continue;
      const uint64_t column = (start_ns - frame.range.from_ns) / frame.column_ns;
      const uint32_t bucket = histogram_bucket(static_cast<double>(view.number(kDuration, row)),
                                               frame.buckets_per_octave);
      CellCounts& cell = workers[worker][column << 32 | bucket];
      cell.count++;
      cell.errors += is_error(view.number(kStatus, row));
    }
  }));
  CellMap cells;
  for (const CellMap& worker : workers) {
    for (const auto& [key, counts] : worker) {
      cells[key].count += counts.count;
      cells[key].errors += counts.errors;
    }
  }
  return cells;
}

}  // namespace

Expected<Heatmap> heatmap(const AnalysisRequest& request, const HeatmapOptions& options) {
  if (options.columns < 1 || options.columns > 2000)
    return fail(ErrorCode::kInvalidArgument, "columns: must lie between 1 and 2000");
  if (!std::has_single_bit(options.buckets_per_octave) || options.buckets_per_octave > 16)
    return fail(ErrorCode::kInvalidArgument, "bucketsPerOctave: must be 1, 2, 4, 8 or 16");
  Heatmap out;
  out.range = bounded_range(request);
  out.buckets_per_octave = options.buckets_per_octave;
  const uint64_t width_ns = out.range.to_ns - out.range.from_ns;
  out.column_ns = 1;
  if (width_ns == 0) return out;
  out.column_ns = (out.range.last_ns() - out.range.from_ns) / options.columns + 1;
  AnalysisRequest counted = request;
  if (!counted.query) {
    WEFT_ASSIGN(counted.query,
                query_of({Predicate::of(
                    {ColumnRef::of(Intrinsic::kParentSpanId), CompareOp::kNotExists, {}})}));
  }
  Expected<CellMap> cells = from_aggregate(counted, out);
  if (!cells && cells.error().code == ErrorCode::kUnimplemented) cells = from_scan(counted, out);
  if (!cells) return std::unexpected<Error>(std::move(cells).error());
  for (const auto& [key, counts] : *cells) {
    out.cells.push_back({static_cast<uint32_t>(key >> 32), static_cast<uint32_t>(key), counts.count,
                         counts.errors});
    out.spans += counts.count;
  }
  return out;
}

}  // namespace weft::analysis
