#include "wire/jaeger_json.h"

#include <bit>
#include <cmath>
#include <span>
#include <string_view>

#include "wire/attribute_text.h"
#include "wire/json_object.h"
#include "wire/row_index.h"

namespace weft {
namespace {

using json::append_string;
using json::Object;

// [{"key":…,"type":…,"value":…},…]
class Tags {
 public:
  explicit Tags(std::string& out) : out_(out) { out_.push_back('['); }
  Tags(const Tags&) = delete;
  Tags& operator=(const Tags&) = delete;
  ~Tags() { out_.push_back(']'); }

  void text(std::string_view key, std::string_view value) {
    append_string(begin(key, "string"), value);
    out_.push_back('}');
  }
  void boolean(std::string_view key, bool value) {
    begin(key, "bool") += value ? "true}" : "false}";
  }
  // What a number of JavaScript cannot hold stands in quotes, as Jaeger has it.
  void integer(std::string_view key, int64_t value) {
    constexpr int64_t kMaxSafe = (int64_t{1} << 53) - 1;
    const bool is_safe = value >= -kMaxSafe && value <= kMaxSafe;
    std::string& out = begin(key, "int64");
    if (!is_safe) out.push_back('"');
    json::append_int(out, value);
    out += is_safe ? "}" : "\"}";
  }
  void attribute(std::string_view key, const AttributeRef& value, const StringPool& strings) {
    const AttributeColumn& column = *value.column;
    if (column.type == ValueType::kBool) {
      boolean(key, column.numbers[value.index] != 0);
    } else if (column.type == ValueType::kInt) {
      integer(key, static_cast<int64_t>(column.numbers[value.index]));
    } else if (column.type == ValueType::kDouble &&
               std::isfinite(std::bit_cast<double>(column.numbers[value.index]))) {
      json::append_double(begin(key, "float64"),
                          std::bit_cast<double>(column.numbers[value.index]));
      out_.push_back('}');
    } else if (column.type == ValueType::kBytes) {
      append_string(begin(key, "binary"), attribute_text(column, value.index, strings));
      out_.push_back('}');
    } else {
      text(key, attribute_text(column, value.index, strings));
    }
  }

 private:
  std::string& begin(std::string_view key, std::string_view type) {
    out_ += first_ ? "{\"key\":" : ",{\"key\":";
    first_ = false;
    append_string(out_, key);
    out_.append(",\"type\":\"").append(type).append("\",\"value\":");
    return out_;
  }

  std::string& out_;
  bool first_ = true;
};

std::string_view kind_name(uint8_t kind) {
  switch (static_cast<SpanKind>(kind)) {
    case SpanKind::kInternal:
      return "internal";
    case SpanKind::kServer:
      return "server";
    case SpanKind::kClient:
      return "client";
    case SpanKind::kProducer:
      return "producer";
    case SpanKind::kConsumer:
      return "consumer";
    default:
      return "";
  }
}

class Encoder {
 public:
  Encoder(const SpanBatch& batch, std::string& out) : batch_(batch), index_(batch), out_(out) {}

  void encode() {
    Object trace(out_);
    json::append_id(trace.name("traceID"), batch_.empty() ? TraceId{} : batch_.trace_id[0]);
    trace.name("spans").push_back('[');
    for (size_t row = 0; row < batch_.size(); ++row) {
      if (row > 0) out_.push_back(',');
      put_span(row);
    }
    out_.push_back(']');
    put_processes(trace);
    trace.name("warnings") += "null";
  }

 private:
  using Attributes = std::span<const AttributeRef>;

  std::string_view text(StringPool::Id id) const { return batch_.strings.at(id); }

  std::string process_name(uint32_t resource) const {
    std::string out = "p";
    json::append_uint(out, resource + 1);
    return out;
  }

  void put_span(size_t row) {
    Object span(out_);
    json::append_id(span.name("traceID"), batch_.trace_id[row]);
    json::append_id(span.name("spanID"), batch_.span_id[row]);
    json::append_uint(span.name("flags"), batch_.flags[row] & 0xFF);
    append_string(span.name("operationName"), text(batch_.name[row]));
    put_references(span, row);
    json::append_uint(span.name("startTime"), batch_.start_ns[row] / 1000);
    json::append_uint(span.name("duration"), batch_.duration_ns(row) / 1000);
    put_tags(span, row);
    put_logs(span, row);
    append_string(span.name("processID"), process_name(batch_.resource[row]));
    span.name("warnings");
    if (batch_.end_ns[row] < batch_.start_ns[row]) {
      out_ += "[\"the span ends before it starts; its duration is shown as 0\"]";
    } else {
      out_ += "null";
    }
  }

  void put_reference(bool first, std::string_view type, const TraceId& trace_id,
                     const SpanId& span_id) {
    if (!first) out_.push_back(',');
    Object reference(out_);
    append_string(reference.name("refType"), type);
    json::append_id(reference.name("traceID"), trace_id);
    json::append_id(reference.name("spanID"), span_id);
  }

  void put_references(Object& span, size_t row) {
    span.name("references").push_back('[');
    bool first = true;
    if (!batch_.parent_span_id[row].is_zero()) {
      put_reference(first, "CHILD_OF", batch_.trace_id[row], batch_.parent_span_id[row]);
      first = false;
    }
    for (uint32_t i = index_.span_links.begin(row); i < index_.span_links.begin(row + 1); ++i) {
      put_reference(first, "FOLLOWS_FROM", batch_.links.trace_id[i], batch_.links.span_id[i]);
      first = false;
    }
    out_.push_back(']');
  }

  void put_tags(Object& span, size_t row) {
    Tags tags(span.name("tags"));
    bool has_error = false;
    for (const AttributeRef& attribute : index_.spans.at(row)) {
      const std::string_view key = text(attribute.column->key);
      has_error |= key == "error";
      tags.attribute(key, attribute, batch_.strings);
    }
    const uint32_t scope = batch_.scope[row];
    put_text(tags, "otel.scope.name", text(batch_.scopes.name[scope]));
    put_text(tags, "otel.scope.version", text(batch_.scopes.version[scope]));
    put_text(tags, "span.kind", kind_name(batch_.kind[row]));
    const auto status = static_cast<StatusCode>(batch_.status_code[row]);
    if (status == StatusCode::kOk) tags.text("otel.status_code", "OK");
    if (status == StatusCode::kError) {
      tags.text("otel.status_code", "ERROR");
      if (!has_error) tags.boolean("error", true);
    }
    put_text(tags, "otel.status_description", text(batch_.status_message[row]));
    put_text(tags, "w3c.tracestate", text(batch_.trace_state[row]));
  }

  static void put_text(Tags& tags, std::string_view key, std::string_view value) {
    if (!value.empty()) tags.text(key, value);
  }

  void put_logs(Object& span, size_t row) {
    span.name("logs").push_back('[');
    const uint32_t begin = index_.span_events.begin(row);
    const uint32_t end = index_.span_events.begin(row + 1);
    for (uint32_t event = begin; event < end; ++event) {
      if (event > begin) out_.push_back(',');
      Object log(out_);
      json::append_uint(log.name("timestamp"), batch_.events.time_ns[event] / 1000);
      Tags fields(log.name("fields"));
      const Attributes attributes = index_.events.at(event);
      bool named = false;
      for (const AttributeRef& attribute : attributes) {
        named |= text(attribute.column->key) == "event";
      }
      if (!named) put_text(fields, "event", text(batch_.events.name[event]));
      for (const AttributeRef& attribute : attributes) {
        fields.attribute(text(attribute.column->key), attribute, batch_.strings);
      }
    }
    out_.push_back(']');
  }

  void put_processes(Object& trace) {
    std::vector<bool> used(batch_.resources.size());
    for (const uint32_t resource : batch_.resource)
      used[resource] = true;
    Object processes(trace.name("processes"));
    for (uint32_t resource = 0; resource < used.size(); ++resource) {
      if (!used[resource]) continue;
      Object process(processes.name(process_name(resource)));
      const Attributes attributes = index_.resources.at(resource);
      std::string service = "unknown_service";
      for (const AttributeRef& attribute : attributes) {
        if (text(attribute.column->key) == "service.name") {
          service = attribute_text(*attribute.column, attribute.index, batch_.strings);
        }
      }
      append_string(process.name("serviceName"), service);
      Tags tags(process.name("tags"));
      for (const AttributeRef& attribute : attributes) {
        const std::string_view key = text(attribute.column->key);
        if (key != "service.name") tags.attribute(key, attribute, batch_.strings);
      }
    }
  }

  const SpanBatch& batch_;
  BatchIndex index_;
  std::string& out_;
};

}  // namespace

void encode_jaeger_trace(const SpanBatch& batch, std::string& out) {
  Encoder(batch, out).encode();
}

void encode_jaeger_traces(const std::vector<const SpanBatch*>& traces, std::string& out) {
  out += "{\"data\":[";
  for (size_t i = 0; i < traces.size(); ++i) {
    if (i > 0) out.push_back(',');
    encode_jaeger_trace(*traces[i], out);
  }
  out += "],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}";
}

}  // namespace weft
