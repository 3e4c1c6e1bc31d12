// What the handlers of all APIs share: the source, its limits, and the few steps that every request
// goes through. Private to server/api.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "analysis/span_scan.h"
#include "server/api/api.h"
#include "server/json_writer.h"

namespace weft::server {

// Handlers answer with a response or with an Error that becomes the API's error shape.
using ApiResult = Expected<HttpResponse>;

class ApiContext {
 public:
  explicit ApiContext(ApiOptions options) : options_(std::move(options)) {}

  SpanSource& source() const { return *options_.source; }
  const ApiOptions& options() const { return options_; }
  const ApiLimits& limits() const { return options_.limits; }
  const analysis::Ownership& ownership() const { return options_.ownership; }
  uint64_t now_ns() const { return options_.clock->now_ns(); }
  ApiInfo info() const { return options_.info(); }

  // The trace from the store, else from the links that keep it; kNotFound when neither has it.
  Expected<SpanBatch> trace(const TraceId& id) const;

  analysis::AnalysisRequest analysis_request(const HttpRequest& request, TimeRange range,
                                             std::optional<CompiledQuery> query,
                                             Inspected& inspected) const {
    return {source(), range, std::move(query), limits().budget, *request.cancel, inspected};
  }

 private:
  ApiOptions options_;
};

// docs/http-api.md's error with position, expected and hint.
HttpResponse query_error_response(const QueryError& error);

// The errors of search and analysis when the client asks for metrics, and the other way round.
HttpResponse wrong_kind_response(bool is_metrics);

// The parameter `q` compiled, or the answer that says what is wrong with it. Absent or empty:
// `fallback` is compiled, or with an empty fallback there is no query.
std::expected<std::optional<CompiledQuery>, HttpResponse> query_param(const HttpRequest& request,
                                                                      std::string_view fallback);

// A handler for the router out of a function (ApiContext, HttpRequest) -> ApiResult.
template <typename Function>
HttpHandler handler(const ApiContext& context, Function function) {
  return [&context, function](const HttpRequest& request) -> HttpResponse {
    ApiResult result = function(context, request);
    return result ? *std::move(result) : error_response(result.error());
  };
}

// "unset", "ok", "error"; "internal", "server", …
std::string_view status_name(uint8_t status_code);
std::string_view kind_name(uint8_t kind);

// "inspected": {…}
void write_inspected(JsonWriter& json, const Inspected& inspected);

// Where the other files add what they serve. `prefix` stands before the paths: "" or "/tempo".
void add_v1_search_routes(Router& router, const ApiContext& context);
void add_v1_data_routes(Router& router, const ApiContext& context);
void add_v1_analysis_routes(Router& router, const ApiContext& context);
void add_v1_link_routes(Router& router, const ApiContext& context);
void add_v1_export_routes(Router& router, const ApiContext& context);
void add_tempo_routes(Router& router, const ApiContext& context, const std::string& prefix);
void add_tempo_tag_routes(Router& router, const ApiContext& context, const std::string& prefix);
void add_tempo_metrics_routes(Router& router, const ApiContext& context, const std::string& prefix);
void add_jaeger_routes(Router& router, const ApiContext& context, const std::string& prefix);
void add_jaeger_v3_routes(Router& router, const ApiContext& context, const std::string& prefix);
void add_zipkin_routes(Router& router, const ApiContext& context, const std::string& prefix);

// GET /api/traces/{id}, which Tempo and Jaeger answer differently.
ApiResult tempo_trace(const ApiContext& context, const HttpRequest& request);
ApiResult jaeger_trace(const ApiContext& context, const HttpRequest& request);

}  // namespace weft::server

// auto query = …; with std::expected<…, HttpResponse> functions, in handlers that return ApiResult.
#define WEFT_API_ASSIGN(declaration, expression)                   \
  auto WEFT_CONCAT(weft_answer_, __LINE__) = (expression);         \
  if (!WEFT_CONCAT(weft_answer_, __LINE__))                        \
    return std::move(WEFT_CONCAT(weft_answer_, __LINE__)).error(); \
  declaration = *std::move(WEFT_CONCAT(weft_answer_, __LINE__))
