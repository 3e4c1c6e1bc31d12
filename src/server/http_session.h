// One connection of the HTTP engine, and the I/O thread it lives on. Internal to the engine: the
// only header that shows Boost, included by http_session.cpp and http_engine.cpp alone.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "server/http_engine.h"
#include "server/stream_pipe.h"

namespace weft::server {

namespace net = boost::asio;
using Tcp = net::ip::tcp;

// What all connections of an engine share; read-only once the engine runs, but for `connections`.
struct EngineShared {
  HttpEngineOptions options;
  std::vector<HttpListener> listeners;
  std::atomic<uint64_t> connections{0};

  struct ListenerMetrics {
    // By status / 100.
    Counter* requests[6] = {};
    Histogram* duration_s = nullptr;
    Gauge* connections = nullptr;
  };
  std::vector<ListenerMetrics> listener_metrics;
  Counter* timeouts = nullptr;
  Counter* bad_requests = nullptr;
  Counter* refused_connections = nullptr;
};

class HttpSession;

// An io_context with the one thread that runs it; everything of its sessions happens there.
struct IoThread {
  net::io_context context{1};
  std::list<HttpSession*> sessions;
  bool draining = false;
  // Answers that come late hold the IoThread, and find here that nobody waits for them any more.
  std::atomic<bool> stopped{false};
};

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

class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(std::shared_ptr<IoThread> io, EngineShared& shared, size_t listener,
              Tcp::socket socket);
  ~HttpSession();

  // Starts the connection; on the I/O thread.
  void start();

  // The following are called by the engine on the I/O thread.
  // Closes the connection when its deadline has passed.
  void check_deadline(uint64_t now_ns);
  // Closes when idle; else the running request is the last.
  void drain();
  // Cancels what runs and closes.
  void abort();

 private:
  template <typename T>
  using Awaitable = net::awaitable<T>;
  struct Reading;  // the Beast parser of the current request

  // What remains to be done with the connection after a request.
  enum class Next : uint8_t { kKeepAlive, kClose, kGone };
  struct BodyError {
    int status = 0;  // 0: none; -1: the client has gone
    Error error;
  };

  Awaitable<void> run();
  Awaitable<bool> handshake();
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
  // Bytes read; 0 at the end or on an error.
  Awaitable<size_t> read_some(net::mutable_buffer into);
  Awaitable<size_t> fill_buffer();

  void dispatch(const Route& route, std::shared_ptr<HttpRequest> request,
                std::shared_ptr<PendingAnswer> answer);
  void finish_metrics(int status, uint64_t started_ns);
  HttpResponse make_error(const HttpRequest& request, int status, Error error) const;
  // FIN or RST has arrived.
  bool peer_closed();
  void set_deadline(uint64_t after_ns);
  void close();
  const HttpListener& listener() const { return shared_.listeners[listener_]; }
  const HttpLimits& limits() const { return shared_.options.limits; }

  const std::shared_ptr<IoThread> io_;
  EngineShared& shared_;
  const size_t listener_;
  Tcp::socket socket_;
  std::optional<net::ssl::stream<Tcp::socket&>> tls_;
  boost::beast::flat_buffer buffer_;
  std::string peer_;
  std::list<HttpSession*>::iterator place_;
  uint64_t deadline_ns_ = UINT64_MAX;
  bool idle_ = true;  // between requests
  bool timed_out_ = false;
  bool sending_ = false;                  // part of an answer is out: no 408 any more
  std::shared_ptr<CancelToken> running_;  // of the request that is being handled
  std::shared_ptr<StreamPipe> running_pipe_;
};

}  // namespace weft::server
