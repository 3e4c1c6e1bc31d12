// The one door to TraceQL: compile a query, then search traces, compute metrics, or walk the spans
// that match. The HTTP APIs, the analyses and the command line use this header alone. All
// functions may be called from any thread; they read the source, and keep nothing afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "query/query_error.h"
#include "scan/scan.h"

namespace weft {

namespace traceql {
struct Plan;
}

// A query that was parsed, validated and planned. Cheap to copy, immutable, shared by threads.
class CompiledQuery {
 public:
  explicit CompiledQuery(std::shared_ptr<const traceql::Plan> plan) : plan_(std::move(plan)) {}

  // True for `{...} | rate()` and its like: for query_metrics(), not for search().
  bool is_metrics() const;
  const std::string& text() const;
  // When the query is a filter on single spans that a Predicate says exactly, that predicate
  // (kTrue for `{ }`): for callers that aggregate where the data lies. Else nullptr. For a metrics
  // query, of the spans before the metrics function.
  const Predicate* exact_filter() const;
  // Whether a filter, an aggregate, by() or select() names the intrinsic: for answers that show of
  // a span what was asked about.
  bool names(Intrinsic which) const;
  // What the query will do, for a person: `weft search --explain-plan`.
  std::string explain() const;
  const traceql::Plan& plan() const { return *plan_; }

 private:
  std::shared_ptr<const traceql::Plan> plan_;
};

QueryExpected<CompiledQuery> compile_query(std::string_view text);

// As much of an unfinished query as makes sense, for completion: `{ span.a = "x" && span.b =`
// gives `{ span.a = "x" }`. Nothing that makes sense gives `{ }`.
CompiledQuery compile_lenient(std::string_view text);

// Conditions in conjunction made into a query: for APIs that ask without TraceQL (Jaeger, Zipkin,
// Tempo's tags). Each may be met by another span of the trace when `same_span` is false; none
// gives `{ }`. kInvalidArgument for a regular expression that does not compile, and for conditions
// on start and end (those are SearchOptions::range).
Expected<CompiledQuery> query_of(const std::vector<Predicate>& conditions, bool same_span = true);

// The limits of one query. Over one of them the query ends with kDeadlineExceeded or
// kResourceExhausted and a message that names the limit.
struct QueryBudget {
  uint64_t time_ns = 60'000'000'000;  // 0: none
  size_t memory_bytes = 512u << 20;   // of batches in work and of what is kept for the answer
  unsigned threads = 0;               // 0: as many as there are cores, at most 16
};

// A copy of ScanStats.
struct Inspected {
  uint64_t blocks = 0;
  uint64_t blocks_skipped = 0;
  uint64_t spans = 0;
  uint64_t bytes = 0;
};

// ---- search ----

// (name as TraceQL writes it, value). Status and kind stand as their names, ids as hex digits.
using NamedValue = std::pair<std::string, Value>;

struct MatchedSpan {
  SpanId span_id;
  SpanId parent_span_id;
  uint64_t start_ns = 0;
  uint64_t duration_ns = 0;
  std::string name;
  std::string service_name;  // empty when the resource does not say
  uint8_t kind = 0;          // SpanKind
  uint8_t status_code = 0;   // StatusCode
  // What the query's filters and select() name, where the span has it.
  std::vector<NamedValue> attributes;
};

struct MatchedSpanset {
  uint64_t matched = 0;            // spans in the set
  std::vector<MatchedSpan> spans;  // the first by start, at most spans_per_spanset
  // "by(resource.service.name)", "avg(duration)": what grouping and aggregates found.
  std::vector<NamedValue> attributes;
};

struct ServiceCounts {
  uint64_t spans = 0;
  uint64_t errors = 0;
};

struct TraceSummary {
  TraceId trace_id;
  uint64_t start_ns = 0;     // of the earliest span
  uint64_t duration_ns = 0;  // from there to the latest end
  bool has_root = false;     // a span without parent is stored
  std::string root_service_name;
  std::string root_name;
  uint64_t span_count = 0;
  uint64_t error_count = 0;
  std::map<std::string, ServiceCounts> services;
  std::vector<MatchedSpanset> spansets;  // at least one
};

struct SearchResult {
  std::vector<TraceSummary> traces;  // newest start first, then by trace id
  bool limit_reached = false;        // more traces match
  Inspected inspected;
  uint64_t elapsed_ns = 0;
};

struct SearchOptions {
  TimeRange range;  // a trace is found when a span of its final spansets starts in it
  size_t limit = 20;
  size_t spans_per_spanset = 3;
  QueryBudget budget;
  const CancelToken* cancel = nullptr;  // borrowed; kCancelled when it is set
  // Called every now and then, from the calling thread, with the best traces so far.
  std::function<void(const SearchResult&)> on_partial;
};

// Exact: the newest `limit` traces of all that match, whatever the threads do.
Expected<SearchResult> search(SpanSource& source, const CompiledQuery& query,
                              const SearchOptions& options);

// ---- metrics ----

struct MetricsPoint {
  uint64_t time_ns = 0;  // where the time bucket begins
  double value = 0;
};

struct Exemplar {
  TraceId trace_id;
  SpanId span_id;
  uint64_t time_ns = 0;  // the span's start
  double value = 0;      // of what is aggregated (durations in seconds); else the span's duration
};

struct MetricsSeries {
  // In the order of by(...); a value of type kNone stands for spans without it. Quantiles add "p",
  // histograms "__bucket", compare() "__meta_type"; series with no other label "__name__".
  std::vector<NamedValue> labels;
  std::vector<MetricsPoint> points;  // ascending; buckets without a value are left out
  std::vector<Exemplar> exemplars;   // ascending by time
};

struct MetricsResult {
  std::vector<MetricsSeries> series;  // ordered by labels
  uint64_t step_ns = 0;
  Inspected inspected;
  uint64_t elapsed_ns = 0;
};

struct MetricsOptions {
  TimeRange range;       // must be finite
  uint64_t step_ns = 0;  // 0: one bucket for the whole range
  size_t max_series = 10'000;
  size_t max_points = 20'000;  // time buckets
  size_t max_exemplars = 0;    // over all series; the hint exemplars=n overrides
  QueryBudget budget;
  const CancelToken* cancel = nullptr;  // borrowed
};

Expected<MetricsResult> query_metrics(SpanSource& source, const CompiledQuery& query,
                                      const MetricsOptions& options);

// The smallest range around `range` whose ends are multiples of the step: makes a moving window
// count the same buckets every time.
TimeRange align_to_step(TimeRange range, uint64_t step_ns);

// ---- walking the matching spans ----

struct MatchOptions {
  TimeRange range;
  // Wanted besides, in this order, in MatchBatch::columns.
  std::vector<ColumnRef> columns;
  // Give every span of a trace that has a match, with parent_row, and not the matches alone.
  bool whole_traces = false;
  QueryBudget budget;
  const CancelToken* cancel = nullptr;  // borrowed
};

struct MatchBatch {
  const ScanBatch& batch;
  // Parallel to MatchOptions::columns.
  std::vector<const ValueColumn*> columns;
  // Rows of the spans that the query selects and that start in the range, ascending.
  std::span<const uint32_t> matches;
};

// Calls `consume` with every span that the query selects, batch after batch, from several threads
// at once (`worker` is below the number of threads; equal workers never overlap). An error that
// `consume` returns ends the walk.
using MatchConsumer = std::function<Status(unsigned worker, const MatchBatch& batch)>;
Expected<Inspected> match_spans(SpanSource& source, const CompiledQuery& query,
                                const MatchOptions& options, const MatchConsumer& consume);

// How many workers match_spans will use.
unsigned worker_count(const QueryBudget& budget);

// ---- grouped aggregates ----

// SpanSource::aggregate() within the budget's time. What was looked at is written to `inspected`,
// on an error too. `cancel` may be nullptr.
Expected<GroupTable> aggregate(SpanSource& source, const AggregateRequest& request,
                               const QueryBudget& budget, const CancelToken* cancel,
                               Inspected& inspected);

}  // namespace weft
