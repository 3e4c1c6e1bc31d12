#include <span>

#include "wire/attribute_text.h"
#include "wire/json_object.h"
#include "wire/row_index.h"
#include "wire/zipkin_json.h"

namespace weft {
namespace {

using json::append_string;
using json::Object;

constexpr std::string_view kind_name(uint8_t kind) {
  switch (static_cast<SpanKind>(kind)) {
    case SpanKind::kServer:
      return "SERVER";
    case SpanKind::kClient:
      return "CLIENT";
    case SpanKind::kProducer:
      return "PRODUCER";
    case SpanKind::kConsumer:
      return "CONSUMER";
    default:
      return "";
  }
}

class Encoder {
 public:
  Encoder(const SpanBatch& batch, std::string& out) : batch_(batch), index_(batch), out_(out) {}

  void encode() {
    out_.push_back('[');
    for (size_t row = 0; row < batch_.size(); ++row) {
      if (row > 0) out_.push_back(',');
      put_span(row);
    }
    out_.push_back(']');
  }

 private:
  using Attributes = std::span<const AttributeRef>;

  std::string_view text(StringPool::Id id) const { return batch_.strings.at(id); }
  std::string value(const AttributeRef& attribute) const {
    return attribute_text(*attribute.column, attribute.index, batch_.strings);
  }
  // The attribute of a key, or nullptr.
  const AttributeRef* find(Attributes attributes, std::string_view key) const {
    for (const AttributeRef& attribute : attributes) {
      if (text(attribute.column->key) == key) return &attribute;
    }
    return nullptr;
  }
  std::string find_text(Attributes attributes, std::string_view key) const {
    const AttributeRef* found = find(attributes, key);
    return found == nullptr ? std::string() : value(*found);
  }
  bool is_set(Attributes attributes, std::string_view key) const {
    const AttributeRef* found = find(attributes, key);
    return found != nullptr && found->column->type == ValueType::kBool &&
           found->column->numbers[found->index] != 0;
  }

  void put_span(size_t row) {
    const Attributes attributes = index_.spans.at(row);
    const Attributes resource = index_.resources.at(batch_.resource[row]);
    Object span(out_);
    put_trace_id(span.name("traceId"), batch_.trace_id[row]);
    const bool shared = is_set(attributes, "zipkin.shared") &&
                        batch_.kind[row] == static_cast<uint8_t>(SpanKind::kServer);
    // A shared server span shows the id that it had when it came in, its client's.
    if (!shared) span.id("parentId", batch_.parent_span_id[row]);
    json::append_id(span.name("id"), shared ? batch_.parent_span_id[row] : batch_.span_id[row]);
    span.text("kind", kind_name(batch_.kind[row]));
    append_string(span.name("name"), text(batch_.name[row]));
    span.count("timestamp", batch_.start_ns[row] / 1000);
    // Zipkin takes 0 for "not known"; what was shorter is rounded up.
    const uint64_t duration_ns = batch_.duration_ns(row);
    span.count("duration", duration_ns > 0 && duration_ns < 1000 ? 1 : duration_ns / 1000);
    put_endpoint(span, "localEndpoint", find_text(resource, "service.name"),
                 find_text(resource, "net.host.ip"), find_text(resource, "net.host.port"));
    put_endpoint(span, "remoteEndpoint", remote_name(row, attributes),
                 find_text(attributes, "net.peer.ip"), find_text(attributes, "net.peer.port"));
    put_annotations(span, row);
    put_tags(span, row, attributes, resource);
    if (shared) span.name("shared") += "true";
    if (is_set(attributes, "zipkin.debug")) span.name("debug") += "true";
  }

  // As Zipkin itself answers: 16 digits for the ids of 64 bits that B3's clients make, else 32.
  static void put_trace_id(std::string& out, const TraceId& id) {
    const std::string hex = id.to_hex();
    const std::string_view digits(hex);
    const bool is_short = digits.substr(0, 16).find_first_not_of('0') == std::string_view::npos;
    append_string(out, is_short ? digits.substr(16) : digits);
  }

  // Who was called, by the specification's order of preference; nobody for an entry span.
  std::string remote_name(size_t row, Attributes attributes) const {
    const bool calls = batch_.kind[row] == static_cast<uint8_t>(SpanKind::kClient) ||
                       batch_.kind[row] == static_cast<uint8_t>(SpanKind::kProducer);
    std::string name;
    for (const std::string_view key : kZipkinRemoteNames) {
      if (calls || key == kZipkinRemoteNames[0]) name = find_text(attributes, key);
      if (!name.empty()) break;
    }
    return name;
  }

  static void put_endpoint(Object& span, std::string_view member, std::string_view service,
                           std::string_view ip, const std::string& port) {
    if (service.empty() && ip.empty()) return;
    Object endpoint(span.name(member));
    endpoint.text("serviceName", service);
    endpoint.text(ip.find(':') == std::string_view::npos ? "ipv4" : "ipv6", ip);
    if (!port.empty() && port.size() <= 5 &&
        port.find_first_not_of("0123456789") == std::string::npos && port[0] != '0') {
      endpoint.name("port") += port;
    }
  }

  void put_annotations(Object& span, size_t row) {
    const uint32_t begin = index_.span_events.begin(row);
    const uint32_t end = index_.span_events.begin(row + 1);
    if (begin == end) return;
    span.name("annotations").push_back('[');
    for (uint32_t event = begin; event < end; ++event) {
      if (event > begin) out_.push_back(',');
      Object annotation(out_);
      json::append_uint(annotation.name("timestamp"), batch_.events.time_ns[event] / 1000);
      append_string(annotation.name("value"), event_text(event));
    }
    out_.push_back(']');
  }

  // The name alone, or "name": {attributes} as the specification has it.
  std::string event_text(uint32_t event) const {
    const Attributes attributes = index_.events.at(event);
    const std::string_view name = text(batch_.events.name[event]);
    if (attributes.empty()) return std::string(name);
    std::string out;
    append_string(out, name);
    out += ": ";
    {
      Object object(out);  // ends with its brace, so before what is returned is moved away
      for (const AttributeRef& attribute : attributes) {
        append_string(object.key(text(attribute.column->key)), value(attribute));
      }
    }
    return out;
  }

  void put_tags(Object& span, size_t row, Attributes attributes, Attributes resource) {
    Object tags(span.name("tags"));
    for (const AttributeRef& attribute : attributes) {
      const std::string_view key = text(attribute.column->key);
      if (key == "zipkin.shared" || key == "zipkin.debug" || key == "peer.service" ||
          key == "net.peer.ip" || key == "net.peer.port" || key == "error") {
        continue;
      }
      append_string(tags.key(key), value(attribute));
    }
    for (const AttributeRef& attribute : resource) {
      const std::string_view key = text(attribute.column->key);
      const bool in_endpoint =
          key == "service.name" || key == "net.host.ip" || key == "net.host.port";
      if (in_endpoint || find(attributes, key) != nullptr) continue;
      append_string(tags.key(key), value(attribute));
    }
    const uint32_t scope = batch_.scope[row];
    tags.text("otel.scope.name", text(batch_.scopes.name[scope]));
    tags.text("otel.scope.version", text(batch_.scopes.version[scope]));
    tags.text("w3c.tracestate", text(batch_.trace_state[row]));
    const auto status = static_cast<StatusCode>(batch_.status_code[row]);
    const std::string_view message = text(batch_.status_message[row]);
    if (status == StatusCode::kOk) tags.text("otel.status_code", "OK");
    if (status == StatusCode::kError) {
      tags.text("otel.status_code", "ERROR");
      tags.text("error", message.empty() ? "true" : message);
    } else {
      tags.text("otel.status_description", message);
    }
  }

  const SpanBatch& batch_;
  BatchIndex index_;
  std::string& out_;
};

}  // namespace

void encode_zipkin_json(const SpanBatch& batch, std::string& out) {
  Encoder(batch, out).encode();
}

}  // namespace weft
