#include "store/aggregate.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <new>
#include <system_error>
#include <thread>

#include "store/aggregate_state.h"
#include "store/batch_columns.h"
#include "store/page_extract.h"
#include "store/split_traces.h"
#include "store/work_units.h"

namespace weft::store {
namespace {

constexpr uint64_t kMaxTimeBuckets = 100'000;
// Cells of all groups and steps, a thread.
constexpr uint64_t kMaxCells = 4'000'000;
constexpr size_t kMaxThreads = 4;

class Aggregation {
 public:
  Aggregation(const SnapshotPtr& snapshot, const AggregateRequest& request,
              CompiledPredicate filter, const CancelToken& cancel, ScanStats& stats)
      : snapshot_(*snapshot),
        request_(request),
        filter_(std::move(filter)),
        cancel_(cancel),
        stats_(stats),
        memory_(snapshot->memory, filter_, request.range),
        filters_(snapshot_, filter_),
        work_(make_work(snapshot_, request.range)) {
    // Unsealed spans are counted batch by batch.
    std::erase_if(work_.units,
                  [](const WorkUnit& unit) { return unit.kind == WorkUnit::Kind::kMemoryPage; });
    stats_.blocks.fetch_add(work_.blocks);
    stats_.blocks_skipped.fetch_add(work_.blocks_skipped);
  }

  Expected<GroupTable> run() {
    WEFT_ASSIGN(const uint64_t buckets, count_buckets());
    // Every group has a cell for every step.
    if (!request_.group_by.empty() && buckets * request_.max_groups > kMaxCells) {
      request_.max_groups = static_cast<uint32_t>(std::max<uint64_t>(1, kMaxCells / buckets));
    }
    const size_t threads = std::clamp<size_t>(
        std::min<size_t>(std::thread::hardware_concurrency(), work_.units.size() / 8), 1,
        kMaxThreads);
    std::vector<AggregateState> states;
    for (size_t t = 0; t < threads; ++t)
      states.emplace_back(request_, buckets);
    std::vector<Status> results(threads);
    WEFT_TRY(count_memory(states.front()));
    // An exception would end the process: out of a helper, and past helpers that run.
    const auto count = [&](size_t t) {
      try {
        results[t] = count_units(states[t]);
      } catch (const std::bad_alloc&) {
        next_.store(work_.units.size());
        results[t] =
            fail(ErrorCode::kResourceExhausted, "the machine has no memory left for the query");
      }
    };
    std::vector<std::thread> helpers;
    helpers.reserve(threads);
    for (size_t t = 1; t < threads; ++t) {
      try {
        helpers.emplace_back(count, t);
      } catch (const std::system_error&) {
        break;  // no more threads: those that there are do it
      }
    }
    count(0);
    for (std::thread& helper : helpers)
      helper.join();
    for (Status& result : results)
      WEFT_TRY(std::move(result));
    for (size_t t = 1; t < threads; ++t)
      WEFT_TRY(states[0].merge(states[t]));
    return states[0].finish();
  }

 private:
  Expected<uint64_t> count_buckets() const {
    if (request_.step_ns == 0) return 1;
    uint64_t last = 0;
    for (const WorkUnit& unit : work_.units)
      last = std::max(last, unit.max_start_ns);
    for (const auto& page : snapshot_.memory->pages)
      last = std::max(last, page.max_start_ns);
    const TimeRange& range = request_.range;
    if (range.to_ns <= range.from_ns) return 1;
    // Without an end, up to the newest span.
    if (range.to_ns != TimeRange::kNoEnd) last = range.last_ns();
    if (last < range.from_ns) return 1;
    const uint64_t last_bucket = (last - range.from_ns) / request_.step_ns;
    if (last_bucket >= kMaxTimeBuckets) {
      return fail(ErrorCode::kResourceExhausted, "the range has more steps than the limit of " +
                                                     std::to_string(kMaxTimeBuckets) +
                                                     "; choose a longer step or a start");
    }
    return last_bucket + 1;
  }

  Status count_units(AggregateState& state) {
    while (true) {
      if (cancel_.cancelled()) return fail(ErrorCode::kCancelled, "the query was cancelled");
      const size_t claimed = next_.fetch_add(1);
      if (claimed >= work_.units.size()) return {};
      const WorkUnit& unit = work_.units[claimed];
      Status status = unit.kind == WorkUnit::Kind::kBlockPage ? count_page(unit, state)
                                                              : count_split(unit, state);
      // Damage is fenced off: the block has reported it.
      if (!status && status.error().code != ErrorCode::kCorrupt) {
        next_.store(work_.units.size());
        return status;
      }
    }
  }

  Status count_page(const WorkUnit& unit, AggregateState& state) {
    WEFT_ASSIGN(const BlockFilter* filter, filters_.get(unit.block));
    if (filter->none()) return {};
    PageReader page(*snapshot_.blocks->blocks[unit.block], unit.page);
    WEFT_ASSIGN(const auto mask, page_candidates(snapshot_, unit, *filter, request_.range, page));
    stats_.spans.fetch_add(page.rows(), std::memory_order_relaxed);
    std::vector<uint32_t> rows(mask.size());
    size_t matching = 0;
    for (uint32_t row = 0; row < mask.size(); ++row) {
      rows[matching] = row;
      matching += static_cast<size_t>(mask[row] != 0);
    }
    rows.resize(matching);
    if (rows.empty()) return {};
    AggregateRows counted;
    counted.rows = rows.size();
    std::vector<uint64_t> starts;
    if (const auto bucket = only_bucket(page.info())) {
      counted.bucket = *bucket;
    } else {
      WEFT_ASSIGN(const auto* all, page.starts());
      counted.starts = take(*all, rows, starts);
    }
    ValueColumn value;
    std::vector<uint64_t> integers;
    if (request_.value == ColumnRef::of(Intrinsic::kDurationNs)) {
      WEFT_ASSIGN(counted.integers, read_durations(page, rows, integers));
    } else if (request_.value) {
      WEFT_ASSIGN(value, extract_column(page, *request_.value, rows));
      counted.values = &value;
    }
    for (const ColumnRef& column : request_.group_by) {
      WEFT_ASSIGN(auto codes, extract_codes(page, column, rows));
      if (codes) {
        counted.keys.emplace_back(std::move(*codes));
        continue;
      }
      WEFT_ASSIGN(auto key, extract_column(page, column, rows));
      counted.keys.emplace_back(std::move(key));
    }
    stats_.bytes.fetch_add(page.bytes_read(), std::memory_order_relaxed);
    return state.add(counted);
  }

  // The rows of a page's column: itself when they are all, else copied into `room`.
  static std::span<const uint64_t> take(std::span<const uint64_t> all,
                                        const std::vector<uint32_t>& rows,
                                        std::vector<uint64_t>& room) {
    if (rows.size() == all.size()) return all;
    room.resize(rows.size());
    for (size_t i = 0; i < rows.size(); ++i)
      room[i] = all[rows[i]];
    return room;
  }

  // As SpanBatch::duration_ns: 0 when the end is not after the start. `room` as in take().
  static Expected<std::span<const uint64_t>> read_durations(PageReader& page,
                                                            const std::vector<uint32_t>& rows,
                                                            std::vector<uint64_t>& room) {
    WEFT_ASSIGN(const auto* durations, page.durations());
    int64_t signs = 0;
    for (int64_t duration : *durations)
      signs |= duration;
    const bool wraps = signs < 0 || page.info().max_start_ns > INT64_MAX;
    const std::span all(reinterpret_cast<const uint64_t*>(durations->data()), durations->size());
    if (!wraps) return take(all, rows, room);
    WEFT_ASSIGN(const auto* starts, page.starts());
    room.resize(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      const uint64_t start = (*starts)[rows[i]];
      const uint64_t end = start + all[rows[i]];
      room[i] = end > start ? end - start : 0;
    }
    return room;
  }

  // The time bucket of all spans of the page that are in the range, when there is just one.
  std::optional<uint64_t> only_bucket(const PageInfo& page) const {
    if (request_.step_ns == 0) return 0;
    const auto bucket_of = [&](uint64_t start_ns) {
      const uint64_t begin = request_.range.from_ns;
      return (std::clamp(start_ns, begin, request_.range.last_ns()) - begin) / request_.step_ns;
    };
    const uint64_t first = bucket_of(page.min_start_ns);
    return first == bucket_of(page.max_start_ns) ? std::optional(first) : std::nullopt;
  }

  Status count_rows(const SpanBatchPtr& batch, const std::vector<uint32_t>& rows,
                    AggregateState& state) const {
    if (rows.empty()) return {};
    std::vector<uint64_t> starts;
    for (uint32_t row : rows)
      starts.push_back(batch->start_ns[row]);
    ValueColumn value;
    if (request_.value) value = take_rows(extract_column(batch, *request_.value), rows);
    AggregateRows counted;
    counted.rows = rows.size();
    if (request_.step_ns != 0) counted.starts = starts;
    if (request_.value) counted.values = &value;
    for (const ColumnRef& column : request_.group_by) {
      counted.keys.emplace_back(take_rows(extract_column(batch, column), rows));
    }
    return state.add(counted);
  }

  Status count_split(const WorkUnit& unit, AggregateState& state) {
    std::vector<ColumnRef> columns = request_.group_by;
    if (request_.value) columns.push_back(*request_.value);
    WEFT_ASSIGN(const auto candidates, split_candidates(snapshot_, split_of(work_, unit), filters_,
                                                        memory_, request_.range));
    if (candidates.empty()) return {};
    WEFT_ASSIGN(const GatheredTraces traces,
                gather_split_traces(snapshot_, candidates,
                                    columns_for(request_.filter, std::move(columns))));
    const SpanBatch& all = *traces.spans;
    const auto mask = evaluate(filter_, all);
    std::vector<uint32_t> rows;
    for (uint32_t row = 0; row < mask.size(); ++row) {
      if (mask[row] != 0 && request_.range.contains(all.start_ns[row])) rows.push_back(row);
    }
    stats_.spans.fetch_add(all.size(), std::memory_order_relaxed);
    return count_rows(traces.spans, rows, state);
  }

  // Unsealed spans, without duplicates and without traces that blocks have too.
  Status count_memory(AggregateState& state) {
    const MemoryView& view = *snapshot_.memory;
    std::vector<std::vector<uint32_t>> rows(view.batches.size());
    const auto& is_split = snapshot_.split->is_split;
    for (uint32_t t = 0; t < view.order.traces(); ++t) {
      if (!is_split.empty() && is_split[t] != 0) continue;
      for (uint32_t i = view.order.trace_begin[t]; i < view.order.trace_begin[t + 1]; ++i) {
        const RowRef ref = view.order.rows[i];
        if (memory_.is_candidate(ref)) rows[ref.batch].push_back(ref.row);
      }
    }
    for (size_t b = 0; b < rows.size(); ++b) {
      if (cancel_.cancelled()) return fail(ErrorCode::kCancelled, "the query was cancelled");
      stats_.spans.fetch_add(view.batches[b]->size(), std::memory_order_relaxed);
      WEFT_TRY(count_rows(view.batches[b], rows[b], state));
    }
    return {};
  }

  const Snapshot& snapshot_;
  AggregateRequest request_;
  CompiledPredicate filter_;
  const CancelToken& cancel_;
  ScanStats& stats_;
  MemoryScan memory_;
  BlockFilters filters_;
  WorkList work_;
  std::atomic<size_t> next_{0};
};

}  // namespace

Expected<GroupTable> aggregate(const SnapshotPtr& snapshot, const AggregateRequest& request,
                               const CancelToken& cancel, ScanStats& stats) {
  for (const ColumnRef& column : request.group_by) {
    if (column.is_multi_valued()) {
      return fail(ErrorCode::kUnimplemented, "grouping by what a span has several of");
    }
  }
  if (request.value && request.value->is_multi_valued()) {
    return fail(ErrorCode::kUnimplemented, "values of what a span has several of");
  }
  if (request.want_histogram &&
      (request.buckets_per_octave > 16 || !std::has_single_bit(request.buckets_per_octave))) {
    return fail(ErrorCode::kInvalidArgument, "buckets an octave must be 1, 2, 4, 8 or 16");
  }
  WEFT_ASSIGN(auto filter, CompiledPredicate::create(request.filter));
  return Aggregation(snapshot, request, std::move(filter), cancel, stats).run();
}

}  // namespace weft::store
