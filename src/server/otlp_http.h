// OTLP over HTTP: POST /v1/traces, /v1/metrics and /v1/logs, protobuf and JSON, with CORS for
// browsers; and Zipkin's POST /api/v2/spans. Adds routes to a listener and the listener's hooks
// (authentication, error bodies, CORS).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/auth.h"
#include "server/http_engine.h"
#include "server/receiver.h"

namespace weft::server {

struct OtlpHttpOptions {
  uint64_t max_request_bytes = 64u << 20;
  uint64_t max_browser_request_bytes = 1u << 20;
  double browser_requests_per_second = 20;
  std::vector<std::string> cors_origins;  // "*": any
  const Clock* clock = &system_clock();
};

// Admission, CORS and errors of the listeners that take spans. Shared by their hooks; any thread.
class OtlpHttp : public std::enable_shared_from_this<OtlpHttp> {
 public:
  // All of these outlive the object.
  OtlpHttp(OtlpHttpOptions options, Receiver& receiver, const CurrentTokens& tokens,
           MetricsRegistry& metrics);

  // Adds POST /v1/{traces,metrics,logs} and POST /api/v2/spans.
  void add_routes(Router& router);
  void add_zipkin_route(Router& router);
  // Whose form errors have that belong to no path of OTLP or Zipkin: unknown paths, requests that
  // are no HTTP.
  enum class OtherErrors : uint8_t { kApi, kOtlp };
  // Sets the hooks. Routes with Access::kQuery are guarded by the query tokens.
  void attach(HttpListener& listener, OtherErrors other_errors);

  std::optional<HttpResponse> preflight(const HttpRequest& request) const;
  HttpAdmission admit(HttpRequest& request, const Route& route);
  HttpResponse make_error(const HttpRequest& request, int status, const Error& error,
                          uint32_t retry_after_s = 0,
                          OtherErrors other_errors = OtherErrors::kApi) const;
  void decorate(const HttpRequest& request, HttpResponse& response, OtherErrors other_errors) const;

 private:
  struct Payload;

  bool origin_allowed(std::string_view origin) const;
  HttpAdmission admit_ingest(HttpRequest& request);
  std::optional<HttpResponse> check_browser(HttpRequest& request, std::string_view origin);
  void receive(OtlpSignal signal, bool zipkin, std::shared_ptr<HttpRequest> request,
               HttpRespond respond);
  HttpResponse answer(const HttpRequest& request, OtlpSignal signal, bool zipkin,
                      IngestResult result) const;

  const OtlpHttpOptions options_;
  Receiver& receiver_;
  const CurrentTokens& tokens_;
  RateLimiter browsers_;
  Counter& throttled_;
  Counter& refused_auth_;
};

}  // namespace weft::server
