// The span of one request that a client sends, its counterpart of ServerSpan: started with method
// and URL, injected into the request's headers, ended with the answer's status or an error. It also
// records http.client.request.duration. The libcurl and cpp-httplib components are made of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <weft/http/stopwatch.h>
#include <weft/propagation.h>
#include <weft/span.h>

namespace weft::inline v1::http {

// What is known before the request is sent. Views need to live until the constructor of ClientSpan
// returns.
struct ClientRequest {
  std::string_view method = "GET";
  // Absolute, or without a scheme, which means http; credentials and secrets are redacted.
  std::string_view url = {};
  std::string_view url_template = {};  // low-cardinality, such as "/token/{scope}"; names the span
  // The parent; null means the ambient context.
  const Context* parent = nullptr;
  // When it began, in nanoseconds since the epoch, for what was done before there was a span (a
  // name lookup, say); 0 means now.
  std::uint64_t start_time_ns = 0;
};

// One thread at a time, like Span; move-only.
class ClientSpan {
 public:
  ClientSpan() = default;
  // Starts the span.
  explicit ClientSpan(const ClientRequest& request);
  ClientSpan(ClientSpan&&) = default;
  // Abandons the request that is overwritten, as the destructor does.
  ClientSpan& operator=(ClientSpan&& other) noexcept;
  // A span that is destroyed before it finished ends as an error of type "cancelled".
  ~ClientSpan();

  // For attributes of one's own. Do not end it: finish() and fail() do.
  Span& span() { return span_; }
  // The span with the ambient baggage: the parent of the request's phases.
  const Context& context() const { return context_; }

  // Writes the headers of the global propagator into any carrier of <weft/propagation.h>.
  template <class Carrier>
  void inject(Carrier&& carrier) const {
    global_propagator().inject(context_, carrier);
  }

  // The connection's far end, once it is known.
  void set_peer(std::string_view address, int port);
  void set_protocol_version(std::string_view version);
  // How often the request was sent again (redirects, retries); 0 is not written.
  void set_resend_count(int count);

  // Ends the span with an answer; 4xx and 5xx are errors of the type of their number.
  void finish(int status_code);
  // Ends the span without one: `type` is low-cardinality ("timeout", "connection_refused").
  // status_code is that of an answer that broke off, or 0.
  void fail(std::string_view type, std::string_view message, int status_code = 0);

 private:
  void start_stopwatch(std::uint64_t start_time_ns);
  void abandon() noexcept;
  void end(int status_code, std::string_view error_type);

  Span span_;
  Context context_;
  std::string method_;
  std::string server_address_;
  int server_port_ = 0;
  std::string url_template_;
  std::string protocol_version_;
  sdk_detail::Stopwatch stopwatch_;
};

}  // namespace weft::inline v1::http
