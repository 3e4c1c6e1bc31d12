// One POST at a time over libcurl, with reuse of the connection, for the exporters that speak HTTP.
// Belongs to one worker thread. A call ends at its deadline, or within a tenth of a second when it
// is cancelled.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::sdk_detail {

struct HttpResponse {
  // 0: no answer came; `error` says why.
  long status = 0;
  std::string body;  // the first 64 KiB
  // Of Retry-After, in milliseconds; -1 when there was none.
  std::int64_t retry_after_ms = -1;
  // Of the gRPC trailers; -1 when there was none.
  int grpc_status = -1;
  std::string grpc_message;
  std::string grpc_details;  // grpc-status-details-bin, still in base64
  std::string error;
  bool cancelled = false;
  // The failure will not go away by itself (a bad URL, a certificate that is not trusted).
  bool final = false;
};

struct TlsFiles {
  std::string ca_file;
  std::string client_key_file;
  std::string client_certificate_file;
};

// Names and values.
using Headers = std::vector<std::pair<std::string, std::string>>;
// Why they cannot be sent; empty when they can.
std::string fault_of(const Headers& headers);
// Appends them as libcurl wants them.
void append_header_lines(std::vector<std::string>& lines, const Headers& headers);

// A URL for the diagnostic output: user information and query, which may be secrets, are REDACTED.
std::string without_secrets(std::string_view url);

// A body in pieces that are sent one after the other.
using Body = std::span<const std::string_view>;

class HttpTransport {
 public:
  // `http2`: HTTP/2 without asking first, as gRPC wants it.
  HttpTransport(std::string url, std::vector<std::string> headers, TlsFiles tls, bool http2);
  HttpTransport(const HttpTransport&) = delete;
  HttpTransport& operator=(const HttpTransport&) = delete;
  ~HttpTransport();

  // `timeout_ms` is at least 1.
  HttpResponse post(Body body, std::int64_t timeout_ms,
                    const std::atomic<bool>& cancelled) noexcept;

  // Leaves the connections, which the parent goes on using, alone and makes new ones.
  void forget_connections() noexcept;

 private:
  bool open() noexcept;
  HttpResponse post_once(Body body, std::int64_t timeout_ms, bool fresh,
                         const std::atomic<bool>& cancelled) noexcept;
  void close() noexcept;

  const std::string url_;
  const std::vector<std::string> headers_;
  const TlsFiles tls_;
  const bool http2_;
  bool connected_ = false;  // an HTTP/2 connection without TLS is open, as far as is known
  void* multi_ = nullptr;   // CURLM
  void* easy_ = nullptr;    // CURL
  void* list_ = nullptr;    // curl_slist
};

// Waits, at most until the deadline. False when cancelled.
bool wait_ms(std::int64_t ms, const std::atomic<bool>& cancelled) noexcept;

// gzip (RFC 1952). False when zlib cannot.
bool gzip(Body in, std::string& out) noexcept;

}  // namespace weft::sdk_detail
