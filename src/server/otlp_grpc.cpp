#include "server/otlp_grpc.h"

#include "server/grpc_wire.h"
#include "wire/otlp_response.h"

namespace weft::server {

namespace {

constexpr std::string_view kExport = "/Export";
constexpr std::string_view kCollector = "/opentelemetry.proto.collector.";
constexpr std::string_view kHealthCheck = "/grpc.health.v1.Health/Check";
constexpr size_t kMaxStatusMessageBytes = 1024;
// Of a health check: the name of a service.
constexpr uint64_t kMaxHealthRequestBytes = 4096;

std::optional<OtlpSignal> signal_of(std::string_view method) {
  if (!method.starts_with(kCollector) || !method.ends_with(kExport)) return std::nullopt;
  method.remove_prefix(kCollector.size());
  method.remove_suffix(kExport.size());
  if (method == "trace.v1.TraceService") return OtlpSignal::kTraces;
  if (method == "metrics.v1.MetricsService") return OtlpSignal::kMetrics;
  if (method == "logs.v1.LogsService") return OtlpSignal::kLogs;
  return std::nullopt;
}

Counter& counter(MetricsRegistry& metrics, const char* outcome) {
  return metrics.counter("weft_grpc_calls_total", "OTLP/gRPC calls answered, by outcome.",
                         {{"outcome", outcome}});
}

// With retry_after_s the details carry a RetryInfo, which is what makes RESOURCE_EXHAUSTED
// retryable and tells a client how long to wait after UNAVAILABLE.
GrpcAnswer to_answer(const Error& error, uint32_t retry_after_s) {
  GrpcAnswer out;
  switch (error.code) {
    case ErrorCode::kCorrupt:
      out.code = grpc_code(ErrorCode::kInvalidArgument);
      break;
    // Clients throw spans away on RESOURCE_EXHAUSTED and INTERNAL, but these may pass.
    case ErrorCode::kNoSpace:
    case ErrorCode::kIo:
    case ErrorCode::kCancelled:
      out.code = grpc_code(ErrorCode::kUnavailable);
      break;
    default:
      out.code = grpc_code(error.code);
      break;
  }
  out.status_message = error.message.substr(0, kMaxStatusMessageBytes);
  out.status_details = encode_rpc_status(OtlpEncoding::kProtobuf, out.code, out.status_message,
                                         static_cast<uint64_t>(retry_after_s) * 1000);
  return out;
}

}  // namespace

OtlpGrpc::OtlpGrpc(OtlpGrpcOptions options, Receiver& receiver, const CurrentTokens& tokens,
                   MetricsRegistry& metrics)
    : options_(options),
      receiver_(receiver),
      tokens_(tokens),
      calls_ok_(counter(metrics, "ok")),
      calls_failed_(counter(metrics, "error")),
      duration_s_(metrics.histogram("weft_grpc_call_duration_seconds",
                                    "From a received message to its answer.",
                                    duration_buckets_s())) {}

std::shared_ptr<const GrpcHandlers> OtlpGrpc::handlers() {
  GrpcHandlers out;
  out.admit = [self = shared_from_this()](GrpcCall& call) { return self->admit(call); };
  out.take = [self = shared_from_this()](const std::shared_ptr<GrpcCall>& call,
                                         GrpcRespond respond) {
    self->take(*call, std::move(respond));
  };
  out.make_error = [self = shared_from_this()](const Error& error, uint32_t retry_after_s) {
    return self->fail_with(error, retry_after_s);
  };
  return std::make_shared<const GrpcHandlers>(std::move(out));
}

GrpcAnswer OtlpGrpc::fail_with(const Error& error, uint32_t retry_after_s) {
  calls_failed_.add();
  return to_answer(error, retry_after_s);
}

Expected<std::shared_ptr<const AccessToken>> OtlpGrpc::find_token(const GrpcCall& call) const {
  const auto sets = tokens_.get();
  if (!sets.ingest) return nullptr;
  std::string_view given = bearer_token(call.metadata.get("authorization"));
  if (given.empty()) given = call.metadata.get("x-api-key");
  auto token = sets.ingest->find(given);
  if (!token) {
    return fail(ErrorCode::kUnauthenticated,
                given.empty() ? "an ingest token is needed: metadata authorization: Bearer TOKEN"
                              : "the ingest token is not known here");
  }
  if (token->browser) {
    return fail(ErrorCode::kPermissionDenied,
                "the token '" + token->name + "' is a browser's; browsers send OTLP over HTTP");
  }
  return token;
}

GrpcAdmission OtlpGrpc::admit(GrpcCall& call) {
  GrpcAdmission out;
  out.max_message_bytes = kMaxHealthRequestBytes;
  if (call.method == kHealthCheck) return out;
  out.max_message_bytes = options_.max_request_bytes;
  if (!signal_of(call.method)) {
    out.refusal =
        to_answer({ErrorCode::kUnimplemented, "there is no method " + call.method.substr(0, 200) +
                                                  " here; this is an OTLP receiver"},
                  0);
    return out;
  }
  auto token = find_token(call);
  if (!token) {
    out.refusal = fail_with(token.error(), 0);
    return out;
  }
  call.token = *std::move(token);
  if (!call.token) return out;
  if (const uint32_t wait_s = receiver_.quota_wait_s(*call.token); wait_s > 0) {
    out.refusal = fail_with({ErrorCode::kResourceExhausted,
                             "the token '" + call.token->name + "' has used up its quota of spans"},
                            wait_s);
  }
  return out;
}

void OtlpGrpc::take(GrpcCall& call, GrpcRespond respond) {
  if (call.method == kHealthCheck) {
    // The service's name in the request does not matter: all live or die together.
    GrpcAnswer health;
    health.message.assign(serving_ ? "\x08\x01" : "\x08\x02", 2);
    respond(std::move(health));
    return;
  }
  const OtlpSignal signal = *signal_of(call.method);
  IngestRequest ingest;
  ingest.signal = signal;
  ingest.compression = call.compression;
  ingest.token = call.token;
  ingest.received_ns = call.received_ns;
  ingest.max_body_bytes = options_.max_request_bytes;
  auto done = [self = shared_from_this(), signal, respond = std::move(respond),
               started_ns = options_.clock->steady_ns()](IngestResult result) mutable {
    self->duration_s_.observe(static_cast<double>(self->options_.clock->steady_ns() - started_ns) *
                              1e-9);
    if (!result.status) {
      respond(self->fail_with(result.status.error(), result.retry_after_s));
      return;
    }
    self->calls_ok_.add();
    GrpcAnswer answer;
    answer.message =
        encode_export_response(signal, OtlpEncoding::kProtobuf, result.rejected, result.message);
    respond(std::move(answer));
  };
  receiver_.take(std::move(ingest), std::move(call.message), std::move(done));
}

}  // namespace weft::server
