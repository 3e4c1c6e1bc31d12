// What an HTTP handler sees of a request and gives back, and the table of routes. Handlers (the
// APIs in server/api, the receivers, the page) are plain functions over these types; only the
// HTTP engine knows sockets, TLS and Boost. Tests call handlers without any server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "scan/scan.h"

namespace weft::server {

enum class HttpMethod : uint8_t { kGet, kHead, kPost, kPut, kDelete, kPatch, kOptions, kOther };

std::string_view to_string(HttpMethod method);

// Names compare without regard to case. A name may stand several times; find() gives the first.
class HttpHeaders {
 public:
  void add(std::string_view name, std::string_view value) { fields_.emplace_back(name, value); }
  // Replaces every field of that name.
  void set(std::string_view name, std::string_view value);
  std::optional<std::string_view> find(std::string_view name) const;
  // "" when absent.
  std::string_view get(std::string_view name) const { return find(name).value_or(""); }
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// The parameters behind '?' (or a path's `{name}` parts), percent-decoded, in their order.
class HttpParameters {
 public:
  // Decodes "a=1&b=x%20y+z". More than kMax parameters: the rest is dropped.
  static HttpParameters parse(std::string_view query);
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  std::optional<std::string_view> find(std::string_view name) const;
  // "" when absent.
  std::string_view get(std::string_view name) const { return find(name).value_or(""); }
  std::vector<std::string_view> all(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

  static constexpr size_t kMax = 256;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct AccessToken;  // server/auth.h

struct HttpRequest {
  HttpMethod method = HttpMethod::kGet;
  std::string target;     // as sent: path and query, still percent-encoded
  std::string path;       // percent-decoded
  HttpParameters query;   // of the target
  HttpParameters params;  // the `{name}` parts of the route's pattern
  HttpHeaders headers;
  std::string body;  // without transfer coding; a content coding is left as it came
  std::string peer;  // the client's IP address, without the port
  bool tls = false;
  uint64_t received_ns = 0;
  // The token that let the request in; null where none was needed.
  std::shared_ptr<const AccessToken> token;
  // Cancelled when the client hangs up, the query's time is over or the server stops: hand it to
  // scans. Never null; lives as long as anybody holds it.
  std::shared_ptr<CancelToken> cancel = std::make_shared<CancelToken>();
};

// Where a streaming handler writes. All calls from the handler's thread.
class ResponseStream {
 public:
  virtual ~ResponseStream() = default;
  // Sends the bytes as they are (the caller frames its events). Waits while the client is slow
  // and the bounded buffer is full. False when the client has gone or the server stops: return.
  virtual bool write(std::string_view bytes) = 0;
  // Whether write() would return false.
  virtual bool client_gone() const = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type;  // "" sends none
  HttpHeaders headers;       // further ones; Content-Length, Date and CORS are the engine's
  std::string body;          // compressed by the engine when the client accepts it
  // When set, `body` is ignored: status and headers are sent, then this is called on the same
  // worker thread and the response ends when it returns (server-sent events, exports).
  std::function<void(ResponseStream&)> stream;
};

HttpResponse json_response(std::string body, int status = 200);
HttpResponse text_response(std::string body, int status = 200);
HttpResponse redirect_response(std::string_view location, int status = 302);
// The error shape of docs/http-api.md: {"error": {"code", "message"}} with the code's status.
HttpResponse error_response(const Error& error);
// 400, 401, 403, 404, 422, 499 (cancelled), 501, 503, 504 or 500.
int http_status_of(ErrorCode code);
// The text inside a JSON string: quotes, backslashes and control characters escaped, invalid
// UTF-8 replaced by U+FFFD. Without the surrounding quotes.
void append_json_escaped(std::string& out, std::string_view text);

// nullopt for a '%' that is not followed by two hex digits, and for an encoded NUL. '+' is a
// space only where plus_is_space says so (queries, not paths).
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

// Who may call a route.
enum class Access : uint8_t {
  kPublic,  // anybody: health, the page's files
  kQuery,   // a query token, where query tokens are configured
  kIngest,  // an ingest token, where ingest tokens are configured
};

// Runs on a worker thread of the query pool; may block. Must not throw (what is thrown is
// answered by a 500). The request lives until the handler, and its stream, have returned.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

// Runs on the I/O thread of the connection and must not block; answers once, at any time, from
// any thread. For receivers, whose answer comes from the store's flusher.
using HttpRespond = std::move_only_function<void(HttpResponse)>;
using HttpAsyncHandler = std::function<void(std::shared_ptr<HttpRequest>, HttpRespond)>;

struct Route {
  HttpMethod method = HttpMethod::kGet;
  std::string pattern;
  Access access = Access::kQuery;
  HttpHandler handler;  // one of these two is set
  HttpAsyncHandler async_handler;
  std::vector<std::string> segments;
};

// The routes of one listener. Filled before the server starts, then read-only.
class Router {
 public:
  // Patterns are paths whose segments are literal, `{name}` (one non-empty segment, percent-decoded
  // by itself: an encoded slash stays within it) or, last, `{name...}` (the rest, "" included).
  // Literal segments win over `{name}`, that over `{name...}`. HEAD is answered by GET's handler.
  void add(HttpMethod method, std::string_view pattern, Access access, HttpHandler handler);
  void add_async(HttpMethod method, std::string_view pattern, Access access,
                 HttpAsyncHandler handler);
  void get(std::string_view pattern, HttpHandler handler) {
    add(HttpMethod::kGet, pattern, Access::kQuery, std::move(handler));
  }
  void post(std::string_view pattern, HttpHandler handler) {
    add(HttpMethod::kPost, pattern, Access::kQuery, std::move(handler));
  }

  struct Match {
    const Route* route = nullptr;
    HttpParameters params;
    // Methods that the path has routes for, when none fits: the Allow header of a 405. Empty
    // when the path is unknown.
    std::string allow;
  };
  // `raw_path` is the path of the target as sent, without the query.
  Match match(HttpMethod method, std::string_view raw_path) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  void add_route(Route route);

  std::vector<Route> routes_;
};

}  // namespace weft::server
