// Boost.Beast, traced: routes whose every request has a server span named by its route. You keep
// your own accept and read loops (Beast is a library of parts); what lies between a request that
// was read and the response that is written goes through BeastRoutes (handlers that are plain
// functions) or AsyncBeastRoutes (coroutines). Header-only, part of the component weft::http_beast.
//
//   weft::http::BeastRoutes routes;
//   routes.add("GET", "/users/{id}", [](weft::http::BeastCall& call) {
//     weft::current_span().set("user.id", call.parameter("id"));
//     return call.respond(200, "application/json", "{}");
//   });
//   ...
//   response = routes.handle(request, {.address = "192.0.2.7", .port = 51234});
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <charconv>
#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/http/router.h>
#include <weft/http/semantics.h>
#include <weft/http/server_span.h>

namespace weft::inline v1::http {

// The messages that the routes take and give: bodies that are strings.
using BeastRequest = boost::beast::http::request<boost::beast::http::string_body>;
using BeastResponse = boost::beast::http::response<boost::beast::http::string_body>;

// The far end of a connection. Ask for it once a connection, not once a request.
struct BeastPeer {
  std::string address;
  int port = 0;
  bool tls = false;
  // What of() prepares of address and port; not looked at when they have become others.
  ServerPeer prepared = {};

  // The peer at the other end of an accepted socket: its remote_endpoint().
  static BeastPeer of(const boost::asio::ip::tcp::endpoint& endpoint, bool tls = false) {
    BeastPeer peer{endpoint.address().to_string(), endpoint.port(), tls};
    peer.prepared = ServerPeer(peer.address, peer.port);
    return peer;
  }
};

namespace beast_detail {

inline std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

// Header fields as a carrier of <weft/propagation.h> that can be walked: pairs of name and value.
template <class Fields>
class FieldCarrier {
 public:
  explicit FieldCarrier(const Fields& fields) : fields_(fields) {}
  class Iterator {
   public:
    explicit Iterator(typename Fields::const_iterator at) : at_(at) {}
    std::pair<std::string_view, std::string_view> operator*() const {
      return {view(at_->name_string()), view(at_->value())};
    }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return at_ != other.at_; }

   private:
    typename Fields::const_iterator at_;
  };
  Iterator begin() const { return Iterator(fields_.begin()); }
  Iterator end() const { return Iterator(fields_.end()); }

 private:
  const Fields& fields_;
};

}  // namespace beast_detail

namespace beast_detail {

// With a global propagator that reads other formats than W3C's.
template <class Body, class Fields>
[[gnu::noinline]] ServerSpan start_span_of_any_format(
    const boost::beast::http::request<Body, Fields>& request, const ServerRequest& described,
    const ServerRoute* route) {
  Context parent = global_propagator().extract(FieldCarrier<Fields>(request));
  return route != nullptr ? ServerSpan(described, std::move(parent), *route)
                          : ServerSpan(described, std::move(parent));
}

// The span of a request. `route` null: not known, or not prepared for this method.
template <class Body, class Fields>
ServerSpan start_span(const boost::beast::http::request<Body, Fields>& request,
                      const BeastPeer& peer, const RequestTarget& target, std::string_view method,
                      const ServerRoute* route) {
  namespace beast_http = boost::beast::http;
  ServerRequest described{.method = method,
                          .path = target.path,
                          .query = target.query,
                          .scheme = std::string_view("https", peer.tls ? 5 : 4),
                          .protocol_version = protocol_version(request.version()),
                          .peer_address = peer.address,
                          .peer_port = peer.port,
                          .peer = &peer.prepared};
  // One walk over the header for everything. Of repeated fields the first counts.
  sdk_detail::W3cHeaders headers;
  for (const auto& field : static_cast<const Fields&>(request)) {
    switch (field.name()) {
      case beast_http::field::unknown:  // to Beast
        headers.offer(view(field.name_string()), view(field.value()));
        break;
      case beast_http::field::host:
        if (described.host.empty()) described.host = view(field.value());
        break;
      case beast_http::field::user_agent:
        if (described.user_agent.empty()) described.user_agent = view(field.value());
        break;
      default:
        break;
    }
  }
  const sdk_detail::GlobalFormats formats = sdk_detail::global_formats();
  if (formats.w3c_only) [[likely]]
    return {described, headers, formats, route};
  return start_span_of_any_format(request, described, route);
}

}  // namespace beast_detail

// The span of a request that was read: for servers that route by themselves.
template <class Body, class Fields>
ServerSpan server_span(const boost::beast::http::request<Body, Fields>& request,
                       const BeastPeer& peer) {
  return beast_detail::start_span(request, peer, split_target(beast_detail::view(request.target())),
                                  beast_detail::view(request.method_string()), nullptr);
}

// What a handler is given. Lives until the handler has returned.
struct BeastCall {
  const BeastRequest& request;
  std::string_view path;
  std::string_view query;
  std::string_view route;  // the template
  const RouteParameters& parameters;
  ServerSpan& span;

  // A parameter of the route; empty when the template has none of that name.
  std::string_view parameter(std::string_view name) const { return parameters.find(name); }
  BeastResponse respond(unsigned status, std::string_view content_type, std::string body) const {
    BeastResponse response(static_cast<boost::beast::http::status>(status), request.version());
    response.set(boost::beast::http::field::content_type,
                 boost::beast::string_view(content_type.data(), content_type.size()));
    response.body() = std::move(body);
    return response;
  }
};

namespace beast_detail {

// A handler with the route it answers for.
template <class Handler>
struct Prepared {
  Handler handler;
  ServerRoute route;
};

// The span of a request for which the router has found `match`.
template <class Match>
ServerSpan start_routed(const BeastRequest& request, const BeastPeer& peer,
                        const RequestTarget& target, std::string_view method, const Match& match) {
  // HEAD may be answered by GET's handler.
  const bool prepared = match.found() && (request.method() != boost::beast::http::verb::head ||
                                          match.handler->route.method() == method);
  ServerSpan span =
      start_span(request, peer, target, method, prepared ? &match.handler->route : nullptr);
  if (match.found() && !prepared) span.set_route(match.route);
  return span;
}

// The answer to a request that no route takes.
template <class Match>
[[gnu::noinline]] BeastResponse refuse(const BeastCall& call, const Match& match) {
  if (match.allowed.empty()) return call.respond(404, "text/plain", "not found\n");
  BeastResponse response = call.respond(405, "text/plain", "method not allowed\n");
  std::string allowed;
  for (const std::string_view method : match.allowed) {
    if (!allowed.empty()) allowed += ", ";
    allowed.append(method);
  }
  response.set(boost::beast::http::field::allow, allowed);
  return response;
}

// What Beast looks up by the letters of a field's name, time and again, is known after one walk
// over the numbers of the few that a message has.
struct Framing {
  bool connection = false;
  bool transfer_encoding = false;

  template <class Fields>
  static Framing of(const Fields& fields) {
    Framing framing;
    for (const auto& field : fields) {
      framing.connection |= field.name() == boost::beast::http::field::connection;
      framing.transfer_encoding |= field.name() == boost::beast::http::field::transfer_encoding;
    }
    return framing;
  }
};

// keep_alive() and prepare_payload() of Beast, which take longer than to route a request, without
// what they do for nothing when neither side says anything of the connection and the body is the
// whole of the answer.
inline void frame(BeastResponse& response, const BeastRequest& request) {
  namespace beast_http = boost::beast::http;
  const Framing asked = Framing::of(static_cast<const BeastRequest::fields_type&>(request));
  const Framing given = Framing::of(static_cast<const BeastResponse::fields_type&>(response));
  const bool persists_unsaid = request.version() >= 11 && response.version() >= 11;
  if (!persists_unsaid || asked.connection || given.connection) [[unlikely]] {
    response.keep_alive(request.keep_alive());
  }
  const std::size_t size = response.body().size();
  if (request.method() == beast_http::verb::head) [[unlikely]] {
    response.body().clear();
    response.content_length(size);
    return;
  }
  const unsigned status = response.result_int();
  const bool may_have_body = status >= 200 && status != 204 && status != 304;
  if (!may_have_body || given.transfer_encoding) [[unlikely]] {
    response.prepare_payload();
    return;
  }
  char digits[std::numeric_limits<std::size_t>::digits10 + 1];
  const char* const end = std::to_chars(digits, digits + sizeof(digits), size).ptr;
  response.set(beast_http::field::content_length,
               boost::beast::string_view(digits, static_cast<std::size_t>(end - digits)));
}

inline void complete(BeastResponse& response, const BeastRequest& request, ServerSpan& span) {
  frame(response, request);
  span.finish(static_cast<int>(response.result_int()));
}

// In a catch block.
[[gnu::noinline, gnu::cold]] inline BeastResponse failed(const BeastCall& call) {
  call.span.set_current_exception();
  return call.respond(500, "text/plain", "internal error\n");
}

}  // namespace beast_detail

// Routes with handlers that answer before they return. Filled first; then handle() may be called
// by any thread.
class BeastRoutes {
 public:
  // Answers one request. Any thread that calls handle().
  using Handler = std::function<BeastResponse(BeastCall&)>;
  // Stands around every handler; calls next(call) when the request may go on.
  using Middleware = std::function<BeastResponse(BeastCall&, const Handler& next)>;

  // Adds a handler for a method and a template of <weft/http/router.h>.
  void add(std::string method, std::string route, Handler handler) {
    ServerRoute prepared(method, route);
    router_.add(std::move(method), std::move(route), {std::move(handler), std::move(prepared)});
  }
  // The first that was added is the outermost.
  void use(Middleware middleware) { middleware_.push_back(std::move(middleware)); }

  // Finds the route and runs its handler with the server span ambient. An exception that leaves
  // the handler, of whatever type, is recorded and answered with 500. The response is ready to be
  // written.
  BeastResponse handle(const BeastRequest& request, const BeastPeer& peer) const {
    peer.prepared.prefetch();
    const auto target = split_target(beast_detail::view(request.target()));
    const std::string_view method = beast_detail::view(request.method_string());
    const auto match = router_.find(method, target.path);
    ServerSpan span = beast_detail::start_routed(request, peer, target, method, match);
    const Scope scope = span.activate();
    BeastCall call{request, target.path, target.query, match.route, match.parameters, span};
    BeastResponse response = match.found() ? run_safely(call, match.handler->handler)
                                           : beast_detail::refuse(call, match);
    beast_detail::complete(response, request, span);
    return response;
  }

 private:
  BeastResponse run_safely(BeastCall& call, const Handler& handler) const {
    try {
      return run(call, handler, 0);
    } catch (...) {
      return beast_detail::failed(call);
    }
  }
  BeastResponse run(BeastCall& call, const Handler& handler, std::size_t at) const {
    if (at == middleware_.size()) return handler(call);
    return middleware_[at](call, [&](BeastCall& inner) { return run(inner, handler, at + 1); });
  }

  Router<beast_detail::Prepared<Handler>> router_;
  std::vector<Middleware> middleware_;
};

// The same with handlers that are coroutines. Spawn the connection's coroutine on a context
// executor (<weft/asio.h>): then the server span stays ambient across every co_await of the handler
// and nowhere else.
class AsyncBeastRoutes {
 public:
  // Answers one request; the call lives until the coroutine is done.
  using Handler = std::function<boost::asio::awaitable<BeastResponse>(BeastCall&)>;

  // Adds a handler for a method and a template of <weft/http/router.h>.
  void add(std::string method, std::string route, Handler handler) {
    ServerRoute prepared(method, route);
    router_.add(std::move(method), std::move(route), {std::move(handler), std::move(prepared)});
  }

  // `request` and `peer` must live until the coroutine is done.
  boost::asio::awaitable<BeastResponse> handle(const BeastRequest& request,
                                               const BeastPeer& peer) const {
    peer.prepared.prefetch();
    const auto target = split_target(beast_detail::view(request.target()));
    const std::string_view method = beast_detail::view(request.method_string());
    const auto match = router_.find(method, target.path);
    ServerSpan span = beast_detail::start_routed(request, peer, target, method, match);
    // Not a Scope: the coroutine may leave on another thread than it came on.
    Context context = span.context();
    swap_ambient(context);
    BeastCall call{request, target.path, target.query, match.route, match.parameters, span};
    BeastResponse response;
    try {
      // Not by ?:, whose temporaries g++ 12 destroys twice around a co_await.
      if (match.found()) {
        response = co_await match.handler->handler(call);
      } else {
        response = beast_detail::refuse(call, match);
      }
    } catch (...) {
      response = beast_detail::failed(call);
    }
    swap_ambient(context);
    beast_detail::complete(response, request, span);
    co_return response;
  }

 private:
  Router<beast_detail::Prepared<Handler>> router_;
};

}  // namespace weft::inline v1::http
