// The span of one request that a server answers: started from what the request line and the
// headers say, named by the route once a router has found it, ended with the answer's status. It
// also records http.server.request.duration. The Beast and cpp-httplib components are made of it;
// use it directly to instrument another server.
//
//   weft::http::ServerSpan server({.method = "GET", .path = "/users/7", .scheme = "http"},
//   headers); auto scope = server.activate(); server.set_route("/users/{id}");
//   ...
//   server.finish(200);
#pragma once

#include <memory>
#include <string_view>

#include <weft/http/stopwatch.h>
#include <weft/propagation.h>
#include <weft/span.h>

namespace weft::sdk_detail {
class ServerOperation;
struct ServerRouteState;
struct ServerPeerState;
struct ServerSpanExtra;
struct DeleteServerSpanExtra {
  void operator()(ServerSpanExtra* extra) const noexcept;
};
}  // namespace weft::sdk_detail

namespace weft::inline v1::http {

// The far end of a connection, prepared once for all the requests that come over it. Immutable and
// cheap to copy; any thread may use it.
class ServerPeer {
 public:
  // Not known.
  ServerPeer() = default;
  // network.peer.address and network.peer.port (0: not known), and client.address for requests that
  // have no other.
  ServerPeer(std::string_view address, int port);
  // Asks the processor for it, to be called some time before it is used: of many connections the
  // one whose request comes next is seldom in the cache.
  void prefetch() const noexcept;
  // It was made of these.
  bool is(std::string_view address, int port) const noexcept;

 private:
  friend class ServerSpan;
  std::shared_ptr<const sdk_detail::ServerPeerState> state_;
};

// Views need to live until the constructor of ServerSpan returns. Empty means not known.
struct ServerRequest {
  std::string_view method = {};
  std::string_view path = {};    // url.path, without the query
  std::string_view query = {};   // url.query, without '?'; secrets are redacted
  std::string_view scheme = {};  // "http" or "https"
  std::string_view host = {};    // the Host header: server.address and server.port
  std::string_view user_agent = {};
  std::string_view protocol_version = {};  // "1.1", "2"
  std::string_view client_address = {};    // of the original client, when a trusted proxy tells it
  std::string_view peer_address = {};      // of the connection
  int peer_port = 0;
  // The two in one, prepared. Not used when it is for others than they say; they may be left out.
  const ServerPeer* peer = nullptr;
};

// A route that a server knows before its first request: what the spans and the measurements of its
// requests have in common is prepared once, which halves what each of them costs. Immutable and
// cheap to copy; any thread may use it.
class ServerRoute {
 public:
  // `method` as requests spell it, and a template such as "/users/{id}".
  ServerRoute(std::string_view method, std::string_view route);
  // The method it was made with.
  std::string_view method() const noexcept;

 private:
  friend class ServerSpan;
  std::shared_ptr<sdk_detail::ServerRouteState> state_;
};

// One thread at a time, like Span; move-only.
class ServerSpan {
 public:
  ServerSpan() = default;
  // Extracts the parent from `headers` (any carrier of <weft/propagation.h>) with the global
  // propagator and starts the span.
  template <class Carrier>
  ServerSpan(const ServerRequest& request, const Carrier& headers)
      : ServerSpan(request, global_propagator().extract(headers)) {}
  // The same below a parent that was extracted already; empty for the root of a new trace.
  ServerSpan(const ServerRequest& request, const Context& parent)
      : ServerSpan(request, Context(parent)) {}
  ServerSpan(const ServerRequest& request, Context&& parent);
  // The span of a request whose route is known already: as set_route() after the other
  // constructors, at half the price. `route` has to outlive the span; its method is the request's.
  ServerSpan(const ServerRequest& request, Context&& parent, const ServerRoute& route);
  // For the library's own components: under the parent that the headers name, with a prepared route
  // or, null, without. `formats` are those of the global propagator, no others than W3C's.
  ServerSpan(const ServerRequest& request, const sdk_detail::W3cHeaders& headers,
             const sdk_detail::GlobalFormats& formats, const ServerRoute* route);
  ServerSpan(ServerSpan&&) = default;
  // Abandons the request that is overwritten, as the destructor does.
  ServerSpan& operator=(ServerSpan&& other) noexcept;
  // A span that is destroyed before finish() ends as an error of type "cancelled": the handler
  // was abandoned before there was an answer.
  ~ServerSpan() {
    if (stopwatch_.running()) [[unlikely]]
      abandon();
  }

  // For attributes of one's own. Do not end it: finish() does.
  Span& span() { return span_; }
  // The span with the caller's baggage, for work on other threads.
  const Context& context() const { return context_; }
  // Makes the span and the caller's baggage ambient on this thread.
  Scope activate() const { return Scope(context_); }

  // The template that matched, such as "/users/{id}": http.route, and the span's name.
  void set_route(std::string_view route);
  // The same with a prepared one, at half the price. `route` has to outlive the span.
  void set_route(const ServerRoute& route);
  // The handler failed: error.type (an exception's type, say) and the status error.
  void set_error(std::string_view type, std::string_view message = {});
  // The same for the exception being handled, of any type, which becomes the event `exception` too.
  // Call it in a catch block. What only unwinds the stack of a thread or a stackful coroutine that
  // is being cancelled is thrown once more: it must not be kept from going on.
  void set_current_exception();
  // Ends the span and records the duration. 5xx sets the status error; 4xx does not, since the
  // error is the client's.
  void finish(int status_code);

 private:
  using Extra = std::unique_ptr<sdk_detail::ServerSpanExtra, sdk_detail::DeleteServerSpanExtra>;
  static const sdk_detail::ServerOperation* find_operation(const ServerRequest& request,
                                                           const ServerRoute* route, Extra& extra);
  [[gnu::noinline]] static const sdk_detail::ServerOperation* find_operation_slowly(
      const ServerRequest& request, Extra& extra);
  Span start_span(const ServerRequest& request) const;
  void describe(const ServerRequest& request, const ServerRoute* route);
  sdk_detail::ServerSpanExtra& extra();
  [[gnu::cold]] void abandon() noexcept;
  void measure(const sdk_detail::Stopwatch::Stopped& stopped, int status_code);
  void measure_by_attributes(const sdk_detail::Stopwatch::Stopped& stopped, int status_code);

  // What most requests do not have.
  Extra extra_;
  // What is known of the request from the start: of the route, of the process, or of `extra_` when
  // it is unusual; null only in a span that was default-made.
  const sdk_detail::ServerOperation* operation_ = nullptr;
  Context context_;
  Span span_;
  sdk_detail::Stopwatch stopwatch_;
};

}  // namespace weft::inline v1::http
