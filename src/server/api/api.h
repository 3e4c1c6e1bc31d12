// Every HTTP API that reads: Weft's own /api/v1, and those that clients of Tempo, Jaeger and Zipkin
// speak. The server makes one Api over its source of spans and adds its routes to its listeners.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "analysis/ownership.h"
#include "base/clock.h"
#include "query/query_service.h"
#include "scan/scan.h"
#include "server/api/link_store.h"
#include "server/http_types.h"

namespace weft::server {

// What GET /api/v1/config tells the page.
struct ApiInfo {
  std::string version;
  std::string otlp_http;  // "http://127.0.0.1:4318"; empty: off
  std::string otlp_grpc;  // "127.0.0.1:4317"; empty: off
  std::string zipkin;
  uint64_t retention_age_ns = 0;  // 0: for ever
  uint64_t retention_bytes = 0;   // 0: no limit
  bool auth_required = false;     // queries need a token
};

struct ApiLimits {
  QueryBudget budget;
  size_t max_traces = 10'000;  // of one search
  size_t max_spans_per_spanset = 1'000;
  size_t max_trace_spans = 2'000'000;  // of one trace
  size_t max_values = 10'000;          // of one attribute, and keys
  // Spans in one answer of Jaeger's or Zipkin's API, which send whole traces, and of all traces
  // that one link keeps.
  size_t max_answer_spans = 500'000;
};

struct ApiOptions {
  SpanSource* source = nullptr;          // required; outlives the Api
  const Clock* clock = &system_clock();  // outlives the Api
  LinkStore* links = nullptr;            // outlives the Api; nullptr: links are refused
  // Keeps the traces of a new link past the store's retention, so that searches find them too.
  std::function<Status(std::span<const TraceId>)> pin = [](auto) { return Status(); };
  analysis::Ownership ownership;
  ApiLimits limits;
  // Asked at every request, since addresses are known only after the listeners are bound.
  std::function<ApiInfo()> info = [] { return ApiInfo(); };
};

class ApiContext;

// Any thread, once the routes are added. Outlives the routers that its routes were added to.
class Api {
 public:
  explicit Api(ApiOptions options);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // All of them: for the listener of the page.
  void add_routes(Router& router) const;
  // Zipkin's queries alone: for the listener on 9411, beside its ingest.
  void add_zipkin_routes(Router& router) const;

 private:
  std::unique_ptr<ApiContext> context_;
};

}  // namespace weft::server
