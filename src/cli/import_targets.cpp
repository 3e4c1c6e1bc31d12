#include "cli/import_targets.h"

#include <simdjson.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <thread>

#include "base/clock.h"
#include "cli/signals.h"
#include "cli/store_access.h"
#include "wire/otlp_protobuf.h"
#include "wire/protobuf_reader.h"

namespace weft::cli {
namespace {

constexpr uint64_t kFirstPauseMs = 100;
constexpr uint64_t kLongestPauseMs = 5'000;

class StoreTarget final : public ImportTarget {
 public:
  StoreTarget(std::unique_ptr<store::Store> store, std::string name)
      : store_(std::move(store)), name_(std::move(name)) {}
  std::string name() const override { return name_; }
  Expected<uint64_t> send(const SpanBatch& batch) override {
    // The store may be behind with sealing; its queue then refuses for a moment.
    for (uint64_t pause_ms = 1;; pause_ms = std::min<uint64_t>(pause_ms * 2, 200)) {
      Status kept = append_and_wait(*store_, batch);
      if (kept) return 0;
      const bool stopped = stop_on_signals()->load();
      if (kept.error().code != ErrorCode::kUnavailable || stopped) {
        return std::unexpected(std::move(kept).error());
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
    }
  }
  Expected<bool> has_trace(const TraceId& id) override {
    const auto batch = store_->trace(id, 1);
    if (!batch) return batch.error().code == ErrorCode::kResourceExhausted;
    return !batch->empty();
  }
  Status finish() override { return store_->shutdown(); }

 private:
  std::unique_ptr<store::Store> store_;
  std::string name_;
};

bool may_pass(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

class ServerTarget final : public ImportTarget {
 public:
  ServerTarget(std::string name, std::unique_ptr<HttpClient> api, std::unique_ptr<HttpClient> otlp,
               uint64_t retry_ns)
      : name_(std::move(name)), api_(std::move(api)), otlp_(std::move(otlp)), retry_ns_(retry_ns) {}
  std::string name() const override { return name_; }

  Expected<uint64_t> send(const SpanBatch& batch) override {
    body_.clear();
    encode_otlp_traces(batch, body_);
    const uint64_t deadline = system_clock().steady_ns() + retry_ns_;
    for (uint64_t pause_ms = kFirstPauseMs;; pause_ms = std::min(pause_ms * 2, kLongestPauseMs)) {
      auto reply = otlp_->post("/v1/traces", body_, "application/x-protobuf");
      if (reply && reply->status == 200) {
        return read_partial_success(reply->body).rejected_spans;
      }
      Error error = reply ? refusal(*reply) : std::move(reply).error();
      const bool passing = !reply || may_pass(reply->status);
      if (!passing || stop_on_signals()->load()) return std::unexpected(std::move(error));
      const uint64_t wanted = reply ? reply->retry_after_s * 1'000 : 0;
      const uint64_t wait_ms = std::max(wanted, pause_ms / 2 + random_() % (pause_ms / 2 + 1));
      if (system_clock().steady_ns() + wait_ms * 1'000'000 >= deadline) {
        error.message += "; tried for " + std::to_string(retry_ns_ / 1'000'000'000) + " s";
        return std::unexpected(std::move(error));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    }
  }

  Expected<bool> has_trace(const TraceId& id) override {
    if (!api_) return false;
    WEFT_ASSIGN(const HttpReply reply,
                api_->get("/api/v1/traces/" + id.to_hex(), {}, "application/protobuf"));
    return reply.status == 200;
  }

 private:
  // The body of a refusal is a google.rpc.Status {1: code, 2: message}.
  static Error refusal(const HttpReply& reply) {
    Error error{ErrorCode::kUnavailable, "the server answered " + std::to_string(reply.status)};
    wire::Position at = wire::begin_of(reply.body);
    const wire::Position end = wire::end_of(reply.body);
    wire::Field field;
    while (at != nullptr && at < end) {
      at = wire::read_field(at, end, field);
      if (at != nullptr && field.number == 2 && field.type == wire::WireType::kBytes) {
        error.message += ": " + std::string(field.bytes);
      }
    }
    if (reply.status == 401 || reply.status == 403) {
      error.message += "; give the token with --ingest-token-file";
    }
    return error;
  }

  std::string name_;
  std::unique_ptr<HttpClient> api_;  // null when the address is an OTLP port
  std::unique_ptr<HttpClient> otlp_;
  uint64_t retry_ns_;
  std::string body_;
  std::minstd_rand random_{std::random_device{}()};
};

Expected<std::unique_ptr<ImportTarget>> open_directory(const std::string& dir) {
  WEFT_ASSIGN(auto store, store::Store::open(store_options(dir)));
  std::error_code error;
  std::string name = std::filesystem::canonical(dir, error).string();
  if (error) name = dir;
  return std::unique_ptr<ImportTarget>(std::make_unique<StoreTarget>(std::move(store), name));
}

// The OTLP/HTTP address that the server's API names; "" when there is no such API at the URL.
Expected<std::string> ask_otlp_address(HttpClient& api) {
  WEFT_ASSIGN(const HttpReply reply, api.get("/api/v1/config", {}));
  if (reply.status == 401 || reply.status == 403) {
    return std::unexpected(read_api_error(reply).error);
  }
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  std::string_view address;
  if (reply.status == 200 && parser.parse(reply.body).get(document) == simdjson::SUCCESS &&
      document["otlpHttp"].get(address) == simdjson::SUCCESS) {
    return std::string(address);
  }
  return std::string();
}

Expected<std::unique_ptr<ImportTarget>> open_server(const TargetOptions& target,
                                                    const RemoteImportOptions& options) {
  WEFT_ASSIGN(HttpClientOptions client, client_options(target));
  WEFT_ASSIGN(auto api, HttpClient::create(client));
  WEFT_ASSIGN(const std::string address, ask_otlp_address(*api));
  HttpClientOptions sender = client;
  if (!options.ingest_token_file.empty()) {
    WEFT_ASSIGN(sender.bearer_token, read_token(options.ingest_token_file));
  }
  if (address.empty()) {
    api.reset();
  } else {
    sender.url = address;
  }
  WEFT_ASSIGN(auto otlp, HttpClient::create(sender));
  return std::unique_ptr<ImportTarget>(std::make_unique<ServerTarget>(
      client.url, std::move(api), std::move(otlp), options.retry_ns));
}

}  // namespace

Expected<std::unique_ptr<ImportTarget>> open_import_target(const TargetOptions& target,
                                                           const RemoteImportOptions& options) {
  return target.data.empty() ? open_server(target, options) : open_directory(target.data);
}

PartialSuccess read_partial_success(std::string_view body) {
  PartialSuccess out;
  wire::Field outer, inner;
  wire::Position at = wire::begin_of(body);
  while (at != nullptr && at < wire::end_of(body)) {
    at = wire::read_field(at, wire::end_of(body), outer);
    if (at == nullptr || outer.number != 1 || outer.type != wire::WireType::kBytes) continue;
    wire::Position inside = wire::begin_of(outer.bytes);
    while (inside != nullptr && inside < wire::end_of(outer.bytes)) {
      inside = wire::read_field(inside, wire::end_of(outer.bytes), inner);
      if (inside == nullptr) break;
      if (inner.number == 1) out.rejected_spans = inner.value;
      if (inner.number == 2) out.message = inner.bytes;
    }
  }
  return out;
}

}  // namespace weft::cli
