#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "cli/bench/load_sender.h"
#include "cli/import_targets.h"

namespace weft::cli {
namespace {

constexpr const char* kMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

class GrpcSender final : public LoadSender {
 public:
  explicit GrpcSender(const std::string& address) {
    grpc::ChannelArguments arguments;
    // Each sender its own connection, as each SDK has.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = std::make_unique<grpc::GenericStub>(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  }
  ~GrpcSender() override {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  GrpcSender(const GrpcSender&) = delete;
  GrpcSender& operator=(const GrpcSender&) = delete;

  Status send(const std::string& body) override {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    const grpc::Slice slice(body.data(), body.size(), grpc::Slice::STATIC_SLICE);
    const grpc::ByteBuffer request(&slice, 1);
    const auto call = stub_->PrepareUnaryCall(&context, kMethod, request, &queue_);
    call->StartCall();
    grpc::ByteBuffer reply;
    grpc::Status status;
    call->Finish(&reply, &status, this);
    void* tag = nullptr;
    bool ok = false;
    if (!queue_.Next(&tag, &ok)) return fail(ErrorCode::kInternal, "the gRPC queue ended");
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
      return fail(ErrorCode::kUnavailable, status.error_message());
    }
    if (!status.ok()) return fail(ErrorCode::kInternal, status.error_message());
    return check_reply(reply);
  }

 private:
  static Status check_reply(const grpc::ByteBuffer& reply) {
    std::vector<grpc::Slice> slices;
    if (!reply.Dump(&slices).ok()) return fail(ErrorCode::kInternal, "the reply cannot be read");
    std::string body;
    for (const grpc::Slice& slice : slices) {
      body.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    const PartialSuccess partial = read_partial_success(body);
    if (partial.rejected_spans == 0) return {};
    return fail(ErrorCode::kInternal, "spans were rejected: " + partial.message);
  }

  std::unique_ptr<grpc::GenericStub> stub_;
  grpc::CompletionQueue queue_;
};

}  // namespace

Expected<std::unique_ptr<LoadSender>> make_grpc_sender(const std::string& address) {
  return std::unique_ptr<LoadSender>(std::make_unique<GrpcSender>(address));
}

}  // namespace weft::cli
