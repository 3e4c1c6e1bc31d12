#include "cli/bench/load_sender.h"
#include "cli/http_client.h"
#include "cli/import_targets.h"

namespace weft::cli {
namespace {

class HttpSender final : public LoadSender {
 public:
  explicit HttpSender(std::unique_ptr<HttpClient> client) : client_(std::move(client)) {}
  Status send(const std::string& body) override {
    WEFT_ASSIGN(const HttpReply reply, client_->post("/v1/traces", body, "application/x-protobuf"));
    if (reply.status == 429 || reply.status == 503) {
      return fail(ErrorCode::kUnavailable, "refused for now");
    }
    if (reply.status != 200) {
      return fail(ErrorCode::kInternal, "the server answered " + std::to_string(reply.status));
    }
    const PartialSuccess partial = read_partial_success(reply.body);
    if (partial.rejected_spans == 0) return {};
    return fail(ErrorCode::kInternal, "spans were rejected: " + partial.message);
  }

 private:
  std::unique_ptr<HttpClient> client_;
};

}  // namespace

Expected<std::unique_ptr<LoadSender>> make_http_sender(const std::string& address) {
  HttpClientOptions options;
  options.url = "http://" + address;
  WEFT_ASSIGN(auto client, HttpClient::create(std::move(options)));
  return std::unique_ptr<LoadSender>(std::make_unique<HttpSender>(std::move(client)));
}

}  // namespace weft::cli
