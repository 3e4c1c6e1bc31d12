// Tempo's API as Grafana's data source calls it: echo, build info, traces by id and search.

#include <fmt/format.h>

#include <algorithm>

#include "model/protobuf.h"
#include "server/api/api_context.h"
#include "server/api/request_params.h"
#include "server/api/traceql_text.h"
#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"

namespace weft::server {
namespace {

ApiResult echo(const ApiContext&, const HttpRequest&) {
  return text_response("echo");
}

ApiResult buildinfo(const ApiContext& context, const HttpRequest&) {
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().field("version", context.info().version).field("revision", "");
  json.field("branch", "").field("buildUser", "").field("buildDate", "").field("goVersion", "");
  json.end_object();
  return response;
}

Expected<SpanBatch> trace_of(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const TraceId id, trace_id_of(request.params.get("id")));
  return context.trace(id);
}

HttpResponse protobuf_response(std::string body) {
  HttpResponse response;
  response.content_type = "application/protobuf";
  response.body = std::move(body);
  return response;
}

// tempopb.Trace: its only field has the number and type of TracesData.resource_spans.
}  // namespace

ApiResult tempo_trace(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const SpanBatch batch, trace_of(context, request));
  std::string body;
  if (wants_protobuf(request)) {
    encode_otlp_traces(batch, body);
    return protobuf_response(std::move(body));
  }
  constexpr std::string_view kOtlpMember = "{\"resourceSpans\":";
  encode_otlp_traces_json(batch, body);
  body.replace(0, kOtlpMember.size(), "{\"batches\":");
  return json_response(std::move(body));
}

namespace {

// tempopb.TraceByIDResponse: trace = 1.
ApiResult get_trace_v2(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const SpanBatch batch, trace_of(context, request));
  std::string trace;
  if (wants_protobuf(request)) {
    encode_otlp_traces(batch, trace);
    std::string body;
    protobuf::put_bytes(body, 1, trace);
    return protobuf_response(std::move(body));
  }
  encode_otlp_traces_json(batch, trace);
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("trace").raw(trace);
  json.key("metrics").begin_object().end_object().end_object();
  return response;
}

// Tempo's older search by tags names a few things that are no attributes.
std::string tag_condition(const std::string& key, const std::string& value) {
  const std::string pattern = quote_traceql("(?i).*" + escape_regex(value) + ".*");
  if (key == "name") return "name =~ " + pattern;
  if (key == "root.name") return "rootName =~ " + pattern;
  if (key == "root.service.name") return "rootServiceName =~ " + pattern;
  if (key == "error") return value == "false" ? "status != error" : "status = error";
  if (key == "status" || key == "status.code") {
    const bool known = value == "ok" || value == "error" || value == "unset";
    if (known) return "status = " + value;
  }
  std::string out = any_attribute(key) + " =~ " + pattern;
  if (is_typed_literal(value)) out = "(" + out + " || " + any_attribute(key) + " = " + value + ")";
  return out;
}

Expected<std::string> query_of_tags(const HttpRequest& request) {
  std::vector<std::string> conditions;
  WEFT_ASSIGN(const auto tags, parse_logfmt(request.query.get("tags")));
  for (const auto& [key, value] : tags)
    conditions.push_back(tag_condition(key, value));
  WEFT_ASSIGN(const auto least, duration_param(request.query, "minDuration"));
  WEFT_ASSIGN(const auto most, duration_param(request.query, "maxDuration"));
  if (least) conditions.push_back(fmt::format("traceDuration >= {}ns", *least));
  if (most) conditions.push_back(fmt::format("traceDuration <= {}ns", *most));
  return fmt::format("{{ {} }}", fmt::join(conditions, " && "));
}

// The name without its scope, as Tempo has it in the attributes of found spans.
std::string_view unscoped(std::string_view name) {
  for (const std::string_view scope :
       {"span.", "resource.", "event.", "link.", "instrumentation.", "."})
    if (name.starts_with(scope) && name.size() > scope.size()) return name.substr(scope.size());
  return name;
}

void write_attributes(JsonWriter& json, const std::vector<NamedValue>& attributes) {
  json.key("attributes").begin_array();
  for (const auto& [name, value] : attributes) {
    json.begin_object().field("key", unscoped(name)).key("value");
    write_any_value(json, value);
    json.end_object();
  }
  json.end_array();
}

// Tempo's spans have no members for status and kind: they are attributes where the query names
// them.
std::vector<NamedValue> shown_of(const CompiledQuery& query, const MatchedSpan& span) {
  std::vector<NamedValue> out = span.attributes;
  const auto add = [&](Intrinsic which, std::string_view name, std::string_view value) {
    const bool selected = std::ranges::any_of(
        out, [&](const NamedValue& attribute) { return attribute.first == name; });
    if (query.names(which) && !selected) out.emplace_back(name, Value(value));
  };
  add(Intrinsic::kStatusCode, "status", status_name(span.status_code));
  add(Intrinsic::kKind, "kind", kind_name(span.kind));
  return out;
}

void write_spanset(JsonWriter& json, const CompiledQuery& query, const MatchedSpanset& spanset) {
  json.begin_object().key("spans").begin_array();
  for (const MatchedSpan& span : spanset.spans) {
    json.begin_object().field("spanID", span.span_id.to_hex()).field("name", span.name);
    json.nanos_field("startTimeUnixNano", span.start_ns);
    json.key("durationNanos").decimal(span.duration_ns);
    write_attributes(json, shown_of(query, span));
    json.end_object();
  }
  json.end_array().field("matched", spanset.matched);
  if (!spanset.attributes.empty()) write_attributes(json, spanset.attributes);
  json.end_object();
}

void write_trace(JsonWriter& json, const CompiledQuery& query, const TraceSummary& trace) {
  json.begin_object().field("traceID", trace.trace_id.to_hex());
  json.field("rootServiceName", trace.has_root ? trace.root_service_name
                                               : std::string("<root span not yet received>"));
  json.field("rootTraceName", trace.root_name);
  json.nanos_field("startTimeUnixNano", trace.start_ns);
  json.field("durationMs", trace.duration_ns / 1'000'000);
  json.key("spanSet");
  write_spanset(json, query, trace.spansets.front());
  json.key("spanSets").begin_array();
  for (const MatchedSpanset& spanset : trace.spansets)
    write_spanset(json, query, spanset);
  json.end_array().key("serviceStats").begin_object();
  for (const auto& [service, counts] : trace.services) {
    json.key(service).begin_object().field("spanCount", counts.spans);
    if (counts.errors > 0) json.field("errorCount", counts.errors);
    json.end_object();
  }
  json.end_object().end_object();
}

ApiResult search_traces(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const std::string tags, query_of_tags(request));
  WEFT_API_ASSIGN(const std::optional<CompiledQuery> query, query_param(request, tags));
  if (query->is_metrics()) return wrong_kind_response(true);
  SearchOptions options;
  WEFT_ASSIGN(options.range, tempo_range_params(request.query));
  WEFT_ASSIGN(options.limit,
              unsigned_param(request.query, "limit", 20, 1, context.limits().max_traces));
  WEFT_ASSIGN(options.spans_per_spanset,
              unsigned_param(request.query, "spss", 3, 0, context.limits().max_spans_per_spanset));
  options.budget = context.limits().budget;
  options.cancel = request.cancel.get();
  WEFT_ASSIGN(const SearchResult result, search(context.source(), *query, options));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("traces").begin_array();
  for (const TraceSummary& trace : result.traces)
    write_trace(json, *query, trace);
  json.end_array().key("metrics").begin_object();
  json.key("inspectedBytes").decimal(result.inspected.bytes);
  json.key("inspectedSpans").decimal(result.inspected.spans);
  json.field("totalBlocks", result.inspected.blocks + result.inspected.blocks_skipped);
  json.field("completedJobs", 1).field("totalJobs", 1).end_object().end_object();
  return response;
}

}  // namespace

void add_tempo_routes(Router& router, const ApiContext& context, const std::string& prefix) {
  router.get(prefix + "/api/echo", handler(context, echo));
  router.get(prefix + "/api/status/buildinfo", handler(context, buildinfo));
  router.get(prefix + "/api/v2/traces/{id}", handler(context, get_trace_v2));
  router.get(prefix + "/api/search", handler(context, search_traces));
  // Without a prefix the path is Jaeger's as well: Api::add_routes() tells them apart.
  if (!prefix.empty()) router.get(prefix + "/api/traces/{id}", handler(context, tempo_trace));
}

}  // namespace weft::server
