// POST /api/v1/links, GET /api/v1/links/{id}: short links that keep their traces; and
// GET /api/v1/config: what the page has to know of this server.

#include <fmt/format.h>
#include <simdjson.h>

#include "server/api/api_context.h"
#include "server/api/request_params.h"
#include "server/host_name.h"

namespace weft::server {
namespace {

constexpr size_t kMaxBodyBytes = 64 * 1024;
constexpr size_t kMaxLinkedTraceSpans = 200'000;

std::unexpected<Error> bad_body(std::string_view what) {
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("the body must be {{\"path\": \"/…\", \"traceIds\": [\"…\"]}}: {}", what));
}

struct LinkQuestion {
  std::string path;
  std::vector<TraceId> trace_ids;
};

Expected<LinkQuestion> parse_body(const std::string& body) {
  if (body.size() > kMaxBodyBytes) return bad_body("it is longer than 64 KiB");
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(body).get(object) != simdjson::SUCCESS) return bad_body("it is no JSON object");
  LinkQuestion out;
  std::string_view text;
  if (object["path"].get(text) != simdjson::SUCCESS) return bad_body("path is missing");
  out.path = text;
  simdjson::dom::array ids;
  const auto ids_error = object["traceIds"].get(ids);
  if (ids_error == simdjson::NO_SUCH_FIELD) return out;
  if (ids_error != simdjson::SUCCESS) return bad_body("traceIds is no array");
  for (const simdjson::dom::element item : ids) {
    if (item.get(text) != simdjson::SUCCESS) return bad_body("a trace id is no string");
    WEFT_ASSIGN(const TraceId id, trace_id_of(text));
    if (std::ranges::find(out.trace_ids, id) == out.trace_ids.end()) out.trace_ids.push_back(id);
  }
  return out;
}

Expected<LinkStore*> links_of(const ApiContext& context) {
  if (LinkStore* links = context.options().links; links != nullptr) return links;
  return fail(ErrorCode::kUnimplemented, "this server keeps no links: it has no data directory");
}

ApiResult create_link(const ApiContext& context, const HttpRequest& request) {
  // A page of another site cannot read what is here, but could fill the store of links.
  if (request.headers.get("sec-fetch-site") == "cross-site")
    return fail(ErrorCode::kPermissionDenied, "a page of another site may not make links here");
  WEFT_ASSIGN(LinkStore* const links, links_of(context));
  WEFT_ASSIGN(const LinkQuestion question, parse_body(request.body));
  std::vector<SpanBatch> traces;
  size_t spans = 0;
  for (const TraceId& id : question.trace_ids) {
    auto batch = context.trace(id);
    if (!batch && batch.error().code != ErrorCode::kNotFound)
      return std::unexpected<Error>(std::move(batch).error());
    if (batch && batch->size() > kMaxLinkedTraceSpans)
      return fail(ErrorCode::kResourceExhausted,
                  fmt::format("trace {} has {} spans; a link keeps at most {}", id.to_hex(),
                              batch->size(), kMaxLinkedTraceSpans));
    spans += batch ? batch->size() : 0;
    if (spans > context.limits().max_answer_spans)
      return fail(ErrorCode::kResourceExhausted,
                  fmt::format("the traces have more than {} spans together; link to fewer traces",
                              context.limits().max_answer_spans));
    traces.push_back(batch ? *std::move(batch) : SpanBatch());
  }
  WEFT_ASSIGN(const Link link,
              links->create(question.path, question.trace_ids, traces, context.now_ns()));
  WEFT_TRY(context.options().pin(question.trace_ids));
  HttpResponse response = json_response({}, 201);
  JsonWriter json(response.body);
  json.begin_object().field("id", link.id).field("url", "/s/" + link.id).end_object();
  return response;
}

ApiResult get_link(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(LinkStore* const links, links_of(context));
  const auto link = links->find(request.params.get("id"));
  if (!link) return fail(ErrorCode::kNotFound, "there is no such link");
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().field("id", link->id).field("path", link->path);
  json.key("traceIds").begin_array();
  for (const TraceId& id : link->trace_ids)
    json.value(id.to_hex());
  json.end_array().nanos_field("createdUnixNano", link->created_ns).end_object();
  return response;
}

// An address as the client can reach it: what listens on every address names none that means this
// machine elsewhere, so the host that the client has asked for this is put there.
std::string reachable(std::string address, const std::string& host) {
  const size_t scheme = address.find("://");
  const size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  for (const std::string_view every : {"0.0.0.0", "[::]"}) {
    if (!host.empty() && address.compare(begin, every.size(), every) == 0)
      return address.replace(begin, every.size(), host);
  }
  return address;
}

ApiResult get_config(const ApiContext& context, const HttpRequest& request) {
  const ApiInfo info = context.info();
  const std::string host = host_name(request.headers.get("host"));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().field("version", info.version);
  json.field("otlpHttp", reachable(info.otlp_http, host));
  json.field("otlpGrpc", reachable(info.otlp_grpc, host));
  json.field("zipkin", reachable(info.zipkin, host));
  json.key("retention").begin_object();
  json.millis_field("ageMs", static_cast<double>(info.retention_age_ns));
  json.field("bytes", info.retention_bytes).end_object();
  json.key("squads").begin_array();
  for (const analysis::Squad& squad : context.ownership().squads()) {
    json.begin_object().field("name", squad.name).key("tribe");
    if (squad.tribe.empty()) {
      json.null();
    } else {
      json.value(squad.tribe);
    }
    json.key("services").begin_array();
    for (const std::string& service : squad.services)
      json.value(service);
    json.end_array().end_object();
  }
  json.end_array().field("authRequired", info.auth_required);
  json.nanos_field("oldestSpanUnixNano", context.source().stats().oldest_ns).end_object();
  return response;
}

}  // namespace

void add_v1_link_routes(Router& router, const ApiContext& context) {
  router.post("/api/v1/links", handler(context, create_link));
  router.get("/api/v1/links/{id}", handler(context, get_link));
  router.get("/api/v1/config", handler(context, get_config));
}

}  // namespace weft::server
