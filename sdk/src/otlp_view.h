// A read-only look at the spans and log records in an OTLP request: for the exporters that write
// them in other words (Zipkin, console).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::sdk_detail {

// An attribute with its value as text: strings as they are, the rest as JSON.
struct TextAttribute {
  std::string_view key;
  std::string value;
};
TextAttribute read_attribute(std::string_view key_value);

struct EventView {
  std::uint64_t time_ns = 0;
  std::string_view name;
  std::vector<TextAttribute> attributes;
};

struct SpanView {
  std::string_view trace_id, span_id, parent_id, name;  // ids as bytes
  std::uint64_t kind = 0, start_ns = 0, end_ns = 0, status = 0;
  std::uint64_t dropped_attributes = 0, dropped_events = 0, dropped_links = 0;
  std::string_view status_message;
  std::vector<TextAttribute> attributes;
  std::vector<EventView> events;
};

struct LogView {
  std::uint64_t time_ns = 0;
  std::string_view severity, trace_id, span_id;
  std::string body;
  std::vector<TextAttribute> attributes;
};

struct ScopeView {
  std::vector<TextAttribute> resource;
  std::string_view name, version;
};

// Calls visit for every span. False when the bytes are malformed; spans before that were visited.
bool for_each_span(std::string_view otlp,
                   const std::function<void(const ScopeView&, const SpanView&)>& visit);
bool for_each_log(std::string_view otlp,
                  const std::function<void(const ScopeView&, const LogView&)>& visit);

}  // namespace weft::sdk_detail
