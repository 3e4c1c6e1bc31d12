#include "query/testing/span_values.h"

#include <algorithm>

namespace weft::testing {
namespace {

template <typename Id>
Value id_value(const Id& id) {
  return Value(
      Value::Bytes{std::string(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size())});
}

void add_attribute(const Attributes& attributes, std::string_view key, std::vector<Value>& out) {
  const Value* value = find_attribute(attributes, key);
  if (value != nullptr && value->type() != ValueType::kNone) out.push_back(*value);
}

std::vector<Value> attribute_values(const Span& span, const ColumnRef& column) {
  std::vector<Value> out;
  switch (column.scope) {
    case AttributeScope::kAny:
      add_attribute(span.attributes, column.key, out);
      if (out.empty()) add_attribute(span.resource.attributes, column.key, out);
      break;
    case AttributeScope::kSpan:
      add_attribute(span.attributes, column.key, out);
      break;
    case AttributeScope::kResource:
      add_attribute(span.resource.attributes, column.key, out);
      break;
    case AttributeScope::kInstrumentation:
      add_attribute(span.scope.attributes, column.key, out);
      break;
    case AttributeScope::kEvent:
      for (const SpanEvent& event : span.events)
        add_attribute(event.attributes, column.key, out);
      break;
    case AttributeScope::kLink:
      for (const SpanLink& link : span.links)
        add_attribute(link.attributes, column.key, out);
      break;
  }
  return out;
}

Value integer(uint64_t number) {
  return Value(static_cast<int64_t>(number));
}

}  // namespace

std::vector<Value> column_values(const Span& span, const ColumnRef& column) {
  std::vector<Value> out;
  switch (column.intrinsic) {
    case Intrinsic::kNone:
      return attribute_values(span, column);
    case Intrinsic::kTraceId:
      return {id_value(span.trace_id)};
    case Intrinsic::kSpanId:
      return {id_value(span.span_id)};
    case Intrinsic::kParentSpanId:
      if (!span.parent_span_id.is_zero()) out.push_back(id_value(span.parent_span_id));
      return out;
    case Intrinsic::kStartNs:
      return {integer(span.start_ns)};
    case Intrinsic::kEndNs:
      return {integer(span.end_ns)};
    case Intrinsic::kDurationNs:
      return {integer(span.duration_ns())};
    case Intrinsic::kName:
      return {Value(span.name)};
    case Intrinsic::kKind:
      return {integer(static_cast<uint8_t>(span.kind))};
    case Intrinsic::kStatusCode:
      return {integer(static_cast<uint8_t>(span.status_code))};
    case Intrinsic::kStatusMessage:
      return {Value(span.status_message)};
    case Intrinsic::kTraceState:
      return {Value(span.trace_state)};
    case Intrinsic::kInstrumentationName:
      return {Value(span.scope.name)};
    case Intrinsic::kInstrumentationVersion:
      return {Value(span.scope.version)};
    case Intrinsic::kEventName:
      for (const SpanEvent& event : span.events)
        out.push_back(Value(event.name));
      return out;
    case Intrinsic::kEventTimeSinceStartNs:
      for (const SpanEvent& event : span.events) {
        out.push_back(integer(event.time_ns - span.start_ns));
      }
      return out;
    case Intrinsic::kLinkTraceId:
      for (const SpanLink& link : span.links) {
        if (!link.trace_id.is_zero()) out.push_back(id_value(link.trace_id));
      }
      return out;
    case Intrinsic::kLinkSpanId:
      for (const SpanLink& link : span.links) {
        if (!link.span_id.is_zero()) out.push_back(id_value(link.span_id));
      }
      return out;
  }
  return out;
}

bool holds(const Predicate& predicate, const Span& span) {
  switch (predicate.kind) {
    case Predicate::Kind::kTrue:
      return true;
    case Predicate::Kind::kFalse:
      return false;
    case Predicate::Kind::kCondition: {
      const Condition& condition = predicate.condition;
      const std::vector<Value> values = column_values(span, condition.column);
      if (condition.op == CompareOp::kNotExists) return values.empty();
      return std::any_of(values.begin(), values.end(), [&](const Value& value) {
        return matches(value, condition.op, condition.operand);
      });
    }
    case Predicate::Kind::kAnd:
      return std::all_of(predicate.children.begin(), predicate.children.end(),
                         [&](const Predicate& child) { return holds(child, span); });
    case Predicate::Kind::kOr:
      return std::any_of(predicate.children.begin(), predicate.children.end(),
                         [&](const Predicate& child) { return holds(child, span); });
  }
  return false;
}

}  // namespace weft::testing
