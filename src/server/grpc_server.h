// OTLP over gRPC: TraceService, MetricsService and LogsService Export, and grpc.health.v1. Built on
// grpc++'s generic callback API with raw bytes, so that no generated code is needed and Weft's own
// decoder reads the message.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "server/memory_budget.h"
#include "server/metrics.h"
#include "server/otlp_http.h"
#include "server/receiver.h"
#include "server/tls.h"

namespace weft::server {

struct GrpcOptions {
  std::string host;
  uint16_t port = 0;
  TlsFiles tls;  // not enabled: plain; renewed files are noticed within a minute
  uint64_t max_request_bytes = 64u << 20;
  const Clock* clock = &system_clock();
  std::shared_ptr<MemoryBudget> body_budget;  // never null
};

class GrpcServer {
 public:
  // `receiver`, `tokens` and `metrics` outlive the server.
  static Expected<std::unique_ptr<GrpcServer>> start(GrpcOptions options, Receiver& receiver,
                                                     const CurrentTokens& tokens,
                                                     MetricsRegistry& metrics);
  // shutdown() without patience.
  ~GrpcServer();

  uint16_t port() const;
  // What health checks are told. Any thread.
  void set_serving(bool serving);
  // Takes no new calls, lets running ones finish until `patience_ns` is over, then cancels them.
  // Any thread but gRPC's own; once.
  void shutdown(uint64_t patience_ns);

  struct Impl;  // of grpc_server.cpp alone

 private:
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::server
