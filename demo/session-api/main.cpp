// session-api, of the cross-product back end squad: carries a customer's legacy session over to an
// OAuth token set and keeps that set fresh. C++ on Boost.Beast, traced by the sdk.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <cstdio>

#include "account_client.h"
#include "routes.h"
#include "settings.h"
#include "telemetry.h"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using weft::http::BeastPeer;
using weft::http::BeastRequest;
using weft::http::BeastResponse;
using weft::http::BeastRoutes;

// Calls to account block, so handlers run on threads of their own.
constexpr size_t kHandlerThreads = 32;
constexpr auto kIdleTimeout = std::chrono::seconds(60);

asio::awaitable<void> serve_connection(tcp::socket socket, const BeastRoutes& routes,
                                       asio::thread_pool& handlers) {
  beast::error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) co_return;
  const BeastPeer peer = BeastPeer::of(endpoint);
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer;
  try {
    for (bool go_on = true; go_on;) {
      stream.expires_after(kIdleTimeout);
      BeastRequest request;
      co_await beast::http::async_read(stream, buffer, request, asio::use_awaitable);
      stream.expires_never();
      BeastResponse response = co_await asio::co_spawn(
          handlers,
          [&]() -> asio::awaitable<BeastResponse> { co_return routes.handle(request, peer); },
          asio::use_awaitable);
      go_on = response.keep_alive();
      co_await beast::http::async_write(stream, response, asio::use_awaitable);
    }
  } catch (const boost::system::system_error&) {
    // The client has gone, or was idle for too long.
  }
  stream.socket().shutdown(tcp::socket::shutdown_both, error);
}

asio::awaitable<void> accept_connections(tcp::acceptor& acceptor, const BeastRoutes& routes,
                                         asio::thread_pool& handlers) {
  for (;;) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    socket.set_option(tcp::no_delay(true));
    asio::co_spawn(acceptor.get_executor(), serve_connection(std::move(socket), routes, handlers),
                   asio::detached);
  }
}

}  // namespace

int main() {
  const auto settings = session_api::Settings::from_environment();
  const auto telemetry = session_api::start_telemetry(settings);
  session_api::AccountClient account(settings);
  BeastRoutes routes = session_api::make_routes(account, telemetry.meter_provider);
  try {
    asio::io_context io(1);
    asio::thread_pool handlers(kHandlerThreads);
    tcp::acceptor acceptor(
        io, {asio::ip::make_address("127.0.0.1"), static_cast<uint16_t>(settings.port)});
    std::printf("session-api ready http=%d\n", acceptor.local_endpoint().port());
    std::fflush(stdout);
    asio::co_spawn(io, accept_connections(acceptor, routes, handlers), asio::detached);
    // What is in flight is answered before the process ends, within the call's time-out.
    asio::signal_set signals(io, SIGTERM, SIGINT);
    asio::steady_timer grace(io);
    signals.async_wait([&](const beast::error_code&, int) {
      acceptor.close();
      grace.expires_after(std::chrono::milliseconds(500));
      grace.async_wait([&](const beast::error_code&) { io.stop(); });
    });
    io.run();
    handlers.join();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "session-api: %s (port %d)\n", e.what(), settings.port);
    return 1;
  }
  return 0;
}
