#include "wire/zipkin_json.h"

#include <array>
#include <cstring>

#include "base/hash.h"
#include "wire/json_decoder.h"

namespace weft {
namespace {

using json::element;
using json::Path;
using simdjson::dom::element_type;

struct Endpoint {
  std::string_view service_name;
  std::string_view ip;
  uint64_t port = 0;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

SpanKind kind_of(std::string_view name) {
  if (name == "CLIENT") return SpanKind::kClient;
  if (name == "SERVER") return SpanKind::kServer;
  if (name == "PRODUCER") return SpanKind::kProducer;
  if (name == "CONSUMER") return SpanKind::kConsumer;
  return SpanKind::kInternal;
}

// Microseconds to nanoseconds, at most the largest number.
uint64_t to_ns(uint64_t us) {
  return us > UINT64_MAX / 1000 ? UINT64_MAX : us * 1000;
}

// What a Zipkin span says, before it is written to the batch.
struct ZipkinSpan {
  std::string_view trace_id;
  std::string_view id;
  std::string_view parent_id;
  std::string_view name;
  std::string_view kind;
  uint64_t timestamp_us = 0;
  uint64_t duration_us = 0;
  Endpoint local;
  Endpoint remote;
  bool shared = false;
  bool debug = false;
  element annotations;
  element tags;
  bool has_annotations = false;
  bool has_tags = false;
};

class Decoder : public json::SpanDecoder {
 public:
  using SpanDecoder::SpanDecoder;
  bool decode(const element& root);

 private:
  bool number(const element& value, const Path& path, uint64_t& out) {
    const auto parsed = json::to_uint64(value);
    if (!parsed) return refuse(path, "a number that is not negative");
    out = *parsed;
    return true;
  }
  bool flag(const element& value, const Path& path, bool& out) {
    if (!value.is_bool()) return refuse(path, "true or false");
    out = value.get_bool().value_unsafe();
    return true;
  }

  bool read(const element& value, const Path& path, ZipkinSpan& span);
  bool read_member(std::string_view name, const element& value, const Path& path, ZipkinSpan& span);
  bool read_endpoint(const element& value, const Path& path, Endpoint& endpoint);
  bool write(const ZipkinSpan& span, const Path& path);
  bool write_annotations(const ZipkinSpan& span, const Path& path, uint32_t row);
  bool write_tags(const ZipkinSpan& span, const Path& path, uint32_t row);
  bool write_tag(std::string_view key, std::string_view value, uint32_t row);
  void write_remote(const Endpoint& remote, uint32_t row);
  uint32_t resource_of(const Endpoint& local);
  uint32_t scope_of(const ZipkinSpan& span);
  void attribute(AttributeTableBuilder& table, uint32_t& dropped, std::string_view key,
                 std::string_view value);
  void attribute(AttributeTableBuilder& table, uint32_t& dropped, std::string_view key,
                 ValueType type, uint64_t word);

  // Of the previous span: neighbours mostly share them.
  Endpoint last_local_;
  uint32_t last_resource_ = BatchBuilder::kNoRow;
  std::string_view last_scope_name_;
  std::string_view last_scope_version_;
  uint32_t last_scope_ = BatchBuilder::kNoRow;
};

bool Decoder::decode(const element& root) {
  const auto one = [&](const element& value, const Path& path) {
    ZipkinSpan span;
    return read(value, path, span) && write(span, path);
  };
  return each(root, Path(), one, "an array of Zipkin v2 spans");
}

bool Decoder::read(const element& value, const Path& path, ZipkinSpan& span) {
  return members(value, path, [&](std::string_view name, const element& member, const Path& at) {
    return read_member(name, member, at, span);
  });
}

bool Decoder::read_member(std::string_view name, const element& value, const Path& path,
                          ZipkinSpan& span) {
  if (name == "traceId") return text(value, path, span.trace_id);
  if (name == "id") return text(value, path, span.id);
  if (name == "parentId") return text(value, path, span.parent_id);
  if (name == "name") return text(value, path, span.name);
  if (name == "kind") return text(value, path, span.kind);
  if (name == "timestamp") return number(value, path, span.timestamp_us);
  if (name == "duration") return number(value, path, span.duration_us);
  if (name == "localEndpoint") return read_endpoint(value, path, span.local);
  if (name == "remoteEndpoint") return read_endpoint(value, path, span.remote);
  if (name == "shared") return flag(value, path, span.shared);
  if (name == "debug") return flag(value, path, span.debug);
  if (name == "annotations") {
    if (value.type() != element_type::ARRAY) return refuse(path, "an array");
    span.annotations = value;
    span.has_annotations = true;
  } else if (name == "tags") {
    if (value.type() != element_type::OBJECT) return refuse(path, "an object");
    span.tags = value;
    span.has_tags = true;
  }
  return true;
}

bool Decoder::read_endpoint(const element& value, const Path& path, Endpoint& endpoint) {
  return members(value, path, [&](std::string_view name, const element& member, const Path& at) {
    if (name == "serviceName") return text(member, at, endpoint.service_name);
    if (name == "ipv4") return text(member, at, endpoint.ip);
    if (name == "ipv6" && endpoint.ip.empty()) return text(member, at, endpoint.ip);
    if (name == "port") return number(member, at, endpoint.port);
    return true;
  });
}

void Decoder::attribute(AttributeTableBuilder& table, uint32_t& dropped, std::string_view key,
                        std::string_view value) {
  const uint32_t slot = table.find_slot(key);
  builder_.count_attribute(slot == AttributeTableBuilder::kNoSlot
                               ? AttributeOutcome::kTooMany
                               : table.add_string(slot, ValueType::kString, value),
                           dropped);
}

void Decoder::attribute(AttributeTableBuilder& table, uint32_t& dropped, std::string_view key,
                        ValueType type, uint64_t word) {
  const uint32_t slot = table.find_slot(key);
  builder_.count_attribute(slot == AttributeTableBuilder::kNoSlot
                               ? AttributeOutcome::kTooMany
                               : table.add_number(slot, type, word),
                           dropped);
}

uint32_t Decoder::resource_of(const Endpoint& local) {
  if (last_resource_ != BatchBuilder::kNoRow && local == last_local_) return last_resource_;
  last_local_ = local;
  last_resource_ = builder_.begin_resource();
  AttributeTableBuilder& table = builder_.resource_attributes();
  uint32_t& dropped = builder_.resources().dropped_attributes_count[last_resource_];
  if (!local.service_name.empty()) attribute(table, dropped, "service.name", local.service_name);
  if (!local.ip.empty()) attribute(table, dropped, "net.host.ip", local.ip);
  if (local.port != 0) attribute(table, dropped, "net.host.port", ValueType::kInt, local.port);
  return last_resource_;
}

uint32_t Decoder::scope_of(const ZipkinSpan& span) {
  std::string_view name;
  std::string_view version;
  if (span.has_tags) {
    for (const auto [key, value] : json::as_object(span.tags)) {
      if (value.type() != element_type::STRING) continue;
      const std::string_view content = value.get_string().value_unsafe();
      if (key == "otel.scope.name" || (key == "otel.library.name" && name.empty())) name = content;
      if (key == "otel.scope.version" || (key == "otel.library.version" && version.empty())) {
        version = content;
      }
    }
  }
  if (last_scope_ != BatchBuilder::kNoRow && name == last_scope_name_ &&
      version == last_scope_version_) {
    return last_scope_;
  }
  last_scope_name_ = name;
  last_scope_version_ = version;
  last_scope_ = builder_.begin_scope();
  builder_.scopes().name[last_scope_] = builder_.strings().intern(name);
  builder_.scopes().version[last_scope_] = builder_.strings().intern(version);
  return last_scope_;
}

// Both sides of a call share an id in Zipkin when the server joins the client's span. OTLP's ids
// are unique, so the server's half gets one of its own, the same each time that it is sent.
SpanId shared_span_id(const TraceId& trace_id, const SpanId& id) {
  char bytes[30];
  std::memcpy(bytes, trace_id.bytes.data(), 16);
  std::memcpy(bytes + 16, id.bytes.data(), 8);
  std::memcpy(bytes + 24, "shared", 6);
  const uint64_t word = hash_bytes({bytes, sizeof bytes}) | 1u;
  SpanId out;
  std::memcpy(out.bytes.data(), &word, 8);
  return out;
}

bool Decoder::write(const ZipkinSpan& span, const Path& path) {
  const auto trace_id = TraceId::from_hex(span.trace_id);
  const auto id = SpanId::from_hex(span.id);
  if (!trace_id) {
    builder_.reject_span("a span's traceId does not have 1 to 32 hex digits or is all zeros");
    return true;
  }
  if (!id) {
    builder_.reject_span("a span's id does not have 1 to 16 hex digits or is all zeros");
    return true;
  }
  const auto parent = SpanId::from_hex(span.parent_id);
  const bool zero_parent = span.parent_id.find_first_not_of('0') == std::string_view::npos;
  if (!parent && (!zero_parent || span.parent_id.size() > 16)) {
    builder_.reject_span("a span's parentId does not have 1 to 16 hex digits");
    return true;
  }
  const uint32_t resource = resource_of(span.local);
  const uint32_t scope = scope_of(span);
  const uint32_t row = builder_.begin_span();
  if (row == BatchBuilder::kNoRow) {
    error_ = {ErrorCode::kResourceExhausted,
              fmt::format("the request has more than {} spans; send smaller requests",
                          limits_.max_spans)};
    return false;
  }
  SpanColumns& spans = builder_.spans();
  spans.trace_id[row] = *trace_id;
  spans.span_id[row] = *id;
  if (parent) spans.parent_span_id[row] = *parent;
  const SpanKind kind = kind_of(span.kind);
  if (span.shared && kind == SpanKind::kServer) {
    spans.span_id[row] = shared_span_id(*trace_id, *id);
    spans.parent_span_id[row] = *id;
  }
  spans.resource[row] = resource;
  spans.scope[row] = scope;
  spans.kind[row] = static_cast<uint8_t>(kind);
  spans.name[row] = builder_.strings().intern(span.name);
  spans.start_ns[row] = to_ns(span.timestamp_us);
  uint32_t& dropped = spans.dropped_attributes_count[row];
  if (!write_tags(span, path, row)) return false;
  write_remote(span.remote, row);
  AttributeTableBuilder& table = builder_.span_attributes();
  if (span.shared) attribute(table, dropped, "zipkin.shared", ValueType::kBool, 1);
  if (span.debug) attribute(table, dropped, "zipkin.debug", ValueType::kBool, 1);
  if (!write_annotations(span, path, row)) return false;
  const uint64_t duration_ns = to_ns(span.duration_us);
  const uint64_t start_ns = spans.start_ns[row];
  spans.end_ns[row] = duration_ns > UINT64_MAX - start_ns ? UINT64_MAX : start_ns + duration_ns;
  return true;
}

void Decoder::write_remote(const Endpoint& remote, uint32_t row) {
  AttributeTableBuilder& table = builder_.span_attributes();
  uint32_t& dropped = builder_.spans().dropped_attributes_count[row];
  // A tag of the same name said it already.
  const auto add = [&](std::string_view key, std::string_view value) {
    const uint32_t slot = table.find_slot(key);
    if (slot == AttributeTableBuilder::kNoSlot ||
        table.add_string(slot, ValueType::kString, value) == AttributeOutcome::kTooMany) {
      builder_.count_attribute(AttributeOutcome::kTooMany, dropped);
    }
  };
  if (!remote.service_name.empty()) add("peer.service", remote.service_name);
  if (!remote.ip.empty()) add("net.peer.ip", remote.ip);
  if (remote.port == 0) return;
  const uint32_t slot = table.find_slot("net.peer.port");
  if (slot == AttributeTableBuilder::kNoSlot ||
      table.add_number(slot, ValueType::kInt, remote.port) == AttributeOutcome::kTooMany) {
    builder_.count_attribute(AttributeOutcome::kTooMany, dropped);
  }
}

bool Decoder::write_tags(const ZipkinSpan& span, const Path& path, uint32_t row) {
  if (!span.has_tags) return true;
  const Path tags{&path, "tags", 0};
  for (const auto [key, value] : json::as_object(span.tags)) {
    if (value.is_null()) continue;
    std::string_view content;
    if (!text(value, Path{&tags, key, 0}, content)) return false;
    if (!write_tag(key, content, row)) return false;
  }
  return true;
}

bool Decoder::write_tag(std::string_view key, std::string_view value, uint32_t row) {
  SpanColumns& spans = builder_.spans();
  uint8_t& status = spans.status_code[row];
  constexpr auto kError = static_cast<uint8_t>(StatusCode::kError);
  if (key == "error") {
    if (value == "false") return true;
    status = kError;
    if (!value.empty() && value != "true" && spans.status_message[row] == StringPool::kEmpty) {
      spans.status_message[row] = builder_.strings().intern(value);
    }
  } else if (key == "otel.status_code") {
    if (value == "ERROR") status = kError;
    if (value == "OK" && status != kError) status = static_cast<uint8_t>(StatusCode::kOk);
  } else if (key == "otel.status_description") {
    spans.status_message[row] = builder_.strings().intern(value);
  } else if (key == "w3c.tracestate") {
    spans.trace_state[row] = builder_.strings().intern(value);
  } else if (key != "otel.scope.name" && key != "otel.scope.version" &&
             key != "otel.library.name" && key != "otel.library.version") {
    attribute(builder_.span_attributes(), spans.dropped_attributes_count[row], key, value);
  }
  return true;
}

bool Decoder::write_annotations(const ZipkinSpan& span, const Path& path, uint32_t row) {
  if (!span.has_annotations) return true;
  SpanColumns& spans = builder_.spans();
  const Path list{&path, "annotations", 0};
  return each(span.annotations, list, [&](const element& value, const Path& at) {
    uint64_t timestamp_us = 0;
    std::string_view name;
    const auto member = [&](std::string_view key, const element& content, const Path& here) {
      if (key == "timestamp") return number(content, here, timestamp_us);
      if (key == "value") return text(content, here, name);
      return true;
    };
    if (!members(value, at, member)) return false;
    const uint32_t event = builder_.begin_event();
    if (event != BatchBuilder::kNoRow) {
      builder_.events().time_ns[event] = to_ns(timestamp_us);
      builder_.events().name[event] = builder_.strings().intern(name);
    }
    if (spans.start_ns[row] == 0) spans.start_ns[row] = to_ns(timestamp_us);
    return true;
  });
}

}  // namespace

Expected<DecodeResult> decode_zipkin_json(std::string_view body, const DecodeLimits& limits) {
  return json::decode_spans<Decoder>(body, limits);
}

}  // namespace weft
