#include "otlp_view.h"

#include <charconv>

#include "json_writer.h"
#include "protobuf_reader.h"

namespace weft::sdk_detail {
namespace {

// An AnyValue as text; strings inside arrays are quoted, those outside are not.
std::string any_text(std::string_view any, bool quoted, int depth = 0) {
  std::string out;
  ProtoReader r(any);
  while (r.next()) {
    out.clear();
    switch (r.field()) {
      case 1:
        quoted ? append_json_string(out, r.bytes()) : void(out = r.bytes());
        break;
      case 2:
        out = r.number() != 0 ? "true" : "false";
        break;
      case 3:
        out = std::to_string(static_cast<std::int64_t>(r.number()));
        break;
      case 4:
        append_json_double(out, r.floating());
        break;
      case 5: {
        out = "[";
        ProtoReader values(r.bytes());
        while (depth < 16 && values.next()) {
          if (out.size() > 1) out += ',';
          out += any_text(values.bytes(), true, depth + 1);
        }
        out += ']';
        break;
      }
      case 7:
        append_base64(out, r.bytes());
        break;
      default:
        break;
    }
  }
  return out;
}

EventView read_event(std::string_view bytes) {
  EventView out;
  ProtoReader r(bytes);
  while (r.next()) {
    if (r.field() == 1) out.time_ns = r.number();
    if (r.field() == 2) out.name = r.bytes();
    if (r.field() == 3) out.attributes.push_back(read_attribute(r.bytes()));
  }
  return out;
}

bool read_span(std::string_view bytes, SpanView& out) {
  ProtoReader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        out.trace_id = r.bytes();
        break;
      case 2:
        out.span_id = r.bytes();
        break;
      case 4:
        out.parent_id = r.bytes();
        break;
      case 5:
        out.name = r.bytes();
        break;
      case 6:
        out.kind = r.number();
        break;
      case 7:
        out.start_ns = r.number();
        break;
      case 8:
        out.end_ns = r.number();
        break;
      case 9:
        out.attributes.push_back(read_attribute(r.bytes()));
        break;
      case 10:
        out.dropped_attributes = r.number();
        break;
      case 11:
        out.events.push_back(read_event(r.bytes()));
        break;
      case 12:
        out.dropped_events = r.number();
        break;
      case 14:
        out.dropped_links = r.number();
        break;
      case 15: {
        ProtoReader status(r.bytes());
        while (status.next()) {
          if (status.field() == 2) out.status_message = status.bytes();
          if (status.field() == 3) out.status = status.number();
        }
        break;
      }
      default:
        break;
    }
  }
  return r.ok();
}

bool read_log(std::string_view bytes, LogView& out) {
  ProtoReader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        out.time_ns = r.number();
        break;
      case 3:
        out.severity = r.bytes();
        break;
      case 5:
        out.body = any_text(r.bytes(), false);
        break;
      case 6:
        out.attributes.push_back(read_attribute(r.bytes()));
        break;
      case 9:
        out.trace_id = r.bytes();
        break;
      case 10:
        out.span_id = r.bytes();
        break;
      default:
        break;
    }
  }
  return r.ok();
}

// Traces and logs have the same frame: request{1: Resource*{1: resource, 2: Scope*{1: scope,
// 2: items}}}. The resource and the scope may come after the items.
bool for_each_item(std::string_view otlp,
                   const std::function<bool(const ScopeView&, std::string_view)>& visit) {
  ProtoReader request(otlp);
  while (request.next()) {
    if (request.field() != 1) continue;
    ScopeView scope;
    ProtoReader resource_pass(request.bytes());
    while (resource_pass.next()) {
      if (resource_pass.field() != 1) continue;
      ProtoReader resource(resource_pass.bytes());
      while (resource.next()) {
        if (resource.field() == 1) scope.resource.push_back(read_attribute(resource.bytes()));
      }
    }
    ProtoReader groups(request.bytes());
    while (groups.next()) {
      if (groups.field() != 2) continue;
      scope.name = scope.version = {};
      ProtoReader scope_pass(groups.bytes());
      while (scope_pass.next()) {
        if (scope_pass.field() != 1) continue;
        ProtoReader fields(scope_pass.bytes());
        while (fields.next()) {
          if (fields.field() == 1) scope.name = fields.bytes();
          if (fields.field() == 2) scope.version = fields.bytes();
        }
      }
      ProtoReader items(groups.bytes());
      while (items.next()) {
        if (items.field() == 2 && !visit(scope, items.bytes())) return false;
      }
      if (!items.ok()) return false;
    }
    if (!groups.ok()) return false;
  }
  return request.ok();
}

}  // namespace

TextAttribute read_attribute(std::string_view key_value) {
  TextAttribute out;
  ProtoReader r(key_value);
  while (r.next()) {
    if (r.field() == 1) out.key = r.bytes();
    if (r.field() == 2) out.value = any_text(r.bytes(), false);
  }
  return out;
}

bool for_each_span(std::string_view otlp,
                   const std::function<void(const ScopeView&, const SpanView&)>& visit) {
  return for_each_item(otlp, [&](const ScopeView& scope, std::string_view bytes) {
    SpanView span;
    if (!read_span(bytes, span)) return false;
    visit(scope, span);
    return true;
  });
}

bool for_each_log(std::string_view otlp,
                  const std::function<void(const ScopeView&, const LogView&)>& visit) {
  return for_each_item(otlp, [&](const ScopeView& scope, std::string_view bytes) {
    LogView log;
    if (!read_log(bytes, log)) return false;
    visit(scope, log);
    return true;
  });
}

}  // namespace weft::sdk_detail
