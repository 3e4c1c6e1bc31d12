#include "cli/local_api.h"

#include <fmt/format.h>

#include <utility>

#include "base/clock.h"
#include "base/file.h"
#include "cli/store_access.h"
#include "cli/version.h"
#include "server/api/api.h"
#include "server/http_types.h"

namespace weft::cli {
namespace {

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

class CallbackStream final : public server::ResponseStream {
 public:
  explicit CallbackStream(const HttpClient::OnBytes& on_bytes) : on_bytes_(on_bytes) {}
  bool write(std::string_view bytes) override {
    if (!gone_ && !bytes.empty()) gone_ = !on_bytes_(bytes);
    return !gone_;
  }
  bool client_gone() const override { return gone_; }

 private:
  const HttpClient::OnBytes& on_bytes_;
  bool gone_ = false;
};

class LocalApi final : public Api {
 public:
  LocalApi(std::unique_ptr<store::Store> store, std::unique_ptr<server::LinkStore> links)
      : store_(std::move(store)), links_(std::move(links)) {
    server::ApiOptions options;
    options.source = store_.get();
    options.links = links_.get();
    options.info = [] {
      server::ApiInfo info;
      info.version = kVersion;
      return info;
    };
    // Nobody else waits for this process: it may take its time.
    options.limits.budget.time_ns = 0;
    options.limits.budget.memory_bytes = 4ull << 30;
    api_ = std::make_unique<server::Api>(std::move(options));
    api_->add_routes(router_);
  }

  Expected<HttpReply> get(const std::string& path, const HttpClient::Parameters& parameters,
                          const std::string& accept) override {
    std::string body;
    const HttpClient::OnBytes keep = [&body](std::string_view bytes) {
      body += bytes;
      return true;
    };
    WEFT_ASSIGN(HttpReply reply, stream(path, parameters, accept, keep));
    if (reply.status == 200) reply.body = std::move(body);
    return reply;
  }

  Expected<HttpReply> stream(const std::string& path, const HttpClient::Parameters& parameters,
                             const std::string& accept,
                             const HttpClient::OnBytes& on_bytes) override {
    server::HttpRequest request;
    request.target = path;
    request.path = path;
    char separator = '?';
    for (const auto& [name, value] : parameters) {
      request.query.add(name, value);
      request.target += separator + percent_encode(name) + "=" + percent_encode(value);
      separator = '&';
    }
    request.headers.add("Accept", accept);
    request.received_ns = system_clock().now_ns();
    server::Router::Match match = router_.match(request.method, path);
    if (match.route == nullptr) return fail(ErrorCode::kUnimplemented, "no API at " + path);
    request.params = std::move(match.params);
    server::HttpResponse response = match.route->handler(request);
    HttpReply reply;
    reply.status = response.status;
    reply.content_type = response.content_type;
    if (response.status != 200) {
      reply.body = std::move(response.body);
      return reply;
    }
    CallbackStream stream(on_bytes);
    if (response.stream) {
      response.stream(stream);
    } else {
      stream.write(response.body);
    }
    return reply;
  }

 private:
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<server::LinkStore> links_;
  std::unique_ptr<server::Api> api_;
  server::Router router_;
};

}  // namespace

Expected<std::unique_ptr<Api>> open_local_api(const std::string& data_dir) {
  WEFT_ASSIGN(auto store, open_store_read_only(data_dir));
  WEFT_ASSIGN(auto links, server::LinkStore::open(real_file_system(), data_dir + "/links"));
  return std::unique_ptr<Api>(std::make_unique<LocalApi>(std::move(store), std::move(links)));
}

}  // namespace weft::cli
