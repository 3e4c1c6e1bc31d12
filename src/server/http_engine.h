// The server of every port: listeners, connections, limits and time-outs over Boost.Asio, Beast
// and nghttp2, none of which shows here. A listener speaks HTTP/1.1 or, with handlers for it, gRPC
// (HTTP/2). Connections live on a few I/O threads; handlers that may block run
// on a bounded pool; receivers answer from wherever the store calls back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "server/grpc_types.h"
#include "server/http_types.h"
#include "server/memory_budget.h"
#include "server/metrics.h"
#include "server/tls.h"
#include "server/worker_pool.h"

namespace weft::server {

struct HttpLimits {
  uint64_t max_header_bytes = 64u << 10;
  uint32_t max_connections = 4096;                // over all listeners
  uint64_t idle_timeout_ns = 120'000'000'000;     // between the requests of a connection
  uint64_t header_timeout_ns = 10'000'000'000;    // TLS handshake; a request's whole header
  uint64_t body_timeout_ns = 60'000'000'000;      // a request's whole body
  uint64_t write_timeout_ns = 30'000'000'000;     // each 256 KiB of an answer
  uint64_t query_timeout_ns = 60'000'000'000;     // then its CancelToken is cancelled
  uint64_t ingest_timeout_ns = 30'000'000'000;    // until an async handler has answered
  uint64_t max_discarded_body_bytes = 64u << 10;  // of a refused request, to keep the connection
};

// What a listener decides about a request once its header is there, before its body is read.
struct HttpAdmission {
  std::optional<HttpResponse> refusal;
  uint64_t max_body_bytes = 1u << 20;
};

struct HttpListener {
  std::string name;  // "otlp-http": in metrics and messages
  std::string host;  // an address or a name; the first address it resolves to is bound
  uint16_t port = 0;
  std::shared_ptr<TlsContext> tls;  // null: plain
  // When another process has the address, the listener is left out, and its port() is 0.
  bool may_be_taken = false;
  // Set: the listener speaks gRPC, and nothing below is looked at.
  std::shared_ptr<const GrpcHandlers> grpc;
  Router router;

  // All of these may be empty. Called on I/O threads; must not block.
  // An answer given before routing (CORS preflight).
  std::function<std::optional<HttpResponse>(const HttpRequest&)> before_routing;
  // Authentication and the limit of the body; may set request.token.
  std::function<HttpAdmission(HttpRequest&, const Route&)> admit;
  // The body of an error that the engine itself answers, in the form that the path's clients
  // expect. Without it: the error shape of /api/v1.
  std::function<HttpResponse(const HttpRequest&, int status, const Error&)> make_error;
  // Last touch on every answer: CORS and security headers.
  std::function<void(const HttpRequest&, HttpResponse&)> decorate;
};

struct HttpEngineOptions {
  HttpLimits limits;
  uint32_t io_threads = 2;
  const Clock* clock = &system_clock();
  std::shared_ptr<MemoryBudget> body_budget;  // never null
  MetricsRegistry* metrics = nullptr;         // never null; outlives the engine
  WorkerPool* workers = nullptr;              // never null; for blocking handlers
};

class HttpEngine {
 public:
  // Binds every listener (but for those that may be taken); on an error none is left. Serves from
  // here on.
  static Expected<std::unique_ptr<HttpEngine>> start(HttpEngineOptions options,
                                                     std::vector<HttpListener> listeners);
  // shutdown() without patience.
  ~HttpEngine();

  // The port that listener `index` is bound to; 0: left out, its address was taken.
  uint16_t port(size_t index) const;
  uint64_t connections() const;

  // Stops accepting, closes idle connections, ends streams, lets running requests finish until
  // `patience_ns` is over, then cancels what is left. Any thread but the engine's own; once.
  void shutdown(uint64_t patience_ns);

 private:
  struct Impl;
  explicit HttpEngine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::server
