// Spans that tests of analyses and APIs write down in one line each, and an AnalysisRequest over
// them. Times are milliseconds after kStart.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "analysis/span_scan.h"
#include "model/span.h"
#include "query/testing/memory_source.h"

namespace weft::analysis::testing {

inline constexpr uint64_t kMs = 1'000'000;
inline constexpr uint64_t kStart = 1'700'000'000'000 * kMs;

inline TraceId trace_id(uint8_t n) {
  TraceId id;
  id.bytes[15] = n;
  return id;
}
inline SpanId span_id(uint8_t n) {
  SpanId id;
  id.bytes[7] = n;
  return id;
}

// A span to be refined: make(1, 2, 1, "api", "GET").server().at(10, 5).error("gone").
struct SpanBuilder {
  Span span;

  SpanBuilder& at(uint64_t start_ms, uint64_t duration_ms) {
    span.start_ns = kStart + start_ms * kMs;
    span.end_ns = span.start_ns + duration_ms * kMs;
    return *this;
  }
  SpanBuilder& kind(SpanKind k) {
    span.kind = k;
    return *this;
  }
  SpanBuilder& client() { return kind(SpanKind::kClient); }
  SpanBuilder& server() { return kind(SpanKind::kServer); }
  SpanBuilder& error(const char* message = "") {
    span.status_code = StatusCode::kError;
    span.status_message = message;
    return *this;
  }
  SpanBuilder& with(const char* key, Value value) {
    span.attributes.push_back({key, std::move(value)});
    return *this;
  }
  SpanBuilder& resource(const char* key, Value value) {
    span.resource.attributes.push_back({key, std::move(value)});
    return *this;
  }
  SpanBuilder& exception(const char* type, const char* message) {
    SpanEvent event;
    event.name = "exception";
    event.time_ns = span.end_ns;
    event.attributes = {{"exception.type", type}, {"exception.message", message}};
    span.events.push_back(std::move(event));
    return *this;
  }
  operator Span() const { return span; }
};

// parent 0: a root.
inline SpanBuilder make(uint8_t trace, uint8_t id, uint8_t parent, const char* service,
                        const char* name) {
  SpanBuilder out;
  out.span.trace_id = trace_id(trace);
  out.span.span_id = span_id(id);
  out.span.parent_span_id = span_id(parent);
  out.span.name = name;
  out.span.resource.attributes = {{"service.name", service}};
  return out.at(0, 1);
}

// A source and all that a request refers to.
struct Fixture {
  explicit Fixture(std::vector<Span> spans, weft::testing::MemorySourceOptions options = {})
      : source(std::move(spans), options) {}

  AnalysisRequest request(std::string_view query = {}, TimeRange range = {}) {
    std::optional<CompiledQuery> compiled;
    if (!query.empty()) compiled = compile_query(query).value();
    return {source, range, compiled, {}, cancel, inspected};
  }

  weft::testing::MemorySource source;
  CancelToken cancel;
  Inspected inspected;
};

}  // namespace weft::analysis::testing
