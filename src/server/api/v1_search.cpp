// GET /api/v1/search and /api/v1/search/stream: traces that a TraceQL query finds, at once or as
// they are found.

#include <unordered_map>

#include "base/hash.h"
#include "model/id_hash.h"
#include "server/api/api_context.h"
#include "server/api/request_params.h"

namespace weft::server {
namespace {

constexpr std::string_view kNoRoot = "<root span not received>";

void write_attributes(JsonWriter& json, const std::vector<NamedValue>& attributes) {
  json.key("attributes").begin_array();
  for (const auto& [key, value] : attributes) {
    json.begin_object().field("key", key).key("value");
    write_any_value(json, value);
    json.end_object();
  }
  json.end_array();
}

void write_spanset(JsonWriter& json, const MatchedSpanset& spanset) {
  json.begin_object().field("matched", spanset.matched);
  if (!spanset.attributes.empty()) write_attributes(json, spanset.attributes);
  json.key("spans").begin_array();
  for (const MatchedSpan& span : spanset.spans) {
    json.begin_object();
    json.field("spanId", span.span_id.to_hex()).field("name", span.name);
    json.field("serviceName", span.service_name);
    json.nanos_field("startTimeUnixNano", span.start_ns);
    json.millis_field("durationMs", static_cast<double>(span.duration_ns));
    json.field("kind", kind_name(span.kind)).field("status", status_name(span.status_code));
    write_attributes(json, span.attributes);
    json.end_object();
  }
  json.end_array().end_object();
}

void write_trace(JsonWriter& json, const TraceSummary& trace) {
  json.begin_object().field("traceId", trace.trace_id.to_hex());
  json.field("rootServiceName",
             trace.has_root ? std::string_view(trace.root_service_name) : kNoRoot);
  json.field("rootTraceName", trace.root_name);
  json.nanos_field("startTimeUnixNano", trace.start_ns);
  json.millis_field("durationMs", static_cast<double>(trace.duration_ns));
  json.field("spanCount", trace.span_count).field("errorCount", trace.error_count);
  json.key("serviceStats").begin_object();
  for (const auto& [service, counts] : trace.services) {
    json.key(service).begin_object();
    json.field("spanCount", counts.spans).field("errorCount", counts.errors).end_object();
  }
  json.end_object();
  if (!trace.spansets.empty()) {
    json.key("spanSet");
    write_spanset(json, trace.spansets.front());
  }
  if (trace.spansets.size() > 1 ||
      (trace.spansets.size() == 1 && !trace.spansets[0].attributes.empty())) {
    json.key("spanSets").begin_array();
    for (const MatchedSpanset& spanset : trace.spansets)
      write_spanset(json, spanset);
    json.end_array();
  }
  json.end_object();
}

void write_summary(JsonWriter& json, const SearchResult& result) {
  write_inspected(json, result.inspected);
  json.field("limitReached", result.limit_reached);
  json.millis_field("elapsedMs", static_cast<double>(result.elapsed_ns));
}

Expected<SearchOptions> search_options(const ApiContext& context, const HttpRequest& request) {
  SearchOptions options;
  const ApiLimits& limits = context.limits();
  WEFT_ASSIGN(options.range, range_params(request.query, context.now_ns()));
  WEFT_ASSIGN(options.limit, unsigned_param(request.query, "limit", 20, 1, limits.max_traces));
  WEFT_ASSIGN(options.spans_per_spanset,
              unsigned_param(request.query, "spss", 3, 0, limits.max_spans_per_spanset));
  options.budget = limits.budget;
  options.cancel = request.cancel.get();
  return options;
}

ApiResult search_once(const ApiContext& context, const HttpRequest& request) {
  WEFT_API_ASSIGN(const std::optional<CompiledQuery> query, query_param(request, "{ }"));
  if (query->is_metrics()) return wrong_kind_response(true);
  WEFT_ASSIGN(const SearchOptions options, search_options(context, request));
  WEFT_ASSIGN(const SearchResult result, search(context.source(), *query, options));
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("traces").begin_array();
  for (const TraceSummary& trace : result.traces)
    write_trace(json, trace);
  json.end_array();
  write_summary(json, result);
  json.end_object();
  return json_response(std::move(body));
}

// Writes events, and of the traces only those that have changed since they were sent.
class SearchStream {
 public:
  explicit SearchStream(ResponseStream& stream) : stream_(stream) {}

  bool progress(const SearchResult& result) {
    std::string data;
    JsonWriter json(data);
    json.begin_object();
    write_summary(json, result);
    json.end_object();
    return traces(result) && event("progress", data);
  }

  bool done(const SearchResult& result) {
    std::string data;
    JsonWriter json(data);
    json.begin_object();
    write_summary(json, result);
    json.end_object();
    return traces(result) && event("done", data);
  }

  bool error(const Error& error) { return event("error", error_response(error).body); }

 private:
  bool traces(const SearchResult& result) {
    std::string data;
    JsonWriter json(data);
    json.begin_object().key("traces").begin_array();
    bool any = false;
    for (const TraceSummary& trace : result.traces) {
      std::string text;
      JsonWriter one(text);
      write_trace(one, trace);
      const uint64_t hash = hash_bytes(text);
      const auto [sent, is_new] = sent_.try_emplace(trace.trace_id, hash);
      if (!is_new && sent->second == hash) continue;
      json.raw(text);
      sent->second = hash;
      any = true;
    }
    json.end_array().end_object();
    return !any || event("traces", data);
  }

  bool event(std::string_view name, std::string_view data) {
    std::string text = "event: ";
    text += name;
    text += "\ndata: ";
    text += data;  // JSON without line breaks
    text += "\n\n";
    return stream_.write(text);
  }

  ResponseStream& stream_;
  std::unordered_map<TraceId, uint64_t, TraceIdHash> sent_;  // hash of what was sent
};

ApiResult search_stream(const ApiContext& context, const HttpRequest& request) {
  WEFT_API_ASSIGN(const std::optional<CompiledQuery> query, query_param(request, "{ }"));
  if (query->is_metrics()) return wrong_kind_response(true);
  WEFT_ASSIGN(SearchOptions options, search_options(context, request));
  HttpResponse response;
  response.content_type = "text/event-stream";
  response.headers.set("Cache-Control", "no-store");
  response.stream = [&context, query = *query, options,
                     cancel = request.cancel](ResponseStream& stream) {
    SearchStream events(stream);
    SearchOptions with_events = options;
    with_events.on_partial = [&events, &cancel](const SearchResult& partial) {
      if (!events.progress(partial)) cancel->cancel();
    };
    const auto result = search(context.source(), query, with_events);
    if (result) {
      events.done(*result);
    } else {
      events.error(result.error());
    }
  };
  return response;
}

}  // namespace

void add_v1_search_routes(Router& router, const ApiContext& context) {
  router.get("/api/v1/search", handler(context, search_once));
  router.get("/api/v1/search/stream", handler(context, search_stream));
}

}  // namespace weft::server
