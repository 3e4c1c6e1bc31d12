// search(): one parallel scan finds the newest matching traces by id and start, then those are read
// whole and summarised.
#include <algorithm>
#include <mutex>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "model/id_hash.h"
#include "query/parallel_scan.h"
#include "query/plan.h"
#include "query/query_service.h"
#include "query/summarize.h"
#include "query/trace_evaluator.h"

namespace weft {
namespace {

using traceql::BatchFields;
using traceql::BudgetMeter;
using traceql::FieldTable;
using traceql::ParallelScan;
using traceql::PipelineProgram;
using traceql::ScanStep;
using traceql::Spanset;
using traceql::Summarizer;
using traceql::TraceEvaluator;

struct Found {
  uint64_t start_ns = 0;
  TraceId id;

  // Newest first, then by id.
  friend bool operator<(const Found& a, const Found& b) {
    return a.start_ns != b.start_ns ? a.start_ns > b.start_ns : a.id < b.id;
  }
};

// The newest traces found by all workers, and one more, which tells that the limit was reached.
class BestTraces {
 public:
  explicit BestTraces(size_t limit) : limit_(limit) {}

  void add(const std::vector<Found>& found) {
    const std::lock_guard lock(mutex_);
    for (const Found& entry : found)
      best_.insert(entry);
    while (best_.size() > limit_ + 1)
      best_.erase(std::prev(best_.end()));
  }

  // Whether a trace with this start could still be among the best.
  bool wants(uint64_t start_ns) const {
    const std::lock_guard lock(mutex_);
    return best_.size() <= limit_ || start_ns >= best_.rbegin()->start_ns;
  }

  // All that starts before this cannot change the answer.
  bool is_final(uint64_t remaining_before_ns) const {
    const std::lock_guard lock(mutex_);
    if (best_.size() <= limit_) return false;
    return std::prev(best_.end(), 2)->start_ns >= remaining_before_ns;
  }

  std::vector<Found> take(bool& limit_reached) const {
    const std::lock_guard lock(mutex_);
    limit_reached = best_.size() > limit_;
    std::vector<Found> out(best_.begin(), best_.end());
    if (limit_reached) out.pop_back();
    return out;
  }

 private:
  const size_t limit_;
  mutable std::mutex mutex_;
  std::set<Found> best_;
};

class Search {
 public:
  Search(SpanSource& source, const traceql::Plan& plan, const SearchOptions& options)
      : source_(source),
        plan_(plan),
        options_(options),
        meter_(options.budget, options.cancel),
        best_(options.limit) {}

  Expected<SearchResult> run() {
    FieldTable table;
    WEFT_ASSIGN(auto program, PipelineProgram::create(plan_.spans.pipeline, table));
    WEFT_ASSIGN(Summarizer summarizer, Summarizer::create(plan_, options_));
    ScanRequest request;
    request.range = options_.range;
    request.filter = plan_.spans.candidates.predicate;
    request.columns = table.columns();
    request.whole_traces = true;
    request.needed = plan_.spans.needed;
    request.parents = plan_.spans.parents || table.needs_trace();
    const unsigned threads = worker_count(options_.budget);
    std::vector<TraceEvaluator> evaluators;
    for (unsigned i = 0; i < threads; ++i)
      evaluators.emplace_back(program);

    ParallelScan work;
    work.process = [&](unsigned worker, const ScanBatch& batch) -> Expected<ScanStep> {
      BatchFields fields(table, batch, meter_);
      evaluators[worker].begin_batch(fields);
      WEFT_TRY(find_in_batch(evaluators[worker], batch));
      return best_.is_final(batch.remaining_before_ns) ? ScanStep::kStop : ScanStep::kContinue;
    };
    if (options_.on_partial) {
      work.tick = [&]() -> Status {
        WEFT_ASSIGN(const SearchResult partial, answer(summarizer));
        options_.on_partial(partial);
        return {};
      };
    }
    WEFT_TRY(traceql::run_scan(source_, request, threads, meter_, stats_, work));
    return answer(summarizer);
  }

 private:
  Status find_in_batch(TraceEvaluator& evaluator, const ScanBatch& batch) {
    std::vector<Found> found;
    std::vector<uint8_t> mask;
    if (plan_.spans.filters_only) evaluator.evaluate_filters(mask);
    for (uint32_t trace = 0; trace < batch.traces(); ++trace) {
      const uint32_t begin = batch.trace_begin[trace];
      // Rows are ordered by start.
      if (begin == batch.trace_begin[trace + 1] || !best_.wants(batch.start_ns[begin])) continue;
      bool matches = false;
      if (plan_.spans.filters_only) {
        matches = any_in_mask(batch, trace, mask);
      } else {
        WEFT_ASSIGN(const std::vector<Spanset> sets, evaluator.evaluate(trace));
        matches = any_in_sets(batch, sets);
      }
      if (matches) found.push_back({batch.start_ns[begin], batch.trace_ids[trace]});
    }
    best_.add(found);
    return {};
  }

  bool any_in_mask(const ScanBatch& batch, uint32_t trace, const std::vector<uint8_t>& mask) const {
    for (uint32_t row = batch.trace_begin[trace]; row < batch.trace_begin[trace + 1]; ++row) {
      if (mask[row] != 0 && options_.range.contains(batch.start_ns[row])) return true;
    }
    return false;
  }

  bool any_in_sets(const ScanBatch& batch, const std::vector<Spanset>& sets) const {
    for (const Spanset& set : sets) {
      for (uint32_t row : set.rows) {
        if (options_.range.contains(batch.start_ns[row])) return true;
      }
    }
    return false;
  }

  Expected<SearchResult> answer(const Summarizer& summarizer) {
    SearchResult out;
    const std::vector<Found> best = best_.take(out.limit_reached);
    forget_all_but(best);
    WEFT_TRY(summarize_new(summarizer, best));
    for (const Found& found : best) {
      if (const auto& summary = summaries_.at(found.id)) out.traces.push_back(*summary);
    }
    // Spans may have arrived between the scan and the summaries.
    std::sort(out.traces.begin(), out.traces.end(),
              [](const TraceSummary& a, const TraceSummary& b) {
                return Found{a.start_ns, a.trace_id} < Found{b.start_ns, b.trace_id};
              });
    out.inspected = traceql::inspected(stats_);
    out.elapsed_ns = meter_.elapsed_ns();
    return out;
  }

  // Newer traces were found since the last partial answer: the older ones' summaries are given
  // back.
  void forget_all_but(const std::vector<Found>& best) {
    std::unordered_set<TraceId, TraceIdHash> kept;
    for (const Found& found : best)
      kept.insert(found.id);
    std::erase_if(summaries_, [&](const auto& entry) {
      if (kept.contains(entry.first)) return false;
      if (entry.second) meter_.give_memory(traceql::memory_bytes(*entry.second));
      return true;
    });
  }

  // Reads what is not known yet, on several threads when it is much.
  Status summarize_new(const Summarizer& summarizer, const std::vector<Found>& best) {
    std::vector<TraceId> missing;
    for (const Found& found : best) {
      if (summaries_.try_emplace(found.id).second) missing.push_back(found.id);
    }
    if (missing.empty()) return {};
    constexpr size_t kFewTraces = 100;
    const unsigned threads = missing.size() <= kFewTraces ? 1 : worker_count(options_.budget);
    std::mutex mutex;
    ParallelScan work;
    work.process = [&](unsigned, const ScanBatch& batch) -> Expected<ScanStep> {
      WEFT_ASSIGN(auto summaries, summarizer.summarize(batch, meter_));
      const std::lock_guard lock(mutex);
      for (TraceSummary& summary : summaries)
        summaries_.at(summary.trace_id) = std::move(summary);
      return ScanStep::kContinue;
    };
    return traceql::run_scan(source_, summarizer.request(std::move(missing)), threads, meter_,
                             stats_, work);
  }

  SpanSource& source_;
  const traceql::Plan& plan_;
  const SearchOptions& options_;
  BudgetMeter meter_;
  ScanStats stats_;
  BestTraces best_;
  // Of the best traces so far; nullopt: it does not match any more.
  std::unordered_map<TraceId, std::optional<TraceSummary>, TraceIdHash> summaries_;
};

}  // namespace

Expected<SearchResult> search(SpanSource& source, const CompiledQuery& query,
                              const SearchOptions& options) {
  if (query.is_metrics()) {
    return fail(ErrorCode::kInvalidArgument,
                "this is a metrics query; ask for metrics, or leave the metrics function out to "
                "search traces");
  }
  if (options.limit == 0) {
    return fail(ErrorCode::kInvalidArgument, "the limit of a search must be at least 1");
  }
  return Search(source, query.plan(), options).run();
}

}  // namespace weft
