// One span as a plain value: for tests, the reference evaluator, the terminal's waterfall and
// other slow paths. Hot paths stay with SpanBatch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/ids.h"
#include "model/span_batch.h"
#include "model/value.h"

namespace weft {

using Attributes = std::vector<KeyValue>;

// nullptr when the key is absent.
const Value* find_attribute(const Attributes& attributes, std::string_view key);

struct Resource {
  Attributes attributes;
  uint32_t dropped_attributes_count = 0;
  std::string schema_url;
  friend bool operator==(const Resource&, const Resource&) = default;
};

struct InstrumentationScope {
  std::string name;
  std::string version;
  Attributes attributes;
  uint32_t dropped_attributes_count = 0;
  std::string schema_url;
  friend bool operator==(const InstrumentationScope&, const InstrumentationScope&) = default;
};

struct SpanEvent {
  uint64_t time_ns = 0;
  std::string name;
  Attributes attributes;
  uint32_t dropped_attributes_count = 0;
  friend bool operator==(const SpanEvent&, const SpanEvent&) = default;
};

struct SpanLink {
  TraceId trace_id;
  SpanId span_id;
  std::string trace_state;
  uint32_t flags = 0;
  Attributes attributes;
  uint32_t dropped_attributes_count = 0;
  friend bool operator==(const SpanLink&, const SpanLink&) = default;
};

struct Span {
  TraceId trace_id;
  SpanId span_id;
  SpanId parent_span_id;
  uint64_t start_ns = 0;
  uint64_t end_ns = 0;
  std::string name;
  SpanKind kind = SpanKind::kUnspecified;
  StatusCode status_code = StatusCode::kUnset;
  std::string status_message;
  std::string trace_state;
  uint32_t flags = 0;
  uint32_t dropped_attributes_count = 0;
  uint32_t dropped_events_count = 0;
  uint32_t dropped_links_count = 0;
  Attributes attributes;
  std::vector<SpanEvent> events;
  std::vector<SpanLink> links;
  Resource resource;
  InstrumentationScope scope;
  Attributes annotations;

  uint64_t duration_ns() const { return end_ns > start_ns ? end_ns - start_ns : 0; }
  friend bool operator==(const Span&, const Span&) = default;
};

// The row as a value; attributes sorted by key, so that equal spans compare equal.
Span to_span(const SpanBatch& batch, size_t row);
// All rows. One pass over the columns: use it instead of to_span in a loop.
std::vector<Span> to_spans(const SpanBatch& batch);
// Appends one span; equal resources and scopes in a row are shared with the previous span's.
void append_span(SpanBatch& batch, const Span& span);
// Sorts attributes by key everywhere in the span (to compare what came by different ways).
void normalise(Span& span);

}  // namespace weft
