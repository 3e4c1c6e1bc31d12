// OTLP protobuf into OTLP JSON, driven by a table of the messages' fields.
#include <weft/exporter.h>

#include <span>

#include "json_writer.h"
#include "protobuf_reader.h"

namespace weft {

namespace sdk_detail {
namespace {

enum class Kind : std::uint8_t {
  kString,
  kHex,     // ids
  kBase64,  // other bytes
  kBool,
  kNumber,  // enums and 32-bit integers
  kInt64,   // as a string, signed
  kUint64,  // as a string, unsigned
  kDouble,
  kMessage,
  kPackedUint64,  // fixed64
  kPackedDouble,
};

struct Message;
struct Field {
  std::uint32_t number;
  std::string_view name;
  Kind kind;
  bool repeated = false;
  const Message* message = nullptr;
};
struct Message {
  std::span<const Field> fields;
};

extern const Message kAnyValue;
extern const Message kKeyValue;

constexpr Field kArrayFields[] = {{1, "values", Kind::kMessage, true, &kAnyValue}};
const Message kArray{kArrayFields};
constexpr Field kKeyValueListFields[] = {{1, "values", Kind::kMessage, true, &kKeyValue}};
const Message kKeyValueList{kKeyValueListFields};
const Field kAnyValueFields[] = {{1, "stringValue", Kind::kString},
                                 {2, "boolValue", Kind::kBool},
                                 {3, "intValue", Kind::kInt64},
                                 {4, "doubleValue", Kind::kDouble},
                                 {5, "arrayValue", Kind::kMessage, false, &kArray},
                                 {6, "kvlistValue", Kind::kMessage, false, &kKeyValueList},
                                 {7, "bytesValue", Kind::kBase64}};
const Message kAnyValue{kAnyValueFields};
const Field kKeyValueFields[] = {{1, "key", Kind::kString},
                                 {2, "value", Kind::kMessage, false, &kAnyValue}};
const Message kKeyValue{kKeyValueFields};

const Field kResourceFields[] = {{1, "attributes", Kind::kMessage, true, &kKeyValue},
                                 {2, "droppedAttributesCount", Kind::kNumber}};
const Message kResource{kResourceFields};
const Field kScopeFields[] = {{1, "name", Kind::kString},
                              {2, "version", Kind::kString},
                              {3, "attributes", Kind::kMessage, true, &kKeyValue},
                              {4, "droppedAttributesCount", Kind::kNumber}};
const Message kScope{kScopeFields};

// ---- traces

const Field kEventFields[] = {{1, "timeUnixNano", Kind::kUint64},
                              {2, "name", Kind::kString},
                              {3, "attributes", Kind::kMessage, true, &kKeyValue},
                              {4, "droppedAttributesCount", Kind::kNumber}};
const Message kEvent{kEventFields};
const Field kLinkFields[] = {{1, "traceId", Kind::kHex},
                             {2, "spanId", Kind::kHex},
                             {3, "traceState", Kind::kString},
                             {4, "attributes", Kind::kMessage, true, &kKeyValue},
                             {5, "droppedAttributesCount", Kind::kNumber},
                             {6, "flags", Kind::kNumber}};
const Message kLink{kLinkFields};
const Field kStatusFields[] = {{2, "message", Kind::kString}, {3, "code", Kind::kNumber}};
const Message kStatus{kStatusFields};
const Field kSpanFields[] = {{1, "traceId", Kind::kHex},
                             {2, "spanId", Kind::kHex},
                             {3, "traceState", Kind::kString},
                             {4, "parentSpanId", Kind::kHex},
                             {16, "flags", Kind::kNumber},
                             {5, "name", Kind::kString},
                             {6, "kind", Kind::kNumber},
                             {7, "startTimeUnixNano", Kind::kUint64},
                             {8, "endTimeUnixNano", Kind::kUint64},
                             {9, "attributes", Kind::kMessage, true, &kKeyValue},
                             {10, "droppedAttributesCount", Kind::kNumber},
                             {11, "events", Kind::kMessage, true, &kEvent},
                             {12, "droppedEventsCount", Kind::kNumber},
                             {13, "links", Kind::kMessage, true, &kLink},
                             {14, "droppedLinksCount", Kind::kNumber},
                             {15, "status", Kind::kMessage, false, &kStatus}};
const Message kSpan{kSpanFields};
const Field kScopeSpansFields[] = {{1, "scope", Kind::kMessage, false, &kScope},
                                   {2, "spans", Kind::kMessage, true, &kSpan},
                                   {3, "schemaUrl", Kind::kString}};
const Message kScopeSpans{kScopeSpansFields};
const Field kResourceSpansFields[] = {{1, "resource", Kind::kMessage, false, &kResource},
                                      {2, "scopeSpans", Kind::kMessage, true, &kScopeSpans},
                                      {3, "schemaUrl", Kind::kString}};
const Message kResourceSpans{kResourceSpansFields};
const Field kTraceFields[] = {{1, "resourceSpans", Kind::kMessage, true, &kResourceSpans}};
const Message kTraces{kTraceFields};

// ---- logs

const Field kLogRecordFields[] = {{1, "timeUnixNano", Kind::kUint64},
                                  {11, "observedTimeUnixNano", Kind::kUint64},
                                  {2, "severityNumber", Kind::kNumber},
                                  {3, "severityText", Kind::kString},
                                  {5, "body", Kind::kMessage, false, &kAnyValue},
                                  {6, "attributes", Kind::kMessage, true, &kKeyValue},
                                  {7, "droppedAttributesCount", Kind::kNumber},
                                  {8, "flags", Kind::kNumber},
                                  {9, "traceId", Kind::kHex},
                                  {10, "spanId", Kind::kHex},
                                  {12, "eventName", Kind::kString}};
const Message kLogRecord{kLogRecordFields};
const Field kScopeLogsFields[] = {{1, "scope", Kind::kMessage, false, &kScope},
                                  {2, "logRecords", Kind::kMessage, true, &kLogRecord},
                                  {3, "schemaUrl", Kind::kString}};
const Message kScopeLogs{kScopeLogsFields};
const Field kResourceLogsFields[] = {{1, "resource", Kind::kMessage, false, &kResource},
                                     {2, "scopeLogs", Kind::kMessage, true, &kScopeLogs},
                                     {3, "schemaUrl", Kind::kString}};
const Message kResourceLogs{kResourceLogsFields};
const Field kLogsFields[] = {{1, "resourceLogs", Kind::kMessage, true, &kResourceLogs}};
const Message kLogs{kLogsFields};

// ---- metrics

const Field kExemplarFields[] = {{7, "filteredAttributes", Kind::kMessage, true, &kKeyValue},
                                 {2, "timeUnixNano", Kind::kUint64},
                                 {3, "asDouble", Kind::kDouble},
                                 {6, "asInt", Kind::kInt64},
                                 {4, "spanId", Kind::kHex},
                                 {5, "traceId", Kind::kHex}};
const Message kExemplar{kExemplarFields};
const Field kNumberPointFields[] = {{7, "attributes", Kind::kMessage, true, &kKeyValue},
                                    {2, "startTimeUnixNano", Kind::kUint64},
                                    {3, "timeUnixNano", Kind::kUint64},
                                    {4, "asDouble", Kind::kDouble},
                                    {6, "asInt", Kind::kInt64},
                                    {5, "exemplars", Kind::kMessage, true, &kExemplar},
                                    {8, "flags", Kind::kNumber}};
const Message kNumberPoint{kNumberPointFields};
const Field kHistogramPointFields[] = {{9, "attributes", Kind::kMessage, true, &kKeyValue},
                                       {2, "startTimeUnixNano", Kind::kUint64},
                                       {3, "timeUnixNano", Kind::kUint64},
                                       {4, "count", Kind::kUint64},
                                       {5, "sum", Kind::kDouble},
                                       {6, "bucketCounts", Kind::kPackedUint64},
                                       {7, "explicitBounds", Kind::kPackedDouble},
                                       {8, "exemplars", Kind::kMessage, true, &kExemplar},
                                       {10, "flags", Kind::kNumber},
                                       {11, "min", Kind::kDouble},
                                       {12, "max", Kind::kDouble}};
const Message kHistogramPoint{kHistogramPointFields};
const Field kGaugeFields[] = {{1, "dataPoints", Kind::kMessage, true, &kNumberPoint}};
const Message kGauge{kGaugeFields};
const Field kSumFields[] = {{1, "dataPoints", Kind::kMessage, true, &kNumberPoint},
                            {2, "aggregationTemporality", Kind::kNumber},
                            {3, "isMonotonic", Kind::kBool}};
const Message kSum{kSumFields};
const Field kHistogramFields[] = {{1, "dataPoints", Kind::kMessage, true, &kHistogramPoint},
                                  {2, "aggregationTemporality", Kind::kNumber}};
const Message kHistogram{kHistogramFields};
const Field kMetricFields[] = {{1, "name", Kind::kString},
                               {2, "description", Kind::kString},
                               {3, "unit", Kind::kString},
                               {5, "gauge", Kind::kMessage, false, &kGauge},
                               {7, "sum", Kind::kMessage, false, &kSum},
                               {9, "histogram", Kind::kMessage, false, &kHistogram}};
const Message kMetric{kMetricFields};
const Field kScopeMetricsFields[] = {{1, "scope", Kind::kMessage, false, &kScope},
                                     {2, "metrics", Kind::kMessage, true, &kMetric},
                                     {3, "schemaUrl", Kind::kString}};
const Message kScopeMetrics{kScopeMetricsFields};
const Field kResourceMetricsFields[] = {{1, "resource", Kind::kMessage, false, &kResource},
                                        {2, "scopeMetrics", Kind::kMessage, true, &kScopeMetrics},
                                        {3, "schemaUrl", Kind::kString}};
const Message kResourceMetrics{kResourceMetricsFields};
const Field kMetricsFields[] = {{1, "resourceMetrics", Kind::kMessage, true, &kResourceMetrics}};
const Message kMetrics{kMetricsFields};

constexpr int kMaxDepth = 32;

bool write_message(std::string& out, const Message& message, std::string_view bytes, int depth);

void write_packed(std::string& out, const Field& field, std::string_view bytes) {
  out += '[';
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    if (at != 0) out += ',';
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    if (field.kind == Kind::kPackedDouble) {
      append_json_double(out, std::bit_cast<double>(word));
    } else {
      out += '"';
      out += std::to_string(word);
      out += '"';
    }
  }
  out += ']';
}

bool write_value(std::string& out, const Field& field, const ProtoReader& r, int depth) {
  switch (field.kind) {
    case Kind::kString:
      append_json_string(out, r.bytes());
      return true;
    case Kind::kHex:
      out += '"';
      append_hex(out, r.bytes());
      out += '"';
      return true;
    case Kind::kBase64:
      out += '"';
      append_base64(out, r.bytes());
      out += '"';
      return true;
    case Kind::kBool:
      out += r.number() != 0 ? "true" : "false";
      return true;
    case Kind::kNumber:
      out += std::to_string(static_cast<std::uint32_t>(r.number()));
      return true;
    case Kind::kInt64:
      out += '"' + std::to_string(static_cast<std::int64_t>(r.number())) + '"';
      return true;
    case Kind::kUint64:
      out += '"' + std::to_string(r.number()) + '"';
      return true;
    case Kind::kDouble:
      append_json_double(out, r.floating());
      return true;
    case Kind::kMessage:
      return write_message(out, *field.message, r.bytes(), depth + 1);
    case Kind::kPackedUint64:
    case Kind::kPackedDouble:
      write_packed(out, field, r.bytes());
      return true;
  }
  return false;
}

// One pass over the bytes for each field that the message has, since JSON wants repeated fields
// together. Fields that the table does not know are left out.
bool write_message(std::string& out, const Message& message, std::string_view bytes, int depth) {
  if (depth > kMaxDepth) return false;
  std::uint32_t present = 0;
  ProtoReader all(bytes);
  while (all.next()) {
    if (all.field() < 32) present |= 1U << all.field();
  }
  if (!all.ok()) return false;
  out += '{';
  bool first = true;
  for (const Field& field : message.fields) {
    if ((present & (1U << field.number)) == 0) continue;
    if (!first) out += ',';
    first = false;
    out += '"';
    out += field.name;
    out += "\":";
    if (field.repeated) out += '[';
    const std::size_t start = out.size();
    bool seen = false;
    ProtoReader r(bytes);
    while (r.next()) {
      if (r.field() != field.number) continue;
      if (seen && field.repeated) out += ',';
      if (seen && !field.repeated) out.resize(start);  // the last one counts
      seen = true;
      if (!write_value(out, field, r, depth)) return false;
    }
    if (field.repeated) out += ']';
  }
  out += '}';
  return true;
}

}  // namespace
}  // namespace sdk_detail

inline namespace v1 {

bool otlp_to_json(Signal signal, std::string_view otlp, std::string& json) {
  const std::size_t start = json.size();
  const sdk_detail::Message& message = signal == Signal::kTraces ? sdk_detail::kTraces
                                       : signal == Signal::kLogs ? sdk_detail::kLogs
                                                                 : sdk_detail::kMetrics;
  if (sdk_detail::write_message(json, message, otlp, 0)) return true;
  json.resize(start);
  return false;
}

}  // namespace v1
}  // namespace weft
