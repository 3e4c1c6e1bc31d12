#include "server/api/prometheus.h"

#include <array>

namespace weft::server {
namespace {

using analysis::LatencyCounts;
using Series = analysis::SpanMetricsSnapshot::Series;
using Edge = analysis::SpanMetricsSnapshot::Edge;

// The names that OpenTelemetry's enums have in protobuf, as Tempo writes them.
std::string kind_label(uint8_t kind) {
  static constexpr std::array<const char*, 6> kNames = {
      "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
      "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};
  return kNames[kind < kNames.size() ? kind : 0];
}
std::string status_label(uint8_t status) {
  static constexpr std::array<const char*, 3> kNames = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                                        "STATUS_CODE_ERROR"};
  return kNames[status < kNames.size() ? status : 0];
}

MetricLabels labels_of(const Series& series) {
  if (series.overflow) return {{"metric_overflow", "true"}};
  return {{"service", series.service},
          {"span_name", series.span_name},
          {"span_kind", kind_label(series.kind)},
          {"status_code", status_label(series.status_code)}};
}

MetricLabels labels_of(const Edge& edge) {
  if (edge.overflow) return {{"metric_overflow", "true"}};
  return {{"client", edge.client},
          {"server", edge.server},
          {"connection_type", std::string(edge.connection_type)}};
}

void write_latency(MetricsWriter& writer, const MetricLabels& labels,
                   const LatencyCounts& latency) {
  static const std::vector<double> kBounds = LatencyCounts::bounds_s();
  const std::vector<uint64_t> counts(latency.buckets.begin(), latency.buckets.end());
  writer.histogram(labels, kBounds, counts, static_cast<double>(latency.sum_ns) / 1e9);
}

void write_edges(const std::vector<Edge>& edges, MetricsWriter& writer) {
  writer.family("traces_service_graph_request_total", "Calls between two services.", "counter");
  for (const Edge& edge : edges)
    writer.sample(labels_of(edge), edge.requests);
  writer.family("traces_service_graph_request_failed_total",
                "Calls between two services of which a side failed.", "counter");
  for (const Edge& edge : edges)
    writer.sample(labels_of(edge), edge.failed);
  writer.family("traces_service_graph_request_server_seconds",
                "Durations of calls as the called service saw them.", "histogram");
  for (const Edge& edge : edges)
    write_latency(writer, labels_of(edge), edge.server_latency);
  writer.family("traces_service_graph_request_client_seconds",
                "Durations of calls as the calling service saw them.", "histogram");
  for (const Edge& edge : edges)
    write_latency(writer, labels_of(edge), edge.client_latency);
}

}  // namespace

void write_span_metrics(const analysis::SpanMetricsSnapshot& snapshot, MetricsWriter& writer) {
  writer.family("traces_spanmetrics_calls_total", "Spans received.", "counter");
  for (const Series& series : snapshot.series)
    writer.sample(labels_of(series), series.latency.count);
  writer.family("traces_spanmetrics_latency", "Durations of spans in seconds.", "histogram");
  for (const Series& series : snapshot.series)
    write_latency(writer, labels_of(series), series.latency);
  write_edges(snapshot.edges, writer);
  writer.family("traces_service_graph_unpaired_spans_total",
                "Sides of calls whose other side has not come in time.", "counter");
  writer.sample({}, snapshot.unpaired_spans);
}

}  // namespace weft::server
