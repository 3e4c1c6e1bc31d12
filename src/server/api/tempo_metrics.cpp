// Tempo's TraceQL metrics: series over a range, and one value each.

#include <cmath>

#include "server/api/api_context.h"
#include "server/api/request_params.h"
#include "server/api/traceql_text.h"

namespace weft::server {
namespace {

constexpr uint64_t kHourNs = 3'600'000'000'000;

// Without start, end or since: the last hour, as Tempo has it.
Expected<TimeRange> metrics_range(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(TimeRange range, tempo_range_params(request.query));
  WEFT_ASSIGN(const std::optional<uint64_t> since, duration_param(request.query, "since"));
  if (range.to_ns == UINT64_MAX) range.to_ns = context.now_ns();
  const uint64_t back_ns = since.value_or(kHourNs);
  if (range.from_ns == 0) range.from_ns = range.to_ns > back_ns ? range.to_ns - back_ns : 0;
  if (range.from_ns >= range.to_ns)
    return fail(ErrorCode::kInvalidArgument, "start must be before end");
  return range;
}

std::string label_text(const Value& value) {
  return value.type() == ValueType::kNone ? std::string("nil") : to_display(value);
}

void write_labels(JsonWriter& json, const MetricsSeries& series) {
  std::string prometheus = "{";
  json.key("labels").begin_array();
  for (const auto& [name, value] : series.labels) {
    json.begin_object().field("key", name).key("value");
    if (value.type() == ValueType::kNone) {
      json.begin_object().field("stringValue", "nil").end_object();
    } else {
      write_any_value(json, value);
    }
    json.end_object();
    if (prometheus.size() > 1) prometheus += ", ";
    prometheus += name + "=" + quote_traceql(label_text(value));
  }
  json.end_array().field("promLabels", prometheus + "}");
}

void write_exemplars(JsonWriter& json, const std::vector<Exemplar>& exemplars) {
  json.key("exemplars").begin_array();
  for (const Exemplar& exemplar : exemplars) {
    json.begin_object().key("labels").begin_array().begin_object();
    json.field("key", "trace:id").key("value").begin_object();
    json.field("stringValue", exemplar.trace_id.to_hex()).end_object().end_object().end_array();
    json.field("value", exemplar.value);
    json.key("timestampMs").decimal(exemplar.time_ns / 1'000'000).end_object();
  }
  json.end_array();
}

void write_metrics(JsonWriter& json, const Inspected& inspected) {
  json.key("metrics").begin_object();
  json.key("inspectedBytes").decimal(inspected.bytes);
  json.key("inspectedSpans").decimal(inspected.spans);
  json.field("totalBlocks", inspected.blocks + inspected.blocks_skipped);
  json.field("completedJobs", 1).field("totalJobs", 1).end_object();
}

MetricsOptions metrics_options(const ApiContext& context, const HttpRequest& request) {
  MetricsOptions options;
  options.budget = context.limits().budget;
  options.cancel = request.cancel.get();
  return options;
}

// No default: a client that calls it `query`, as Prometheus does, would take the rate of everything
// for its answer.
ApiResult no_query() {
  return fail(ErrorCode::kInvalidArgument, "q: the parameter is required");
}

ApiResult query_range(const ApiContext& context, const HttpRequest& request) {
  WEFT_API_ASSIGN(const std::optional<CompiledQuery> query, query_param(request, ""));
  if (!query) return no_query();
  if (!query->is_metrics()) return wrong_kind_response(false);
  MetricsOptions options = metrics_options(context, request);
  WEFT_ASSIGN(const TimeRange range, metrics_range(context, request));
  WEFT_ASSIGN(const std::optional<uint64_t> step, duration_param(request.query, "step"));
  options.step_ns = step && *step > 0 ? *step : analysis::round_step_ns(range, 120);
  options.range = align_to_step(range, options.step_ns);
  WEFT_ASSIGN(options.max_exemplars, unsigned_param(request.query, "exemplars", 100, 0, 10'000));
  WEFT_ASSIGN(const MetricsResult result, query_metrics(context.source(), *query, options));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("series").begin_array();
  for (const MetricsSeries& series : result.series) {
    json.begin_object();
    write_labels(json, series);
    json.key("samples").begin_array();
    for (const MetricsPoint& point : series.points) {
      json.begin_object().key("timestampMs").decimal(point.time_ns / 1'000'000);
      json.field("value", point.value).end_object();
    }
    json.end_array();
    write_exemplars(json, series.exemplars);
    json.end_object();
  }
  json.end_array();
  write_metrics(json, result.inspected);
  json.end_object();
  return response;
}

ApiResult query_instant(const ApiContext& context, const HttpRequest& request) {
  WEFT_API_ASSIGN(const std::optional<CompiledQuery> query, query_param(request, ""));
  if (!query) return no_query();
  if (!query->is_metrics()) return wrong_kind_response(false);
  MetricsOptions options = metrics_options(context, request);
  WEFT_ASSIGN(options.range, metrics_range(context, request));
  WEFT_ASSIGN(const MetricsResult result, query_metrics(context.source(), *query, options));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("series").begin_array();
  for (const MetricsSeries& series : result.series) {
    if (series.points.empty()) continue;
    json.begin_object();
    write_labels(json, series);
    json.field("value", series.points.front().value).end_object();
  }
  json.end_array();
  write_metrics(json, result.inspected);
  json.end_object();
  return response;
}

}  // namespace

void add_tempo_metrics_routes(Router& router, const ApiContext& context,
                              const std::string& prefix) {
  router.get(prefix + "/api/metrics/query_range", handler(context, query_range));
  router.get(prefix + "/api/metrics/query", handler(context, query_instant));
}

}  // namespace weft::server
