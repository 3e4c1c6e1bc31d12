// Weft's HTTP API as the commands see it, wherever the spans are: on a running server (--url) or
// in a data directory (--data), where the same handlers run inside this process.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "cli/command_line.h"
#include "cli/http_client.h"
#include "scan/scan.h"

namespace weft::cli {

// One request at a time.
class Api {
 public:
  virtual ~Api() = default;
  virtual Expected<HttpReply> get(const std::string& path, const HttpClient::Parameters& parameters,
                                  const std::string& accept = "application/json") = 0;
  // A 200's body goes to `on_bytes` as it is made; any other status's into the reply.
  virtual Expected<HttpReply> stream(const std::string& path,
                                     const HttpClient::Parameters& parameters,
                                     const std::string& accept,
                                     const HttpClient::OnBytes& on_bytes) = 0;
};

// What --url, --data and their companions say.
struct TargetOptions {
  std::string url;  // the default, http://127.0.0.1:4300, when both are empty
  std::string data;
  std::string token_file;
  std::string ca_file;

  void add_to(CommandLine& line);
  std::string url_or_default() const;
};

// The first word of the first line of a file that holds one and is no comment (#), so that the
// server's own token files may be given; "" for no file.
Expected<std::string> read_token(const std::string& path);

Expected<HttpClientOptions> client_options(const TargetOptions& target);
Expected<std::unique_ptr<Api>> open_api(const TargetOptions& target);

// The error that a reply of status 400 and above carries: its message, and for TraceQL the place.
struct ApiError {
  Error error;
  std::optional<uint64_t> offset;  // in bytes
  uint64_t length = 1;
  std::vector<std::string> expected;
  std::string hint;
};
ApiError read_api_error(const HttpReply& reply);

// Adds start and end where the range has them.
void add_range(HttpClient::Parameters& parameters, const TimeRange& range);

}  // namespace weft::cli
