// Spans in columns, in memory: what decoders make of a request, what the write-ahead log commits,
// what the open block consists of, and what a trace is handed out as. Everything that OTLP says
// about a span is here; a batch that is encoded again equals what came in (but for the order of
// attributes). A batch is filled by one thread and then shared read-only.
#pragma once

#include <cstdint>
#include <vector>

#include "model/attribute_table.h"
#include "model/ids.h"
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
  std::vector<StringPool::Id> schema_url;
  std::vector<uint32_t> dropped_attributes_count;
  AttributeTable attributes;

  size_t size() const { return schema_url.size(); }
};

// The instrumentation scopes of a batch.
struct ScopeTable {
  std::vector<StringPool::Id> name;
  std::vector<StringPool::Id> version;
  std::vector<StringPool::Id> schema_url;
  std::vector<uint32_t> dropped_attributes_count;
  AttributeTable attributes;

  size_t size() const { return name.size(); }
};

// The events of all spans of a batch, span after span.
struct EventTable {
  std::vector<uint32_t> span_row;  // ascending
  std::vector<uint64_t> time_ns;
  std::vector<StringPool::Id> name;
  std::vector<uint32_t> dropped_attributes_count;
  AttributeTable attributes;

  size_t size() const { return span_row.size(); }
};

// The links of all spans of a batch, span after span.
struct LinkTable {
  std::vector<uint32_t> span_row;  // ascending
  std::vector<TraceId> trace_id;
  std::vector<SpanId> span_id;
  std::vector<StringPool::Id> trace_state;
  std::vector<uint32_t> flags;
  std::vector<uint32_t> dropped_attributes_count;
  AttributeTable attributes;

  size_t size() const { return span_row.size(); }
};

struct SpanBatch {
  StringPool strings;

  // One entry a span in each of these.
  std::vector<TraceId> trace_id;       // never zero
  std::vector<SpanId> span_id;         // never zero
  std::vector<SpanId> parent_span_id;  // zero for a root
  std::vector<uint64_t> start_ns;      // as sent, whatever it is
  std::vector<uint64_t> end_ns;        // as sent; may be before start_ns (see duration_ns)
  std::vector<StringPool::Id> name;
  std::vector<uint8_t> kind;         // SpanKind; unknown numbers are kept
  std::vector<uint8_t> status_code;  // StatusCode; unknown numbers are kept
  std::vector<StringPool::Id> status_message;
  std::vector<StringPool::Id> trace_state;
  std::vector<uint32_t> flags;
  std::vector<uint32_t> dropped_attributes_count;
  std::vector<uint32_t> dropped_events_count;
  std::vector<uint32_t> dropped_links_count;
  std::vector<uint32_t> resource;  // row in resources
  std::vector<uint32_t> scope;     // row in scopes

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
