#include "server/api/api.h"

#include <array>

#include "server/api/api_context.h"
#include "server/api/request_params.h"

namespace weft::server {
namespace {

// Tempo's clients ask for protobuf there, Jaeger's for JSON.
ApiResult shared_trace(const ApiContext& context, const HttpRequest& request) {
  return wants_protobuf(request) ? tempo_trace(context, request) : jaeger_trace(context, request);
}

}  // namespace

Api::Api(ApiOptions options) : context_(std::make_unique<ApiContext>(std::move(options))) {}
Api::~Api() = default;

void Api::add_routes(Router& router) const {
  add_v1_search_routes(router, *context_);
  add_v1_data_routes(router, *context_);
  add_v1_analysis_routes(router, *context_);
  add_v1_link_routes(router, *context_);
  add_v1_export_routes(router, *context_);
  // Under a prefix for clients that are given a base address, and without one.
  for (const char* prefix : {"/tempo", ""}) {
    add_tempo_routes(router, *context_, prefix);
    add_tempo_tag_routes(router, *context_, prefix);
    add_tempo_metrics_routes(router, *context_, prefix);
  }
  for (const char* prefix : {"/jaeger", ""}) {
    add_jaeger_routes(router, *context_, prefix);
    add_jaeger_v3_routes(router, *context_, prefix);
  }
  for (const char* prefix : {"/zipkin", ""})
    server::add_zipkin_routes(router, *context_, prefix);
  router.get("/api/traces/{id}", handler(*context_, shared_trace));
}

void Api::add_zipkin_routes(Router& router) const {
  for (const char* prefix : {"/zipkin", ""})
    server::add_zipkin_routes(router, *context_, prefix);
}

Expected<SpanBatch> ApiContext::trace(const TraceId& id) const {
  WEFT_ASSIGN(SpanBatch batch, source().trace(id, limits().max_trace_spans));
  if (batch.empty() && options_.links != nullptr) {
    WEFT_ASSIGN(batch, options_.links->pinned_trace(id));
  }
  if (batch.empty())
    return fail(ErrorCode::kNotFound, "no span of trace " + id.to_hex() + " is stored");
  return batch;
}

HttpResponse query_error_response(const QueryError& error) {
  HttpResponse response = error_response(error.error);
  response.body.clear();
  JsonWriter json(response.body);
  json.begin_object().key("error").begin_object();
  json.field("code", to_string(error.error.code)).field("message", error.error.message);
  json.key("position").begin_object();
  json.field("offset", error.at.offset).field("length", error.at.length);
  json.field("line", error.line).field("column", error.column).end_object();
  json.key("expected").begin_array();
  for (const std::string& expected : error.expected)
    json.value(expected);
  json.end_array();
  if (!error.hint.empty()) json.field("hint", error.hint);
  json.end_object().end_object();
  return response;
}

HttpResponse wrong_kind_response(bool is_metrics) {
  return error_response(
      {ErrorCode::kInvalidArgument,
       is_metrics ? "q: this is a metrics query; ask /api/v1/metrics, or leave out what follows "
                    "the last | for a search"
                  : "q: this query finds spans and computes no metric; end it with | rate() or "
                    "another metrics function"});
}

std::expected<std::optional<CompiledQuery>, HttpResponse> query_param(const HttpRequest& request,
                                                                      std::string_view fallback) {
  std::string_view text = request.query.get("q");
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) text = fallback;
  if (text.empty()) return std::nullopt;
  auto query = compile_query(text);
  if (!query) return std::unexpected(query_error_response(query.error()));
  return *std::move(query);
}

std::string_view status_name(uint8_t status_code) {
  static constexpr std::array<std::string_view, 3> kNames = {"unset", "ok", "error"};
  return kNames[status_code < kNames.size() ? status_code : 0];
}

std::string_view kind_name(uint8_t kind) {
  static constexpr std::array<std::string_view, 6> kNames = {"unspecified", "internal", "server",
                                                             "client",      "producer", "consumer"};
  return kNames[kind < kNames.size() ? kind : 0];
}

void write_inspected(JsonWriter& json, const Inspected& inspected) {
  json.key("inspected").begin_object();
  json.field("spans", inspected.spans).field("bytes", inspected.bytes);
  json.field("blocks", inspected.blocks).field("blocksSkipped", inspected.blocks_skipped);
  json.end_object();
}

}  // namespace weft::server
