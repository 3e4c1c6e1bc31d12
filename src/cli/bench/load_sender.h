// How the load generator sends a request: over OTLP/HTTP or OTLP/gRPC, as an SDK would, waiting
// for each acknowledgement.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"

namespace weft::cli {

// One connection with one request under way. One thread.
class LoadSender {
 public:
  virtual ~LoadSender() = default;
  // Returns when the request is acknowledged. kUnavailable: refused for now, to be sent again.
  virtual Status send(const std::string& body) = 0;
};

// `address` is HOST:PORT.
Expected<std::unique_ptr<LoadSender>> make_http_sender(const std::string& address);
Expected<std::unique_ptr<LoadSender>> make_grpc_sender(const std::string& address);

}  // namespace weft::cli
