// Spans in columns, in memory: what decoders make of a request, what the write-ahead log commits,
// what the open block consists of, and what a trace is handed out as. Everything that OTLP says
// about a span is here; a batch that is encoded again equals what came in (but for the order of
// attributes). A batch is filled by one thread and then shared read-only.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/attribute_table.h"
#include "model/batch_arena.h"
#include "model/ids.h"
#include "model/seldom_column.h"
#include "model/string_pool.h"

namespace weft {

// OTLP's numbers.
enum class SpanKind : uint8_t {
  kUnspecified = 0,
  kInternal = 1,
  kServer = 2,
  kClient = 3,
  kProducer = 4,
  kConsumer = 5,
};
enum class StatusCode : uint8_t { kUnset = 0, kOk = 1, kError = 2 };

// The resources of a batch: who sent the spans. Equal resources may stand twice.
struct ResourceTable {
  // Equal numbers mean equal resources, in all batches of the process; nothing follows from others.
  // 0 where none was given; empty where a batch was not decoded from a request. Not stored.
  ColumnVector<uint64_t> origin;
  ColumnVector<StringPool::Id> schema_url;
  ColumnVector<uint32_t> dropped_attributes_count;
  AttributeTable attributes;

  size_t size() const { return schema_url.size(); }
};

// The instrumentation scopes of a batch.
struct ScopeTable {
  ColumnVector<StringPool::Id> name;
  ColumnVector<StringPool::Id> version;
  ColumnVector<StringPool::Id> schema_url;
  ColumnVector<uint32_t> dropped_attributes_count;
  AttributeTable attributes;

  size_t size() const { return name.size(); }
};

// The events of all spans of a batch, span after span.
struct EventTable {
  ColumnVector<uint32_t> span_row;  // ascending
  ColumnVector<uint64_t> time_ns;
  ColumnVector<StringPool::Id> name;
  ColumnVector<uint32_t> dropped_attributes_count;
  AttributeTable attributes;

  size_t size() const { return span_row.size(); }
};

// The links of all spans of a batch, span after span.
struct LinkTable {
  ColumnVector<uint32_t> span_row;  // ascending
  ColumnVector<TraceId> trace_id;
  ColumnVector<SpanId> span_id;
  ColumnVector<StringPool::Id> trace_state;
  ColumnVector<uint32_t> flags;
  ColumnVector<uint32_t> dropped_attributes_count;
  AttributeTable attributes;

  size_t size() const { return span_row.size(); }
};

struct SpanBatch {
  SpanBatch() = default;
  SpanBatch(const SpanBatch&) = default;
  SpanBatch(SpanBatch&&) = default;
  // What was held goes whole: the arena after the columns that lie in it.
  SpanBatch& operator=(SpanBatch other) noexcept {
    std::destroy_at(this);
    return *std::construct_at(this, std::move(other));
  }
  ~SpanBatch() = default;

  // Where the columns lie that a decoder made, in front of them so that it goes last.
  OwnedArena arena;

  StringPool strings;

  // One entry a span in each of these.
  ColumnVector<TraceId> trace_id;       // never zero
  ColumnVector<SpanId> span_id;         // never zero
  ColumnVector<SpanId> parent_span_id;  // zero for a root
  ColumnVector<uint64_t> start_ns;      // as sent, whatever it is
  ColumnVector<uint64_t> end_ns;        // as sent; may be before start_ns (see duration_ns)
  ColumnVector<StringPool::Id> name;
  ColumnVector<uint8_t> kind;         // SpanKind; unknown numbers are kept
  ColumnVector<uint8_t> status_code;  // StatusCode; unknown numbers are kept
  SeldomColumn<StringPool::Id> status_message;
  SeldomColumn<StringPool::Id> trace_state;
  SeldomColumn<uint32_t> flags;
  SeldomColumn<uint32_t> dropped_attributes_count;
  SeldomColumn<uint32_t> dropped_events_count;
  SeldomColumn<uint32_t> dropped_links_count;
  ColumnVector<uint32_t> resource;  // row in resources
  ColumnVector<uint32_t> scope;     // row in scopes

  ResourceTable resources;
  ScopeTable scopes;
  AttributeTable attributes;  // of spans
  EventTable events;
  LinkTable links;
  // Facts that Weft itself adds to a span, never exported as attributes. Known keys:
  // "received_ns" (int) on spans whose sender's clock is not trusted (browsers).
  AttributeTable annotations;

  size_t size() const { return trace_id.size(); }
  bool empty() const { return trace_id.empty(); }
  // 0 when a span ends before it starts.
  uint64_t duration_ns(size_t row) const {
    return end_ns[row] > start_ns[row] ? end_ns[row] - start_ns[row] : 0;
  }
  // An estimate of the heap that the batch holds.
  size_t memory_bytes() const;
};

// Appends all rows of `source`. Strings, resources and scopes that are equal are shared.
void append_batch(SpanBatch& target, const SpanBatch& source);

// Appends the given rows of `source`, in that order (rows may be any order, no row twice).
void append_rows(SpanBatch& target, const SpanBatch& source, const std::vector<uint32_t>& rows);

}  // namespace weft
