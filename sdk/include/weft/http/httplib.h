// cpp-httplib, traced: a server whose every request has a span, and a client that continues the
// trace. Header-only, part of the component weft::http_httplib; needs httplib.h 0.11 or newer.
//
//   httplib::Server server;
//   weft::http::instrument(server);
//   server.Get(R"(/users/(\d+))", weft::http::route("/users/{id}", [](const auto& req, auto& res) {
//     weft::current_span().set("user.id", req.matches[1].str());
//     res.set_content("hello", "text/plain");
//   }));
//
// cpp-httplib shows nothing of name lookups, connections and TLS: use the libcurl component where
// the network's phases matter.
#pragma once

#include <httplib.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/http/client_span.h>
#include <weft/http/semantics.h>
#include <weft/http/server_span.h>

namespace weft::inline v1::http {

// cpp-httplib has one of each of these; give yours here, and they are called as they would be.
struct HttplibServerOptions {
  httplib::Server::HandlerWithResponse pre_routing = {};
  httplib::Logger logger = {};
  std::string scheme = "http";  // "https" for an httplib::SSLServer
};

namespace httplib_detail {

// The request that the calling thread is working on: cpp-httplib answers a request on one thread.
struct Active {
  explicit Active(ServerSpan&& s) : span(std::move(s)), scope(span.activate()) {}
  ServerSpan span;
  Scope scope;
};

inline std::optional<Active>& active() {
  thread_local std::optional<Active> request;
  return request;
}

inline void start(const httplib::Request& request, const std::string& scheme) {
  active().reset();  // what an earlier connection left unanswered
  const RequestTarget target = split_target(request.target);  // request.path is decoded
  const std::string host = request.get_header_value("Host");
  const std::string agent = request.get_header_value("User-Agent");
  const std::string_view version = request.version;
  const auto headers = [&request](std::string_view name, auto&& emit) {
    const auto [begin, end] = request.headers.equal_range(std::string(name));
    for (auto at = begin; at != end; ++at)
      emit(std::string_view(at->second));
  };
  active().emplace(ServerSpan(
      ServerRequest{.method = request.method,
                    .path = target.path,
                    .query = target.query,
                    .scheme = scheme,
                    .host = host,
                    .user_agent = agent,
                    .protocol_version = version.substr(std::min<std::size_t>(5, version.size())),
                    .peer_address = request.remote_addr,
                    .peer_port = request.remote_port},
      headers));
}

// The route of a handler, prepared for each method that it may be registered for.
class PreparedRoute {
 public:
  explicit PreparedRoute(std::string_view route_template) : template_(route_template) {
    for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
      routes_.emplace_back(method, route_template);
  }
  void name(ServerSpan& span, std::string_view method) const {
    for (const ServerRoute& route : routes_) {
      if (route.method() == method) return span.set_route(route);
    }
    span.set_route(template_);
  }

 private:
  std::string template_;
  std::vector<ServerRoute> routes_;
};

inline void finish(const httplib::Response& response) {
  auto& request = active();
  if (!request) return;
  request->span.finish(response.status);
  request.reset();
}

}  // namespace httplib_detail

// Gives every request of the server a span. Call it once, before listen(), instead of
// set_pre_routing_handler and set_logger.
inline void instrument(httplib::Server& server, HttplibServerOptions options = {}) {
  server.set_pre_routing_handler([pre = std::move(options.pre_routing), scheme = options.scheme](
                                     const httplib::Request& request, httplib::Response& response) {
    httplib_detail::start(request, scheme);
    return pre ? pre(request, response) : httplib::Server::HandlerResponse::Unhandled;
  });
  server.set_logger([log = std::move(options.logger)](const httplib::Request& request,
                                                      const httplib::Response& response) {
    if (log) log(request, response);  // within the span, so that the line carries its ids
    httplib_detail::finish(response);
  });
}

// A handler that names its route: http.route and the span's name. An exception that leaves it is
// recorded and goes on to the server, which answers 500.
template <class Handler>
httplib::Server::Handler route(std::string_view route_template, Handler handler) {
  return [prepared = httplib_detail::PreparedRoute(route_template), handler = std::move(handler)](
             const httplib::Request& request, httplib::Response& response) {
    auto& active = httplib_detail::active();
    if (active) prepared.name(active->span, request.method);
    try {
      handler(request, response);
    } catch (...) {
      if (active) active->span.set_current_exception();
      throw;
    }
  };
}

// A client for one origin ("http://host:port") that gives every request a span and injects its
// context. As httplib::Client: one thread at a time.
class HttplibClient {
 public:
  // Connects at the first request.
  explicit HttplibClient(const std::string& origin) : origin_(origin), client_(origin) {}

  // For time-outs, certificates and the like. Requests made on it directly are not traced.
  httplib::Client& client() { return client_; }

  // `request` needs method, path and what else it has. `url_template` names the span.
  httplib::Result send(httplib::Request request, std::string_view url_template = {}) {
    ClientSpan span(
        {.method = request.method, .url = origin_ + request.path, .url_template = url_template});
    span.inject([&request](std::string_view name, std::string_view value) {
      request.headers.erase(std::string(name));
      request.headers.emplace(std::string(name), std::string(value));
    });
    const Scope scope(span.context());
    httplib::Result result = client_.send(request);
    if (result) {
      span.set_protocol_version(std::string_view(result->version)
                                    .substr(std::min<std::size_t>(5, result->version.size())));
      span.finish(result->status);
    } else {
      span.fail(error_type(result.error()), httplib::to_string(result.error()));
    }
    return result;
  }

  // As send().
  httplib::Result get(const std::string& path, std::string_view url_template = {}) {
    httplib::Request request;
    request.method = "GET";
    request.path = path;
    return send(std::move(request), url_template);
  }

  // As get(), with a body.
  httplib::Result post(const std::string& path, std::string body, const std::string& content_type,
                       std::string_view url_template = {}) {
    httplib::Request request;
    request.method = "POST";
    request.path = path;
    request.body = std::move(body);
    request.set_header("Content-Type", content_type);
    return send(std::move(request), url_template);
  }

 private:
  static std::string_view error_type(httplib::Error error) {
    switch (error) {
      case httplib::Error::Connection:
        return "connect";
      case httplib::Error::ConnectionTimeout:
        return "timeout.connect";
      case httplib::Error::Read:
        return "receive";
      case httplib::Error::Write:
        return "send";
      case httplib::Error::SSLConnection:
      case httplib::Error::SSLLoadingCerts:
      case httplib::Error::SSLServerVerification:
        return "tls";
      case httplib::Error::Canceled:
        return "cancelled";
      default:
        return "httplib";
    }
  }

  std::string origin_;
  httplib::Client client_;
};

}  // namespace weft::inline v1::http
