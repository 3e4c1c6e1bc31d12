#include "decoded_span.h"

#include <stdexcept>

#include "model/span.h"
#include "protobuf_check.h"
#include "wire/otlp_protobuf.h"

namespace sdk_test {
namespace {

std::map<std::string, std::string> to_map(const weft::Attributes& attributes) {
  std::map<std::string, std::string> out;
  for (const auto& pair : attributes)
    out[pair.key] = weft::to_display(pair.value);
  return out;
}

}  // namespace

std::vector<DecodedSpan> decode_spans(std::string_view otlp) {
  const auto decoded = weft::decode_otlp_traces(otlp, {});
  if (!decoded) throw std::runtime_error(decoded.error().message);
  if (decoded->rejected_spans != 0) throw std::runtime_error("spans were refused");
  std::vector<DecodedSpan> out;
  for (const weft::Span& span : weft::to_spans(decoded->batch)) {
    DecodedSpan& d = out.emplace_back();
    d.trace_id = span.trace_id.to_hex();
    d.span_id = span.span_id.to_hex();
    d.parent_span_id = span.parent_span_id.is_zero() ? "" : span.parent_span_id.to_hex();
    d.name = span.name;
    d.scope = span.scope.name;
    d.kind = static_cast<int>(span.kind);
    d.status = static_cast<int>(span.status_code);
    d.status_message = span.status_message;
    d.start_ns = span.start_ns;
    d.end_ns = span.end_ns;
    d.attributes = to_map(span.attributes);
    for (const auto& event : span.events) {
      d.events.push_back(
          {event.name, event.time_ns, to_map(event.attributes), event.dropped_attributes_count});
    }
    for (const auto& link : span.links) {
      d.links.push_back({link.trace_id.to_hex(), link.span_id.to_hex(), link.trace_state,
                         link.flags, link.dropped_attributes_count, to_map(link.attributes)});
    }
    d.trace_state = span.trace_state;
    d.flags = span.flags;
    d.dropped_attributes = span.dropped_attributes_count;
    d.dropped_events = span.dropped_events_count;
    d.dropped_links = span.dropped_links_count;
    d.scope_version = span.scope.version;
    d.resource = to_map(span.resource.attributes);
  }
  // Only so many, because protobuf's reflection takes its time.
  if (out.size() <= 5000 && decode_with_protobuf(otlp) != out) {
    throw std::runtime_error("protobuf's own decoder finds other spans than the server's");
  }
  return out;
}

}  // namespace sdk_test
