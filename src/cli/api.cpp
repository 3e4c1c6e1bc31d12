#include "cli/api.h"

#include <simdjson.h>

#include <fstream>

#include "cli/local_api.h"

namespace weft::cli {
namespace {

class RemoteApi final : public Api {
 public:
  explicit RemoteApi(std::unique_ptr<HttpClient> client) : client_(std::move(client)) {}
  Expected<HttpReply> get(const std::string& path, const HttpClient::Parameters& parameters,
                          const std::string& accept) override {
    return client_->get(path, parameters, accept);
  }
  Expected<HttpReply> stream(const std::string& path, const HttpClient::Parameters& parameters,
                             const std::string& accept,
                             const HttpClient::OnBytes& on_bytes) override {
    return client_->stream(path, parameters, accept, on_bytes);
  }

 private:
  std::unique_ptr<HttpClient> client_;
};

ErrorCode code_of(int status) {
  switch (status) {
    case 400:
    case 422:
      return ErrorCode::kInvalidArgument;
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 503:
      return ErrorCode::kUnavailable;
    case 504:
      return ErrorCode::kDeadlineExceeded;
    default:
      return ErrorCode::kInternal;
  }
}

std::string text_of(simdjson::dom::element object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

}  // namespace

void TargetOptions::add_to(CommandLine& line) {
  line.option("--url", url, "URL",
              "The server to ask (default $WEFT_URL or http://127.0.0.1:4300)");
  line.option("--data", data, "DIR", "Work on this data directory instead; no server may hold it");
  line.option("--token-file", token_file, "FILE",
              "Bearer token for queries, the file's first word (or $WEFT_TOKEN)");
  line.option("--ca-file", ca_file, "FILE", "Certificates to trust for https, PEM");
  line.exclude("--data", "--url");
}

std::string TargetOptions::url_or_default() const {
  if (!url.empty()) return url;
  const char* env = std::getenv("WEFT_URL");
  return env != nullptr && *env != 0 ? env : "http://127.0.0.1:4300";
}

Expected<std::string> read_token(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string::npos || line[begin] == '#') continue;
    return line.substr(begin, line.find_first_of(" \t\r", begin) - begin);
  }
  return fail(ErrorCode::kInvalidArgument, "no token can be read from " + path);
}

Expected<HttpClientOptions> client_options(const TargetOptions& target) {
  HttpClientOptions options;
  options.url = target.url_or_default();
  options.ca_file = target.ca_file;
  WEFT_ASSIGN(options.bearer_token, read_token(target.token_file));
  const char* env = std::getenv("WEFT_TOKEN");
  if (options.bearer_token.empty() && env != nullptr) options.bearer_token = env;
  return options;
}

Expected<std::unique_ptr<Api>> open_api(const TargetOptions& target) {
  if (!target.data.empty()) return open_local_api(target.data);
  WEFT_ASSIGN(HttpClientOptions options, client_options(target));
  WEFT_ASSIGN(auto client, HttpClient::create(std::move(options)));
  return std::unique_ptr<Api>(std::make_unique<RemoteApi>(std::move(client)));
}

ApiError read_api_error(const HttpReply& reply) {
  ApiError out;
  out.error.code = code_of(reply.status);
  out.error.message = "the server answered " + std::to_string(reply.status);
  simdjson::dom::parser parser;
  simdjson::dom::element document, error;
  if (parser.parse(reply.body).get(document) != simdjson::SUCCESS ||
      document["error"].get(error) != simdjson::SUCCESS) {
    // Not the API's form of an error: a 404 says nothing about spans then.
    out.error.message += "; is that the address of Weft's --http port?";
    if (out.error.code == ErrorCode::kNotFound) out.error.code = ErrorCode::kUnavailable;
    return out;
  }
  if (const std::string message = text_of(error, "message"); !message.empty()) {
    out.error.message = message;
  }
  if (reply.status == 401) out.error.message += "; give one with --token-file or $WEFT_TOKEN";
  out.hint = text_of(error, "hint");
  simdjson::dom::element position;
  uint64_t number = 0;
  if (error["position"].get(position) == simdjson::SUCCESS) {
    if (position["offset"].get(number) == simdjson::SUCCESS) out.offset = number;
    if (position["length"].get(number) == simdjson::SUCCESS) out.length = number;
  }
  simdjson::dom::array expected;
  if (error["expected"].get(expected) == simdjson::SUCCESS) {
    for (const simdjson::dom::element item : expected) {
      std::string_view text;
      if (item.get(text) == simdjson::SUCCESS) out.expected.emplace_back(text);
    }
  }
  return out;
}

void add_range(HttpClient::Parameters& parameters, const TimeRange& range) {
  if (range.from_ns != 0) parameters.emplace_back("start", std::to_string(range.from_ns));
  if (range.to_ns != UINT64_MAX) parameters.emplace_back("end", std::to_string(range.to_ns));
}

}  // namespace weft::cli
