// The running server: OTLP over gRPC and HTTP, Zipkin ingest, the APIs and the page on their
// listeners, over a sink that the caller owns. The command line starts one; tests start many, on
// port 0.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "scan/scan.h"
#include "server/config.h"
#include "server/http_types.h"
#include "server/metrics.h"

namespace weft::server {

// What the server is put together from. What is pointed to outlives the server.
struct ServerParts {
  SpanSink* sink = nullptr;            // never null
  MetricsRegistry* metrics = nullptr;  // never null
  const Clock* clock = &system_clock();
  // The routes of the http listener, and of the Zipkin listener (its ingest route is added).
  // Health, metrics and the page are added to the first.
  Router api;
  Router zipkin;
  // Whether spans can be taken and found; asked at every /readyz on an I/O thread,
  // so it must not block. Empty: always.
  std::function<Status()> ready;
};

class Server {
 public:
  // Listens on all addresses or, with an error, on none; only Zipkin's default address may be taken
  // by another process, and is left out then.
  static Expected<std::unique_ptr<Server>> start(FinalizedConfig config, ServerParts parts);
  // shutdown() without patience.
  ~Server();

  // Where it listens, with the port that was chosen for port 0; nullopt for "off".
  const std::optional<Endpoint>& otlp_grpc() const { return config_.otlp_grpc; }
  const std::optional<Endpoint>& otlp_http() const { return config_.otlp_http; }
  const std::optional<Endpoint>& http() const { return config_.http; }
  const std::optional<Endpoint>& zipkin() const { return config_.zipkin; }

  // Reads token files and certificate again (SIGHUP). On an error what was in force stays.
  Status reload();

  // /readyz says 503, nothing new is accepted, what is in flight finishes until
  // config.shutdown_timeout is over and is then cancelled; streams end at once. Returns when all
  // threads of the server have ended. Once; not from the server's threads.
  void shutdown();
  void shutdown(uint64_t patience_ns);

 private:
  struct Impl;
  explicit Server(FinalizedConfig config);

  FinalizedConfig config_;
  std::unique_ptr<Impl> impl_;
};

// "127.0.0.1:4318", "[::1]:4318".
std::string to_string(const Endpoint& endpoint);

}  // namespace weft::server
