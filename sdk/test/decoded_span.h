// Exported spans, decoded by the server's own decoder into plain values that a test can look at.
// The decoder's types share their namespace's name with the sdk's, so they stay in the .cpp file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sdk_test {

struct DecodedEvent {
  std::string name;
  std::uint64_t time_ns = 0;
  std::map<std::string, std::string> attributes;
  std::uint32_t dropped_attributes = 0;
  bool operator==(const DecodedEvent&) const = default;
};

struct DecodedLink {
  std::string trace_id;
  std::string span_id;
  std::string trace_state;
  std::uint32_t flags = 0;
  std::uint32_t dropped_attributes = 0;
  std::map<std::string, std::string> attributes;
  bool operator==(const DecodedLink&) const = default;
};

struct DecodedSpan {
  std::string trace_id;
  std::string span_id;
  std::string parent_span_id;  // empty for a root
  std::string name;
  std::string scope;
  int kind = 0;
  int status = 0;  // 2: error
  std::string status_message;
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
  // Values as text: numbers in decimal, true or false, arrays as JSON.
  std::map<std::string, std::string> attributes;
  std::vector<DecodedEvent> events;
  std::vector<DecodedLink> links;
  std::string trace_state;
  std::uint32_t flags = 0;
  std::uint32_t dropped_attributes = 0;
  std::uint32_t dropped_events = 0;
  std::uint32_t dropped_links = 0;
  std::string scope_version;
  std::map<std::string, std::string> resource;
  bool operator==(const DecodedSpan&) const = default;

  // Empty when the attribute is absent.
  std::string attribute(const std::string& key) const {
    const auto at = attributes.find(key);
    return at == attributes.end() ? std::string() : at->second;
  }
  const DecodedEvent* event(std::string_view event_name) const {
    for (const DecodedEvent& candidate : events) {
      if (candidate.name == event_name) return &candidate;
    }
    return nullptr;
  }
};

// The spans of one ExportTraceServiceRequest (or several, concatenated). Throws
// std::runtime_error when the bytes are malformed or a span is refused.
std::vector<DecodedSpan> decode_spans(std::string_view otlp);

}  // namespace sdk_test
