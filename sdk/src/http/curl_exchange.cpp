#include "curl_exchange.h"

#include <algorithm>

namespace weft::sdk_detail {

using v1::http::CurlClientConfig;
using v1::http::CurlTransfer;
using v1::http::DnsResult;
using v1::http::HttpRequest;
using v1::http::HttpResponse;

CurlExchange::CurlExchange(CURL* easy, const CurlClientConfig& config, const HttpRequest& request,
                           const DnsResult* dns, std::uint32_t timeout_left_ms)
    : easy_(easy), response_bytes_max_(config.response_bytes_max) {
  configure(config, request);
  curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_left_ms));
  if (config.setup) config.setup(easy_);
  for (const auto& [name, value] : request.headers) {
    // libcurl sends a header without a value only when it is written with a semicolon.
    const std::string line = value.empty() ? name + ";" : name + ": " + value;
    headers_ = curl_slist_append(headers_, line.c_str());
  }
  transfer_ = std::make_unique<CurlTransfer>(
      easy_, v1::http::CurlTransferOptions{.method = request.method,
                                           .url = request.url,
                                           .url_template = request.url_template,
                                           .headers = headers_,
                                           .parent = request.parent,
                                           .detail = config.detail,
                                           .dns = dns});
}

CurlExchange::~CurlExchange() {
  transfer_.reset();  // before the headers that it points to
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, nullptr);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, nullptr);
  curl_slist_free_all(headers_);
}

void CurlExchange::configure(const CurlClientConfig& config, const HttpRequest& request) {
  // Forgets the last request's options but keeps connections, lookups and TLS sessions.
  curl_easy_reset(easy_);
  curl_easy_setopt(easy_, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(config.connect_timeout_ms));
  curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, config.follow_redirects ? 1L : 0L);
  curl_easy_setopt(easy_, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(
      easy_, CURLOPT_HTTP_VERSION,
      static_cast<long>(config.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  if (!config.ca_file.empty()) curl_easy_setopt(easy_, CURLOPT_CAINFO, config.ca_file.c_str());
  if (!config.certificate_file.empty()) {
    curl_easy_setopt(easy_, CURLOPT_SSLCERT, config.certificate_file.c_str());
  }
  if (!config.key_file.empty()) curl_easy_setopt(easy_, CURLOPT_SSLKEY, config.key_file.c_str());
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  const bool is_post = request.method == "POST";
  const bool has_body = !request.body.empty();
  if (request.method == "HEAD") {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
    return;
  }
  if (has_body || is_post || request.method == "PUT") {
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy_, CURLOPT_COPYPOSTFIELDS, request.body.data());
  }
  // Not of a POST, which is what libcurl makes of a body by itself: a method that is set by name
  // stays over a redirect, where a POST is to become a GET.
  if (!is_post && (has_body || request.method != "GET")) {
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

std::size_t CurlExchange::on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& self = *static_cast<CurlExchange*>(user);
  std::string_view line(data, size * count);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
    line.remove_suffix(1);
  if (line.substr(0, 5) == "HTTP/") {
    self.response_.headers.clear();  // of an earlier hop, or of 100 Continue
    return size * count;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size * count;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && value.front() == ' ')
    value.remove_prefix(1);
  self.response_.headers.emplace_back(std::move(name), value);
  return size * count;
}

std::size_t CurlExchange::on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& self = *static_cast<CurlExchange*>(user);
  const std::size_t bytes = size * count;
  if (self.response_.body.size() + bytes > self.response_bytes_max_) return 0;  // a write error
  self.response_.body.append(data, bytes);
  return bytes;
}

HttpResponse CurlExchange::take(CURLcode result) {
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  response_.result = result;
  response_.status = static_cast<int>(status);
  if (result != CURLE_OK) {
    response_.error = error_[0] != '\0' ? error_ : curl_easy_strerror(result);
    response_.error_type = transfer_->error_type();
    if (!transfer_->error_message().empty()) response_.error = transfer_->error_message();
    if (result == CURLE_COULDNT_RESOLVE_HOST) response_.status = 0;
  }
  return std::move(response_);
}

}  // namespace weft::sdk_detail
