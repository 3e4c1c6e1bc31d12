// Zipkin's v2 queries: services, span names, traces, dependencies. Timestamps and look-backs are
// milliseconds, durations microseconds. (Its ingest, POST /api/v2/spans, is a receiver.)

#include <fmt/format.h>

#include <algorithm>

#include "analysis/service_map.h"
#include "analysis/value_counts.h"
#include "server/api/api_context.h"
#include "server/api/request_params.h"
#include "server/api/trace_search.h"
#include "wire/zipkin_json.h"

namespace weft::server {
namespace {

constexpr uint64_t kDayMs = 86'400'000;
constexpr uint64_t kMostMs = UINT64_MAX / 1'000'000;

HttpResponse names_response(std::vector<std::string> names) {
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_array();
  for (const std::string& name : names)
    json.value(name);
  json.end_array();
  return response;
}

ApiResult list_services(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(std::vector<std::string> names, service_names(context, request));
  return names_response(std::move(names));
}

ApiResult list_span_names(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const auto operations,
              operations_of(context, request, "serviceName", request.query.get("serviceName")));
  std::vector<std::string> names;
  for (const analysis::Operation& operation : operations)
    names.push_back(operation.name);
  return names_response(std::move(names));
}

ColumnRef remote_column(size_t i) {
  return ColumnRef::attribute(AttributeScope::kSpan, std::string(kZipkinRemoteNames[i]));
}

// What spans meet whose remote endpoint, as answers show it, is named by the i-th attribute.
std::vector<Predicate> remote_named_by(size_t i) {
  std::vector<Predicate> out = {Predicate::of({remote_column(i), CompareOp::kExists, {}})};
  for (size_t better = 0; better < i; better++)
    out.push_back(Predicate::of({remote_column(better), CompareOp::kNotExists, {}}));
  if (i > 0)
    out.push_back(Predicate::any_of({kind_is(SpanKind::kClient), kind_is(SpanKind::kProducer)}));
  return out;
}

Predicate remote_is(std::string_view name) {
  std::vector<Predicate> alternatives;
  for (size_t i = 0; i < kZipkinRemoteNames.size(); i++) {
    std::vector<Predicate> conditions = remote_named_by(i);
    conditions.push_back(Predicate::of({remote_column(i), CompareOp::kEqual, Value(name)}));
    alternatives.push_back(Predicate::all_of(std::move(conditions)));
  }
  return Predicate::any_of(std::move(alternatives));
}

ApiResult list_remote_services(const ApiContext& context, const HttpRequest& request) {
  const std::string_view service = request.query.get("serviceName");
  if (service.empty())
    return fail(ErrorCode::kInvalidArgument, "serviceName: the parameter is required");
  std::vector<std::string> names;
  for (size_t i = 0; i < kZipkinRemoteNames.size(); i++) {
    std::vector<Predicate> conditions = remote_named_by(i);
    conditions.push_back(service_is(service));
    WEFT_ASSIGN(const CompiledQuery query, query_of(conditions));
    Inspected inspected;
    WEFT_ASSIGN(
        const AttributeValueList peers,
        analysis::value_counts(context.analysis_request(request, TimeRange(), query, inspected),
                               remote_column(i), context.limits().max_values));
    for (const AttributeValue& peer : peers.values)
      names.push_back(to_display(peer.value));
  }
  return names_response(std::move(names));
}

// "error and http.method=GET and cache.miss": tags with a value; other words are the name of an
// annotation or of a tag.
std::vector<Predicate> annotation_conditions(std::string_view text) {
  constexpr std::string_view kAnd = " and ";
  std::vector<Predicate> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(kAnd), text.size());
    const std::string_view term = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + kAnd.size()));
    const size_t equals = term.find('=');
    if (term.empty()) continue;
    if (equals != std::string_view::npos) {
      out.push_back(tag_is(term.substr(0, equals), term.substr(equals + 1)));
    } else if (term == "error") {
      out.push_back(tag_is("error", ""));
    } else {
      out.push_back(Predicate::any_of(
          {Predicate::of({ColumnRef::of(Intrinsic::kEventName), CompareOp::kEqual, Value(term)}),
           Predicate::of({ColumnRef::attribute(AttributeScope::kSpan, std::string(term)),
                          CompareOp::kExists,
                          {}})}));
    }
  }
  return out;
}

Expected<TimeRange> look_back(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const uint64_t end_ms,
              unsigned_param(request.query, "endTs", context.now_ns() / 1'000'000 + 1, 0, kMostMs));
  WEFT_ASSIGN(const uint64_t back_ms,
              unsigned_param(request.query, "lookback", kDayMs, 0, kMostMs));
  return TimeRange{(end_ms > back_ms ? end_ms - back_ms : 0) * 1'000'000, end_ms * 1'000'000};
}

Expected<TraceSearch> search_of(const ApiContext& context, const HttpRequest& request) {
  TraceSearch out;
  const HttpParameters& query = request.query;
  if (const std::string_view service = query.get("serviceName"); !service.empty())
    out.conditions.push_back(service_is(service));
  const std::string_view name = query.get("spanName");
  if (!name.empty() && name != "all") out.conditions.push_back(name_is(name));
  if (const std::string_view remote = query.get("remoteServiceName"); !remote.empty())
    out.conditions.push_back(remote_is(remote));
  for (Predicate& condition : annotation_conditions(query.get("annotationQuery")))
    out.conditions.push_back(std::move(condition));
  WEFT_ASSIGN(const uint64_t least_us, unsigned_param(query, "minDuration", 0, 0, kMostMs));
  WEFT_ASSIGN(const uint64_t most_us, unsigned_param(query, "maxDuration", 0, 0, kMostMs));
  if (least_us > 0) out.conditions.push_back(lasts_at_least(least_us * 1000));
  if (most_us > 0) out.conditions.push_back(lasts_at_most(most_us * 1000));
  WEFT_ASSIGN(out.limit, unsigned_param(query, "limit", 10, 1, context.limits().max_traces));
  WEFT_ASSIGN(out.range, look_back(context, request));
  return out;
}

HttpResponse traces_response(const std::vector<SpanBatch>& traces) {
  HttpResponse response = json_response("[");
  for (size_t i = 0; i < traces.size(); i++) {
    if (i > 0) response.body += ',';
    encode_zipkin_json(traces[i], response.body);
  }
  response.body += ']';
  return response;
}

ApiResult find_traces(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const TraceSearch search, search_of(context, request));
  WEFT_ASSIGN(const std::vector<SpanBatch> traces, find_whole_traces(context, request, search));
  return traces_response(traces);
}

ApiResult get_trace(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const TraceId id, trace_id_of(request.params.get("id")));
  WEFT_ASSIGN(const SpanBatch trace, context.trace(id));
  HttpResponse response = json_response({});
  encode_zipkin_json(trace, response.body);
  return response;
}

// traceIds=a,b,c
ApiResult get_traces(const ApiContext& context, const HttpRequest& request) {
  std::string_view text = request.query.get("traceIds");
  std::vector<TraceId> ids;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    WEFT_ASSIGN(const TraceId id, trace_id_of(text.substr(0, end)));
    if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
    text.remove_prefix(std::min(text.size(), end + 1));
    if (ids.size() > context.limits().max_traces)
      return fail(ErrorCode::kInvalidArgument, "traceIds: there are too many");
  }
  if (ids.empty())
    return fail(ErrorCode::kInvalidArgument, "traceIds: must be ids with commas between them");
  WEFT_ASSIGN(const std::vector<SpanBatch> traces, read_whole_traces(context, request, ids));
  return traces_response(traces);
}

ApiResult list_dependencies(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const TimeRange range, look_back(context, request));
  Inspected inspected;
  WEFT_ASSIGN(
      const analysis::ServiceMap map,
      analysis::service_map(context.analysis_request(request, range, std::nullopt, inspected),
                            context.ownership()));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_array();
  for (const analysis::ServiceEdge& edge : map.edges) {
    json.begin_object().field("parent", edge.from).field("child", edge.to);
    json.field("callCount", edge.calls);
    if (edge.errors > 0) json.field("errorCount", edge.errors);
    json.end_object();
  }
  json.end_array();
  return response;
}

// Weft proposes no tags to complete; Zipkin's page asks all the same.
ApiResult list_nothing(const ApiContext&, const HttpRequest&) {
  return json_response("[]");
}

}  // namespace

void add_zipkin_routes(Router& router, const ApiContext& context, const std::string& prefix) {
  const std::string base = prefix + "/api/v2";
  router.get(base + "/services", handler(context, list_services));
  router.get(base + "/spans", handler(context, list_span_names));
  router.get(base + "/remoteServices", handler(context, list_remote_services));
  router.get(base + "/traces", handler(context, find_traces));
  router.get(base + "/trace/{id}", handler(context, get_trace));
  router.get(base + "/traceMany", handler(context, get_traces));
  router.get(base + "/dependencies", handler(context, list_dependencies));
  router.get(base + "/autocompleteKeys", handler(context, list_nothing));
  router.get(base + "/autocompleteValues", handler(context, list_nothing));
}

}  // namespace weft::server
