// The parser of a session's current request. Internal to the engine: shared by the sources of
// HttpSession.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "server/http_session.h"

namespace weft::server {

namespace beast = boost::beast;
namespace http = beast::http;

inline constexpr auto kAwait = net::as_tuple(net::use_awaitable);
// Without this reserve Beast starts with 512 bytes, and large requests take four times as long.
inline constexpr size_t kReadBytes = 64u << 10;

struct HttpSession::Reading {
  http::request_parser<http::empty_body> parser;
  uint64_t started_ns = 0;
  bool keep_alive = true;
  bool http_1_0 = false;
  bool expects_continue = false;
};

}  // namespace weft::server
