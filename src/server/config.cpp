#include "server/config.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <thread>

namespace weft::server {

namespace {

std::string to_text(const Endpoint& endpoint) {
  const bool is_v6 = endpoint.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

struct NamedEndpoint {
  std::string_view flag;
  const std::optional<Endpoint>& endpoint;
  bool takes_spans;
};

// Other machines may only connect where tokens stand at the door, or the operator says so.
Status check_exposure(FinalizedConfig& config, const NamedEndpoint& listener) {
  if (!listener.endpoint || listener.endpoint->is_loopback()) return {};
  const bool has_tokens =
      listener.takes_spans ? config.ingest_tokens != nullptr : config.query_tokens != nullptr;
  if (!has_tokens && !config.values.insecure) {
    return fail(ErrorCode::kInvalidArgument,
                std::string(listener.flag) + " " + to_text(*listener.endpoint) +
                    " can be reached from other machines, but anybody could " +
                    (listener.takes_spans ? "send" : "read") + " without a token: give " +
                    (listener.takes_spans ? "--ingest-token-file" : "--query-token-file") +
                    " FILE, or listen on 127.0.0.1, or say --insecure if the network is trusted");
  }
  if (has_tokens && !config.tls) {
    config.warnings.push_back(std::string(listener.flag) + " " + to_text(*listener.endpoint) +
                              " takes tokens without TLS: they travel in the clear; give "
                              "--tls-cert-file and --tls-key-file");
  }
  return {};
}

Status check_limits(const Config& config) {
  const auto positive = [](std::string_view flag, auto value) -> Status {
    if (value > 0) return {};
    return fail(ErrorCode::kInvalidArgument, std::string(flag) + " must be above 0");
  };
  WEFT_TRY(positive("--max-request-bytes", config.max_request_bytes));
  WEFT_TRY(positive("--max-browser-request-bytes", config.max_browser_request_bytes));
  WEFT_TRY(positive("--browser-requests-per-second", config.browser_requests_per_second));
  WEFT_TRY(positive("--max-connections", config.http_limits.max_connections));
  WEFT_TRY(positive("--idle-timeout", config.http_limits.idle_timeout_ns));
  WEFT_TRY(positive("--header-timeout", config.http_limits.header_timeout_ns));
  WEFT_TRY(positive("--body-timeout", config.http_limits.body_timeout_ns));
  WEFT_TRY(positive("--write-timeout", config.http_limits.write_timeout_ns));
  WEFT_TRY(positive("--query-timeout", config.http_limits.query_timeout_ns));
  WEFT_TRY(positive("--query-memory", config.query_memory_bytes));
  WEFT_TRY(positive("--ingest-timeout", config.http_limits.ingest_timeout_ns));
  WEFT_TRY(positive("--max-spans-per-request", config.decode.max_spans));
  WEFT_TRY(positive("--max-attributes", config.decode.max_attributes));
  WEFT_TRY(positive("--max-waiting-queries", config.query_queue));
  WEFT_TRY(positive("--block-spans", config.block_max_spans));
  WEFT_TRY(positive("--block-age", config.block_max_age_ns));
  constexpr uint64_t kMostRequestBytes = 1u << 30;
  if (config.max_request_bytes > kMostRequestBytes) {
    return fail(ErrorCode::kInvalidArgument, "--max-request-bytes can be at most 1GiB");
  }
  if (config.max_inflight_bytes < config.max_request_bytes) {
    return fail(ErrorCode::kInvalidArgument,
                "--max-inflight-bytes must not be below --max-request-bytes");
  }
  constexpr uint64_t kLeastHeaderBytes = 1024;
  constexpr uint64_t kMostHeaderBytes = 1u << 20;
  if (config.http_limits.max_header_bytes < kLeastHeaderBytes ||
      config.http_limits.max_header_bytes > kMostHeaderBytes) {
    return fail(ErrorCode::kInvalidArgument, "--max-header-bytes must be from 1KiB to 1MiB");
  }
  constexpr uint32_t kMostThreads = 256;
  if (config.io_threads > kMostThreads || config.query_threads > kMostThreads) {
    return fail(ErrorCode::kInvalidArgument, "at most 256 threads");
  }
  return {};
}

Status check_origins(const Config& config) {
  for (const std::string& origin : config.cors_origins) {
    const size_t scheme = origin.find("://");
    const bool good = origin == "*" || (scheme != std::string::npos && scheme > 0 &&
                                        origin.find('/', scheme + 3) == std::string::npos &&
                                        origin.size() > scheme + 3);
    if (!good) {
      return fail(ErrorCode::kInvalidArgument,
                  "--cors-origin '" + origin +
                      "' is not an origin: scheme and host without a path, as "
                      "https://shop.example or http://localhost:3000, or * for any");
    }
  }
  return {};
}

Status load_secrets(FinalizedConfig& out) {
  const Config& config = out.values;
  if (!config.ingest_token_file.empty()) {
    WEFT_ASSIGN(auto tokens, TokenSet::load(config.ingest_token_file));
    out.ingest_tokens = std::make_shared<const TokenSet>(std::move(tokens));
  }
  if (!config.query_token_file.empty()) {
    WEFT_ASSIGN(auto tokens, TokenSet::load(config.query_token_file));
    out.query_tokens = std::make_shared<const TokenSet>(std::move(tokens));
  }
  if (config.tls.cert_file.empty() != config.tls.key_file.empty()) {
    return fail(ErrorCode::kInvalidArgument, "TLS needs both --tls-cert-file and --tls-key-file");
  }
  if (config.tls.enabled()) {
    WEFT_ASSIGN(out.tls, TlsContext::load(config.tls));
  }
  return {};
}

}  // namespace

bool Endpoint::is_loopback() const {
  if (host == "localhost" || host == "ip6-localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return false;
}

Expected<std::optional<Endpoint>> parse_endpoint(std::string_view text) {
  if (text == "off") return std::optional<Endpoint>();
  Endpoint out;
  std::string_view host;
  std::string_view port;
  const size_t bracket = text.find(']');
  if (text.starts_with('[') && bracket != std::string_view::npos) {
    host = text.substr(1, bracket - 1);
    port = text.substr(bracket + 1);
    if (port.starts_with(':')) port.remove_prefix(1);
  } else if (const size_t colon = text.find(':');
             colon != std::string_view::npos && text.find(':', colon + 1) == std::string::npos) {
    host = colon == 0 ? std::string_view("0.0.0.0") : text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (host.empty() || port.empty() || error != std::errc() || end != port.data() + port.size()) {
    return fail(ErrorCode::kInvalidArgument,
                "'" + std::string(text) +
                    "' is not an address of the form 127.0.0.1:4317, [::1]:4317 or :4317, nor off");
  }
  out.host = host;
  return out;
}

Expected<FinalizedConfig> finalize_config(Config config) {
  WEFT_TRY(check_limits(config));
  WEFT_TRY(check_origins(config));
  FinalizedConfig out;
  const auto endpoint = [](std::string_view flag, const std::string& text,
                           std::optional<Endpoint>& into) -> Status {
    auto parsed = parse_endpoint(text);
    if (!parsed) return std::unexpected(std::move(parsed).error().with_prefix(flag));
    into = *std::move(parsed);
    return {};
  };
  WEFT_TRY(endpoint("--otlp-grpc", config.otlp_grpc, out.otlp_grpc));
  WEFT_TRY(endpoint("--otlp-http", config.otlp_http, out.otlp_http));
  WEFT_TRY(endpoint("--http", config.http, out.http));
  WEFT_TRY(endpoint("--zipkin", config.zipkin, out.zipkin));
  if (!out.otlp_grpc && !out.otlp_http && !out.http && !out.zipkin) {
    return fail(ErrorCode::kInvalidArgument, "every listener is off: there is nothing to serve");
  }
  const uint32_t cores = std::max(1u, std::thread::hardware_concurrency());
  if (config.io_threads == 0) config.io_threads = std::min(cores, 8u);
  if (config.query_threads == 0) config.query_threads = std::clamp(cores, 2u, 16u);
  config.decode.max_body_bytes = config.max_request_bytes;
  out.values = std::move(config);
  WEFT_TRY(load_secrets(out));
  WEFT_TRY(check_exposure(out, {"--otlp-grpc", out.otlp_grpc, true}));
  WEFT_TRY(check_exposure(out, {"--otlp-http", out.otlp_http, true}));
  WEFT_TRY(check_exposure(out, {"--zipkin", out.zipkin, true}));
  WEFT_TRY(check_exposure(out, {"--zipkin", out.zipkin, false}));
  WEFT_TRY(check_exposure(out, {"--http", out.http, false}));
  return out;
}

}  // namespace weft::server
