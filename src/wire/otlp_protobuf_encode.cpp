#include "model/protobuf.h"
#include "wire/otlp_protobuf.h"
#include "wire/protobuf_writer.h"
#include "wire/row_index.h"

namespace weft {
namespace {

using namespace wire;
using protobuf::put_bytes;
using protobuf::put_fixed64;

// Writes with the field numbers of opentelemetry/proto/trace/v1/trace.proto; fields that hold
// their default are left out.
class Encoder {
 public:
  Encoder(const SpanBatch& batch, std::string& out) : batch_(batch), index_(batch), out_(out) {}

  void encode() {
    const std::vector<uint32_t> rows = rows_by_resource_and_scope(batch_);
    for (size_t begin = 0; begin < rows.size();) {
      const uint32_t resource = batch_.resource[rows[begin]];
      size_t end = begin;
      while (end < rows.size() && batch_.resource[rows[end]] == resource)
        ++end;
      put_resource_spans(resource, {rows.data() + begin, rows.data() + end});
      begin = end;
    }
  }

 private:
  using Rows = std::span<const uint32_t>;

  std::string_view text(StringPool::Id id) const { return batch_.strings.at(id); }

  void put_text(uint32_t field, StringPool::Id id) {
    if (const auto value = text(id); !value.empty()) put_bytes(out_, field, value);
  }
  void put_count(uint32_t field, uint32_t value) {
    if (value != 0) put_uint(out_, field, value);
  }
  template <typename Id>
  void put_id(uint32_t field, const Id& id) {
    if (id.is_zero()) return;
    put_bytes(out_, field, {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()});
  }

  void put_resource_spans(uint32_t resource, Rows rows) {
    MessageScope message(out_, 1);
    {
      MessageScope inner(out_, 1);
      put_attributes(1, index_.resources.at(resource));
      put_count(2, batch_.resources.dropped_attributes_count[resource]);
    }
    while (!rows.empty()) {
      const uint32_t scope = batch_.scope[rows.front()];
      size_t count = 0;
      while (count < rows.size() && batch_.scope[rows[count]] == scope)
        ++count;
      put_scope_spans(scope, rows.first(count));
      rows = rows.subspan(count);
    }
    put_text(3, batch_.resources.schema_url[resource]);
  }

  void put_scope_spans(uint32_t scope, Rows rows) {
    MessageScope message(out_, 2);
    {
      MessageScope inner(out_, 1);
      put_text(1, batch_.scopes.name[scope]);
      put_text(2, batch_.scopes.version[scope]);
      put_attributes(3, index_.scopes.at(scope));
      put_count(4, batch_.scopes.dropped_attributes_count[scope]);
    }
    for (const uint32_t row : rows)
      put_span(row);
    put_text(3, batch_.scopes.schema_url[scope]);
  }

  void put_span(uint32_t row) {
    MessageScope message(out_, 2);
    put_id(1, batch_.trace_id[row]);
    put_id(2, batch_.span_id[row]);
    put_text(3, batch_.trace_state[row]);
    put_id(4, batch_.parent_span_id[row]);
    put_text(5, batch_.name[row]);
    put_count(6, batch_.kind[row]);
    put_fixed64(out_, 7, batch_.start_ns[row]);
    put_fixed64(out_, 8, batch_.end_ns[row]);
    put_attributes(9, index_.spans.at(row));
    put_count(10, batch_.dropped_attributes_count[row]);
    for (uint32_t i = index_.span_events.begin(row); i < index_.span_events.begin(row + 1); ++i) {
      put_event(i);
    }
    put_count(12, batch_.dropped_events_count[row]);
    for (uint32_t i = index_.span_links.begin(row); i < index_.span_links.begin(row + 1); ++i) {
      put_link(i);
    }
    put_count(14, batch_.dropped_links_count[row]);
    if (batch_.status_code[row] != 0 || batch_.status_message[row] != StringPool::kEmpty) {
      MessageScope status(out_, 15);
      put_text(2, batch_.status_message[row]);
      put_count(3, batch_.status_code[row]);
    }
    if (batch_.flags[row] != 0) put_fixed32(out_, 16, batch_.flags[row]);
  }

  void put_event(uint32_t row) {
    MessageScope message(out_, 11);
    put_fixed64(out_, 1, batch_.events.time_ns[row]);
    put_text(2, batch_.events.name[row]);
    put_attributes(3, index_.events.at(row));
    put_count(4, batch_.events.dropped_attributes_count[row]);
  }

  void put_link(uint32_t row) {
    MessageScope message(out_, 13);
    put_id(1, batch_.links.trace_id[row]);
    put_id(2, batch_.links.span_id[row]);
    put_text(3, batch_.links.trace_state[row]);
    put_attributes(4, index_.links.at(row));
    put_count(5, batch_.links.dropped_attributes_count[row]);
    if (batch_.links.flags[row] != 0) put_fixed32(out_, 6, batch_.links.flags[row]);
  }

  void put_attributes(uint32_t field, std::span<const AttributeRef> attributes) {
    for (const AttributeRef& attribute : attributes) {
      MessageScope message(out_, field);
      put_bytes(out_, 1, text(attribute.column->key));
      MessageScope value(out_, 2);
      put_value(*attribute.column, attribute.index);
    }
  }

  void put_value(const AttributeColumn& column, uint32_t index) {
    switch (column.type) {
      case ValueType::kNone:
        break;
      case ValueType::kString:
        put_bytes(out_, 1, text(column.strings[index]));
        break;
      case ValueType::kBool:
        put_uint(out_, 2, column.numbers[index]);
        break;
      case ValueType::kInt:
        put_uint(out_, 3, column.numbers[index]);
        break;
      case ValueType::kDouble:
        put_fixed64(out_, 4, column.numbers[index]);
        break;
      case ValueType::kArray:
        put_bytes(out_, 5, text(column.strings[index]));
        break;
      case ValueType::kKvlist:
        put_bytes(out_, 6, text(column.strings[index]));
        break;
      case ValueType::kBytes:
        put_bytes(out_, 7, text(column.strings[index]));
        break;
    }
  }

  const SpanBatch& batch_;
  BatchIndex index_;
  std::string& out_;
};

}  // namespace

void encode_otlp_traces(const SpanBatch& batch, std::string& out) {
  Encoder(batch, out).encode();
}

}  // namespace weft
