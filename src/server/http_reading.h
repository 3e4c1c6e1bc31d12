// The parser of a session's current request. Internal to the engine: shared by the sources of
// HttpSession.
#pragma once

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "server/http_session.h"

namespace weft::server {

namespace beast = boost::beast;
namespace http = beast::http;

struct HttpSession::Reading {
  http::request_parser<http::empty_body> parser;
  uint64_t started_ns = 0;
  bool keep_alive = true;
  bool http_1_0 = false;
};

}  // namespace weft::server
