// What the connections of every listener have in common, whatever they speak: a socket with or
// without TLS on one I/O thread, a place among the thread's connections, bodies that grow within
// the budget. Internal to
// the engine: the headers of connections are the only ones that show Boost.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/http_engine.h"
#include "server/memory_budget.h"

namespace weft::server {

namespace net = boost::asio;
using Tcp = net::ip::tcp;
using BoostError = boost::system::error_code;

inline constexpr auto kAwait = net::as_tuple(net::use_awaitable);
// What is asked of a socket at once where its bytes are not put straight in their place.
inline constexpr size_t kReadBytes = 64u << 10;

// What all connections of an engine share; read-only once the engine runs, but for `connections`.
struct EngineShared {
  HttpEngineOptions options;
  std::vector<HttpListener> listeners;
  std::atomic<uint64_t> connections{0};

  struct ListenerMetrics {
    // By status / 100; null for a listener of gRPC, as is duration_s.
    Counter* requests[6] = {};
    Histogram* duration_s = nullptr;
    Gauge* connections = nullptr;
  };
  std::vector<ListenerMetrics> listener_metrics;
  Counter* timeouts = nullptr;
  Counter* bad_requests = nullptr;
  Counter* refused_connections = nullptr;
};

class Connection;

// An io_context with the one thread that runs it; everything of its connections happens there.
struct IoThread {
  net::io_context context{1};
  std::list<Connection*> connections;
  bool draining = false;
  // Answers that come late hold the IoThread, and find here that nobody waits for them any more.
  std::atomic<bool> stopped{false};
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<IoThread> io, EngineShared& shared, size_t listener,
             Tcp::socket socket);
  virtual ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The following are called by the engine on the I/O thread.
  // Starts the connection, which from then on keeps itself alive until it has ended.
  virtual void start() = 0;
  // Called some times a second: ends what has taken too long.
  virtual void check_deadlines(uint64_t now_ns) = 0;
  // Closes when idle; else what runs is the last.
  virtual void drain() = 0;
  // Cancels what runs and closes.
  virtual void abort() = 0;

 protected:
  template <typename T>
  using Awaitable = net::awaitable<T>;

  // The TLS handshake, where the listener has a certificate. False: it failed.
  Awaitable<bool> handshake(Alpn alpn);
  // Bytes read into one or several buffers; 0 at the end or on an error.
  template <typename Buffers>
  Awaitable<size_t> read_some(Buffers into) {
    if (tls_) {
      const auto [error, bytes] = co_await tls_->async_read_some(into, kAwait);
      co_return error ? 0 : bytes;
    }
    const auto [error, bytes] = co_await socket_.async_read_some(into, kAwait);
    co_return error ? 0 : bytes;
  }
  // Makes room in a body of `length` bytes of which `filled` are there, if there is none. The
  // memory grows with what arrives, so that a length that is claimed but never sent costs nothing.
  // `reserved` holds it, and `beside` bytes for other things. False: the budget is used up.
  static bool make_room(std::string& body, size_t filled, size_t length,
                        MemoryReservation& reserved, uint64_t beside = 0);
  // What is answered then, and when the store takes too long.
  static Error out_of_body_memory();
  static Error not_stored_in_time();
  void close();

  uint64_t now_ns() const { return shared_.options.clock->steady_ns(); }
  const HttpListener& listener() const { return shared_.listeners[listener_]; }
  const HttpLimits& limits() const { return shared_.options.limits; }

  const std::shared_ptr<IoThread> io_;
  EngineShared& shared_;
  const size_t listener_;
  Tcp::socket socket_;
  std::optional<net::ssl::stream<Tcp::socket&>> tls_;
  std::string peer_;

 private:
  std::list<Connection*>::iterator place_;
};

}  // namespace weft::server
