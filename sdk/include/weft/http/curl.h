// libcurl, traced: a client span for every transfer, the context in its headers, and below it the
// phases of the network as Go's otelhttptrace names them: http.getconn, http.dns, http.connect (one
// an address), http.tls, http.send, http.receive. Three levels to choose from:
//
//   CurlTransfer  around an easy handle of your own, performed directly or in your own multi handle
//   CurlClient    one request after another over kept connections:  client.send({.url = "…"})
//   CurlMulti     many requests at once on one thread, with lookups that do not block
//
// Part of the component weft::http_curl (libcurl, c-ares).
//
// A failed transfer's span has http.failed_phase: "dns", "connect", "tls", "send", "wait" (for the
// first byte), "receive", or "getconn" when it failed before any of them. A connection that was
// kept has http.conn.idletime, as Go writes durations, when the request before on it was recorded
// too.
//
// With a Resolver every lookup shows each query, its server, answer and time. Without one libcurl
// resolves by itself: http.dns then has http.dns.source = "libcurl" and says only when the lookup
// began and ended; tries and answers cannot be seen.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/context.h>
#include <weft/http/client_span.h>
#include <weft/http/dns.h>

namespace weft::inline v1::http {

// How the phases appear: as child spans, as events on the client span (http.dns.start,
// http.dns.done, …), or not at all.
enum class NetworkDetail : std::uint8_t { kSpans, kEvents, kNone };

// What CurlTransfer has to be told about the handle, and how much it shows.
struct CurlTransferOptions {
  // libcurl cannot be asked for these; they must be what the handle was told. Views and pointers
  // need to live until the constructor returns, `headers` until the transfer is over.
  std::string_view method = "GET";
  std::string_view url;
  std::string_view url_template = {};
  // What would have gone into CURLOPT_HTTPHEADER: the propagation headers are added to a copy.
  const curl_slist* headers = nullptr;
  const Context* parent = nullptr;  // null: the ambient context
  NetworkDetail detail = NetworkDetail::kSpans;
  // A lookup made beforehand: it is shown, and its addresses are used (CURLOPT_RESOLVE).
  const DnsResult* dns = nullptr;
  // Called for what CURLOPT_DEBUGFUNCTION would have been called for.
  std::function<void(curl_infotype, std::string_view)> debug = {};
};

// One transfer of an easy handle that the caller owns. From construction until finish() (or
// destruction) these options of the handle belong to it: VERBOSE, DEBUGFUNCTION/DATA,
// OPENSOCKETFUNCTION/DATA, PREREQFUNCTION/DATA, RESOLVER_START_FUNCTION/DATA, HTTPHEADER, RESOLVE.
// It must end before the handle is cleaned up. One thread, that of the handle. Redirects that
// libcurl follows stay in the one client span, as events http.redirect, and have phases of their
// own.
class CurlTransfer {
 public:
  // Starts the client span and sets the options of the handle. `easy` stays the caller's.
  CurlTransfer(CURL* easy, const CurlTransferOptions& options);
  CurlTransfer(CurlTransfer&&) noexcept;
  CurlTransfer& operator=(CurlTransfer&&) noexcept;
  // A transfer that was not finished was cancelled: the span and the phase it was in say so.
  ~CurlTransfer();

  // The span of the whole transfer.
  ClientSpan& client_span();
  // Transfers and finishes. With a lookup that failed it returns CURLE_COULDNT_RESOLVE_HOST
  // without touching the network.
  CURLcode perform();
  // For a multi handle: begin() before curl_multi_add_handle, finish() with the result of
  // CURLMSG_DONE. begin() is false when the lookup failed: finish(CURLE_COULDNT_RESOLVE_HOST) then.
  bool begin();
  void finish(CURLcode result);
  // After it finished without success: what the span says (error.type and its message). Views into
  // the transfer.
  std::string_view error_type() const;
  std::string_view error_message() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One request of CurlClient and CurlMulti.
struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::string url_template = {};  // low-cardinality, for the span's name
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::uint32_t timeout_ms = 0;     // of the whole, lookup included; 0: the client's
  const Context* parent = nullptr;  // null: the ambient context; read when it is sent
};

// What CurlClient and CurlMulti answer: the response, or why there is none.
struct HttpResponse {
  CURLcode result = CURLE_OK;
  int status = 0;                                            // 0 when there was no answer
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case; of the last hop
  std::string body;
  std::string error;  // for a person, empty on success
  // "" on success, else the span's error.type: "dns.timeout", "connect",
  // "tls.certificate", "timeout.receive"…
  std::string error_type;

  // There was an answer, and its status is no error.
  bool ok() const { return result == CURLE_OK && status < 400; }
  // The first header of that name (lower case); empty when there is none.
  std::string_view header(std::string_view name) const;
};

// What all requests of a client have in common.
struct CurlClientConfig {
  std::shared_ptr<Resolver> resolver = {};  // null: libcurl's own
  NetworkDetail detail = NetworkDetail::kSpans;
  std::uint32_t timeout_ms = 30'000;
  std::uint32_t connect_timeout_ms = 10'000;
  std::string ca_file = {};           // PEM; empty: the system's
  std::string certificate_file = {};  // of the client, PEM
  std::string key_file = {};          // PEM; empty: in the same file
  bool follow_redirects = false;
  bool http2 = true;                           // offered over TLS
  std::size_t response_bytes_max = 16u << 20;  // more is an error
  // Further options for each handle, applied last.
  std::function<void(CURL*)> setup = {};
};

// Sends one request after another and keeps connections open. Move-only; one thread at a time.
class CurlClient {
 public:
  // Opens nothing yet.
  explicit CurlClient(CurlClientConfig config = {});
  CurlClient(CurlClient&&) noexcept;
  CurlClient& operator=(CurlClient&&) noexcept;
  ~CurlClient();

  // Never throws; whatever goes wrong is in the response.
  HttpResponse send(const HttpRequest& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Many transfers at once, driven by one thread. Lookups run beside the transfers.
class CurlMulti {
 public:
  // Names a request that is under way.
  using Id = std::uint64_t;
  // Called once for each request, by the thread that drives the transfers. Must not throw.
  using Done = std::function<void(HttpResponse)>;

  // Opens nothing yet.
  explicit CurlMulti(CurlClientConfig config = {});
  // Cancels what is under way; its call-backs are not called.
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;

  // Begins a request; `done` is called from run_once.
  Id add(HttpRequest request, Done done);
  // Gives a request up: its span ends as cancelled, its call-back is not called. Unknown ids are
  // ignored. May be called from a call-back.
  void cancel(Id id);
  // Waits for something to happen, at most timeout_ms, and handles it. Returns how many requests
  // are still under way.
  std::size_t run_once(std::uint32_t timeout_ms);
  // Until all are done.
  void run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft::inline v1::http
