// GET /api/v1/traces/{id}, /attributes, /attributes/{key}/values and /metrics.

#include <algorithm>
#include <array>

#include "analysis/span_scan.h"
#include "server/api/api_context.h"
#include "server/api/attribute_values.h"
#include "server/api/request_params.h"
#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"

namespace weft::server {
namespace {

ApiResult get_trace(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const TraceId id, trace_id_of(request.params.get("id")));
  WEFT_ASSIGN(const SpanBatch batch, context.trace(id));
  HttpResponse response = json_response({});
  response.headers.set("Vary", "Accept");
  if (wants_protobuf(request)) {
    response.content_type = "application/protobuf";
    encode_otlp_traces(batch, response.body);
  } else {
    encode_otlp_traces_json(batch, response.body);
  }
  return response;
}

ApiResult list_attributes(const ApiContext& context, const HttpRequest& request) {
  // The query only has to make sense as far as it goes: it is being typed.
  WEFT_ASSIGN(const TimeRange range, range_params(request.query, context.now_ns()));
  WEFT_ASSIGN(const uint64_t limit,
              unsigned_param(request.query, "limit", 1000, 1, context.limits().max_values));
  WEFT_ASSIGN(const AttributeList list,
              context.source().attribute_keys(range, limit, *request.cancel));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("attributes").begin_array();
  for (const AttributeKey& key : list.keys) {
    json.begin_object().field("scope", scope_name(key.scope)).field("key", key.key);
    json.field("type", to_string(key.type)).field("spans", key.spans).end_object();
  }
  json.end_array().field("limitReached", list.limit_reached).end_object();
  return response;
}

ApiResult list_values(const ApiContext& context, const HttpRequest& request) {
  constexpr std::array<std::string_view, 8> kScopes = {
      "", "any", "span", "resource", "event", "link", "instrumentation", "intrinsic"};
  ValuesQuestion question;
  const std::string_view scope = request.query.get("scope");
  if (std::ranges::find(kScopes, scope) == kScopes.end()) {
    return fail(ErrorCode::kInvalidArgument,
                "scope: \"" + std::string(scope.substr(0, 100)) +
                    "\" is none of any, span, resource, event, link, instrumentation, intrinsic");
  }
  const std::string_view key = request.params.get("key");
  if (scope.empty() || scope == "any" || scope == "intrinsic") {
    question.name = key;
  } else {
    question.name.append(scope).append(".").append(key);
  }
  WEFT_ASSIGN(question.range, range_params(request.query, context.now_ns()));
  WEFT_ASSIGN(question.limit,
              unsigned_param(request.query, "limit", 100, 1, context.limits().max_values));
  question.prefix = request.query.get("prefix");
  if (const std::string_view q = request.query.get("q"); !q.empty())
    question.query = compile_lenient(q);
  WEFT_ASSIGN(const TypedValues list, attribute_values(context, request, question));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("values").begin_array();
  for (const TypedValue& value : list.values) {
    json.begin_object().field("value", value.text).field("type", value.type);
    json.field("spans", value.spans).end_object();
  }
  json.end_array().field("limitReached", list.limit_reached).end_object();
  return response;
}

void write_series(JsonWriter& json, const MetricsSeries& series) {
  json.begin_object().key("labels").begin_object();
  for (const auto& [name, value] : series.labels) {
    json.key(name);
    if (value.type() == ValueType::kNone) {
      json.null();
    } else {
      json.value(to_display(value));
    }
  }
  json.end_object().key("points").begin_array();
  for (const MetricsPoint& point : series.points) {
    json.begin_object().nanos_field("timeUnixNano", point.time_ns);
    json.field("value", point.value).end_object();
  }
  json.end_array().key("exemplars").begin_array();
  for (const Exemplar& exemplar : series.exemplars) {
    json.begin_object().field("traceId", exemplar.trace_id.to_hex());
    json.field("spanId", exemplar.span_id.to_hex());
    json.nanos_field("timeUnixNano", exemplar.time_ns).field("value", exemplar.value);
    json.end_object();
  }
  json.end_array().end_object();
}

ApiResult get_metrics(const ApiContext& context, const HttpRequest& request) {
  WEFT_API_ASSIGN(const std::optional<CompiledQuery> query, query_param(request, "{ } | rate()"));
  if (!query->is_metrics()) return wrong_kind_response(false);
  MetricsOptions options;
  WEFT_ASSIGN(const TimeRange asked, range_params(request.query, context.now_ns()));
  WEFT_ASSIGN(const std::optional<uint64_t> step, duration_param(request.query, "step"));
  WEFT_ASSIGN(options.max_exemplars, unsigned_param(request.query, "exemplars", 100, 0, 10'000));
  Inspected ignored;
  options.range =
      analysis::bounded_range(context.analysis_request(request, asked, std::nullopt, ignored));
  // A span may claim the last time there is; points need an end all the same.
  options.range.to_ns = std::min(options.range.to_ns, TimeRange::kNoEnd - 1);
  options.step_ns = step.value_or(analysis::round_step_ns(options.range, 120));
  options.budget = context.limits().budget;
  options.cancel = request.cancel.get();
  MetricsResult result;
  if (options.range.from_ns < options.range.to_ns) {
    WEFT_ASSIGN(result, query_metrics(context.source(), *query, options));
  }
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("series").begin_array();
  for (const MetricsSeries& series : result.series)
    write_series(json, series);
  json.end_array().millis_field("stepMs", static_cast<double>(options.step_ns));
  write_inspected(json, result.inspected);
  json.millis_field("elapsedMs", static_cast<double>(result.elapsed_ns)).end_object();
  return response;
}

}  // namespace

void add_v1_data_routes(Router& router, const ApiContext& context) {
  router.get("/api/v1/traces/{id}", handler(context, get_trace));
  router.get("/api/v1/attributes", handler(context, list_attributes));
  router.get("/api/v1/attributes/{key}/values", handler(context, list_values));
  router.get("/api/v1/metrics", handler(context, get_metrics));
}

}  // namespace weft::server
