// The context of a coroutine over a suspension.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <weft/asio.h>
#include <weft/tracer.h>

#include "show.h"

boost::asio::awaitable<void> work() {
  weft::Span span = weft::tracer("consumer").start_span("coroutine");
  auto scope = span.activate();
  co_await boost::asio::post(boost::asio::use_awaitable);
  weft::current_span().set("after", "suspension");
}

int main() {
  const weft::TracerProvider provider = show_spans();
  boost::asio::io_context context;
  boost::asio::co_spawn(weft::with_context(context.get_executor()), work(), boost::asio::detached);
  context.run();
}
