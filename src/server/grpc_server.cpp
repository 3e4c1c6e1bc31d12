#include "server/grpc_server.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>
#include <optional>

namespace weft::server {

namespace {

constexpr std::string_view kExport = "/Export";
constexpr std::string_view kCollector = "/opentelemetry.proto.collector.";
constexpr std::string_view kHealthCheck = "/grpc.health.v1.Health/Check";
constexpr unsigned kCertificateRefreshS = 30;

std::optional<OtlpSignal> signal_of(std::string_view method) {
  if (!method.starts_with(kCollector) || !method.ends_with(kExport)) return std::nullopt;
  method.remove_prefix(kCollector.size());
  method.remove_suffix(kExport.size());
  if (method == "trace.v1.TraceService") return OtlpSignal::kTraces;
  if (method == "metrics.v1.MetricsService") return OtlpSignal::kMetrics;
  if (method == "logs.v1.LogsService") return OtlpSignal::kLogs;
  return std::nullopt;
}

std::string_view metadata(const grpc::CallbackServerContext& context, const char* name) {
  const auto& all = context.client_metadata();
  const auto found = all.find(name);
  if (found == all.end()) return {};
  return {found->second.data(), found->second.size()};
}

// The bytes of a message, in one piece; one slice is the ordinary case and is not copied.
struct MessageBytes {
  grpc::Slice slice;
  std::string_view view() const {
    return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
  }
};

Expected<MessageBytes> bytes_of(const grpc::ByteBuffer& buffer) {
  MessageBytes out;
  if (buffer.Length() == 0) return out;
  if (buffer.TrySingleSlice(&out.slice).ok()) return out;
  if (buffer.DumpToSingleSlice(&out.slice).ok()) return out;
  return fail(ErrorCode::kInvalidArgument, "the message cannot be read");
}

// gRPC would decompress without a bound: a message of 64 MiB can become 64 GiB. So it hands the
// bytes over as they came (see tune()), but does not say how they are packed. An OTLP request
// begins with 0x0a, the tag of its only field; gzip and zlib begin otherwise.
Compression compression_of(std::string_view bytes) {
  if (bytes.size() < 2) return Compression::kNone;
  const auto first = static_cast<uint8_t>(bytes[0]);
  const auto second = static_cast<uint8_t>(bytes[1]);
  if (first == 0x1f && second == 0x8b) return Compression::kGzip;
  const bool zlib = (first & 0x0f) == 8 && (first >> 4) <= 7 && (first * 256 + second) % 31 == 0;
  return zlib && first != 0x08 ? Compression::kDeflate : Compression::kNone;
}

grpc::ByteBuffer to_buffer(std::string_view bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

constexpr size_t kMaxStatusMessageBytes = 1024;

// With retry_after_s the details carry a RetryInfo, which is what makes RESOURCE_EXHAUSTED
// retryable and tells a client how long to wait after UNAVAILABLE.
grpc::Status to_status(const Error& error, uint32_t retry_after_s) {
  int code = grpc_code(error.code);
  switch (error.code) {
    case ErrorCode::kCorrupt:
      code = grpc::StatusCode::INVALID_ARGUMENT;
      break;
    // Clients throw spans away on RESOURCE_EXHAUSTED and INTERNAL, but these may pass.
    case ErrorCode::kNoSpace:
    case ErrorCode::kIo:
    case ErrorCode::kCancelled:
      code = grpc::StatusCode::UNAVAILABLE;
      break;
    default:
      break;
  }
  const std::string message = error.message.substr(0, kMaxStatusMessageBytes);
  return {static_cast<grpc::StatusCode>(code), message,
          encode_rpc_status(OtlpEncoding::kProtobuf, code, message,
                            static_cast<uint64_t>(retry_after_s) * 1000)};
}

class FinishingReactor final : public grpc::ServerGenericBidiReactor {
 public:
  explicit FinishingReactor(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

struct GrpcServer::Impl final : grpc::CallbackGenericService {
  Impl(GrpcOptions o, Receiver& r, const CurrentTokens& t, MetricsRegistry& metrics)
      : options(std::move(o)),
        receiver(r),
        tokens(t),
        calls_ok(counter(metrics, "ok")),
        calls_failed(counter(metrics, "error")),
        duration_s(metrics.histogram("weft_grpc_call_duration_seconds",
                                     "From a received message to the end of its call.",
                                     duration_buckets_s())) {}

  static Counter& counter(MetricsRegistry& metrics, const char* outcome) {
    return metrics.counter("weft_grpc_calls_total", "OTLP/gRPC calls answered, by outcome.",
                           {{"outcome", outcome}});
  }

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;
  // The token of the call; an error is what the call ends with.
  Expected<std::shared_ptr<const AccessToken>> admit(
      const grpc::CallbackServerContext& context) const;

  const GrpcOptions options;
  Receiver& receiver;
  const CurrentTokens& tokens;
  Counter& calls_ok;
  Counter& calls_failed;
  Histogram& duration_s;
  std::atomic<bool> serving{true};
  std::unique_ptr<grpc::Server> server;
  int port = 0;
  std::atomic<bool> shut_down{false};
};

namespace {

// One Export call: reads the message, hands it to the receiver, answers when the store has.
class ExportReactor final : public grpc::ServerGenericBidiReactor {
 public:
  ExportReactor(GrpcServer::Impl& server, OtlpSignal signal,
                std::shared_ptr<const AccessToken> token)
      : server_(server),
        signal_(signal),
        token_(std::move(token)),
        reservation_(server.options.body_budget) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    started_ns_ = server_.options.clock->steady_ns();
    if (!ok) {
      finish_with_error({ErrorCode::kInvalidArgument, "the call carries no message"}, 0);
      return;
    }
    // The message is in memory already; the budget keeps many of them from piling up.
    if (!reservation_.grow_to(request_.Length())) {
      finish_with_error({ErrorCode::kUnavailable,
                         "too many requests are in flight; their bodies would not fit in memory"},
                        1);
      return;
    }
    auto bytes = bytes_of(request_);
    if (!bytes) {
      finish_with_error(bytes.error(), 0);
      return;
    }
    // Whoever is asked next may use the memory: the answer comes when the disk has the spans.
    request_.Clear();
    const MessageBytes message = *std::move(bytes);
    if (message.view().size() > server_.options.max_request_bytes) {
      finish_with_error({ErrorCode::kResourceExhausted,
                         "the message is larger than the limit of " +
                             std::to_string(server_.options.max_request_bytes) + " bytes"},
                        0);
      return;
    }
    IngestRequest ingest;
    ingest.signal = signal_;
    ingest.body = message.view();
    ingest.compression = compression_of(ingest.body);
    ingest.token = token_;
    ingest.received_ns = server_.options.clock->now_ns();
    ingest.max_body_bytes = server_.options.max_request_bytes;
    // Once this is called, this object may be gone.
    server_.receiver.take(std::move(ingest),
                          [this](IngestResult result) { answer(std::move(result)); });
  }

  void OnDone() override {
    server_.duration_s.observe(
        static_cast<double>(server_.options.clock->steady_ns() - started_ns_) * 1e-9);
    delete this;
  }

 private:
  void answer(IngestResult result) {
    if (!result.status) {
      finish_with_error(result.status.error(), result.retry_after_s);
      return;
    }
    server_.calls_ok.add();
    response_ = to_buffer(
        encode_export_response(signal_, OtlpEncoding::kProtobuf, result.rejected, result.message));
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
  }

  void finish_with_error(const Error& error, uint32_t retry_after_s) {
    server_.calls_failed.add();
    Finish(to_status(error, retry_after_s));
  }

  GrpcServer::Impl& server_;
  const OtlpSignal signal_;
  const std::shared_ptr<const AccessToken> token_;
  MemoryReservation reservation_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  uint64_t started_ns_ = 0;
};

// grpc.health.v1.Health/Check; the service's name in the request does not matter: all live or
// die together.
class HealthReactor final : public grpc::ServerGenericBidiReactor {
 public:
  explicit HealthReactor(bool serving) : serving_(serving) { StartRead(&request_); }
  void OnReadDone(bool) override {
    constexpr std::string_view kServing("\x08\x01", 2);
    constexpr std::string_view kNotServing("\x08\x02", 2);
    response_ = to_buffer(serving_ ? kServing : kNotServing);
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  const bool serving_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

std::shared_ptr<grpc::ServerCredentials> make_credentials(const TlsFiles& files) {
  if (!files.enabled()) return grpc::InsecureServerCredentials();
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          files.key_file, files.cert_file, kCertificateRefreshS));
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(options);
}

void tune(grpc::ServerBuilder& builder, const GrpcOptions& options) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_request_bytes));
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  // Two servers on one port would share its connections at random.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Batches of spans are some hundred KB: large frames and a window that holds some of them.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 4 << 20);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 1);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 256);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 32 << 10);
  // Dead peers are noticed; clients that ping to keep load balancers awake are not punished.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 600'000);
  builder.SetDefaultCompressionAlgorithm(GRPC_COMPRESS_NONE);
  grpc::ResourceQuota quota("weft-otlp-grpc");
  quota.Resize(options.body_budget->limit_bytes() + (64u << 20));
  builder.SetResourceQuota(quota);
}

}  // namespace

Expected<std::shared_ptr<const AccessToken>> GrpcServer::Impl::admit(
    const grpc::CallbackServerContext& context) const {
  const auto sets = tokens.get();
  if (!sets.ingest) return nullptr;
  std::string_view given = bearer_token(metadata(context, "authorization"));
  if (given.empty()) given = metadata(context, "x-api-key");
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

grpc::ServerGenericBidiReactor* GrpcServer::Impl::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  if (context->method() == kHealthCheck) return new HealthReactor(serving.load());
  const auto signal = signal_of(context->method());
  if (!signal) {
    return new FinishingReactor(
        {grpc::StatusCode::UNIMPLEMENTED, "there is no method " + context->method().substr(0, 200) +
                                              " here; this is an OTLP receiver"});
  }
  auto token = admit(*context);
  if (!token) {
    calls_failed.add();
    return new FinishingReactor(to_status(token.error(), 0));
  }
  if (*token) {
    if (const uint32_t wait_s = receiver.quota_wait_s(**token); wait_s > 0) {
      calls_failed.add();
      return new FinishingReactor(
          to_status({ErrorCode::kResourceExhausted,
                     "the token '" + (*token)->name + "' has used up its quota of spans"},
                    wait_s));
    }
  }
  return new ExportReactor(*this, *signal, *std::move(token));
}

Expected<std::unique_ptr<GrpcServer>> GrpcServer::start(GrpcOptions options, Receiver& receiver,
                                                        const CurrentTokens& tokens,
                                                        MetricsRegistry& metrics) {
  auto impl = std::make_unique<Impl>(std::move(options), receiver, tokens, metrics);
  const bool is_v6 = impl->options.host.find(':') != std::string::npos;
  const std::string address = (is_v6 ? "[" + impl->options.host + "]" : impl->options.host) + ":" +
                              std::to_string(impl->options.port);
  // As Debian builds it, Abseil looks for a deadlock whenever gRPC takes a lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  grpc::ServerBuilder builder;
  tune(builder, impl->options);
  builder.AddListeningPort(address, make_credentials(impl->options.tls), &impl->port);
  builder.RegisterCallbackGenericService(impl.get());
  impl->server = builder.BuildAndStart();
  if (!impl->server || impl->port <= 0) {
    return fail(ErrorCode::kUnavailable,
                "cannot listen for otlp-grpc on " + address +
                    ": the address is taken or not this machine's; stop the other process or "
                    "choose another port");
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

GrpcServer::~GrpcServer() {
  shutdown(0);
}

uint16_t GrpcServer::port() const {
  return static_cast<uint16_t>(impl_->port);
}

void GrpcServer::set_serving(bool serving) {
  impl_->serving = serving;
}

void GrpcServer::shutdown(uint64_t patience_ns) {
  if (impl_->shut_down.exchange(true)) return;
  impl_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::nanoseconds(patience_ns));
}

}  // namespace weft::server
