#include "query/testing/memory_source.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <tuple>

#include "model/testing/random_spans.h"
#include "query/testing/span_values.h"
#include "query/trace_columns.h"

namespace weft::testing {
namespace {

struct Piece {
  ScanBatch batch;
  uint64_t newest_candidate = 0;
};

// Takes as long as the options say; false when it was cancelled meanwhile.
bool wait(const MemorySourceOptions& options, const CancelToken& cancel) {
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::nanoseconds(options.next_delay_ns);
  do {
    if (cancel.cancelled()) return false;
    if (options.next_delay_ns != 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
  } while (std::chrono::steady_clock::now() < until);
  return !cancel.cancelled();
}

class MemoryCursor final : public ScanCursor {
 public:
  MemoryCursor(std::vector<Piece> pieces, const MemorySourceOptions& options,
               const CancelToken& cancel)
      : pieces_(std::move(pieces)), options_(options), cancel_(cancel) {}

  Expected<std::optional<ScanBatch>> next() override {
    if (!wait(options_, cancel_)) return fail(ErrorCode::kCancelled, "the scan was cancelled");
    const std::lock_guard lock(mutex_);
    if (at_ == pieces_.size()) return std::nullopt;
    ScanBatch out = std::move(pieces_[at_++].batch);
    if (options_.tell_remaining) {
      out.remaining_before_ns = 0;
      for (size_t i = at_; i < pieces_.size(); ++i) {
        out.remaining_before_ns =
            std::max(out.remaining_before_ns, pieces_[i].newest_candidate + 1);
      }
    }
    return out;
  }

 private:
  std::mutex mutex_;
  std::vector<Piece> pieces_;
  size_t at_ = 0;
  MemorySourceOptions options_;
  const CancelToken& cancel_;
};

auto order_of(const Span& span) {
  return std::tie(span.trace_id, span.start_ns, span.span_id);
}

std::vector<Span> ordered_unique(std::vector<Span> spans) {
  std::set<std::pair<TraceId, SpanId>> seen;
  std::erase_if(
      spans, [&](const Span& span) { return !seen.emplace(span.trace_id, span.span_id).second; });
  std::sort(spans.begin(), spans.end(),
            [](const Span& a, const Span& b) { return order_of(a) < order_of(b); });
  return spans;
}

std::optional<double> number_of(const std::vector<Value>& values) {
  if (values.empty()) return std::nullopt;
  if (const auto* integer = std::get_if<int64_t>(&values[0].data)) {
    return static_cast<double>(*integer);
  }
  if (const auto* number = std::get_if<double>(&values[0].data)) return *number;
  return std::nullopt;
}

void add_to_cell(AggregateCell& cell, double number, uint32_t buckets_per_octave,
                 bool want_histogram) {
  cell.min = cell.count == 0 ? number : std::min(cell.min, number);
  cell.max = cell.count == 0 ? number : std::max(cell.max, number);
  ++cell.count;
  cell.sum += number;
  if (!want_histogram) return;
  const uint32_t bucket = histogram_bucket(number, buckets_per_octave);
  auto at = std::lower_bound(cell.histogram.begin(), cell.histogram.end(),
                             std::pair<uint32_t, uint64_t>(bucket, 0));
  if (at == cell.histogram.end() || at->first != bucket) {
    at = cell.histogram.insert(at, {bucket, 0});
  }
  ++at->second;
}

class MemoryBatchCursor final : public SpanSource::BatchCursor {
 public:
  explicit MemoryBatchCursor(SpanBatch batch) : batch_(std::move(batch)) {}
  Expected<std::optional<SpanBatch>> next() override {
    std::optional<SpanBatch> out;
    std::swap(out, batch_);
    return out;
  }

 private:
  std::optional<SpanBatch> batch_;
};

}  // namespace

MemorySource::MemorySource(std::vector<Span> spans, MemorySourceOptions options)
    : spans_(ordered_unique(std::move(spans))), options_(options) {}

void MemorySource::add(std::vector<Span> spans) {
  spans_.insert(spans_.end(), std::make_move_iterator(spans.begin()),
                std::make_move_iterator(spans.end()));
  spans_ = ordered_unique(std::move(spans_));
}

Capabilities MemorySource::capabilities() const {
  return {.exact_filter = !options_.superset, .aggregate = options_.aggregates};
}

Expected<std::unique_ptr<ScanCursor>> MemorySource::scan(const ScanRequest& request,
                                                         const CancelToken& cancel,
                                                         ScanStats& stats) {
  if (cancel.cancelled()) return fail(ErrorCode::kCancelled, "the scan was cancelled");
  struct Trace {
    std::vector<uint32_t> rows;  // of spans_
    uint64_t newest_candidate = 0;
  };
  std::mt19937_64 random(options_.seed);
  std::vector<Trace> traces;
  for (size_t begin = 0; begin < spans_.size();) {
    size_t end = begin;
    Trace trace;
    bool has_candidate = false;
    for (; end < spans_.size() && spans_[end].trace_id == spans_[begin].trace_id; ++end) {
      ++stats.spans;
      const Span& span = spans_[end];
      const bool matched = holds(request.filter, span) || (options_.superset && random() % 4 == 0);
      const bool candidate = request.range.contains(span.start_ns) && matched;
      if (candidate) {
        has_candidate = true;
        trace.newest_candidate = std::max(trace.newest_candidate, span.start_ns);
      }
      if (candidate || request.whole_traces) trace.rows.push_back(static_cast<uint32_t>(end));
    }
    const bool wanted =
        request.traces.empty() ||
        std::ranges::find(request.traces, spans_[begin].trace_id) != request.traces.end();
    const auto of_trace = std::span(spans_).subspan(begin, end - begin);
    const bool has_needed = std::ranges::all_of(request.needed, [&](const Predicate& needed) {
      return std::ranges::any_of(of_trace, [&](const Span& span) { return holds(needed, span); });
    });
    const bool dropped = request.whole_traces && options_.drops_unneeded && !has_needed;
    if (has_candidate && wanted && !dropped) traces.push_back(std::move(trace));
    begin = end;
  }
  std::sort(traces.begin(), traces.end(),
            [](const Trace& a, const Trace& b) { return a.newest_candidate > b.newest_candidate; });
  if (!options_.newest_first) std::shuffle(traces.begin(), traces.end(), random);
  std::vector<Piece> pieces;
  for (size_t i = 0; i < traces.size(); i += options_.traces_per_batch) {
    auto batch = std::make_shared<SpanBatch>();
    std::vector<uint32_t> rows;
    Piece piece;
    for (size_t t = i; t < std::min(i + options_.traces_per_batch, traces.size()); ++t) {
      piece.newest_candidate = std::max(piece.newest_candidate, traces[t].newest_candidate);
      for (uint32_t row : traces[t].rows) {
        rows.push_back(static_cast<uint32_t>(batch->size()));
        append_span(*batch, spans_[row]);
      }
    }
    piece.batch = traceql::scan_batch_of(batch, rows, request.columns);
    if (!request.parents) piece.batch.parent_row.clear();
    pieces.push_back(std::move(piece));
  }
  ++stats.blocks;
  return std::make_unique<MemoryCursor>(std::move(pieces), options_, cancel);
}

Expected<GroupTable> MemorySource::aggregate(const AggregateRequest& request,
                                             const CancelToken& cancel, ScanStats& stats) {
  if (!options_.aggregates) {
    return fail(ErrorCode::kUnimplemented, "this source does not aggregate");
  }
  if (!wait(options_, cancel)) return fail(ErrorCode::kCancelled, "cancelled");
  const uint64_t last = request.range.last_ns() - request.range.from_ns;
  const size_t cells = request.step_ns == 0 ? 1 : last / request.step_ns + 1;
  std::vector<GroupTable::Group> groups;
  for (const Span& span : spans_) {
    ++stats.spans;
    if (!request.range.contains(span.start_ns) || !holds(request.filter, span)) continue;
    double number = 0;
    if (request.value) {
      const auto found = number_of(column_values(span, *request.value));
      if (!found) continue;
      number = *found;
    }
    std::vector<Value> keys;
    for (const ColumnRef& column : request.group_by) {
      const std::vector<Value> values = column_values(span, column);
      keys.push_back(values.empty() ? Value() : values[0]);
    }
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const GroupTable::Group& g) { return g.keys == keys; });
    if (group == groups.end()) {
      if (groups.size() == request.max_groups) {
        return fail(ErrorCode::kResourceExhausted, "too many groups");
      }
      group = groups.insert(groups.end(), {keys, std::vector<AggregateCell>(cells)});
    }
    const size_t cell =
        request.step_ns == 0 ? 0 : (span.start_ns - request.range.from_ns) / request.step_ns;
    add_to_cell(group->cells[cell], number, request.buckets_per_octave, request.want_histogram);
  }
  return GroupTable{std::move(groups)};
}

Expected<SpanBatch> MemorySource::trace(const TraceId& id, size_t max_spans) {
  SpanBatch out;
  for (const Span& span : spans_) {
    if (span.trace_id != id) continue;
    if (out.size() == max_spans) {
      return fail(ErrorCode::kResourceExhausted, "the trace has too many spans");
    }
    append_span(out, span);
  }
  return out;
}

Expected<std::unique_ptr<SpanSource::BatchCursor>> MemorySource::export_all(TimeRange range,
                                                                            const CancelToken&) {
  SpanBatch out;
  for (const Span& span : spans_) {
    if (range.contains(span.start_ns)) append_span(out, span);
  }
  return std::make_unique<MemoryBatchCursor>(std::move(out));
}

Expected<AttributeList> MemorySource::attribute_keys(TimeRange range, size_t limit,
                                                     const CancelToken&) {
  std::map<std::tuple<AttributeScope, std::string, ValueType>, uint64_t> counts;
  const auto count = [&](AttributeScope scope, const Attributes& attributes) {
    for (const KeyValue& entry : attributes)
      ++counts[{scope, entry.key, entry.value.type()}];
  };
  for (const Span& span : spans_) {
    if (!range.contains(span.start_ns)) continue;
    count(AttributeScope::kSpan, span.attributes);
    count(AttributeScope::kResource, span.resource.attributes);
    count(AttributeScope::kInstrumentation, span.scope.attributes);
    for (const SpanEvent& event : span.events)
      count(AttributeScope::kEvent, event.attributes);
    for (const SpanLink& link : span.links)
      count(AttributeScope::kLink, link.attributes);
  }
  AttributeList out;
  for (const auto& [key, spans] : counts) {
    out.keys.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), spans});
  }
  std::stable_sort(out.keys.begin(), out.keys.end(),
                   [](const AttributeKey& a, const AttributeKey& b) { return a.spans > b.spans; });
  out.limit_reached = out.keys.size() > limit;
  if (out.limit_reached) out.keys.resize(limit);
  return out;
}

Expected<AttributeValueList> MemorySource::attribute_values(const ColumnRef& column,
                                                            TimeRange range, size_t limit,
                                                            const CancelToken&) {
  AttributeValueList out;
  for (const Span& span : spans_) {
    if (!range.contains(span.start_ns)) continue;
    for (const Value& value : column_values(span, column)) {
      auto found = std::find_if(out.values.begin(), out.values.end(),
                                [&](const AttributeValue& entry) { return entry.value == value; });
      if (found == out.values.end()) found = out.values.insert(found, {value, 0});
      ++found->spans;
    }
  }
  std::stable_sort(
      out.values.begin(), out.values.end(),
      [](const AttributeValue& a, const AttributeValue& b) { return a.spans > b.spans; });
  out.limit_reached = out.values.size() > limit;
  if (out.limit_reached) out.values.resize(limit);
  return out;
}

StorageStats MemorySource::stats() const {
  StorageStats out;
  out.spans = spans_.size();
  out.blocks = 1;
  for (size_t i = 0; i < spans_.size(); ++i) {
    out.traces += i == 0 || spans_[i].trace_id != spans_[i - 1].trace_id ? 1 : 0;
    out.oldest_ns = i == 0 ? spans_[i].start_ns : std::min(out.oldest_ns, spans_[i].start_ns);
    out.newest_ns = std::max(out.newest_ns, spans_[i].start_ns);
  }
  return out;
}

}  // namespace weft::testing
