// GET /api/v1/heatmap, /service-map, /errors, /services and /releases: the analyses as JSON.

#include <algorithm>

#include "analysis/error_groups.h"
#include "analysis/heatmap.h"
#include "analysis/releases.h"
#include "analysis/service_map.h"
#include "analysis/service_overview.h"
#include "server/api/api_context.h"
#include "server/api/request_params.h"

namespace weft::server {
namespace {

using namespace analysis;

void write_text_or_null(JsonWriter& json, std::string_view name, std::string_view text) {
  json.key(name);
  if (text.empty()) {
    json.null();
  } else {
    json.value(text);
  }
}

void write_owner(JsonWriter& json, const Owner& owner) {
  write_text_or_null(json, "squad", owner.squad);
  write_text_or_null(json, "tribe", owner.tribe);
}

template <typename T>
void write_percentiles(JsonWriter& json, const T& stats) {
  json.millis_field("p50Ms", stats.p50_ns).millis_field("p95Ms", stats.p95_ns);
  json.millis_field("p99Ms", stats.p99_ns);
}

void write_buckets(JsonWriter& json, const Heatmap& map) {
  std::vector<uint32_t> buckets;
  for (const HeatmapCell& cell : map.cells)
    buckets.push_back(cell.bucket);
  std::ranges::sort(buckets);
  buckets.erase(std::ranges::unique(buckets).begin(), buckets.end());
  json.key("buckets").begin_array();
  // Without gaps, since they are the rows of a chart.
  for (uint32_t bucket = buckets.empty() ? 1 : buckets.front();
       !buckets.empty() && bucket <= buckets.back(); bucket++) {
    json.begin_object().field("index", bucket);
    json.millis_field("fromMs", histogram_bucket_floor(bucket, map.buckets_per_octave));
    json.millis_field("toMs", histogram_bucket_floor(bucket + 1, map.buckets_per_octave));
    json.end_object();
  }
  json.end_array();
}

ApiResult get_heatmap(const ApiContext& context, const HttpRequest& request) {
  WEFT_API_ASSIGN(const std::optional<CompiledQuery> query, query_param(request, ""));
  if (query && query->is_metrics()) return wrong_kind_response(true);
  WEFT_ASSIGN(const TimeRange range, range_params(request.query, context.now_ns()));
  HeatmapOptions options;
  WEFT_ASSIGN(const uint64_t columns, unsigned_param(request.query, "columns", 120, 1, 2000));
  WEFT_ASSIGN(const uint64_t per_octave,
              unsigned_param(request.query, "bucketsPerOctave", 4, 1, 16));
  options.columns = static_cast<uint32_t>(columns);
  options.buckets_per_octave = static_cast<uint32_t>(per_octave);
  Inspected inspected;
  WEFT_ASSIGN(const Heatmap map,
              heatmap(context.analysis_request(request, range, query, inspected), options));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().nanos_field("startUnixNano", map.range.from_ns);
  json.nanos_field("endUnixNano", map.range.to_ns);
  json.millis_field("columnMs", static_cast<double>(map.column_ns));
  json.field("bucketsPerOctave", map.buckets_per_octave);
  write_buckets(json, map);
  json.key("cells").begin_array();
  for (const HeatmapCell& cell : map.cells) {
    json.begin_array().value(cell.column).value(cell.bucket);
    json.value(cell.count).value(cell.errors).end_array();
  }
  json.end_array().field("spans", map.spans);
  write_inspected(json, inspected);
  json.end_object();
  return response;
}

void write_node(JsonWriter& json, const ServiceNode& node) {
  json.begin_object().field("service", node.service);
  write_owner(json, node.owner);
  json.field("virtual", node.is_virtual).field("spans", node.spans);
  json.field("requests", node.requests).field("rate", node.rate).field("errors", node.errors);
  write_percentiles(json, node);
  json.end_object();
}

void write_edge(JsonWriter& json, const ServiceEdge& edge) {
  json.begin_object().field("from", edge.from).field("to", edge.to).field("kind", edge.kind);
  json.field("calls", edge.calls).field("rate", edge.rate).field("errors", edge.errors);
  write_percentiles(json, edge);
  json.field("continuedShare", edge.continued_share).end_object();
}

ApiResult get_service_map(const ApiContext& context, const HttpRequest& request) {
  WEFT_API_ASSIGN(const std::optional<CompiledQuery> query, query_param(request, ""));
  if (query && query->is_metrics()) return wrong_kind_response(true);
  WEFT_ASSIGN(const TimeRange range, range_params(request.query, context.now_ns()));
  Inspected inspected;
  WEFT_ASSIGN(
      const ServiceMap map,
      service_map(context.analysis_request(request, range, query, inspected), context.ownership()));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("nodes").begin_array();
  for (const ServiceNode& node : map.nodes)
    write_node(json, node);
  json.end_array().key("edges").begin_array();
  for (const ServiceEdge& edge : map.edges)
    write_edge(json, edge);
  json.end_array().field("limitReached", map.limit_reached);
  write_inspected(json, inspected);
  json.end_object();
  return response;
}

void write_error_group(JsonWriter& json, const ErrorGroup& group) {
  json.begin_object().field("id", group.id);
  json.field("service", group.services.empty() ? std::string_view() : group.services.front());
  write_owner(json, group.owner);
  json.field("type", group.type).field("template", group.message_template);
  json.field("count", group.count);
  json.nanos_field("firstSeenUnixNano", group.first_seen_ns);
  json.nanos_field("lastSeenUnixNano", group.last_seen_ns);
  json.key("services").begin_array();
  for (const std::string& service : group.services)
    json.value(service);
  json.end_array().key("samples").begin_array();
  for (const ErrorSample& sample : group.samples) {
    json.begin_object().field("traceId", sample.trace.to_hex());
    json.nanos_field("startUnixNano", sample.start_ns);
    json.field("durationMs", static_cast<double>(sample.duration_ns) / 1e6);
    json.field("service", sample.service).field("name", sample.name);
    json.field("message", sample.message).end_object();
  }
  json.end_array().key("overTime").begin_array();
  for (const auto& [start_ns, count] : group.over_time)
    json.begin_array().value(start_ns / 1'000'000).value(count).end_array();
  json.end_array().key("newSince");
  if (group.new_since_version.empty()) {
    json.null();
  } else {
    json.begin_object().field("service", group.new_since_service);
    json.field("version", group.new_since_version).end_object();
  }
  json.end_object();
}

ApiResult get_errors(const ApiContext& context, const HttpRequest& request) {
  WEFT_API_ASSIGN(const std::optional<CompiledQuery> query, query_param(request, ""));
  if (query && query->is_metrics()) return wrong_kind_response(true);
  WEFT_ASSIGN(const TimeRange range, range_params(request.query, context.now_ns()));
  WEFT_ASSIGN(const uint64_t limit, unsigned_param(request.query, "limit", 100, 1, 1000));
  Inspected inspected;
  WEFT_ASSIGN(const ErrorGroups errors,
              error_groups(context.analysis_request(request, range, query, inspected),
                           context.ownership(), limit));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("groups").begin_array();
  for (const ErrorGroup& group : errors.groups)
    write_error_group(json, group);
  json.end_array().field("limitReached", errors.limit_reached);
  json.millis_field("stepMs", static_cast<double>(errors.step_ns));
  write_inspected(json, inspected);
  json.end_object();
  return response;
}

void write_red(JsonWriter& json, const RedStats& stats) {
  json.field("spans", stats.spans).field("rate", stats.rate).field("errors", stats.errors);
  json.field("errorRate", stats.error_rate);
  write_percentiles(json, stats);
}

void write_service(JsonWriter& json, const ServiceOverview& service) {
  json.begin_object().field("service", service.service);
  write_owner(json, service.owner);
  write_red(json, service.stats);
  json.key("operations").begin_array();
  for (const OperationOverview& operation : service.operations) {
    json.begin_object().field("name", operation.name);
    json.field("kind", kind_name(static_cast<uint8_t>(operation.kind)));
    write_red(json, operation.stats);
    json.end_object();
  }
  json.end_array().field("operationsCut", service.operations_cut);
  json.key("overTime").begin_array();
  for (const ServiceStep& step : service.over_time) {
    json.begin_object().nanos_field("timeUnixNano", step.start_ns);
    json.field("spans", step.spans).field("errors", step.errors);
    json.millis_field("p95Ms", step.p95_ns).end_object();
  }
  json.end_array().end_object();
}

ApiResult get_services(const ApiContext& context, const HttpRequest& request) {
  WEFT_API_ASSIGN(const std::optional<CompiledQuery> query, query_param(request, ""));
  if (query && query->is_metrics()) return wrong_kind_response(true);
  WEFT_ASSIGN(const TimeRange range, range_params(request.query, context.now_ns()));
  WEFT_ASSIGN(const std::optional<uint64_t> step, duration_param(request.query, "step"));
  Inspected inspected;
  WEFT_ASSIGN(const ServicesOverview overview,
              services_overview(context.analysis_request(request, range, query, inspected),
                                context.ownership(), step.value_or(0)));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("services").begin_array();
  for (const ServiceOverview& service : overview.services)
    write_service(json, service);
  json.end_array().millis_field("stepMs", static_cast<double>(overview.step_ns));
  write_inspected(json, inspected);
  json.end_object();
  return response;
}

ApiResult get_releases(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const TimeRange range, range_params(request.query, context.now_ns()));
  Inspected inspected;
  WEFT_ASSIGN(const std::vector<Release> all,
              releases(context.analysis_request(request, range, std::nullopt, inspected)));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("releases").begin_array();
  for (const Release& release : all) {
    json.begin_object().field("service", release.service).field("version", release.version);
    json.nanos_field("firstSeenUnixNano", release.first_seen_ns);
    json.nanos_field("lastSeenUnixNano", release.last_seen_ns);
    json.field("spans", release.spans).end_object();
  }
  json.end_array();
  write_inspected(json, inspected);
  json.end_object();
  return response;
}

}  // namespace

void add_v1_analysis_routes(Router& router, const ApiContext& context) {
  router.get("/api/v1/heatmap", handler(context, get_heatmap));
  router.get("/api/v1/service-map", handler(context, get_service_map));
  router.get("/api/v1/errors", handler(context, get_errors));
  router.get("/api/v1/services", handler(context, get_services));
  router.get("/api/v1/releases", handler(context, get_releases));
}

}  // namespace weft::server
