// HTTP for the commands that talk to a running server (--url): a narrow front of libcurl with
// one kept-alive connection, bounded answers and time-outs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace weft::cli {

struct HttpClientOptions {
  std::string url = "http://127.0.0.1:4300";  // scheme, host and port; a path is put before others
  std::string bearer_token;                   // "" sends none
  std::string ca_file;                        // PEM; "" takes the system's
  uint64_t connect_timeout_ms = 5'000;
  uint64_t timeout_ms = 60'000;  // of a whole exchange; 0: none
  uint64_t max_answer_bytes = 1ull << 30;
};

struct HttpReply {
  int status = 0;
  std::string content_type;
  uint64_t retry_after_s = 0;  // of the Retry-After header, 0 without one
  std::string body;
};

// One at a time per object; any thread.
class HttpClient {
 public:
  using Parameters = std::vector<std::pair<std::string, std::string>>;
  // Returns false to stop the transfer.
  using OnBytes = std::function<bool(std::string_view)>;

  // kInvalidArgument when the URL has no http or https scheme.
  static Expected<std::unique_ptr<HttpClient>> create(HttpClientOptions options);
  ~HttpClient();

  // Any status is a reply; errors are those of the network (kUnavailable, kDeadlineExceeded) and
  // answers over the bound.
  Expected<HttpReply> get(const std::string& path, const Parameters& parameters,
                          const std::string& accept = "application/json");
  Expected<HttpReply> post(const std::string& path, std::string_view body,
                           const std::string& content_type);
  // As get(), without the time-out and the bound: a 200's body goes to `on_bytes` as it arrives,
  // any other status's into the reply.
  Expected<HttpReply> stream(const std::string& path, const Parameters& parameters,
                             const std::string& accept, const OnBytes& on_bytes);

 private:
  struct Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::cli
