// How a session reads: the header through Beast's parser, the body straight from the socket or,
// chunked, through the parser again.
#include <boost/beast/http/string_body.hpp>
#include <cstring>

#include "server/http_reading.h"

namespace weft::server {

namespace {

int status_of_parse_error(const beast::error_code& error) {
  if (error == http::error::header_limit) return 431;
  if (error == http::error::body_limit) return 413;
  if (error == http::error::bad_version) return 505;
  return 400;
}

}  // namespace

HttpSession::Awaitable<size_t> HttpSession::fill_buffer() {
  const size_t bytes = co_await read_some(net::buffer(buffer_.prepare(kReadBytes)));
  buffer_.commit(bytes);
  co_return bytes;
}

// 0 when the header is there, -1 when the connection has ended, else the status to answer.
HttpSession::Awaitable<int> HttpSession::read_header(Reading& reading, std::string& problem) {
  auto& parser = reading.parser;
  parser.eager(false);
  parser.header_limit(static_cast<uint32_t>(limits().max_header_bytes));
  parser.body_limit(boost::none);
  while (true) {
    if (buffer_.size() > 0) {
      if (idle_) {
        idle_ = false;
        set_deadline(limits().header_timeout_ns);
      }
      beast::error_code error;
      const size_t used = parser.put(buffer_.data(), error);
      buffer_.consume(used);
      if (parser.is_header_done()) co_return 0;
      if (error && error != http::error::need_more) {
        problem = error.message();
        co_return status_of_parse_error(error);
      }
      // Beast checks the limit on whole lines only.
      if (buffer_.size() > limits().max_header_bytes) {
        problem = "header limit exceeded";
        co_return 431;
      }
    }
    const size_t bytes = co_await fill_buffer();
    if (bytes == 0) co_return -1;
  }
}

HttpSession::Awaitable<HttpSession::BodyError> HttpSession::read_body(
    Reading& reading, HttpRequest& request, uint64_t max_bytes, MemoryReservation& reservation) {
  const bool chunked = reading.parser.chunked();
  const uint64_t length = reading.parser.content_length().value_or(0);
  if (!chunked && length == 0) co_return BodyError{};
  if (!chunked && length > max_bytes) {
    co_return BodyError{
        413,
        {ErrorCode::kResourceExhausted, "the body has " + std::to_string(length) +
                                            " bytes; the limit is " + std::to_string(max_bytes)}};
  }
  const std::string_view expect = request.headers.get("expect");
  if (beast::iequals(beast::string_view(expect.data(), expect.size()), "100-continue") &&
      !reading.http_1_0) {
    const bool sent = co_await write_all("HTTP/1.1 100 Continue\r\n\r\n", {});
    if (!sent) co_return BodyError{-1, {}};
    sending_ = false;
  }
  set_deadline(limits().body_timeout_ns);
  if (chunked) co_return co_await read_chunked_body(reading, request, max_bytes, reservation);
  co_return co_await read_sized_body(request, length, reservation);
}

// Straight from the socket into the body: no parser between.
HttpSession::Awaitable<HttpSession::BodyError> HttpSession::read_sized_body(
    HttpRequest& request, uint64_t length, MemoryReservation& reservation) {
  std::string& body = request.body;
  size_t filled = 0;
  while (filled < length) {
    if (!make_room(body, filled, length, reservation)) {
      co_return BodyError{503, out_of_body_memory()};
    }
    const size_t room = body.size() - filled;
    if (buffer_.size() > 0) {
      const size_t part = std::min(room, buffer_.size());
      std::memcpy(body.data() + filled, buffer_.data().data(), part);
      buffer_.consume(part);
      filled += part;
      continue;
    }
    const size_t bytes = co_await read_some(net::buffer(body.data() + filled, room));
    if (bytes == 0) co_return BodyError{-1, {}};
    filled += bytes;
  }
  co_return BodyError{};
}

HttpSession::Awaitable<HttpSession::BodyError> HttpSession::read_chunked_body(
    Reading& reading, HttpRequest& request, uint64_t max_bytes, MemoryReservation& reservation) {
  http::request_parser<http::string_body> parser(std::move(reading.parser));
  parser.eager(true);
  parser.body_limit(max_bytes);
  while (!parser.is_done()) {
    if (buffer_.size() > 0) {
      beast::error_code error;
      const size_t used = parser.put(buffer_.data(), error);
      buffer_.consume(used);
      if (error == http::error::body_limit) {
        co_return BodyError{
            413,
            {ErrorCode::kResourceExhausted,
             "the body is larger than the limit of " + std::to_string(max_bytes) + " bytes"}};
      }
      if (error && error != http::error::need_more) {
        co_return BodyError{
            400, {ErrorCode::kInvalidArgument, "the body's chunks are broken: " + error.message()}};
      }
      if (!reservation.grow_to(parser.get().body().capacity())) {
        co_return BodyError{503, out_of_body_memory()};
      }
      if (!error || used > 0) continue;
    }
    // A chunk header or trailer that does not end.
    if (buffer_.size() > limits().max_header_bytes) {
      co_return BodyError{400, {ErrorCode::kInvalidArgument, "a chunk's header is too long"}};
    }
    const size_t bytes = co_await fill_buffer();
    if (bytes == 0) co_return BodyError{-1, {}};
  }
  request.body = std::move(parser.get().body());
  co_return BodyError{};
}

}  // namespace weft::server
