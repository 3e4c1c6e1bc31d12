#include "analysis/span_scan.h"

#include <algorithm>
#include <array>

namespace weft::analysis {
namespace {

// The request's query, narrowed by the analysis' own condition where both are filters of spans.
Expected<CompiledQuery> narrowed_query(const AnalysisRequest& request,
                                       const Predicate& candidates) {
  if (!request.query) return query_of({candidates});
  const Predicate* filter = request.query->exact_filter();
  if (filter == nullptr || candidates.kind == Predicate::Kind::kTrue) return *request.query;
  return query_of({Predicate::all_of({*filter, candidates})});
}

// Batches may hold traces without a match besides.
void rows_of_matching_traces(const MatchBatch& found, std::vector<uint32_t>& rows) {
  const std::vector<uint32_t>& begin = found.batch.trace_begin;
  rows.clear();
  size_t match = 0;
  for (size_t trace = 0; trace < found.batch.traces() && match < found.matches.size(); trace++) {
    if (found.matches[match] >= begin[trace + 1]) continue;
    for (uint32_t row = begin[trace]; row < begin[trace + 1]; row++)
      rows.push_back(row);
    while (match < found.matches.size() && found.matches[match] < begin[trace + 1])
      match++;
  }
}

void add(Inspected& target, const Inspected& more) {
  target.blocks += more.blocks;
  target.blocks_skipped += more.blocks_skipped;
  target.spans += more.spans;
  target.bytes += more.bytes;
}

}  // namespace

TimeRange bounded_range(const AnalysisRequest& request) {
  const StorageStats stats = request.source.stats();
  TimeRange range = request.range;
  if (range.from_ns == 0) range.from_ns = stats.oldest_ns;
  if (range.to_ns == TimeRange::kNoEnd && stats.newest_ns < TimeRange::kNoEnd)
    range.to_ns = stats.newest_ns + 1;
  if (stats.spans == 0 || range.to_ns < range.from_ns) range.to_ns = range.from_ns;
  return range;
}

double seconds_of(TimeRange range) {
  return std::max(static_cast<double>(range.to_ns - range.from_ns) / 1e9, 1e-3);
}

uint64_t round_step_ns(TimeRange range, uint32_t max_steps) {
  constexpr uint64_t kMs = 1'000'000, kSecond = 1000 * kMs, kMinute = 60 * kSecond;
  constexpr std::array<uint64_t, 27> kSteps = {
      kMs,           2 * kMs,        5 * kMs,         10 * kMs,     20 * kMs,      50 * kMs,
      100 * kMs,     200 * kMs,      500 * kMs,       kSecond,      2 * kSecond,   5 * kSecond,
      10 * kSecond,  15 * kSecond,   30 * kSecond,    kMinute,      2 * kMinute,   5 * kMinute,
      10 * kMinute,  15 * kMinute,   30 * kMinute,    60 * kMinute, 120 * kMinute, 360 * kMinute,
      720 * kMinute, 1440 * kMinute, 10'080 * kMinute};
  const uint64_t width_ns = range.to_ns - range.from_ns;
  const uint64_t least = width_ns / max_steps + (width_ns % max_steps != 0);
  const auto step = std::ranges::lower_bound(kSteps, least);
  if (step != kSteps.end()) return *step;
  return (least + kSteps.back() - 1) / kSteps.back() * kSteps.back();
}

Status scan_spans(const AnalysisRequest& request, TimeRange range, const ScanShape& shape,
                  const BatchVisitor& visit) {
  MatchOptions options;
  options.range = range;
  options.columns = shape.columns;
  options.whole_traces = shape.whole_traces;
  options.budget = request.budget;
  options.cancel = &request.cancel;
  std::vector<std::vector<uint32_t>> all_rows(request.workers());
  const auto consume = [&](unsigned worker, const MatchBatch& found) -> Status {
    std::span<const uint32_t> rows = found.matches;
    if (shape.whole_traces) {
      rows_of_matching_traces(found, all_rows[worker]);
      rows = all_rows[worker];
    }
    visit(worker, BatchView{found.batch, found.columns, rows});
    return {};
  };
  WEFT_ASSIGN(const CompiledQuery query,
              narrowed_query(request, shape.whole_traces ? Predicate::all() : shape.candidates));
  WEFT_ASSIGN(const Inspected inspected, match_spans(request.source, query, options, consume));
  add(request.inspected, inspected);
  return {};
}

Expected<GroupTable> aggregate_spans(const AnalysisRequest& request, AggregateRequest aggregate) {
  if (!request.source.capabilities().aggregate)
    return fail(ErrorCode::kUnimplemented, "the source does not aggregate");
  if (request.query) {
    const Predicate* filter = request.query->exact_filter();
    if (filter == nullptr)
      return fail(ErrorCode::kUnimplemented, "the query is more than a filter of spans");
    aggregate.filter = Predicate::all_of({*filter, std::move(aggregate.filter)});
  }
  Inspected inspected;
  auto table =
      weft::aggregate(request.source, aggregate, request.budget, &request.cancel, inspected);
  add(request.inspected, inspected);
  return table;
}

}  // namespace weft::analysis
