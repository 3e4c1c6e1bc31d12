// What a query can name of a span: the fixed columns of the span schema, declared once here, and
// attributes by scope and key. Query plans are made of these; every source of spans knows them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/value.h"

namespace weft {

// Where an attribute lives. kAny is TraceQL's leading dot: the span's own value, else the
// resource's.
enum class AttributeScope : uint8_t { kAny, kSpan, kResource, kEvent, kLink, kInstrumentation };

// The fixed columns. Values have the type named; times are nanoseconds since the epoch.
enum class Intrinsic : uint8_t {
  kNone,                    // the ColumnRef names an attribute
  kTraceId,                 // bytes, 16
  kSpanId,                  // bytes, 8
  kParentSpanId,            // bytes, 8; absent for a root
  kStartNs,                 // int
  kEndNs,                   // int
  kDurationNs,              // int; 0 when the span ends before it starts
  kName,                    // string
  kKind,                    // int, SpanKind
  kStatusCode,              // int, StatusCode
  kStatusMessage,           // string
  kTraceState,              // string
  kInstrumentationName,     // string
  kInstrumentationVersion,  // string
  kEventName,               // string, one an event
  kEventTimeSinceStartNs,   // int, one an event; event time - span start
  kLinkTraceId,             // bytes, one a link
  kLinkSpanId,              // bytes, one a link
};

struct ColumnRef {
  Intrinsic intrinsic = Intrinsic::kNone;
  AttributeScope scope = AttributeScope::kAny;  // for attributes
  std::string key;                              // for attributes

  static ColumnRef of(Intrinsic which) { return {which, AttributeScope::kAny, {}}; }
  static ColumnRef attribute(AttributeScope scope, std::string key) {
    return {Intrinsic::kNone, scope, std::move(key)};
  }
  bool is_attribute() const { return intrinsic == Intrinsic::kNone; }
  // True for what a span can have several of (events, links): a condition on such a column holds
  // when it holds for one of the values.
  bool is_multi_valued() const {
    return is_attribute() ? scope == AttributeScope::kEvent || scope == AttributeScope::kLink
                          : intrinsic >= Intrinsic::kEventName;
  }
  friend bool operator==(const ColumnRef&, const ColumnRef&) = default;
};

// "span.http.route", "event:name", "duration": as TraceQL writes it.
std::string to_string(const ColumnRef& column);

}  // namespace weft
