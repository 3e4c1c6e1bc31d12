#include "server/server.h"

#include <algorithm>

#include "base/ascii.h"
#include "server/host_name.h"
#include "server/http_engine.h"
#include "server/otlp_grpc.h"
#include "server/otlp_http.h"
#include "server/page.h"
#include "server/receiver.h"
#include "server/worker_pool.h"

namespace weft::server {

namespace {

constexpr size_t kLargeBodyThreads = 2;
constexpr size_t kLargeBodyQueue = 64;

bool is_ip_address(std::string_view name) {
  if (name.starts_with('[')) return true;
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

}  // namespace

struct Server::Impl {
  ServerParts parts;
  std::atomic<bool> stopping{false};
  std::unique_ptr<CurrentTokens> tokens;
  std::shared_ptr<MemoryBudget> body_budget;
  std::shared_ptr<WorkerPool> queries;
  std::unique_ptr<WorkerPool> large_bodies;
  std::unique_ptr<Receiver> receiver;
  std::shared_ptr<OtlpHttp> otlp;
  std::shared_ptr<OtlpGrpc> otlp_grpc;
  std::unique_ptr<HttpEngine> engine;

  void make(const FinalizedConfig& config);
  void add_health(Router& router);
  HttpResponse readiness() const;
  HttpListener grpc_listener(const FinalizedConfig& config) const;
  HttpListener otlp_listener(const FinalizedConfig& config);
  HttpListener api_listener(const FinalizedConfig& config);
  HttpListener zipkin_listener(const FinalizedConfig& config);
  Status start_engine(FinalizedConfig& config);
  void guard_host(const FinalizedConfig& config, const Endpoint& endpoint,
                  HttpListener& listener) const;
};

void Server::Impl::make(const FinalizedConfig& config) {
  const Config& values = config.values;
  tokens = std::make_unique<CurrentTokens>(
      CurrentTokens::Sets{config.ingest_tokens, config.query_tokens});
  body_budget = std::make_shared<MemoryBudget>(values.max_inflight_bytes);
  queries = std::make_shared<WorkerPool>(values.query_threads, values.query_queue);
  large_bodies = std::make_unique<WorkerPool>(kLargeBodyThreads, kLargeBodyQueue);
  Receiver::Options receiving;
  receiving.decode = values.decode;
  receiving.clock = parts.clock;
  receiving.large_bodies = large_bodies.get();
  receiver = std::make_unique<Receiver>(*parts.sink, std::move(receiving), *parts.metrics);
  OtlpHttpOptions options;
  options.max_request_bytes = values.max_request_bytes;
  options.max_browser_request_bytes = values.max_browser_request_bytes;
  options.browser_requests_per_second = values.browser_requests_per_second;
  options.cors_origins = values.cors_origins;
  options.clock = parts.clock;
  otlp = std::make_shared<OtlpHttp>(std::move(options), *receiver, *tokens, *parts.metrics);
  OtlpGrpcOptions grpc_options;
  grpc_options.max_request_bytes = values.max_request_bytes;
  grpc_options.clock = parts.clock;
  otlp_grpc = std::make_shared<OtlpGrpc>(grpc_options, *receiver, *tokens, *parts.metrics);
  // The registry may outlive the server.
  parts.metrics->add_collector(
      [budget = std::weak_ptr(body_budget), pool = std::weak_ptr(queries)](MetricsWriter& writer) {
        const auto bodies = budget.lock();
        const auto waiting = pool.lock();
        if (!bodies || !waiting) return;
        writer.family("weft_ingest_inflight_bytes", "Bytes of request bodies in memory.", "gauge");
        writer.sample({}, bodies->used_bytes());
        writer.family("weft_waiting_queries", "Queries that wait for a thread.", "gauge");
        writer.sample({}, static_cast<uint64_t>(waiting->queued()));
      });
}

// Answered on the I/O thread: a server whose query threads are all busy is alive all the same.
void Server::Impl::add_health(Router& router) {
  router.add_async(HttpMethod::kGet, "/healthz", Access::kPublic,
                   [](const std::shared_ptr<HttpRequest>&, HttpRespond respond) {
                     respond(text_response("ok\n"));
                   });
  router.add_async(
      HttpMethod::kGet, "/readyz", Access::kPublic,
      [this](const std::shared_ptr<HttpRequest>&, HttpRespond respond) { respond(readiness()); });
}

HttpResponse Server::Impl::readiness() const {
  if (stopping) return text_response("stopping\n", 503);
  if (parts.ready) {
    if (auto status = parts.ready(); !status) {
      return text_response("not ready: " + status.error().message + "\n", 503);
    }
  }
  return text_response("ready\n");
}

// Without query tokens only the browser's same-origin rule keeps a foreign page from reading
// traces, and a page can get around that by pointing its own name at this machine. Such requests
// carry that name.
void Server::Impl::guard_host(const FinalizedConfig& config, const Endpoint& endpoint,
                              HttpListener& listener) const {
  if (!endpoint.is_loopback()) return;
  listener.before_routing = [inner = std::move(listener.before_routing), this,
                             allowed = config.values.allowed_hosts](
                                const HttpRequest& request) -> std::optional<HttpResponse> {
    const std::string name = host_name(request.headers.get("host"));
    const bool known = name.empty() || is_ip_address(name) || name == "localhost" ||
                       name.ends_with(".localhost") || tokens->get().query ||
                       std::ranges::find(allowed, name, lower_ascii) != allowed.end();
    if (!known) {
      HttpResponse out =
          error_response({ErrorCode::kPermissionDenied,
                          "this server does not answer to the name '" + name.substr(0, 200) +
                              "'; allow it with --allowed-host, or configure query tokens"});
      out.status = 421;
      return out;
    }
    return inner ? inner(request) : std::nullopt;
  };
}

HttpListener Server::Impl::grpc_listener(const FinalizedConfig& config) const {
  HttpListener out;
  out.name = "otlp-grpc";
  out.host = config.otlp_grpc->host;
  out.port = config.otlp_grpc->port;
  out.tls = config.tls;
  out.grpc = otlp_grpc->handlers();
  return out;
}

HttpListener Server::Impl::otlp_listener(const FinalizedConfig& config) {
  HttpListener out;
  out.name = "otlp-http";
  out.host = config.otlp_http->host;
  out.port = config.otlp_http->port;
  out.tls = config.tls;
  otlp->add_routes(out.router);
  add_health(out.router);
  otlp->attach(out, OtlpHttp::OtherErrors::kOtlp);
  return out;
}

HttpListener Server::Impl::api_listener(const FinalizedConfig& config) {
  HttpListener out;
  out.name = "http";
  out.host = config.http->host;
  out.port = config.http->port;
  out.tls = config.tls;
  out.router = std::move(parts.api);
  add_health(out.router);
  out.router.get("/metrics", [this](const HttpRequest&) {
    HttpResponse response;
    response.content_type = MetricsRegistry::kContentType;
    response.body = parts.metrics->expose();
    return response;
  });
  add_page(out.router, embedded_page_assets());
  otlp->attach(out, OtlpHttp::OtherErrors::kApi);
  out.decorate = [](const HttpRequest&, HttpResponse& response) {
    response.headers.add("X-Content-Type-Options", "nosniff");
    response.headers.add("Referrer-Policy", "no-referrer");
  };
  guard_host(config, *config.http, out);
  return out;
}

HttpListener Server::Impl::zipkin_listener(const FinalizedConfig& config) {
  HttpListener out;
  out.name = "zipkin";
  out.host = config.zipkin->host;
  out.port = config.zipkin->port;
  // Nobody asked for it, and a Zipkin or another Weft may be there: no reason not to start.
  out.may_be_taken = config.values.zipkin == Config().zipkin;
  out.tls = config.tls;
  out.router = std::move(parts.zipkin);
  otlp->add_zipkin_route(out.router);
  add_health(out.router);
  otlp->attach(out, OtlpHttp::OtherErrors::kApi);
  guard_host(config, *config.zipkin, out);
  return out;
}

Status Server::Impl::start_engine(FinalizedConfig& config) {
  std::vector<HttpListener> listeners;
  std::vector<Endpoint*> endpoints;
  if (config.otlp_grpc) {
    listeners.push_back(grpc_listener(config));
    endpoints.push_back(&*config.otlp_grpc);
  }
  if (config.otlp_http) {
    listeners.push_back(otlp_listener(config));
    endpoints.push_back(&*config.otlp_http);
  }
  if (config.http) {
    listeners.push_back(api_listener(config));
    endpoints.push_back(&*config.http);
  }
  if (config.zipkin) {
    listeners.push_back(zipkin_listener(config));
    endpoints.push_back(&*config.zipkin);
  }
  HttpEngineOptions options;
  options.limits = config.values.http_limits;
  options.io_threads = config.values.io_threads;
  options.clock = parts.clock;
  options.body_budget = body_budget;
  options.metrics = parts.metrics;
  options.workers = queries.get();
  WEFT_ASSIGN(engine, HttpEngine::start(std::move(options), std::move(listeners)));
  for (size_t i = 0; i < endpoints.size(); ++i)
    endpoints[i]->port = engine->port(i);
  if (config.zipkin && config.zipkin->port == 0) config.zipkin.reset();
  return {};
}

Server::Server(FinalizedConfig config)
    : config_(std::move(config)), impl_(std::make_unique<Impl>()) {}

Server::~Server() {
  shutdown(0);
}

Expected<std::unique_ptr<Server>> Server::start(FinalizedConfig config, ServerParts parts) {
  std::unique_ptr<Server> out(new Server(std::move(config)));
  out->impl_->parts = std::move(parts);
  out->impl_->make(out->config_);
  WEFT_TRY(out->impl_->start_engine(out->config_));
  return out;
}

Status Server::reload() {
  CurrentTokens::Sets sets;
  const Config& values = config_.values;
  if (!values.ingest_token_file.empty()) {
    WEFT_ASSIGN(auto tokens, TokenSet::load(values.ingest_token_file));
    sets.ingest = std::make_shared<const TokenSet>(std::move(tokens));
  }
  if (!values.query_token_file.empty()) {
    WEFT_ASSIGN(auto tokens, TokenSet::load(values.query_token_file));
    sets.query = std::make_shared<const TokenSet>(std::move(tokens));
  }
  if (config_.tls) WEFT_TRY(config_.tls->reload());
  impl_->tokens->set(std::move(sets));
  return {};
}

void Server::shutdown() {
  shutdown(config_.values.shutdown_timeout_ns);
}

void Server::shutdown(uint64_t patience_ns) {
  if (impl_->stopping.exchange(true)) return;
  if (impl_->otlp_grpc) impl_->otlp_grpc->set_serving(false);
  if (impl_->engine) impl_->engine->shutdown(patience_ns);
  if (impl_->large_bodies) impl_->large_bodies->stop();
  if (impl_->queries) impl_->queries->stop();
}

std::string to_string(const Endpoint& endpoint) {
  const bool is_v6 = endpoint.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

}  // namespace weft::server
