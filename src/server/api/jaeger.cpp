// The HTTP API of jaeger-query that its own page and Grafana's data source call: services,
// operations, traces, dependencies. Times are microseconds, answers {"data": […], "errors": null}.

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "analysis/service_map.h"
#include "server/api/api_context.h"
#include "server/api/request_params.h"
#include "server/api/trace_search.h"
#include "wire/jaeger_json.h"

namespace weft::server {
namespace {

// Jaeger's clients show errors[0].msg.
HttpResponse jaeger_error(const Error& error) {
  HttpResponse response = error_response(error);
  response.body.clear();
  JsonWriter json(response.body);
  json.begin_object().key("data").null().field("total", 0).field("limit", 0).field("offset", 0);
  json.key("errors").begin_array().begin_object().field("code", response.status);
  json.field("msg", error.message).end_object().end_array().end_object();
  return response;
}

template <typename Function>
HttpHandler jaeger_handler(const ApiContext& context, Function function) {
  return [&context, function](const HttpRequest& request) -> HttpResponse {
    ApiResult result = function(context, request);
    return result ? *std::move(result) : jaeger_error(result.error());
  };
}

// {"data": [ what `write` writes ], …}
template <typename Write>
HttpResponse data_response(size_t total, Write write) {
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("data").begin_array();
  write(json);
  json.end_array().field("total", static_cast<uint64_t>(total));
  json.field("limit", 0).field("offset", 0).key("errors").null().end_object();
  return response;
}

HttpResponse names_response(const std::vector<std::string>& names) {
  return data_response(names.size(), [&names](JsonWriter& json) {
    for (const std::string& name : names)
      json.value(name);
  });
}

ApiResult list_services(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const std::vector<std::string> names, service_names(context, request));
  return names_response(names);
}

ApiResult list_service_operations(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const auto operations,
              operations_of(context, request, "service", request.params.get("service")));
  std::vector<std::string> names;
  for (const analysis::Operation& operation : operations)
    names.push_back(operation.name);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names_response(names);
}

ApiResult list_operations(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const auto operations,
              operations_of(context, request, "service", request.query.get("service"),
                            request.query.get("spanKind")));
  return data_response(operations.size(), [&operations](JsonWriter& json) {
    for (const analysis::Operation& operation : operations) {
      json.begin_object().field("name", operation.name);
      json.field("spanKind", kind_name(static_cast<uint8_t>(operation.kind))).end_object();
    }
  });
}

// tags={"http.method":"GET"}
Status add_tags_object(std::string_view text, std::vector<Predicate>& conditions) {
  if (text.empty()) return {};
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(simdjson::padded_string(text)).get(object) != simdjson::SUCCESS)
    return fail(ErrorCode::kInvalidArgument,
                "tags: must be a JSON object of strings: {\"http.method\": \"GET\"}");
  for (const auto& [key, value] : object) {
    std::string_view string_value;
    if (value.get(string_value) == simdjson::SUCCESS) {
      conditions.push_back(tag_or_log_is(key, string_value));
    } else {
      conditions.push_back(tag_or_log_is(key, simdjson::minify(value)));
    }
  }
  return {};
}

// tag=http.method:GET, any number of times.
Status add_tag_pairs(const HttpParameters& query, std::vector<Predicate>& conditions) {
  for (const std::string_view pair : query.all("tag")) {
    const size_t colon = pair.find(':');
    if (colon == std::string_view::npos || colon == 0)
      return fail(ErrorCode::kInvalidArgument, "tag: must be name:value");
    conditions.push_back(tag_or_log_is(pair.substr(0, colon), pair.substr(colon + 1)));
  }
  return {};
}

Expected<uint64_t> micros_param(const HttpParameters& query, std::string_view name,
                                uint64_t fallback_ns) {
  const std::string_view text = query.get(name);
  if (text.empty()) return fallback_ns;
  const auto micros = parse_unsigned(text);
  if (!micros || *micros > UINT64_MAX / 1000)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: must be microseconds since the epoch", name));
  return *micros * 1000;
}

Expected<TraceSearch> search_of(const ApiContext& context, const HttpRequest& request) {
  TraceSearch out;
  const HttpParameters& query = request.query;
  const std::string_view service = query.get("service");
  if (service.empty())
    return fail(ErrorCode::kInvalidArgument, "service: the parameter is required");
  out.conditions.push_back(service_is(service));
  const std::string_view operation = query.get("operation");
  if (!operation.empty() && operation != "all") out.conditions.push_back(name_is(operation));
  WEFT_TRY(add_tags_object(query.get("tags"), out.conditions));
  WEFT_TRY(add_tag_pairs(query, out.conditions));
  WEFT_ASSIGN(const auto least, duration_param(query, "minDuration"));
  WEFT_ASSIGN(const auto most, duration_param(query, "maxDuration"));
  if (least) out.conditions.push_back(lasts_at_least(*least));
  if (most) out.conditions.push_back(lasts_at_most(*most));
  WEFT_ASSIGN(out.range.from_ns, micros_param(query, "start", 0));
  WEFT_ASSIGN(out.range.to_ns, micros_param(query, "end", UINT64_MAX));
  WEFT_ASSIGN(out.limit, unsigned_param(query, "limit", 100, 1, context.limits().max_traces));
  return out;
}

HttpResponse traces_response(const std::vector<SpanBatch>& traces) {
  std::vector<const SpanBatch*> pointers;
  for (const SpanBatch& trace : traces)
    pointers.push_back(&trace);
  std::string body;
  encode_jaeger_traces(pointers, body);
  return json_response(std::move(body));
}

ApiResult find_traces(const ApiContext& context, const HttpRequest& request) {
  if (const auto wanted = request.query.all("traceID"); !wanted.empty()) {
    std::vector<TraceId> ids;
    for (const std::string_view text : wanted) {
      WEFT_ASSIGN(const TraceId id, trace_id_of(text));
      ids.push_back(id);
    }
    WEFT_ASSIGN(const std::vector<SpanBatch> traces, read_whole_traces(context, request, ids));
    return traces_response(traces);
  }
  WEFT_ASSIGN(const TraceSearch search, search_of(context, request));
  WEFT_ASSIGN(const std::vector<SpanBatch> traces, find_whole_traces(context, request, search));
  return traces_response(traces);
}

// endTs and lookback in milliseconds; service: the calls from and to it alone.
ApiResult list_dependencies(const ApiContext& context, const HttpRequest& request) {
  constexpr uint64_t kDayMs = 86'400'000, kMostMs = UINT64_MAX / 1'000'000;
  WEFT_ASSIGN(const uint64_t end_ms,
              unsigned_param(request.query, "endTs", context.now_ns() / 1'000'000, 0, kMostMs));
  WEFT_ASSIGN(const uint64_t back_ms,
              unsigned_param(request.query, "lookback", kDayMs, 0, kMostMs));
  const TimeRange range{(end_ms > back_ms ? end_ms - back_ms : 0) * 1'000'000, end_ms * 1'000'000};
  Inspected inspected;
  WEFT_ASSIGN(
      const analysis::ServiceMap map,
      analysis::service_map(context.analysis_request(request, range, std::nullopt, inspected),
                            context.ownership()));
  std::vector<analysis::ServiceEdge> edges = map.edges;
  if (const std::string_view service = request.query.get("service"); !service.empty()) {
    std::erase_if(edges, [service](const analysis::ServiceEdge& edge) {
      return edge.from != service && edge.to != service;
    });
  }
  return data_response(edges.size(), [&edges](JsonWriter& json) {
    for (const analysis::ServiceEdge& edge : edges) {
      json.begin_object().field("parent", edge.from).field("child", edge.to);
      json.field("callCount", edge.calls).end_object();
    }
  });
}

}  // namespace

ApiResult jaeger_trace(const ApiContext& context, const HttpRequest& request) {
  auto id = trace_id_of(request.params.get("id"));
  if (!id) return jaeger_error(id.error());
  auto trace = context.trace(*id);
  if (!trace) return jaeger_error(trace.error());
  std::string body;
  encode_jaeger_traces({&*trace}, body);
  return json_response(std::move(body));
}

void add_jaeger_routes(Router& router, const ApiContext& context, const std::string& prefix) {
  const auto get = [&](const char* path, auto function) {
    router.get(prefix + path, jaeger_handler(context, function));
  };
  get("/api/services", list_services);
  get("/api/services/{service}/operations", list_service_operations);
  get("/api/operations", list_operations);
  get("/api/traces", find_traces);
  get("/api/dependencies", list_dependencies);
  // Without a prefix the path is Tempo's as well: Api::add_routes() tells them apart.
  if (!prefix.empty()) get("/api/traces/{id}", jaeger_trace);
}

}  // namespace weft::server
