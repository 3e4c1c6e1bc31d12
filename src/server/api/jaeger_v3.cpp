// Jaeger's third HTTP API: OTLP/JSON in a "result", parameters under "query.", times in RFC 3339.

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "server/api/api_context.h"
#include "server/api/request_params.h"
#include "server/api/trace_search.h"
#include "wire/otlp_json.h"

namespace weft::server {
namespace {

HttpResponse v3_error(const Error& error) {
  HttpResponse response = error_response(error);
  response.body.clear();
  JsonWriter json(response.body);
  json.begin_object().key("error").begin_object();
  json.field("httpCode", response.status).field("message", error.message);
  json.end_object().end_object();
  return response;
}

template <typename Function>
HttpHandler v3_handler(const ApiContext& context, Function function) {
  return [&context, function](const HttpRequest& request) -> HttpResponse {
    ApiResult result = function(context, request);
    return result ? *std::move(result) : v3_error(result.error());
  };
}

// Parameters have two spellings: query.serviceName and query.service_name.
std::string_view param(const HttpParameters& query, std::string_view camel,
                       std::string_view snake) {
  const std::string_view value = query.get(camel);
  return value.empty() ? query.get(snake) : value;
}

ApiResult list_services(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const std::vector<std::string> names, service_names(context, request));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("services").begin_array();
  for (const std::string& name : names)
    json.value(name);
  json.end_array().end_object();
  return response;
}

ApiResult list_operations(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const auto operations,
              operations_of(context, request, "service", request.query.get("service"),
                            param(request.query, "spanKind", "span_kind")));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("operations").begin_array();
  for (const analysis::Operation& operation : operations) {
    json.begin_object().field("name", operation.name);
    json.field("spanKind", kind_name(static_cast<uint8_t>(operation.kind))).end_object();
  }
  json.end_array().end_object();
  return response;
}

HttpResponse result_response(const SpanBatch& spans) {
  std::string body = "{\"result\":";
  encode_otlp_traces_json(spans, body);
  body += '}';
  return json_response(std::move(body));
}

ApiResult get_trace(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const TraceId id, trace_id_of(request.params.get("id")));
  WEFT_ASSIGN(const SpanBatch trace, context.trace(id));
  return result_response(trace);
}

Expected<uint64_t> time_param(const HttpParameters& query, std::string_view camel,
                              std::string_view snake, uint64_t fallback) {
  const std::string_view text = param(query, camel, snake);
  if (text.empty()) return fallback;
  if (const auto time_ns = parse_rfc3339(text)) return *time_ns;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}: \"{}\" is no time in RFC 3339", camel, text.substr(0, 100)));
}

Status add_duration(const HttpParameters& query, std::string_view camel, std::string_view snake,
                    Predicate (*make)(uint64_t), std::vector<Predicate>& conditions) {
  const std::string_view text = param(query, camel, snake);
  if (text.empty()) return {};
  const auto duration_ns = parse_duration(text);
  if (!duration_ns)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: \"{}\" is no duration like 100ms or 2s", camel, text.substr(0, 100)));
  conditions.push_back(make(*duration_ns));
  return {};
}

Status add_attributes(std::string_view text, std::vector<Predicate>& conditions) {
  if (text.empty()) return {};
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(simdjson::padded_string(text)).get(object) != simdjson::SUCCESS)
    return fail(ErrorCode::kInvalidArgument, "query.attributes: must be a JSON object of strings");
  for (const auto& [key, value] : object) {
    std::string_view string_value;
    const bool is_string = value.get(string_value) == simdjson::SUCCESS;
    conditions.push_back(
        tag_or_log_is(key, is_string ? std::string(string_value) : simdjson::minify(value)));
  }
  return {};
}

Expected<TraceSearch> search_of(const ApiContext& context, const HttpRequest& request) {
  TraceSearch out;
  const HttpParameters& query = request.query;
  const std::string_view service = param(query, "query.serviceName", "query.service_name");
  const std::string_view name = param(query, "query.operationName", "query.operation_name");
  if (!service.empty()) out.conditions.push_back(service_is(service));
  if (!name.empty()) out.conditions.push_back(name_is(name));
  WEFT_TRY(add_attributes(query.get("query.attributes"), out.conditions));
  WEFT_TRY(add_duration(query, "query.durationMin", "query.duration_min", lasts_at_least,
                        out.conditions));
  WEFT_TRY(add_duration(query, "query.durationMax", "query.duration_max", lasts_at_most,
                        out.conditions));
  WEFT_ASSIGN(out.range.from_ns,
              time_param(query, "query.startTimeMin", "query.start_time_min", 0));
  WEFT_ASSIGN(out.range.to_ns,
              time_param(query, "query.startTimeMax", "query.start_time_max", UINT64_MAX));
  std::string_view depth = param(query, "query.searchDepth", "query.search_depth");
  if (depth.empty()) depth = param(query, "query.numTraces", "query.num_traces");
  const auto limit = depth.empty() ? std::optional<uint64_t>(100) : parse_unsigned(depth);
  if (!limit || *limit < 1 || *limit > context.limits().max_traces)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("query.searchDepth: must lie between 1 and {}", context.limits().max_traces));
  out.limit = *limit;
  return out;
}

ApiResult find_traces(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const TraceSearch search, search_of(context, request));
  WEFT_ASSIGN(const std::vector<SpanBatch> traces, find_whole_traces(context, request, search));
  if (traces.empty()) return fail(ErrorCode::kNotFound, "no traces found");
  SpanBatch all;
  for (const SpanBatch& trace : traces)
    append_batch(all, trace);
  return result_response(all);
}

}  // namespace

void add_jaeger_v3_routes(Router& router, const ApiContext& context, const std::string& prefix) {
  router.get(prefix + "/api/v3/services", v3_handler(context, list_services));
  router.get(prefix + "/api/v3/operations", v3_handler(context, list_operations));
  router.get(prefix + "/api/v3/traces", v3_handler(context, find_traces));
  router.get(prefix + "/api/v3/traces/{id}", v3_handler(context, get_trace));
}

}  // namespace weft::server
