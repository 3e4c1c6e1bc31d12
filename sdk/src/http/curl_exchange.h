// One request and its response on an easy handle: what CurlClient and CurlMulti share.
#pragma once

#include <curl/curl.h>

#include <memory>

#include <weft/http/curl.h>

namespace weft::sdk_detail {

// Applies the configuration and the request to an easy handle and collects the response. The
// handle is borrowed and must outlive the exchange; one thread.
class CurlExchange {
 public:
  CurlExchange(CURL* easy, const v1::http::CurlClientConfig& config,
               const v1::http::HttpRequest& request, const v1::http::DnsResult* dns,
               std::uint32_t timeout_left_ms);
  ~CurlExchange();
  CurlExchange(const CurlExchange&) = delete;
  CurlExchange& operator=(const CurlExchange&) = delete;

  v1::http::CurlTransfer& transfer() { return *transfer_; }
  // After the transfer: what it came to. Call once.
  v1::http::HttpResponse take(CURLcode result);

 private:
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user);
  void configure(const v1::http::CurlClientConfig& config, const v1::http::HttpRequest& request);

  CURL* easy_;
  std::size_t response_bytes_max_;
  v1::http::HttpResponse response_;
  curl_slist* headers_ = nullptr;
  char error_[CURL_ERROR_SIZE] = {};
  std::unique_ptr<v1::http::CurlTransfer> transfer_;
};

}  // namespace weft::sdk_detail
