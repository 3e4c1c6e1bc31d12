// OTLP over gRPC: Export of TraceService, MetricsService and LogsService, and grpc.health.v1's
// Check. Gives a listener its handlers.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "server/auth.h"
#include "server/grpc_types.h"
#include "server/metrics.h"
#include "server/receiver.h"

namespace weft::server {

struct OtlpGrpcOptions {
  uint64_t max_request_bytes = 64u << 20;
  const Clock* clock = &system_clock();
};

// Any thread.
class OtlpGrpc : public std::enable_shared_from_this<OtlpGrpc> {
 public:
  // All of these outlive the object.
  OtlpGrpc(OtlpGrpcOptions options, Receiver& receiver, const CurrentTokens& tokens,
           MetricsRegistry& metrics);

  // They hold the object.
  std::shared_ptr<const GrpcHandlers> handlers();
  // What health checks are told.
  void set_serving(bool serving) { serving_ = serving; }

 private:
  GrpcAdmission admit(GrpcCall& call);
  // The token of the call; an error is what the call ends with.
  Expected<std::shared_ptr<const AccessToken>> find_token(const GrpcCall& call) const;
  void take(GrpcCall& call, GrpcRespond respond);
  GrpcAnswer fail_with(const Error& error, uint32_t retry_after_s);

  const OtlpGrpcOptions options_;
  Receiver& receiver_;
  const CurrentTokens& tokens_;
  Counter& calls_ok_;
  Counter& calls_failed_;
  Histogram& duration_s_;
  std::atomic<bool> serving_{true};
};

}  // namespace weft::server
