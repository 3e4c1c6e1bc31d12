// OTLP over gRPC against a running server, through grpc++'s own client with raw bytes.
#include "server/otlp_grpc.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <chrono>
#include <future>
#include <thread>

#include "server/testing/server_fixture.h"
#include "server/testing/tls_files.h"

namespace weft::server {
namespace {

using ::testing::HasSubstr;
using testing::local_config;
using testing::protobuf_request;
using testing::TempDir;

constexpr const char* kTraces = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

struct Answer {
  grpc::Status status;
  std::string body;
};

struct CallOptions {
  std::string authorization = {};
  bool gzip = false;
  int timeout_ms = 30'000;
};

class GrpcClient {
 public:
  explicit GrpcClient(uint16_t port, std::shared_ptr<grpc::ChannelCredentials> credentials =
                                         grpc::InsecureChannelCredentials()) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxSendMessageSize(-1);
    // A connection of its own for each client.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ =
        grpc::CreateCustomChannel("localhost:" + std::to_string(port), credentials, arguments);
    stub_ = std::make_unique<grpc::GenericStub>(channel_);
  }

  Answer call(const std::string& method, std::string_view request, CallOptions options = {}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(options.timeout_ms));
    if (!options.authorization.empty()) {
      context.AddMetadata("authorization", options.authorization);
    }
    if (options.gzip) context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    const grpc::Slice slice(request.data(), request.size());
    const grpc::ByteBuffer buffer(&slice, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub_->UnaryCall(&context, method, grpc::StubOptions(), &buffer, &response,
                     [&](grpc::Status status) { done.set_value(std::move(status)); });
    Answer out{done.get_future().get(), {}};
    grpc::Slice bytes;
    if (out.status.ok() && response.Length() > 0 && response.DumpToSingleSlice(&bytes).ok()) {
      out.body.assign(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
    }
    return out;
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::GenericStub> stub_;
};

class OtlpGrpcTest : public testing::ServerFixture {
 protected:
  uint16_t grpc_port() const { return server_->otlp_grpc()->port; }
  Answer call(const std::string& method, std::string_view request, CallOptions options = {}) {
    return GrpcClient(grpc_port()).call(method, request, std::move(options));
  }
};

TEST_F(OtlpGrpcTest, TakesSpansPlainAndCompressed) {
  start();
  Answer answer = call(kTraces, protobuf_request(10));
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(sink_.last().body, protobuf_request(10));
  answer = call(kTraces, protobuf_request(5000), {.authorization = {}, .gzip = true});
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(sink_.spans(), 5010u);
  // The log keeps what was sent, as it was sent.
  EXPECT_EQ(sink_.last().compression, SpanSink::RawRequest::Compression::kGzip);
  EXPECT_EQ(decompress(sink_.last().body, Compression::kGzip, 10'000'000), protobuf_request(5000));
  EXPECT_TRUE(call(kTraces, "").status.ok());  // an empty request is a success
}

TEST_F(OtlpGrpcTest, SaysWhatItRejects) {
  start();
  SpanBatch batch = testing::make_batch(2);
  batch.span_id[1] = SpanId();
  std::string request;
  encode_otlp_traces(batch, request);
  const Answer answer = call(kTraces, request);
  EXPECT_TRUE(answer.status.ok());
  EXPECT_EQ(answer.body.substr(0, 1), "\x0a");      // partial_success
  EXPECT_EQ(answer.body.substr(2, 2), "\x08\x01");  // rejected_spans: 1
  EXPECT_EQ(sink_.spans(), 1u);
}

TEST_F(OtlpGrpcTest, BadDataIsInvalidArgument) {
  start();
  const Answer answer = call(kTraces, "\xff\xff\xff");
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("byte"));
}

TEST_F(OtlpGrpcTest, OverloadIsUnavailableWithRetryInfo) {
  start();
  for (const ErrorCode code : {ErrorCode::kUnavailable, ErrorCode::kNoSpace, ErrorCode::kIo}) {
    sink_.refuse_with(Error{code, "the log is behind"});
    const Answer answer = call(kTraces, protobuf_request(1));
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(answer.status.error_message(), "the log is behind");
    EXPECT_THAT(answer.status.error_details(),
                HasSubstr("type.googleapis.com/google.rpc.RetryInfo"));
  }
}

TEST_F(OtlpGrpcTest, TooLargeMessagesAreFinal) {
  Config config = local_config();
  config.max_request_bytes = 100'000;
  start(std::move(config));
  Answer answer = call(kTraces, std::string(100'001, 'x'));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(answer.status.error_details(), ::testing::Not(HasSubstr("RetryInfo")));
  // The limit holds after decompression too: 64 MB of zeros in 64 KB.
  answer = call(kTraces, std::string(64'000'000, '\0'), {.authorization = {}, .gzip = true});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(answer.status.error_details(), ::testing::Not(HasSubstr("RetryInfo")));
  EXPECT_EQ(sink_.requests(), 0u);
  EXPECT_TRUE(call(kTraces, protobuf_request(10)).status.ok());
}

// gRPC's own limit of 4 MiB for what is received is not the one that holds: 64 MiB is recommended.
TEST_F(OtlpGrpcTest, RequestsAboveTheFourMiBOfGrpcAreTaken) {
  start();
  size_t spans = 10'000;
  std::string request = protobuf_request(spans);
  while (request.size() <= 5u << 20)
    request = protobuf_request(spans *= 2);
  for (const bool gzip : {false, true}) {
    const Answer answer = call(kTraces, request, {.authorization = {}, .gzip = gzip});
    EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  }
  EXPECT_EQ(sink_.spans(), 2 * spans);
}

// Clients take no answer above 4 MiB: whatever is wrong with a request, and however often.
TEST_F(OtlpGrpcTest, AnswersStayBelowTheFourMiBThatClientsTake) {
  start();
  const Answer rejected = call(kTraces, testing::rejected_request(20'000));
  EXPECT_TRUE(rejected.status.ok()) << rejected.status.error_message();
  EXPECT_EQ(rejected.body.substr(0, 1), "\x0a");  // partial_success
  EXPECT_LT(rejected.body.size(), 4u << 10);
  // An error of any length arrives, with the code that it has.
  sink_.refuse_with(Error{ErrorCode::kUnavailable, std::string(8u << 20, 'x')});
  const Answer refused = call(kTraces, protobuf_request(1));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_LT(refused.status.error_message().size() + refused.status.error_details().size(),
            8u << 10);
}

TEST_F(OtlpGrpcTest, MetricsAndLogsAreRejectedHonestly) {
  start();
  // resource_logs { scope_logs { log_records {} log_records {} } }
  const std::string logs("\x0a\x06\x12\x04\x12\x00\x12\x00", 8);
  const Answer answer = call("/opentelemetry.proto.collector.logs.v1.LogsService/Export", logs);
  EXPECT_TRUE(answer.status.ok());
  EXPECT_EQ(answer.body.substr(2, 2), "\x08\x02");
  EXPECT_THAT(answer.body, HasSubstr("does not store logs"));
  const Answer metrics =
      call("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "");
  EXPECT_TRUE(metrics.status.ok());
  EXPECT_EQ(metrics.body, "");
}

TEST_F(OtlpGrpcTest, UnknownMethodsAreUnimplemented) {
  start();
  EXPECT_EQ(call("/some.Service/Method", "").status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(OtlpGrpcTest, Tokens) {
  TempDir dir;
  Config config = local_config();
  config.ingest_token_file = dir.write("tokens",
                                       "0123456789abcdef0123\n"
                                       "limited-token-0123 name=limited spans_per_second=10\n"
                                       "browser-token-0123 browser origin=https://shop.example\n");
  start(std::move(config));
  const std::string request = protobuf_request(100);
  EXPECT_EQ(call(kTraces, request).status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(
      call(kTraces, request, {.authorization = "Bearer nonsense-nonsense"}).status.error_code(),
      grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(
      call(kTraces, request, {.authorization = "Bearer browser-token-0123"}).status.error_code(),
      grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(call(kTraces, request, {.authorization = "Bearer 0123456789abcdef0123"}).status.ok());
  // Over its quota: RESOURCE_EXHAUSTED that is retryable, because it says when.
  EXPECT_TRUE(call(kTraces, request, {.authorization = "Bearer limited-token-0123"}).status.ok());
  const Answer answer = call(kTraces, request, {.authorization = "Bearer limited-token-0123"});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(answer.status.error_details(), HasSubstr("google.rpc.RetryInfo"));
}

TEST_F(OtlpGrpcTest, Health) {
  start();
  EXPECT_EQ(call("/grpc.health.v1.Health/Check", "").body, "\x08\x01");
}

TEST_F(OtlpGrpcTest, Tls) {
  TempDir dir;
  Config config = local_config();
  const testing::Certificate certificate = testing::make_certificate("localhost");
  config.tls.cert_file = dir.write("cert.pem", certificate.cert_pem);
  config.tls.key_file = dir.write("key.pem", certificate.key_pem);
  start(std::move(config));
  grpc::SslCredentialsOptions trust;
  trust.pem_root_certs = certificate.cert_pem;
  GrpcClient client(grpc_port(), grpc::SslCredentials(trust));
  const Answer answer = client.call(kTraces, protobuf_request(3));
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(sink_.spans(), 3u);
  EXPECT_EQ(GrpcClient(grpc_port())
                .call(kTraces, protobuf_request(3), {.authorization = {}, .timeout_ms = 2000})
                .status.ok(),
            false);
}

TEST_F(OtlpGrpcTest, ShutdownFinishesWhatIsInFlight) {
  start();
  sink_.hold();
  GrpcClient client(grpc_port());
  auto call =
      std::async(std::launch::async, [&] { return client.call(kTraces, protobuf_request(1)); });
  sink_.wait_for_requests(1);
  auto stopping = std::async(std::launch::async, [&] { server_->shutdown(30'000'000'000); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  sink_.release();
  EXPECT_TRUE(call.get().status.ok());
  stopping.get();
}

TEST_F(OtlpGrpcTest, ManyClientsAtOnce) {
  start();
  std::vector<std::future<int>> clients;
  const std::string request = protobuf_request(50);
  for (int c = 0; c < 4; ++c) {
    clients.push_back(std::async(std::launch::async, [&] {
      GrpcClient client(grpc_port());
      int good = 0;
      for (int i = 0; i < 50; ++i)
        good += client.call(kTraces, request).status.ok();
      return good;
    }));
  }
  for (auto& client : clients)
    EXPECT_EQ(client.get(), 50);
  EXPECT_EQ(sink_.spans(), 4u * 50 * 50);
}

}  // namespace
}  // namespace weft::server
