// A real Beast server on a pool of threads: coroutines, AsyncBeastRoutes, many requests at once.
// Each handler finds its own span after every co_await, on whichever thread it goes on.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <weft/asio.h>
#include <weft/http/beast.h>
#include <weft/http/curl.h>
#include <weft/tracer.h>

#include <atomic>
#include <map>
#include <string>

#include "recorded.h"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using sdk_test::DecodedSpan;
using weft::http::AsyncBeastRoutes;
using weft::http::BeastCall;
using weft::http::BeastPeer;
using weft::http::BeastRequest;
using weft::http::BeastResponse;

asio::awaitable<void> serve(tcp::socket socket, const AsyncBeastRoutes* routes) {
  const BeastPeer peer = BeastPeer::of(socket.remote_endpoint());
  beast::flat_buffer buffer;
  try {
    while (true) {
      BeastRequest request;
      co_await beast::http::async_read(socket, buffer, request, asio::use_awaitable);
      const BeastResponse response = co_await routes->handle(request, peer);
      co_await beast::http::async_write(socket, response, asio::use_awaitable);
      if (!response.keep_alive()) break;
    }
  } catch (const boost::system::system_error&) {  // the client has gone
  }
}

asio::awaitable<void> listen(tcp::acceptor* acceptor, const AsyncBeastRoutes* routes) {
  try {
    while (true) {
      tcp::socket socket = co_await acceptor->async_accept(asio::use_awaitable);
      const auto executor = weft::with_context(socket.get_executor(), weft::Context());
      asio::co_spawn(executor, serve(std::move(socket), routes), asio::detached);
    }
  } catch (const boost::system::system_error&) {  // closed
  }
}

asio::awaitable<void> nap() {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::microseconds(300));
  co_await timer.async_wait(asio::use_awaitable);
}

TEST(AsyncBeastRoutes, EachRequestKeepsItsSpanOverEverySuspension) {
  sdk_test::Recorded recorded;
  std::atomic<int> wrong{0};
  AsyncBeastRoutes routes;
  routes.add("GET", "/slow/{id}", [&wrong](BeastCall& call) -> asio::awaitable<BeastResponse> {
    const weft::SpanIdentifier mine = call.span.span().context().span_id();
    for (int i = 0; i < 4; ++i) {
      co_await nap();
      wrong += weft::current_span().context().span_id() == mine ? 0 : 1;
      weft::Span step = weft::tracer("test").start_span("step");
      auto scope = step.activate();
      co_await nap();
      wrong += weft::current_span().context().span_id() == step.context().span_id() ? 0 : 1;
    }
    weft::current_span().set("id", call.parameter("id"));
    co_return call.respond(200, "text/plain", std::string(call.parameter("id")));
  });
  asio::thread_pool pool(3);
  tcp::acceptor acceptor(pool, {asio::ip::make_address("127.0.0.1"), 0});
  const int port = acceptor.local_endpoint().port();
  asio::co_spawn(pool, listen(&acceptor, &routes), asio::detached);

  constexpr int kRequests = 60;
  int answered = 0;
  {
    weft::http::CurlMulti multi;
    for (int i = 0; i < kRequests; ++i) {
      const std::string id = std::to_string(i);
      multi.add({.url = "http://127.0.0.1:" + std::to_string(port) + "/slow/" + id},
                [&answered, id](const weft::http::HttpResponse& response) {
                  EXPECT_EQ(response.body, id) << response.error;
                  ++answered;
                });
    }
    multi.run();
  }
  EXPECT_EQ(answered, kRequests);
  asio::post(acceptor.get_executor(), [&acceptor] { acceptor.close(); });
  pool.join();
  EXPECT_EQ(wrong.load(), 0);

  std::map<std::string, std::string> server_of;  // by the server span's id
  std::map<std::string, int> steps_of;
  for (const DecodedSpan& span : recorded.take()) {
    if (span.name == "GET /slow/{id}") server_of[span.span_id] = span.attribute("id");
    if (span.name == "step") ++steps_of[span.parent_span_id];
  }
  EXPECT_EQ(server_of.size(), static_cast<std::size_t>(kRequests));
  for (const auto& [span, id] : server_of)
    EXPECT_EQ(steps_of[span], 4) << id;
}

}  // namespace
