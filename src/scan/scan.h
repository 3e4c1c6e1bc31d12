// The storage contract: what query asks of a store of spans (the embedded engine, a ClickHouse
// cluster) and what it gets back. A request travels down as data, batches travel up; nothing else
// crosses. A source returns a superset of what was asked, and says so; query filters the rest.
//
// Exactness rests on two promises of every source:
//  1. Each span (trace id, span id) is returned at most once in one scan, however often it was
//     stored (the first stored copy counts).
//  2. With whole_traces, all spans of a trace come in one ScanBatch, wherever they are stored.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/ids.h"
#include "model/span_batch.h"
#include "scan/column.h"
#include "scan/predicate.h"

namespace weft {

// Half open, nanoseconds since the epoch; a span lies in it when its start does. The largest
// number stands for no end: a span that claims to start at it is in the range too.
struct TimeRange {
  static constexpr uint64_t kNoEnd = UINT64_MAX;
  uint64_t from_ns = 0;
  uint64_t to_ns = kNoEnd;

  bool contains(uint64_t t_ns) const { return t_ns >= from_ns && is_before_end(t_ns); }
  bool is_before_end(uint64_t t_ns) const { return t_ns < to_ns || to_ns == kNoEnd; }
  // Whether a time from `min_ns` to `max_ns`, both included, may lie in it.
  bool overlaps(uint64_t min_ns, uint64_t max_ns) const {
    return max_ns >= from_ns && is_before_end(min_ns);
  }
  // The last time that lies in it, if any does.
  uint64_t last_ns() const { return to_ns == kNoEnd ? kNoEnd : to_ns - 1; }
  friend bool operator==(const TimeRange&, const TimeRange&) = default;
};

// Set by whoever gives up (client gone, deadline passed, enough found); read by the source at
// least once a page of rows. Shared by all threads of a query.
class CancelToken {
 public:
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

// What a scan touched, added up over its threads; the answer to "inspected".
struct ScanStats {
  std::atomic<uint64_t> blocks{0};          // opened at all
  std::atomic<uint64_t> blocks_skipped{0};  // pruned by time, bloom, dictionary or bounds
  std::atomic<uint64_t> spans{0};           // rows that a predicate or an aggregate looked at
  std::atomic<uint64_t> bytes{0};           // encoded bytes read
};

struct ScanRequest {
  TimeRange range;                 // applies to the candidate spans (see whole_traces)
  Predicate filter;                // candidates; the source may return more
  std::vector<ColumnRef> columns;  // wanted, in this order, in ScanBatch::columns
  // false: candidate spans alone. true: every span of each trace that has a candidate in range,
  // the trace's other spans included whatever their time.
  bool whole_traces = false;
  // With whole_traces: a trace that has no span for one of these, whatever its time, is not wanted;
  // the source may return it all the same.
  std::vector<Predicate> needed;
  // Fill ScanBatch::parent_row (only with whole_traces).
  bool parents = false;
  // When not empty, no other traces are looked at; each id once. A filter on the trace id would
  // read every page for them. In no particular order.
  std::vector<TraceId> traces;
};

// One wanted column for the rows of a ScanBatch. Values of a row lie at
// [offsets[row], offsets[row+1]) when the column is multi-valued, else at [row].
struct ValueColumn {
  std::vector<uint32_t> offsets;  // rows + 1 entries, or empty when one value a row
  std::vector<ValueType> types;   // kNone: absent
  // kBool 0/1, kInt two's complement, kDouble bits; kString, kBytes, kArray, kKvlist: id in
  // `strings`. 0 where absent.
  std::vector<uint64_t> words;
  // Shared between batches of one block where that saves copying. Equal strings of one column
  // usually, not always, have equal ids. Null when no value is string-like.
  std::shared_ptr<const StringPool> strings;

  std::string_view text(size_t index) const {
    return strings->at(static_cast<StringPool::Id>(words[index]));
  }
};

struct ScanBatch {
  static constexpr int32_t kRoot = -1;    // parent_row: no parent id
  static constexpr int32_t kOrphan = -2;  // parent_row: the parent is not stored

  // Traces of the batch; trace t owns rows [trace_begin[t], trace_begin[t+1]). Within a trace,
  // rows are ordered by (start_ns, span id).
  std::vector<TraceId> trace_ids;
  std::vector<uint32_t> trace_begin;
  std::vector<uint64_t> start_ns;    // always filled, one a row
  std::vector<SpanId> span_ids;      // always filled, one a row
  std::vector<int32_t> parent_row;   // row in this batch, kRoot or kOrphan; when asked for
  std::vector<ValueColumn> columns;  // parallel to ScanRequest::columns
  // Every candidate that a later next() of any thread returns starts before this: when enough
  // newer results are in hand, the scan can be cancelled. UINT64_MAX: nothing is known.
  uint64_t remaining_before_ns = UINT64_MAX;

  size_t rows() const { return start_ns.size(); }
  size_t traces() const { return trace_ids.size(); }
};

// A running scan over one immutable snapshot. next() may be called from several threads at once:
// each call claims the next piece of work, newest first, and returns its rows; nullopt when all
// is claimed. Which thread gets which batch is not deterministic; the union of the batches is.
class ScanCursor {
 public:
  virtual ~ScanCursor() = default;
  virtual Expected<std::optional<ScanBatch>> next() = 0;
};

// Grouped aggregates, counted where the data lies.
struct AggregateRequest {
  TimeRange range;
  Predicate filter;                 // a source only takes it if it can evaluate it exactly
  uint64_t step_ns = 0;             // time buckets of span start from range.from_ns; 0: one bucket
  std::vector<ColumnRef> group_by;  // single-valued columns; an absent value is a group of its own
  // The numeric column that is summed up or put into the histogram; none: spans are counted only.
  // Spans without a number there are left out when it is set.
  std::optional<ColumnRef> value;
  bool want_histogram = false;
  // Histogram buckets a power of two: 1, 2, 4, 8, 16 (log-linear, see histogram_bucket).
  uint32_t buckets_per_octave = 1;
  // More groups than this: kResourceExhausted.
  uint32_t max_groups = 10'000;
};

// The log-linear bucket of a value: octave * buckets_per_octave + linear part; values below 1
// (0 and negative ones) fall into bucket 0.
uint32_t histogram_bucket(double value, uint32_t buckets_per_octave);
// The bucket's lower bound (its upper bound is the next one's lower bound).
double histogram_bucket_floor(uint32_t bucket, uint32_t buckets_per_octave);

struct AggregateCell {
  uint64_t count = 0;
  double sum = 0;
  double min = 0;  // meaningless while count is 0
  double max = 0;
  // (bucket, count), ascending; when asked for.
  std::vector<std::pair<uint32_t, uint64_t>> histogram;
};

struct GroupTable {
  struct Group {
    std::vector<Value> keys;           // parallel to group_by; kNone where absent
    std::vector<AggregateCell> cells;  // one a time bucket
  };
  std::vector<Group> groups;  // any order
};

// What a source can do by itself. The zero value can do least: query then does it from a scan.
struct Capabilities {
  bool exact_filter =
      false;               // scan() returns no candidates beyond the filter, but for whole traces
  bool aggregate = false;  // aggregate() is there
};

struct AttributeKey {
  AttributeScope scope = AttributeScope::kSpan;
  std::string key;
  ValueType type = ValueType::kString;
  uint64_t spans = 0;  // that have it (an upper bound: duplicates may count twice)
};

struct AttributeValue {
  Value value;
  uint64_t spans = 0;
};

struct AttributeList {
  std::vector<AttributeKey> keys;  // by count, most frequent first
  bool limit_reached = false;
};
struct AttributeValueList {
  std::vector<AttributeValue> values;  // by count, most frequent first
  bool limit_reached = false;
};

struct StorageStats {
  uint64_t spans = 0;
  uint64_t traces = 0;  // an estimate when traces are split over blocks
  uint64_t blocks = 0;
  uint64_t disk_bytes = 0;
  uint64_t memory_bytes = 0;
  uint64_t oldest_ns = 0;  // start of the oldest and newest span; 0 when empty
  uint64_t newest_ns = 0;
};

// Reads. All functions may be called from any thread at any time; each sees every span that was
// acknowledged before the call.
class SpanSource {
 public:
  virtual ~SpanSource() = default;
  virtual Capabilities capabilities() const = 0;

  // The cursor keeps its snapshot alive; `cancel` and `stats` must outlive it. A cancelled scan's
  // next() returns kCancelled.
  virtual Expected<std::unique_ptr<ScanCursor>> scan(const ScanRequest& request,
                                                     const CancelToken& cancel,
                                                     ScanStats& stats) = 0;

  // kUnimplemented when the source cannot evaluate the filter or a column exactly.
  virtual Expected<GroupTable> aggregate(const AggregateRequest& request, const CancelToken& cancel,
                                         ScanStats& stats) = 0;

  // All spans of a trace, whole and complete with every field, ordered by (start_ns, span id),
  // without duplicates. An empty batch when there is none. At most max_spans rows (the earliest);
  // more: kResourceExhausted.
  virtual Expected<SpanBatch> trace(const TraceId& id, size_t max_spans) = 0;

  // Every span, block after block in no particular order, complete with every field: for export.
  class BatchCursor {
   public:
    virtual ~BatchCursor() = default;
    // nullopt at the end. One thread. Duplicates of a span are left out. So is what is damaged:
    // then kCorrupt comes once, before the end, with the first damage that was met.
    virtual Expected<std::optional<SpanBatch>> next() = 0;
  };
  virtual Expected<std::unique_ptr<BatchCursor>> export_all(TimeRange range,
                                                            const CancelToken& cancel) = 0;

  // For completion. Counts are exact but for duplicates; those of keys may be of whole blocks that
  // lie in the range in part.
  virtual Expected<AttributeList> attribute_keys(TimeRange range, size_t limit,
                                                 const CancelToken& cancel) = 0;
  virtual Expected<AttributeValueList> attribute_values(const ColumnRef& column, TimeRange range,
                                                        size_t limit,
                                                        const CancelToken& cancel) = 0;
  virtual StorageStats stats() const = 0;
};

// Writes. Any thread.
class SpanSink {
 public:
  virtual ~SpanSink() = default;

  // What the log keeps of a request: its body as it was received (still compressed if it came so),
  // so that nothing has to be encoded before it is safe.
  struct RawRequest {
    enum class Format : uint8_t { kOtlpProtobuf = 1, kOtlpJson = 2, kZipkinJson = 3, kColumns = 4 };
    enum class Compression : uint8_t { kNone = 0, kGzip = 1, kZstd = 2, kDeflate = 3 };
    Format format = Format::kColumns;
    Compression compression = Compression::kNone;
    std::string_view body;  // borrowed: append() copies it
    // When it was received, and whether the sender's clock is not to be trusted (a browser): then
    // decoding adds the annotation "received_ns" to its spans, at replay as at receipt.
    uint64_t received_ns = 0;
    bool untrusted_clock = false;
  };

  // Takes a batch. `raw` is what `batch` was decoded from, or nullptr: then the columns themselves
  // are logged. `done` is called exactly once, from another thread or before append returns: with
  // success when the spans are on disk (after fdatasync) and can be found, else with the reason
  // why they are not kept (kNoSpace and kUnavailable may pass; kInvalidArgument does not).
  // Returns an error at once, without calling `done`, when the queue before the log is full
  // (kUnavailable) or the request is larger than the log takes (kInvalidArgument).
  using Done = std::move_only_function<void(Status)>;
  virtual Status append(SpanBatch batch, const RawRequest* raw, Done done) = 0;
};

}  // namespace weft
