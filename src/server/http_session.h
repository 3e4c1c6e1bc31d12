// A connection that speaks HTTP/1.1. Internal to the engine, as every header that shows Boost.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <memory>
#include <string>

#include "server/connection.h"
#include "server/stream_pipe.h"

namespace weft::server {

// The answer to one request, on its way from a handler to the session.
struct PendingAnswer {
  explicit PendingAnswer(std::shared_ptr<IoThread> thread)
      : io(std::move(thread)), wake(io->context) {}

  std::shared_ptr<IoThread> io;
  // Everything below belongs to the I/O thread.
  net::steady_timer wake;
  bool ready = false;
  HttpResponse response;
  std::shared_ptr<StreamPipe> pipe;
};

class HttpSession final : public Connection {
 public:
  HttpSession(std::shared_ptr<IoThread> io, EngineShared& shared, size_t listener,
              Tcp::socket socket);

  void start() override;
  void check_deadlines(uint64_t now_ns) override;
  void drain() override;
  void abort() override;

 private:
  struct Reading;  // the Beast parser of the current request

  // What remains to be done with the connection after a request.
  enum class Next : uint8_t { kKeepAlive, kClose, kGone };
  struct BodyError {
    int status = 0;  // 0: none; -1: the client has gone
    Error error;
  };

  Awaitable<void> run();
  Awaitable<Next> serve_one();
  Awaitable<Next> answer_request(Reading& reading, std::shared_ptr<HttpRequest> request);
  Awaitable<int> read_header(Reading& reading, std::string& problem);
  Awaitable<BodyError> read_body(Reading& reading, HttpRequest& request, uint64_t max_bytes,
                                 MemoryReservation& reservation);
  Awaitable<BodyError> read_sized_body(HttpRequest& request, uint64_t length,
                                       MemoryReservation& reservation);
  Awaitable<BodyError> read_chunked_body(Reading& reading, HttpRequest& request, uint64_t max_bytes,
                                         MemoryReservation& reservation);
  Awaitable<Next> refuse(Reading& reading, const HttpRequest& request, HttpResponse response);
  Awaitable<bool> send(const HttpRequest& request, HttpResponse response, bool keep_alive);
  Awaitable<bool> send_stream(const HttpRequest& request, PendingAnswer& answer, bool keep_alive);
  Awaitable<void> wait_for_answer(HttpRequest& request, PendingAnswer& answer, bool is_query);
  Awaitable<void> close_politely();
  Awaitable<bool> write_all(std::string_view a, std::string_view b);
  Awaitable<size_t> fill_buffer();

  void dispatch(const Route& route, std::shared_ptr<HttpRequest> request,
                std::shared_ptr<PendingAnswer> answer);
  void finish_metrics(int status, uint64_t started_ns);
  HttpResponse make_error(const HttpRequest& request, int status, Error error) const;
  std::string head_of(const HttpRequest& request, HttpResponse& response, bool keep_alive) const;
  // FIN or RST has arrived.
  bool peer_closed();
  void set_deadline(uint64_t after_ns);

  boost::beast::flat_buffer buffer_;
  uint64_t deadline_ns_ = UINT64_MAX;
  bool idle_ = true;  // between requests
  bool timed_out_ = false;
  bool sending_ = false;                  // part of an answer is out: no 408 any more
  std::shared_ptr<HttpRequest> reading_;  // the request that is being read; null: none
  std::shared_ptr<CancelToken> running_;  // of the request that is being handled
  std::shared_ptr<StreamPipe> running_pipe_;
};

}  // namespace weft::server
