// What a handler of gRPC calls sees of a call and gives back. All calls are unary: one message in,
// one out. Handlers know neither sockets nor HTTP/2; those are the engine's (server/grpc_session).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "server/http_types.h"
#include "wire/compress.h"

namespace weft::server {

struct GrpcCall {
  std::string method;    // "/package.Service/Method"
  HttpHeaders metadata;  // names in lower case; those in -bin still in base64
  std::string message;   // as it came: still compressed
  Compression compression = Compression::kNone;  // of the message
  uint64_t received_ns = 0;
  // The token that let the call in; null where none was needed.
  std::shared_ptr<const AccessToken> token;
};

// Without an error: OK, and `message` is the reply.
struct GrpcAnswer {
  int code = 0;                // of gRPC's status codes; see wire/otlp_response.h
  std::string status_message;  // of an error, for a person
  std::string status_details;  // of an error: a google.rpc.Status, or empty
  std::string message;
};

// What a listener decides about a call once its metadata is there, before its message is read.
struct GrpcAdmission {
  std::optional<GrpcAnswer> refusal;
  uint64_t max_message_bytes = 4u << 20;
};

using GrpcRespond = std::move_only_function<void(GrpcAnswer)>;

// What a listener of gRPC does with its calls. Called on I/O threads; must not block.
struct GrpcHandlers {
  std::function<GrpcAdmission(GrpcCall&)> admit;
  // Answers once, at any time, from any thread; takes what it needs of the call before it returns.
  // A call whose client has gone is answered to nobody.
  std::function<void(std::shared_ptr<GrpcCall>, GrpcRespond)> take;
  // The answer to what the engine itself finds wrong. `retry_after_s` above 0: it may pass.
  std::function<GrpcAnswer(const Error&, uint32_t retry_after_s)> make_error;
};

}  // namespace weft::server
