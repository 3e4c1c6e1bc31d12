#include "server/otlp_http.h"

#include <algorithm>

#include "server/http_message.h"

namespace weft::server {

namespace {

constexpr std::string_view kProtobuf = "application/x-protobuf";
constexpr std::string_view kJson = "application/json";

bool is_otlp_path(std::string_view path) {
  return path == "/v1/traces" || path == "/v1/metrics" || path == "/v1/logs";
}

bool is_zipkin_path(std::string_view path) {
  return path == "/api/v2/spans";
}

// "Application/JSON; charset=utf-8" -> "application/json"
std::string media_type(std::string_view content_type) {
  std::string out(content_type.substr(0, content_type.find(';')));
  while (out.ends_with(' '))
    out.pop_back();
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

std::optional<OtlpEncoding> encoding_of(const HttpRequest& request) {
  const std::string type = media_type(request.headers.get("content-type"));
  if (type == kProtobuf || type == "application/protobuf") return OtlpEncoding::kProtobuf;
  if (type == kJson) return OtlpEncoding::kJson;
  return std::nullopt;
}

int http_status_of_ingest(const Error& error, bool throttled) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kCorrupt:
      return 400;
    case ErrorCode::kResourceExhausted:
      return throttled ? 429 : 413;
    case ErrorCode::kUnauthenticated:
      return 401;
    case ErrorCode::kPermissionDenied:
      return 403;
    case ErrorCode::kUnimplemented:
      return 415;
    // What may pass is never a 500: clients would throw the spans away.
    case ErrorCode::kNoSpace:
    case ErrorCode::kIo:
    case ErrorCode::kUnavailable:
    case ErrorCode::kCancelled:
      return 503;
    case ErrorCode::kDeadlineExceeded:
      return 504;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

}  // namespace

OtlpHttp::OtlpHttp(OtlpHttpOptions options, Receiver& receiver, const CurrentTokens& tokens,
                   MetricsRegistry& metrics)
    : options_(std::move(options)),
      receiver_(receiver),
      tokens_(tokens),
      throttled_(metrics.counter("weft_ingest_throttled_requests_total",
                                 "Requests refused because a quota or a rate was used up.")),
      refused_auth_(metrics.counter("weft_http_unauthorized_requests_total",
                                    "HTTP requests without a token that lets them in.")) {}

void OtlpHttp::add_routes(Router& router) {
  const auto add = [&](std::string_view path, OtlpSignal signal) {
    router.add_async(HttpMethod::kPost, path, Access::kIngest,
                     [this, signal](std::shared_ptr<HttpRequest> request, HttpRespond respond) {
                       receive(signal, false, std::move(request), std::move(respond));
                     });
  };
  add("/v1/traces", OtlpSignal::kTraces);
  add("/v1/metrics", OtlpSignal::kMetrics);
  add("/v1/logs", OtlpSignal::kLogs);
  add_zipkin_route(router);
}

void OtlpHttp::add_zipkin_route(Router& router) {
  router.add_async(HttpMethod::kPost, "/api/v2/spans", Access::kIngest,
                   [this](std::shared_ptr<HttpRequest> request, HttpRespond respond) {
                     receive(OtlpSignal::kTraces, true, std::move(request), std::move(respond));
                   });
}

void OtlpHttp::attach(HttpListener& listener, OtherErrors other_errors) {
  const auto self = shared_from_this();
  listener.before_routing = [self](const HttpRequest& request) { return self->preflight(request); };
  listener.admit = [self](HttpRequest& request, const Route& route) {
    return self->admit(request, route);
  };
  listener.make_error = [self, other_errors](const HttpRequest& request, int status,
                                             const Error& error) {
    // A slow network may be a faster one the next time, and senders throw spans away on a 408.
    if (status == 408 && is_otlp_path(request.path)) {
      return self->make_error(request, 503, {ErrorCode::kUnavailable, error.message}, 1);
    }
    return self->make_error(request, status, error, 0, other_errors);
  };
  listener.decorate = [self, other_errors](const HttpRequest& request, HttpResponse& response) {
    self->decorate(request, response, other_errors);
  };
}

bool OtlpHttp::origin_allowed(std::string_view origin) const {
  const auto allows = [&](const std::string& allowed) {
    return allowed == "*" || allowed == origin;
  };
  if (std::ranges::any_of(options_.cors_origins, allows)) return true;
  // A browser token brings its origins along: one place to say where a page lives is enough.
  const auto ingest = tokens_.get().ingest;
  return ingest && ingest->any_allows_origin(origin);
}

std::optional<HttpResponse> OtlpHttp::preflight(const HttpRequest& request) const {
  if (request.method != HttpMethod::kOptions) return std::nullopt;
  if (!is_otlp_path(request.path) && !is_zipkin_path(request.path)) return std::nullopt;
  HttpResponse out;
  out.status = 204;
  out.headers.add("Allow", "POST, OPTIONS");
  if (origin_allowed(request.headers.get("origin"))) {
    out.headers.add("Access-Control-Allow-Methods", "POST");
    out.headers.add("Access-Control-Allow-Headers",
                    "content-type, content-encoding, authorization, x-api-key, traceparent, "
                    "tracestate");
    out.headers.add("Access-Control-Max-Age", "7200");
  }
  return out;
}

// On every answer, errors too: without these headers a browser sees a network error and retries
// what it should not.
void OtlpHttp::decorate(const HttpRequest& request, HttpResponse& response,
                        OtherErrors other_errors) const {
  const bool own = is_otlp_path(request.path) || is_zipkin_path(request.path);
  if (!own && (other_errors == OtherErrors::kApi || response.status < 400)) return;
  response.headers.add("Vary", "Origin");
  const std::string_view origin = request.headers.get("origin");
  if (origin.empty() || !origin_allowed(origin)) return;
  response.headers.add("Access-Control-Allow-Origin", origin);
  response.headers.add("Access-Control-Expose-Headers", "Retry-After");
}

// In the content type of the request, as OTLP wants it: the sender can read it whatever it speaks.
HttpResponse OtlpHttp::make_error(const HttpRequest& request, int status, const Error& error,
                                  uint32_t retry_after_s, OtherErrors other_errors) const {
  HttpResponse out;
  const bool is_otlp = is_otlp_path(request.path);
  if (is_otlp || (other_errors == OtherErrors::kOtlp && !is_zipkin_path(request.path))) {
    // Who asks for a path that is none, and names no type, is a person.
    const OtlpEncoding encoding =
        encoding_of(request).value_or(is_otlp ? OtlpEncoding::kProtobuf : OtlpEncoding::kJson);
    int code = grpc_code(error.code);
    if (error.code == ErrorCode::kCorrupt) code = grpc_code(ErrorCode::kInvalidArgument);
    out.body = encode_rpc_status(encoding, code, error.message, retry_after_s * 1000);
    out.content_type = encoding == OtlpEncoding::kJson ? kJson : kProtobuf;
  } else if (is_zipkin_path(request.path)) {
    out = text_response(error.message + "\n");
  } else {
    out = error_response(error);
  }
  out.status = status;
  if (retry_after_s > 0) out.headers.set("Retry-After", std::to_string(retry_after_s));
  if (status == 401) out.headers.set("WWW-Authenticate", "Bearer");
  return out;
}

HttpAdmission OtlpHttp::admit(HttpRequest& request, const Route& route) {
  if (route.access == Access::kIngest) return admit_ingest(request);
  HttpAdmission out;
  if (route.access == Access::kPublic) return out;
  const auto sets = tokens_.get();
  if (!sets.query) return out;
  const std::string_view given = bearer_token(request.headers.get("authorization"));
  request.token = sets.query->find(given);
  if (!request.token) {
    refused_auth_.add();
    out.refusal = make_error(request, 401,
                             {ErrorCode::kUnauthenticated,
                              given.empty() ? "a query token is needed: Authorization: Bearer TOKEN"
                                            : "the query token is not known here"});
  }
  return out;
}

HttpAdmission OtlpHttp::admit_ingest(HttpRequest& request) {
  HttpAdmission out;
  out.max_body_bytes = options_.max_request_bytes;
  const auto sets = tokens_.get();
  if (sets.ingest) {
    std::string_view given = bearer_token(request.headers.get("authorization"));
    if (given.empty()) given = request.headers.get("x-api-key");
    request.token = sets.ingest->find(given);
    if (!request.token) {
      refused_auth_.add();
      out.refusal =
          make_error(request, 401,
                     {ErrorCode::kUnauthenticated,
                      given.empty() ? "an ingest token is needed: Authorization: Bearer TOKEN"
                                    : "the ingest token is not known here"});
      return out;
    }
    if (const uint32_t wait_s = receiver_.quota_wait_s(*request.token); wait_s > 0) {
      throttled_.add();
      out.refusal =
          make_error(request, 429,
                     {ErrorCode::kResourceExhausted,
                      "the token '" + request.token->name + "' has used up its quota of spans"},
                     wait_s);
      return out;
    }
  }
  const std::string_view origin = request.headers.get("origin");
  if (!origin.empty() || (request.token && request.token->browser)) {
    out.refusal = check_browser(request, origin);
    out.max_body_bytes = std::min(out.max_body_bytes, options_.max_browser_request_bytes);
  }
  return out;
}

std::optional<HttpResponse> OtlpHttp::check_browser(HttpRequest& request, std::string_view origin) {
  const bool token_binds = request.token && request.token->browser;
  const bool allowed = token_binds ? request.token->allows_origin(origin) : origin_allowed(origin);
  if (!allowed) {
    return make_error(
        request, 403,
        {ErrorCode::kPermissionDenied,
         token_binds ? "the token '" + request.token->name + "' is bound to other origins than '" +
                           std::string(origin.substr(0, 200)) + "'"
                     : "pages of the origin '" + std::string(origin.substr(0, 200)) +
                           "' may not send here; allow them with --cors-origin"});
  }
  const double rate = options_.browser_requests_per_second;
  constexpr double kBurstSeconds = 3;
  const std::string key = request.peer + (request.token ? "|" + request.token->name : "");
  const uint32_t wait_s =
      browsers_.take(key, 1, rate, rate * kBurstSeconds, options_.clock->steady_ns());
  if (wait_s == 0) return std::nullopt;
  throttled_.add();
  return make_error(
      request, 429,
      {ErrorCode::kResourceExhausted, "too many requests from this address; wait a little"},
      wait_s);
}

HttpResponse OtlpHttp::answer(const HttpRequest& request, OtlpSignal signal, bool zipkin,
                              IngestResult result) const {
  if (!result.status) {
    const Error& error = result.status.error();
    return make_error(request, http_status_of_ingest(error, result.retry_after_s > 0), error,
                      result.retry_after_s);
  }
  HttpResponse out;
  if (zipkin) {
    out.status = 202;
    return out;
  }
  const OtlpEncoding encoding = encoding_of(request).value_or(OtlpEncoding::kProtobuf);
  out.body = encode_export_response(signal, encoding, result.rejected, result.message);
  // The request's own spelling of its type.
  out.content_type = media_type(request.headers.get("content-type"));
  return out;
}

void OtlpHttp::receive(OtlpSignal signal, bool zipkin, std::shared_ptr<HttpRequest> request,
                       HttpRespond respond) {
  const auto refuse = [&](int status, ErrorCode code, std::string message) {
    respond(make_error(*request, status, {code, std::move(message)}));
  };
  const std::string_view content_type = request->headers.get("content-type");
  const auto encoding = encoding_of(*request);
  // Zipkin clients are careless about the type; OTLP's must say which of two it is.
  if (!zipkin && !encoding) {
    refuse(415, ErrorCode::kInvalidArgument,
           "the content type '" + std::string(content_type.substr(0, 100)) +
               "' is neither application/x-protobuf nor application/json");
    return;
  }
  if (zipkin && encoding == OtlpEncoding::kProtobuf) {
    refuse(415, ErrorCode::kInvalidArgument, "Zipkin spans are taken as JSON (v2) only");
    return;
  }
  const std::string_view coding = request->headers.get("content-encoding");
  const auto compression = compression_from_name(coding);
  if (!compression) {
    refuse(415, ErrorCode::kInvalidArgument,
           "the content encoding '" + std::string(coding.substr(0, 100)) +
               "' is none of gzip, zstd, deflate and identity");
    return;
  }
  IngestRequest ingest;
  ingest.signal = signal;
  ingest.format = zipkin                             ? WireFormat::kZipkinJson
                  : *encoding == OtlpEncoding::kJson ? WireFormat::kOtlpJson
                                                     : WireFormat::kOtlpProtobuf;
  ingest.compression = *compression;
  ingest.token = request->token;
  ingest.browser = request->headers.find("origin") || (request->token && request->token->browser);
  ingest.received_ns = request->received_ns;
  ingest.max_body_bytes =
      ingest.browser ? options_.max_browser_request_bytes : options_.max_request_bytes;
  auto done = [this, signal, zipkin, request,
               respond = std::move(respond)](IngestResult result) mutable {
    respond(answer(*request, signal, zipkin, std::move(result)));
  };
  std::string body = std::move(request->body);
  receiver_.take(std::move(ingest), std::move(body), std::move(done));
}

}  // namespace weft::server
