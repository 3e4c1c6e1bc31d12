#include <bit>
#include <span>

#include "wire/json_object.h"
#include "wire/json_writer.h"
#include "wire/otlp_json.h"
#include "wire/row_index.h"

namespace weft {
namespace {

using json::append_string;
using json::Object;

class Encoder {
 public:
  Encoder(const SpanBatch& batch, std::string& out) : batch_(batch), index_(batch), out_(out) {}

  void encode() {
    const std::vector<uint32_t> rows = rows_by_resource_and_scope(batch_);
    Object root(out_);
    root.name("resourceSpans").push_back('[');
    for (size_t begin = 0; begin < rows.size();) {
      const uint32_t resource = batch_.resource[rows[begin]];
      size_t end = begin;
      while (end < rows.size() && batch_.resource[rows[end]] == resource)
        ++end;
      if (begin > 0) out_.push_back(',');
      put_resource_spans(resource, {rows.data() + begin, rows.data() + end});
      begin = end;
    }
    out_.push_back(']');
  }

 private:
  using Rows = std::span<const uint32_t>;

  std::string_view text(StringPool::Id id) const { return batch_.strings.at(id); }

  void put_resource_spans(uint32_t resource, Rows rows) {
    Object object(out_);
    object.name("resource");
    {
      Object inner(out_);
      put_attributes(inner, index_.resources.at(resource));
      inner.count("droppedAttributesCount", batch_.resources.dropped_attributes_count[resource]);
    }
    object.name("scopeSpans").push_back('[');
    for (bool first = true; !rows.empty(); first = false) {
      const uint32_t scope = batch_.scope[rows.front()];
      size_t count = 0;
      while (count < rows.size() && batch_.scope[rows[count]] == scope)
        ++count;
      if (!first) out_.push_back(',');
      put_scope_spans(scope, rows.first(count));
      rows = rows.subspan(count);
    }
    out_.push_back(']');
    object.text("schemaUrl", text(batch_.resources.schema_url[resource]));
  }

  void put_scope_spans(uint32_t scope, Rows rows) {
    Object object(out_);
    object.name("scope");
    {
      Object inner(out_);
      inner.text("name", text(batch_.scopes.name[scope]));
      inner.text("version", text(batch_.scopes.version[scope]));
      put_attributes(inner, index_.scopes.at(scope));
      inner.count("droppedAttributesCount", batch_.scopes.dropped_attributes_count[scope]);
    }
    object.name("spans").push_back('[');
    for (bool first = true; const uint32_t row : rows) {
      if (!std::exchange(first, false)) out_.push_back(',');
      put_span(row);
    }
    out_.push_back(']');
    object.text("schemaUrl", text(batch_.scopes.schema_url[scope]));
  }

  void put_span(uint32_t row) {
    Object object(out_);
    object.id("traceId", batch_.trace_id[row]);
    object.id("spanId", batch_.span_id[row]);
    object.text("traceState", text(batch_.trace_state[row]));
    object.id("parentSpanId", batch_.parent_span_id[row]);
    object.count("flags", batch_.flags[row]);
    object.text("name", text(batch_.name[row]));
    object.count("kind", batch_.kind[row]);
    object.quoted_uint("startTimeUnixNano", batch_.start_ns[row]);
    object.quoted_uint("endTimeUnixNano", batch_.end_ns[row]);
    put_attributes(object, index_.spans.at(row));
    object.count("droppedAttributesCount", batch_.dropped_attributes_count[row]);
    put_events(object, index_.span_events.begin(row), index_.span_events.begin(row + 1));
    object.count("droppedEventsCount", batch_.dropped_events_count[row]);
    put_links(object, index_.span_links.begin(row), index_.span_links.begin(row + 1));
    object.count("droppedLinksCount", batch_.dropped_links_count[row]);
    object.name("status");
    Object status(out_);
    status.text("message", text(batch_.status_message[row]));
    status.count("code", batch_.status_code[row]);
  }

  void put_events(Object& span, uint32_t begin, uint32_t end) {
    if (begin == end) return;
    span.name("events").push_back('[');
    for (uint32_t row = begin; row < end; ++row) {
      if (row > begin) out_.push_back(',');
      Object object(out_);
      object.quoted_uint("timeUnixNano", batch_.events.time_ns[row]);
      object.text("name", text(batch_.events.name[row]));
      put_attributes(object, index_.events.at(row));
      object.count("droppedAttributesCount", batch_.events.dropped_attributes_count[row]);
    }
    out_.push_back(']');
  }

  void put_links(Object& span, uint32_t begin, uint32_t end) {
    if (begin == end) return;
    span.name("links").push_back('[');
    for (uint32_t row = begin; row < end; ++row) {
      if (row > begin) out_.push_back(',');
      Object object(out_);
      object.id("traceId", batch_.links.trace_id[row]);
      object.id("spanId", batch_.links.span_id[row]);
      object.text("traceState", text(batch_.links.trace_state[row]));
      put_attributes(object, index_.links.at(row));
      object.count("droppedAttributesCount", batch_.links.dropped_attributes_count[row]);
      object.count("flags", batch_.links.flags[row]);
    }
    out_.push_back(']');
  }

  void put_attributes(Object& owner, std::span<const AttributeRef> attributes) {
    if (attributes.empty()) return;
    owner.name("attributes").push_back('[');
    for (bool first = true; const AttributeRef& attribute : attributes) {
      if (!std::exchange(first, false)) out_.push_back(',');
      out_ += "{\"key\":";
      append_string(out_, text(attribute.column->key));
      out_ += ",\"value\":";
      append_any_value_json(out_, *attribute.column, attribute.index, batch_.strings);
      out_.push_back('}');
    }
    out_.push_back(']');
  }

  const SpanBatch& batch_;
  BatchIndex index_;
  std::string& out_;
};

void append_int_value(std::string& out, int64_t value) {
  out += "{\"intValue\":\"";
  json::append_int(out, value);
  out += "\"}";
}

void append_bytes_value(std::string& out, std::string_view bytes) {
  out += "{\"bytesValue\":\"";
  json::append_base64(out, bytes);
  out += "\"}";
}

}  // namespace

void append_any_value_json(std::string& out, const Value& value) {
  switch (value.type()) {
    case ValueType::kNone:
      out += "{}";
      break;
    case ValueType::kString:
      append_string(out += "{\"stringValue\":", std::get<std::string>(value.data));
      out.push_back('}');
      break;
    case ValueType::kBool:
      out += std::get<bool>(value.data) ? "{\"boolValue\":true}" : "{\"boolValue\":false}";
      break;
    case ValueType::kInt:
      append_int_value(out, std::get<int64_t>(value.data));
      break;
    case ValueType::kDouble:
      json::append_double(out += "{\"doubleValue\":", std::get<double>(value.data));
      out.push_back('}');
      break;
    case ValueType::kBytes:
      append_bytes_value(out, std::get<Value::Bytes>(value.data).data);
      break;
    case ValueType::kArray:
      out += "{\"arrayValue\":{\"values\":[";
      for (bool first = true; const Value& element : std::get<Value::Array>(value.data)) {
        if (!std::exchange(first, false)) out.push_back(',');
        append_any_value_json(out, element);
      }
      out += "]}}";
      break;
    case ValueType::kKvlist:
      out += "{\"kvlistValue\":{\"values\":[";
      for (bool first = true; const KeyValue& pair : std::get<Value::Kvlist>(value.data)) {
        if (!std::exchange(first, false)) out.push_back(',');
        append_string(out += "{\"key\":", pair.key);
        append_any_value_json(out += ",\"value\":", pair.value);
        out.push_back('}');
      }
      out += "]}}";
      break;
  }
}

void append_any_value_json(std::string& out, const AttributeColumn& column, size_t index,
                           const StringPool& strings) {
  switch (column.type) {
    case ValueType::kNone:
      out += "{}";
      break;
    case ValueType::kString:
      append_string(out += "{\"stringValue\":", strings.at(column.strings[index]));
      out.push_back('}');
      break;
    case ValueType::kBool:
      out += column.numbers[index] != 0 ? "{\"boolValue\":true}" : "{\"boolValue\":false}";
      break;
    case ValueType::kInt:
      append_int_value(out, static_cast<int64_t>(column.numbers[index]));
      break;
    case ValueType::kDouble:
      json::append_double(out += "{\"doubleValue\":", std::bit_cast<double>(column.numbers[index]));
      out.push_back('}');
      break;
    case ValueType::kBytes:
      append_bytes_value(out, strings.at(column.strings[index]));
      break;
    case ValueType::kArray:
    case ValueType::kKvlist:
      append_any_value_json(out, decode_nested(column.type, strings.at(column.strings[index])));
      break;
  }
}

void encode_otlp_traces_json(const SpanBatch& batch, std::string& out) {
  Encoder(batch, out).encode();
}

}  // namespace weft
