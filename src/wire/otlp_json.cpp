#include "wire/otlp_json.h"

#include <array>
#include <bit>

#include "model/protobuf.h"
#include "wire/json_decoder.h"
#include "wire/json_writer.h"

namespace weft {
namespace {

using json::element;
using json::Path;
using simdjson::dom::element_type;

constexpr std::array<std::string_view, 6> kKindNames = {
    "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};
constexpr std::array<std::string_view, 3> kStatusNames = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                                          "STATUS_CODE_ERROR"};

// Whether the object has elements in the array `member`, or, with `inner`, in that array of one of
// its elements. What is of another type counts, too: whoever reads it refuses it.
bool has_elements(const element& object, std::string_view member, std::string_view inner = {}) {
  if (object.type() != element_type::OBJECT) return true;
  for (const auto [name, value] : json::as_object(object)) {
    if (name != member || value.is_null()) continue;
    if (value.type() != element_type::ARRAY) return true;
    for (const element entry : json::as_array(value)) {
      if (inner.empty() || has_elements(entry, inner)) return true;
    }
  }
  return false;
}

// Where attributes of one message go.
struct Target {
  AttributeTableBuilder& table;
  uint32_t& dropped;
};

class Decoder : public json::SpanDecoder {
 public:
  using SpanDecoder::SpanDecoder;
  bool decode(const element& root);

 private:
  using SpanDecoder::text;
  bool text(const element& value, const Path& path, StringPool::Id& out) {
    std::string_view view;
    if (!text(value, path, view)) return false;
    out = builder_.strings().intern(view);
    return true;
  }
  bool time(const element& value, const Path& path, uint64_t& out) {
    const auto number = json::to_uint64(value);
    if (!number) return refuse(path, "a time in nanoseconds (0 to 18446744073709551615)");
    out = *number;
    return true;
  }
  bool count(const element& value, const Path& path, uint32_t& out) {
    const auto number = json::to_uint64(value);
    if (!number || *number > UINT32_MAX) return refuse(path, "a number from 0 to 4294967295");
    out = static_cast<uint32_t>(*number);
    return true;
  }
  template <size_t N>
  bool enumeration(const element& value, const Path& path,
                   const std::array<std::string_view, N>& names, uint8_t& out) {
    if (value.type() == element_type::STRING) {
      const std::string_view name = value.get_string().value_unsafe();
      for (size_t i = 0; i < N; ++i) {
        if (names[i] == name) {
          out = static_cast<uint8_t>(i);
          return true;
        }
      }
    }
    const auto number = json::to_int64(value);
    if (!number) return refuse(path, "the number of an enum");
    out = *number >= 0 && *number <= 255 ? static_cast<uint8_t>(*number) : 0;
    return true;
  }

  bool resource_spans(const element& value, const Path& path);
  bool scope_spans(const element& value, const Path& path, uint32_t resource);
  bool resource(const element& value, const Path& path, uint32_t row);
  bool scope(const element& value, const Path& path, uint32_t row);
  bool span(const element& value, const Path& path, uint32_t resource, uint32_t scope);
  bool span_member(std::string_view name, const element& value, const Path& path, uint32_t row);
  bool status(const element& value, const Path& path, uint32_t row);
  bool event(const element& value, const Path& path);
  bool link(const element& value, const Path& path);
  bool attributes(const element& value, const Path& path, Target target);
  bool attribute(const element& value, const Path& path, Target target);
  bool any_value(const element& value, const Path& path, uint32_t slot, Target target);
  bool add_value(std::string_view member, const element& value, const Path& path, uint32_t slot,
                 Target target);
  // Appends the protobuf form of nested values to `out`. too_deep_ is set when limits say so.
  bool encode_any(const element& value, const Path& path, uint32_t depth_left, std::string& out);
  bool encode_member(std::string_view member, const element& value, const Path& path,
                     uint32_t depth_left, std::string& out);
  bool encode_list(bool key_values, const element& value, const Path& path, uint32_t depth_left,
                   std::string& out);

  void add(AttributeOutcome outcome, Target target) {
    if (outcome != AttributeOutcome::kAdded) builder_.count_attribute(outcome, target.dropped);
  }

  bool too_deep_ = false;
};

bool Decoder::decode(const element& root) {
  const Path top;
  return members(root, top, [&](std::string_view name, const element& value, const Path& path) {
    if (name != "resourceSpans") return true;
    return each(value, path,
                [&](const element& entry, const Path& at) { return resource_spans(entry, at); });
  });
}

bool Decoder::resource_spans(const element& value, const Path& path) {
  // Without spans there is nothing to keep, however many resources there are.
  if (!has_elements(value, "scopeSpans", "spans")) return true;
  const uint32_t row = builder_.begin_resource();
  // What is shared may stand after the spans.
  const bool ok = members(value, path, [&](std::string_view name, const element& v, const Path& p) {
    if (name == "resource") return resource(v, p, row);
    if (name == "schemaUrl") return text(v, p, builder_.resources().schema_url[row]);
    return true;
  });
  return ok && members(value, path, [&](std::string_view name, const element& v, const Path& p) {
           if (name != "scopeSpans") return true;
           return each(v, p, [&](const element& entry, const Path& at) {
             return scope_spans(entry, at, row);
           });
         });
}

bool Decoder::scope_spans(const element& value, const Path& path, uint32_t resource) {
  if (!has_elements(value, "spans")) return true;
  const uint32_t row = builder_.begin_scope();
  const bool ok = members(value, path, [&](std::string_view name, const element& v, const Path& p) {
    if (name == "scope") return scope(v, p, row);
    if (name == "schemaUrl") return text(v, p, builder_.scopes().schema_url[row]);
    return true;
  });
  return ok && members(value, path, [&](std::string_view name, const element& v, const Path& p) {
           if (name != "spans") return true;
           return each(v, p, [&](const element& entry, const Path& at) {
             return span(entry, at, resource, row);
           });
         });
}

bool Decoder::resource(const element& value, const Path& path, uint32_t row) {
  uint32_t& dropped = builder_.resources().dropped_attributes_count[row];
  uint32_t dropped_by_sender = 0;
  const bool ok = members(value, path, [&](std::string_view name, const element& v, const Path& p) {
    if (name == "attributes") return attributes(v, p, {builder_.resource_attributes(), dropped});
    if (name == "droppedAttributesCount") return count(v, p, dropped_by_sender);
    return true;
  });
  saturating_add(dropped, dropped_by_sender);
  return ok;
}

bool Decoder::scope(const element& value, const Path& path, uint32_t row) {
  ScopeTable& table = builder_.scopes();
  uint32_t dropped_by_sender = 0;
  const bool ok = members(value, path, [&](std::string_view name, const element& v, const Path& p) {
    if (name == "name") return text(v, p, table.name[row]);
    if (name == "version") return text(v, p, table.version[row]);
    if (name == "droppedAttributesCount") return count(v, p, dropped_by_sender);
    if (name == "attributes") {
      return attributes(v, p, {builder_.scope_attributes(), table.dropped_attributes_count[row]});
    }
    return true;
  });
  saturating_add(table.dropped_attributes_count[row], dropped_by_sender);
  return ok;
}

bool Decoder::span(const element& value, const Path& path, uint32_t resource, uint32_t scope) {
  TraceId trace_id;
  SpanId span_id;
  SpanId parent_span_id;
  bool trace_ok = false;
  bool span_ok = false;
  bool parent_ok = true;
  // Ids first: a span that is rejected must leave nothing behind.
  const bool ids =
      members(value, path, [&](std::string_view name, const element& v, const Path& p) {
        std::string_view hex;
        if (name == "traceId") {
          if (!text(v, p, hex)) return false;
          trace_ok = json::decode_hex(hex, trace_id.bytes.data(), trace_id.bytes.size());
        } else if (name == "spanId") {
          if (!text(v, p, hex)) return false;
          span_ok = json::decode_hex(hex, span_id.bytes.data(), span_id.bytes.size());
        } else if (name == "parentSpanId") {
          if (!text(v, p, hex)) return false;
          parent_ok = hex.empty() || json::decode_hex(hex, parent_span_id.bytes.data(), 8);
        }
        return true;
      });
  if (!ids) return false;
  if (!trace_ok || trace_id.is_zero()) {
    builder_.reject_span("a span's traceId does not have 32 hex digits or is all zeros");
    return true;
  }
  if (!span_ok || span_id.is_zero()) {
    builder_.reject_span("a span's spanId does not have 16 hex digits or is all zeros");
    return true;
  }
  if (!parent_ok) {
    builder_.reject_span("a span's parentSpanId does not have 16 hex digits");
    return true;
  }
  const uint32_t row = builder_.begin_span();
  if (row == BatchBuilder::kNoRow) {
    error_ = {ErrorCode::kResourceExhausted,
              fmt::format("the request has more than {} spans; send smaller requests",
                          limits_.max_spans)};
    return false;
  }
  SpanColumns& spans = builder_.spans();
  spans.trace_id[row] = trace_id;
  spans.span_id[row] = span_id;
  spans.parent_span_id[row] = parent_span_id;
  spans.resource[row] = resource;
  spans.scope[row] = scope;
  return members(value, path, [&](std::string_view name, const element& v, const Path& p) {
    return span_member(name, v, p, row);
  });
}

bool Decoder::span_member(std::string_view name, const element& value, const Path& path,
                          uint32_t row) {
  SpanColumns& spans = builder_.spans();
  const auto dropped = [&](uint32_t& total) {
    uint32_t by_sender = 0;
    if (!count(value, path, by_sender)) return false;
    saturating_add(total, by_sender);
    return true;
  };
  if (name == "name") return text(value, path, spans.name[row]);
  if (name == "kind") return enumeration(value, path, kKindNames, spans.kind[row]);
  if (name == "startTimeUnixNano") return time(value, path, spans.start_ns[row]);
  if (name == "endTimeUnixNano") return time(value, path, spans.end_ns[row]);
  if (name == "traceState") return text(value, path, spans.trace_state[row]);
  if (name == "flags") return count(value, path, spans.flags[row]);
  if (name == "droppedAttributesCount") return dropped(spans.dropped_attributes_count[row]);
  if (name == "droppedEventsCount") return dropped(spans.dropped_events_count[row]);
  if (name == "droppedLinksCount") return dropped(spans.dropped_links_count[row]);
  if (name == "status") return status(value, path, row);
  if (name == "attributes") {
    return attributes(value, path,
                      {builder_.span_attributes(), spans.dropped_attributes_count[row]});
  }
  if (name == "events") {
    return each(value, path, [&](const element& v, const Path& p) { return event(v, p); });
  }
  if (name == "links") {
    return each(value, path, [&](const element& v, const Path& p) { return link(v, p); });
  }
  return true;
}

bool Decoder::status(const element& value, const Path& path, uint32_t row) {
  SpanColumns& spans = builder_.spans();
  return members(value, path, [&](std::string_view name, const element& v, const Path& p) {
    if (name == "message") return text(v, p, spans.status_message[row]);
    if (name == "code") return enumeration(v, p, kStatusNames, spans.status_code[row]);
    return true;
  });
}

bool Decoder::event(const element& value, const Path& path) {
  const uint32_t row = builder_.begin_event();
  if (row == BatchBuilder::kNoRow) return true;
  EventTable& table = builder_.events();
  uint32_t dropped_by_sender = 0;
  const bool ok = members(value, path, [&](std::string_view name, const element& v, const Path& p) {
    if (name == "timeUnixNano") return time(v, p, table.time_ns[row]);
    if (name == "name") return text(v, p, table.name[row]);
    if (name == "droppedAttributesCount") return count(v, p, dropped_by_sender);
    if (name == "attributes") {
      return attributes(v, p, {builder_.event_attributes(), table.dropped_attributes_count[row]});
    }
    return true;
  });
  saturating_add(table.dropped_attributes_count[row], dropped_by_sender);
  return ok;
}

bool Decoder::link(const element& value, const Path& path) {
  TraceId trace_id;
  SpanId span_id;
  bool ids_ok = true;
  const bool ids =
      members(value, path, [&](std::string_view name, const element& v, const Path& p) {
        if (name != "traceId" && name != "spanId") return true;
        std::string_view hex;
        if (!text(v, p, hex)) return false;
        if (hex.empty()) return true;
        ids_ok &= name == "traceId" ? json::decode_hex(hex, trace_id.bytes.data(), 16)
                                    : json::decode_hex(hex, span_id.bytes.data(), 8);
        return true;
      });
  if (!ids) return false;
  if (!ids_ok) {
    builder_.drop_link("some links were left out: an id has the wrong length");
    return true;
  }
  const uint32_t row = builder_.begin_link();
  if (row == BatchBuilder::kNoRow) return true;
  LinkTable& table = builder_.links();
  table.trace_id[row] = trace_id;
  table.span_id[row] = span_id;
  uint32_t dropped_by_sender = 0;
  const bool ok = members(value, path, [&](std::string_view name, const element& v, const Path& p) {
    if (name == "traceState") return text(v, p, table.trace_state[row]);
    if (name == "flags") return count(v, p, table.flags[row]);
    if (name == "droppedAttributesCount") return count(v, p, dropped_by_sender);
    if (name == "attributes") {
      return attributes(v, p, {builder_.link_attributes(), table.dropped_attributes_count[row]});
    }
    return true;
  });
  saturating_add(table.dropped_attributes_count[row], dropped_by_sender);
  return ok;
}

// --- Attributes ---

bool Decoder::attributes(const element& value, const Path& path, Target target) {
  return each(value, path,
              [&](const element& v, const Path& p) { return attribute(v, p, target); });
}

bool Decoder::attribute(const element& value, const Path& path, Target target) {
  std::string_view key;
  element found;
  bool has_value = false;
  const bool ok = members(value, path, [&](std::string_view name, const element& v, const Path& p) {
    if (name == "key") return text(v, p, key);
    if (name == "value") {
      found = v;
      has_value = true;
    }
    return true;
  });
  if (!ok) return false;
  const uint32_t slot = target.table.find_slot(key);
  if (!has_value) {
    add(slot == AttributeTableBuilder::kNoSlot ? AttributeOutcome::kTooMany
                                               : target.table.add_none(slot),
        target);
    return true;
  }
  return any_value(found, Path{&path, "value", 0}, slot, target);
}

bool Decoder::any_value(const element& value, const Path& path, uint32_t slot, Target target) {
  // Of several members the last one counts, as in protobuf.
  std::string_view member;
  element content;
  const bool ok = members(value, path, [&](std::string_view name, const element& v, const Path&) {
    if (!name.ends_with("Value")) return true;
    member = name;
    content = v;
    return true;
  });
  if (!ok) return false;
  if (slot == AttributeTableBuilder::kNoSlot) {
    add(AttributeOutcome::kTooMany, target);
    return true;
  }
  return add_value(member, content, Path{&path, member, 0}, slot, target);
}

bool Decoder::add_value(std::string_view member, const element& value, const Path& path,
                        uint32_t slot, Target target) {
  AttributeTableBuilder& table = target.table;
  if (member == "stringValue") {
    std::string_view view;
    if (!text(value, path, view)) return false;
    add(table.add_string(slot, ValueType::kString, view), target);
  } else if (member == "intValue") {
    const auto number = json::to_int64(value);
    if (!number) return refuse(path, "a 64-bit integer");
    add(table.add_number(slot, ValueType::kInt, static_cast<uint64_t>(*number)), target);
  } else if (member == "boolValue") {
    if (!value.is_bool()) return refuse(path, "true or false");
    add(table.add_number(slot, ValueType::kBool, value.get_bool().value_unsafe()), target);
  } else if (member == "doubleValue") {
    const auto number = json::to_double(value);
    if (!number) return refuse(path, "a number");
    add(table.add_number(slot, ValueType::kDouble, std::bit_cast<uint64_t>(*number)), target);
  } else if (member == "bytesValue") {
    std::string_view view;
    std::string bytes;
    if (!text(value, path, view)) return false;
    if (!json::decode_base64(view, bytes)) return refuse(path, "base64");
    add(table.add_string(slot, ValueType::kBytes, bytes), target);
  } else if (member == "arrayValue" || member == "kvlistValue") {
    const bool key_values = member == "kvlistValue";
    std::string encoded;
    too_deep_ = false;
    if (!encode_list(key_values, value, path, limits_.max_value_depth, encoded)) return false;
    if (too_deep_) {
      saturating_add(target.dropped, 1);
      builder_.warn(
          "some attributes were left out: their arrays or key-value lists lie deeper in "
          "each other than the configured limit");
      return true;
    }
    add(table.add_string(slot, key_values ? ValueType::kKvlist : ValueType::kArray, encoded),
        target);
  } else {
    add(table.add_none(slot), target);
  }
  return true;
}

bool Decoder::encode_list(bool key_values, const element& value, const Path& path,
                          uint32_t depth_left, std::string& out) {
  if (depth_left == 0) {
    too_deep_ = true;
    return true;
  }
  return members(value, path, [&](std::string_view name, const element& v, const Path& p) {
    if (name != "values") return true;
    return each(v, p, [&](const element& entry, const Path& at) {
      std::string encoded;
      if (too_deep_) return true;
      if (!key_values) {
        // A null in an array holds its place.
        if (!entry.is_null() && !encode_any(entry, at, depth_left - 1, encoded)) return false;
        protobuf::put_bytes(out, 1, encoded);
        return true;
      }
      std::string_view key;
      const bool ok = members(entry, at, [&](std::string_view n, const element& e, const Path& q) {
        if (n == "key") return text(e, q, key);
        if (n == "value") {
          encoded.clear();
          return encode_any(e, q, depth_left - 1, encoded);
        }
        return true;
      });
      if (!ok) return false;
      std::string pair;
      protobuf::put_bytes(pair, 1, key);
      protobuf::put_bytes(pair, 2, encoded);
      protobuf::put_bytes(out, 1, pair);
      return true;
    });
  });
}

bool Decoder::encode_any(const element& value, const Path& path, uint32_t depth_left,
                         std::string& out) {
  return members(value, path, [&](std::string_view name, const element& v, const Path& p) {
    return encode_member(name, v, p, depth_left, out);
  });
}

bool Decoder::encode_member(std::string_view member, const element& value, const Path& path,
                            uint32_t depth_left, std::string& out) {
  using protobuf::WireType;
  if (!member.ends_with("Value")) return true;
  out.clear();  // of several members the last one counts
  if (member == "stringValue") {
    std::string_view view;
    if (!text(value, path, view)) return false;
    protobuf::put_bytes(out, 1, view);
  } else if (member == "boolValue") {
    if (!value.is_bool()) return refuse(path, "true or false");
    protobuf::put_tag(out, 2, WireType::kVarint);
    protobuf::put_varint(out, value.get_bool().value_unsafe() ? 1 : 0);
  } else if (member == "intValue") {
    const auto number = json::to_int64(value);
    if (!number) return refuse(path, "a 64-bit integer");
    protobuf::put_tag(out, 3, WireType::kVarint);
    protobuf::put_varint(out, static_cast<uint64_t>(*number));
  } else if (member == "doubleValue") {
    const auto number = json::to_double(value);
    if (!number) return refuse(path, "a number");
    protobuf::put_fixed64(out, 4, std::bit_cast<uint64_t>(*number));
  } else if (member == "bytesValue") {
    std::string_view view;
    std::string bytes;
    if (!text(value, path, view)) return false;
    if (!json::decode_base64(view, bytes)) return refuse(path, "base64");
    protobuf::put_bytes(out, 7, bytes);
  } else if (member == "arrayValue" || member == "kvlistValue") {
    const bool key_values = member == "kvlistValue";
    std::string encoded;
    if (!encode_list(key_values, value, path, depth_left, encoded)) return false;
    protobuf::put_bytes(out, key_values ? 6 : 5, encoded);
  }
  return true;
}

}  // namespace

Expected<DecodeResult> decode_otlp_traces_json(std::string_view body, const DecodeLimits& limits) {
  return json::decode_spans<Decoder>(body, limits);
}

}  // namespace weft
