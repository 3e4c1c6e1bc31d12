#include "server/api/trace_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/ascii.h"
#include "server/api/traceql_text.h"

namespace weft::server {
namespace {

ColumnRef service_name() {
  return ColumnRef::attribute(AttributeScope::kResource, "service.name");
}

Predicate equals(ColumnRef column, Value value) {
  return Predicate::of({std::move(column), CompareOp::kEqual, std::move(value)});
}

std::optional<Value> typed_value(std::string_view text) {
  if (!is_typed_literal(text)) return std::nullopt;
  if (text == "true" || text == "false") return Value(text == "true");
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.contains('.')) return Value(number);
  int64_t whole = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), whole);
  return result.ec == std::errc{} ? Value(whole) : Value(number);
}

}  // namespace

Expected<std::vector<SpanBatch>> find_whole_traces(const ApiContext& context,
                                                   const HttpRequest& request,
                                                   const TraceSearch& wanted) {
  SearchOptions options;
  options.range = wanted.range;
  options.limit = wanted.limit;
  options.spans_per_spanset = 0;
  options.budget = context.limits().budget;
  options.cancel = request.cancel.get();
  WEFT_ASSIGN(const CompiledQuery query, query_of(wanted.conditions));
  WEFT_ASSIGN(const SearchResult found, search(context.source(), query, options));
  std::vector<TraceId> ids;
  for (const TraceSummary& trace : found.traces)
    ids.push_back(trace.trace_id);
  return read_whole_traces(context, request, ids);
}

Expected<std::vector<SpanBatch>> read_whole_traces(const ApiContext& context,
                                                   const HttpRequest& request,
                                                   const std::vector<TraceId>& ids) {
  std::vector<SpanBatch> out;
  size_t spans = 0;
  size_t bytes = 0;
  for (const TraceId& id : ids) {
    if (request.cancel->cancelled())
      return fail(ErrorCode::kCancelled, "the client has gone, or the query's time is over");
    auto batch = context.trace(id);
    // Retention may have taken it since it was found.
    if (!batch && batch.error().code == ErrorCode::kNotFound) continue;
    if (!batch) return std::unexpected<Error>(std::move(batch).error());
    spans += batch->size();
    if (spans > context.limits().max_answer_spans)
      return fail(ErrorCode::kResourceExhausted,
                  fmt::format("the traces have more than {} spans together; ask for fewer traces",
                              context.limits().max_answer_spans));
    bytes += batch->memory_bytes();
    if (bytes > context.limits().budget.memory_bytes)
      return fail(ErrorCode::kResourceExhausted,
                  fmt::format("the traces take more than {} bytes together; ask for fewer traces, "
                              "or give weft serve more --query-memory",
                              context.limits().budget.memory_bytes));
    out.push_back(*std::move(batch));
  }
  return out;
}

Predicate service_is(std::string_view service) {
  return equals(service_name(), service);
}
Predicate name_is(std::string_view name) {
  return equals(ColumnRef::of(Intrinsic::kName), name);
}
Predicate kind_is(SpanKind kind) {
  return equals(ColumnRef::of(Intrinsic::kKind), static_cast<int64_t>(kind));
}
Predicate lasts_at_least(uint64_t duration_ns) {
  return Predicate::of({ColumnRef::of(Intrinsic::kDurationNs), CompareOp::kGreaterEqual,
                        Value(static_cast<int64_t>(duration_ns))});
}
Predicate lasts_at_most(uint64_t duration_ns) {
  return Predicate::of({ColumnRef::of(Intrinsic::kDurationNs), CompareOp::kLessEqual,
                        Value(static_cast<int64_t>(duration_ns))});
}

namespace {

// What answers show as a tag though OTLP has it outside of the attributes.
std::optional<Predicate> shown_as_tag(std::string_view key, std::string_view value) {
  constexpr std::pair<std::string_view, Intrinsic> kTexts[] = {
      {"error", Intrinsic::kStatusMessage},
      {"otel.status_description", Intrinsic::kStatusMessage},
      {"otel.scope.name", Intrinsic::kInstrumentationName},
      {"otel.scope.version", Intrinsic::kInstrumentationVersion},
      {"w3c.tracestate", Intrinsic::kTraceState}};
  for (const auto& [name, which] : kTexts)
    if (key == name && !value.empty()) return equals(ColumnRef::of(which), value);
  if (key == "otel.status_code" && (value == "OK" || value == "ERROR")) {
    const StatusCode code = value == "OK" ? StatusCode::kOk : StatusCode::kError;
    return equals(ColumnRef::of(Intrinsic::kStatusCode), static_cast<int64_t>(code));
  }
  return std::nullopt;
}

// As text and, where it looks like a number or a bool, as that.
void add_values(AttributeScope scope, std::string_view key, std::string_view value,
                std::vector<Predicate>& alternatives) {
  const ColumnRef column = ColumnRef::attribute(scope, std::string(key));
  alternatives.push_back(equals(column, value));
  if (auto typed = typed_value(value)) alternatives.push_back(equals(column, *std::move(typed)));
}

}  // namespace

Predicate tag_is(std::string_view key, std::string_view value) {
  const auto status = [](CompareOp op) {
    return Predicate::of({ColumnRef::of(Intrinsic::kStatusCode), op,
                          Value(static_cast<int64_t>(StatusCode::kError))});
  };
  if (key == "error" && (value == "true" || value.empty())) return status(CompareOp::kEqual);
  if (key == "error" && value == "false") return status(CompareOp::kNotEqual);
  if (key == "span.kind") {
    if (const auto kind = kind_of(value)) return kind_is(*kind);
  }
  if (key == "service.name") return service_is(value);
  // Not kAny: a resource's value counts even where the span has another one.
  std::vector<Predicate> alternatives;
  add_values(AttributeScope::kSpan, key, value, alternatives);
  add_values(AttributeScope::kResource, key, value, alternatives);
  if (auto shown = shown_as_tag(key, value)) alternatives.push_back(*std::move(shown));
  return Predicate::any_of(std::move(alternatives));
}

Predicate tag_or_log_is(std::string_view key, std::string_view value) {
  std::vector<Predicate> alternatives = {tag_is(key, value)};
  add_values(AttributeScope::kEvent, key, value, alternatives);
  if (key == "event") alternatives.push_back(equals(ColumnRef::of(Intrinsic::kEventName), value));
  return Predicate::any_of(std::move(alternatives));
}

std::optional<SpanKind> kind_of(std::string_view text) {
  std::string lower = lower_ascii(text);
  if (lower.starts_with("span_kind_")) lower.erase(0, 10);
  for (uint8_t kind = 0; kind <= 5; kind++) {
    if (kind_name(kind) == lower) return static_cast<SpanKind>(kind);
  }
  return std::nullopt;
}

Expected<std::vector<std::string>> service_names(const ApiContext& context,
                                                 const HttpRequest& request) {
  WEFT_ASSIGN(const AttributeValueList list,
              context.source().attribute_values(service_name(), TimeRange(),
                                                context.limits().max_values, *request.cancel));
  std::vector<std::string> out;
  for (const AttributeValue& value : list.values) {
    if (const auto* text = std::get_if<std::string>(&value.value.data)) out.push_back(*text);
  }
  std::ranges::sort(out);
  return out;
}

Expected<std::vector<analysis::Operation>> operations_of(const ApiContext& context,
                                                         const HttpRequest& request,
                                                         std::string_view service_parameter,
                                                         std::string_view service,
                                                         std::string_view kind) {
  if (service.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: the parameter is required", service_parameter));
  std::vector<Predicate> conditions = {service_is(service)};
  if (!kind.empty()) {
    const auto wanted = kind_of(kind);
    if (!wanted)
      return fail(ErrorCode::kInvalidArgument, fmt::format("spanKind: \"{}\" is no kind", kind));
    conditions.push_back(kind_is(*wanted));
  }
  WEFT_ASSIGN(const CompiledQuery query, query_of(conditions));
  Inspected inspected;
  return analysis::operations(context.analysis_request(request, TimeRange(), query, inspected));
}

}  // namespace weft::server
