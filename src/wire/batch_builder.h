// Fills a SpanBatch: strings are shared where they repeat, attributes find their columns, limits
// are held and what was left out is counted. All decoders of src/wire build their batches with it.
// One thread; a builder is reused from request to request, so that its buffers and the keys that
// it has seen stay warm. Nothing it remembers changes what a request decodes to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "model/span_batch.h"
#include "wire/attribute_table_builder.h"
#include "wire/decode.h"
#include "wire/string_interner.h"

namespace weft {

// The columns of SpanBatch that have an entry a span, while they are filled: a span's fields are
// written at its row. Pointers stay until the next BatchBuilder::begin_span().
struct SpanColumns {
  TraceId* trace_id = nullptr;
  SpanId* span_id = nullptr;
  SpanId* parent_span_id = nullptr;
  uint64_t* start_ns = nullptr;
  uint64_t* end_ns = nullptr;
  StringPool::Id* name = nullptr;
  uint8_t* kind = nullptr;
  uint8_t* status_code = nullptr;
  StringPool::Id* status_message = nullptr;
  StringPool::Id* trace_state = nullptr;
  uint32_t* flags = nullptr;
  uint32_t* dropped_attributes_count = nullptr;
  uint32_t* dropped_events_count = nullptr;
  uint32_t* dropped_links_count = nullptr;
  uint32_t* resource = nullptr;
  uint32_t* scope = nullptr;
};

// The whole batch. Callers write the fields of a span straight into spans() at the row that
// begin_span returned, those of resources, scopes, events and links into their tables.
class BatchBuilder {
 public:
  // Starts an empty batch. `spans` is a guess of how many will come.
  void begin(const DecodeLimits& limits, size_t spans);
  // Gives the batch away; the builder is ready for the next begin().
  DecodeResult finish();

  ResourceTable& resources() { return tables_.resources; }
  ScopeTable& scopes() { return tables_.scopes; }
  EventTable& events() { return tables_.events; }
  LinkTable& links() { return tables_.links; }
  SpanColumns& spans() { return columns_; }
  StringInterner& strings() { return strings_; }
  AttributeTableBuilder& span_attributes() { return span_attributes_; }
  AttributeTableBuilder& event_attributes() { return event_attributes_; }
  AttributeTableBuilder& link_attributes() { return link_attributes_; }
  AttributeTableBuilder& resource_attributes() { return resource_attributes_; }
  AttributeTableBuilder& scope_attributes() { return scope_attributes_; }

  // A new row, all fields zero; attributes, events and links that follow belong to it. nullopt-like
  // kNoRow when the request has all the spans it may have: then the request is to be refused.
  static constexpr uint32_t kNoRow = UINT32_MAX;
  uint32_t begin_span();
  uint32_t begin_resource();
  uint32_t begin_scope();
  // kNoRow when the span (or the request) has all that it may have; it has been counted then.
  uint32_t begin_event();
  uint32_t begin_link();

  // Counts an attribute that was not added into `dropped` (a dropped_attributes_count).
  void count_attribute(AttributeOutcome outcome, uint32_t& dropped);
  void drop_link(std::string_view why);
  // A span that cannot be stored; `why` is kept when it is the first.
  void reject_span(std::string_view why);
  // Something that was left out; kept when nothing was said yet.
  void warn(std::string_view what);

 private:
  void extend_spans(size_t rows);
  size_t finished_bytes();

  // Resources, scopes, events and links while they are gathered, without their attributes. Like
  // all that is gathered here they are copied into a batch of the right size.
  struct Tables {
    ResourceTable resources;
    ScopeTable scopes;
    EventTable events;
    LinkTable links;
  };

  DecodeLimits limits_;
  DecodeResult result_;
  Tables tables_;
  std::string warning_;
  StringInterner strings_;
  AttributeTableBuilder span_attributes_;
  AttributeTableBuilder event_attributes_;
  AttributeTableBuilder link_attributes_;
  AttributeTableBuilder resource_attributes_;
  AttributeTableBuilder scope_attributes_;
  SpanColumns columns_;
  std::unique_ptr<std::byte[]> columns_block_;
  size_t max_rows_ = 0;  // that columns_ has room for
  size_t rows_ = 0;      // of these, so many are zero or in use
  uint32_t spans_ = 0;   // in use
  uint32_t span_events_ = 0;
  uint32_t span_links_ = 0;
};

// sum, at most the largest uint32.
inline void saturating_add(uint32_t& sum, uint64_t more) {
  sum = more > UINT32_MAX - sum ? UINT32_MAX : sum + static_cast<uint32_t>(more);
}

}  // namespace weft
