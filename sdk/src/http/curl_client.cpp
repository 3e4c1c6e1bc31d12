#include <chrono>

#include <weft/http/curl.h>
#include <weft/http/semantics.h>

#include "../no_sigpipe.h"
#include "curl_exchange.h"

namespace weft::inline v1::http {

struct CurlClient::State {
  explicit State(CurlClientConfig c) : config(std::move(c)), easy(curl_easy_init()) {}
  ~State() {
    const sdk_detail::NoSigpipe no_sigpipe;
    curl_easy_cleanup(easy);
  }

  // True when the connection that the last request left behind goes where this one wants to.
  bool is_connected_to(const std::string& authority) const {
    if (authority != last_authority) return false;
    curl_socket_t socket = CURL_SOCKET_BAD;
    return curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK &&
           socket != CURL_SOCKET_BAD;
  }

  CurlClientConfig config;
  CURL* easy;
  std::string last_authority;
};

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

CurlClient::CurlClient(CurlClientConfig config)
    : state_(std::make_unique<State>(std::move(config))) {}
CurlClient::CurlClient(CurlClient&&) noexcept = default;
CurlClient& CurlClient::operator=(CurlClient&&) noexcept = default;
CurlClient::~CurlClient() = default;

HttpResponse CurlClient::send(const HttpRequest& request) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  using Clock = std::chrono::steady_clock;

  const sdk_detail::NoSigpipe no_sigpipe;
  const std::uint32_t timeout_ms =
      request.timeout_ms != 0 ? request.timeout_ms : state_->config.timeout_ms;
  const UrlParts url = split_url(request.url);
  const std::string authority = std::string(url.host) + ":" + std::to_string(url.port);
  std::uint32_t left_ms = timeout_ms;
  DnsResult dns;
  const DnsResult* lookup = nullptr;
  // A URL without a host is libcurl's to refuse.
  if (state_->config.resolver != nullptr && !url.host.empty() &&
      !state_->is_connected_to(authority)) {
    const auto start = Clock::now();
    dns = state_->config.resolver->resolve(std::string(url.host), timeout_ms);
    lookup = &dns;
    const auto spent_ms = duration_cast<milliseconds>(Clock::now() - start).count();
    left_ms = spent_ms >= timeout_ms ? 1 : timeout_ms - static_cast<std::uint32_t>(spent_ms);
  }
  sdk_detail::CurlExchange exchange(state_->easy, state_->config, request, lookup, left_ms);
  const CURLcode result = exchange.transfer().perform();
  state_->last_authority = result == CURLE_OK ? authority : std::string();
  return exchange.take(result);
}

}  // namespace weft::inline v1::http
