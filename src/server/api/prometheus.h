// Writes the span metrics in Prometheus' text format, under the names that Grafana's span metrics
// and service graph read. The server adds it to its registry as a collector.
#pragma once

#include "analysis/span_metrics.h"
#include "server/metrics.h"

namespace weft::server {

// traces_spanmetrics_calls_total and traces_spanmetrics_latency {service, span_name, span_kind,
// status_code}; traces_service_graph_request_total, _failed_total, _server_seconds,
// _client_seconds {client, server, connection_type}; traces_service_graph_unpaired_spans_total.
// What the limits keep from having its own series is labelled metric_overflow="true".
void write_span_metrics(const analysis::SpanMetricsSnapshot& snapshot, MetricsWriter& writer);

}  // namespace weft::server
