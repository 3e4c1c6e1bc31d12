#include "scan/column.h"

namespace weft {
namespace {

std::string_view scope_prefix(AttributeScope scope) {
  switch (scope) {
    case AttributeScope::kAny:
      return ".";
    case AttributeScope::kSpan:
      return "span.";
    case AttributeScope::kResource:
      return "resource.";
    case AttributeScope::kEvent:
      return "event.";
    case AttributeScope::kLink:
      return "link.";
    case AttributeScope::kInstrumentation:
      return "instrumentation.";
  }
  return ".";
}

std::string_view intrinsic_name(Intrinsic intrinsic) {
  switch (intrinsic) {
    case Intrinsic::kNone:
      return "";
    case Intrinsic::kTraceId:
      return "trace:id";
    case Intrinsic::kSpanId:
      return "span:id";
    case Intrinsic::kParentSpanId:
      return "span:parentID";
    case Intrinsic::kStartNs:
      return "start";
    case Intrinsic::kEndNs:
      return "end";
    case Intrinsic::kDurationNs:
      return "duration";
    case Intrinsic::kName:
      return "name";
    case Intrinsic::kKind:
      return "kind";
    case Intrinsic::kStatusCode:
      return "status";
    case Intrinsic::kStatusMessage:
      return "statusMessage";
    case Intrinsic::kTraceState:
      return "traceState";
    case Intrinsic::kInstrumentationName:
      return "instrumentation:name";
    case Intrinsic::kInstrumentationVersion:
      return "instrumentation:version";
    case Intrinsic::kEventName:
      return "event:name";
    case Intrinsic::kEventTimeSinceStartNs:
      return "event:timeSinceStart";
    case Intrinsic::kLinkTraceId:
      return "link:traceID";
    case Intrinsic::kLinkSpanId:
      return "link:spanID";
  }
  return "";
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_plain_key(std::string_view key) {
  for (char c : key) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
                       c == '.' || c == '_' || c == '-' || c == '/';
    if (!plain) return false;
  }
  return !key.empty();
}

}  // namespace

std::string to_string(const ColumnRef& column) {
  if (!column.is_attribute()) return std::string(intrinsic_name(column.intrinsic));
  std::string out(scope_prefix(column.scope));
  // Behind a dot alone, digits would be a number.
  const bool number = out == "." && !column.key.empty() && is_digit(column.key.front());
  if (is_plain_key(column.key) && !number) return out + column.key;
  out.push_back('"');
  for (char c : column.key) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
  return out;
}

}  // namespace weft
