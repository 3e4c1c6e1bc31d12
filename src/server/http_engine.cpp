#include "server/http_engine.h"

#include <sys/socket.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <thread>

#include "server/grpc_session.h"
#include "server/http_message.h"
#include "server/http_session.h"

namespace weft::server {

namespace {

constexpr auto kSweep = std::chrono::milliseconds(100);
constexpr auto kAcceptPause = std::chrono::milliseconds(50);
constexpr int kBacklog = 1024;

Status bind_error(const HttpListener& listener, std::string_view doing, const BoostError& error) {
  return fail(
      error == net::error::address_in_use ? ErrorCode::kUnavailable : ErrorCode::kIo,
      "cannot " + std::string(doing) + " " + listener.name + " on " + listener.host + ":" +
          std::to_string(listener.port) + ": " + error.message() +
          (error == net::error::address_in_use ? "; stop the other process or choose another port"
                                               : ""));
}

}  // namespace

struct HttpEngine::Impl {
  struct Listening {
    Tcp::acceptor acceptor;
    net::steady_timer pause;
    uint16_t port = 0;
  };

  EngineShared shared;
  std::vector<std::shared_ptr<IoThread>> io;
  std::vector<net::executor_work_guard<net::io_context::executor_type>> work;
  std::vector<std::unique_ptr<net::steady_timer>> sweepers;
  std::vector<Listening> listening;
  std::vector<std::thread> threads;
  size_t next_thread = 0;  // on the first I/O thread
  bool shut_down = false;

  void make_metrics();
  Status bind(size_t index);
  void accept(size_t index);
  void take(size_t index, IoThread& thread, Tcp::socket socket);
  void sweep(size_t thread);
  bool wait_for_no_connections(std::chrono::steady_clock::time_point until) const;
  void on_each_thread(void (Connection::*action)());
};

void HttpEngine::Impl::make_metrics() {
  MetricsRegistry& metrics = *shared.options.metrics;
  shared.timeouts = &metrics.counter("weft_http_timeouts_total",
                                     "Connections closed because a time-out had passed.");
  shared.bad_requests =
      &metrics.counter("weft_http_bad_requests_total", "Requests that were not valid HTTP.");
  shared.refused_connections = &metrics.counter("weft_http_refused_connections_total",
                                                "Connections refused because too many were open.");
  for (const HttpListener& listener : shared.listeners) {
    EngineShared::ListenerMetrics out;
    out.connections = &metrics.gauge("weft_http_connections", "Open HTTP connections.",
                                     {{"listener", listener.name}});
    if (listener.grpc) {  // counts its calls itself
      shared.listener_metrics.push_back(out);
      continue;
    }
    for (size_t i = 1; i < std::size(out.requests); ++i) {
      out.requests[i] = &metrics.counter(
          "weft_http_requests_total", "HTTP requests answered, by listener and class of status.",
          {{"listener", listener.name}, {"status", std::to_string(i) + "xx"}});
    }
    out.requests[0] = out.requests[5];
    out.duration_s = &metrics.histogram("weft_http_request_duration_seconds",
                                        "From the end of a request's header to its answer.",
                                        duration_buckets_s(), {{"listener", listener.name}});
    shared.listener_metrics.push_back(out);
  }
}

Status HttpEngine::Impl::bind(size_t index) {
  const HttpListener& listener = shared.listeners[index];
  net::io_context& context = io[0]->context;
  BoostError error;
  Tcp::resolver resolver(context);
  const auto found =
      resolver.resolve(listener.host, std::to_string(listener.port), Tcp::resolver::passive, error);
  if (error || found.empty()) return bind_error(listener, "resolve the address of", error);
  const Tcp::endpoint endpoint = found.begin()->endpoint();
  Listening out{Tcp::acceptor(context), net::steady_timer(context)};
  out.acceptor.open(endpoint.protocol(), error);
  if (!error) out.acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) out.acceptor.bind(endpoint, error);
  if (!error) out.acceptor.listen(kBacklog, error);
  if (error == net::error::address_in_use && listener.may_be_taken) {
    listening.push_back({Tcp::acceptor(context), net::steady_timer(context)});
    return {};
  }
  if (error) return bind_error(listener, "listen for", error);
  out.port = out.acceptor.local_endpoint(error).port();
  listening.push_back(std::move(out));
  return {};
}

void HttpEngine::Impl::accept(size_t index) {
  IoThread& thread = *io[next_thread++ % io.size()];
  listening[index].acceptor.async_accept(
      thread.context, [this, index, &thread](const BoostError& error, Tcp::socket socket) {
        Listening& here = listening[index];
        if (!here.acceptor.is_open()) return;
        if (!error) {
          take(index, thread, std::move(socket));
          accept(index);
          return;
        }
        // Out of descriptors or memory: connections wait in the backlog until some are free.
        here.pause.expires_after(kAcceptPause);
        here.pause.async_wait([this, index](const BoostError& stopped) {
          if (!stopped) accept(index);
        });
      });
}

void HttpEngine::Impl::take(size_t index, IoThread& thread, Tcp::socket socket) {
  const uint64_t open = shared.connections.fetch_add(1, std::memory_order_acq_rel);
  if (open >= shared.options.limits.max_connections) {
    shared.connections.fetch_sub(1, std::memory_order_acq_rel);
    shared.refused_connections->add();
    if (!shared.listeners[index].tls && !shared.listeners[index].grpc) {
      static constexpr std::string_view kBusy =
          "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
          "Content-Length: 0\r\n\r\n";
      [[maybe_unused]] const ssize_t sent =
          ::send(socket.native_handle(), kBusy.data(), kBusy.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return;
  }
  shared.listener_metrics[index].connections->add(1);
  net::post(thread.context, [this, index, &thread, socket = std::move(socket)]() mutable {
    for (const auto& owner : io) {
      if (owner.get() != &thread) continue;
      std::shared_ptr<Connection> connection;
      if (shared.listeners[index].grpc) {
        connection = std::make_shared<GrpcSession>(owner, shared, index, std::move(socket));
      } else {
        connection = std::make_shared<HttpSession>(owner, shared, index, std::move(socket));
      }
      if (thread.draining) return;
      connection->start();
    }
  });
}

// One timer a thread looks after the deadlines of all its connections: no timer a request.
void HttpEngine::Impl::sweep(size_t thread) {
  sweepers[thread]->expires_after(kSweep);
  sweepers[thread]->async_wait([this, thread](const BoostError& stopped) {
    if (stopped || io[thread]->stopped) return;
    const uint64_t now_ns = shared.options.clock->steady_ns();
    for (Connection* connection : io[thread]->connections)
      connection->check_deadlines(now_ns);
    sweep(thread);
  });
}

Expected<std::unique_ptr<HttpEngine>> HttpEngine::start(HttpEngineOptions options,
                                                        std::vector<HttpListener> listeners) {
  auto impl = std::make_unique<Impl>();
  impl->shared.options = std::move(options);
  impl->shared.listeners = std::move(listeners);
  impl->make_metrics();
  const size_t threads = std::max<size_t>(1, impl->shared.options.io_threads);
  for (size_t i = 0; i < threads; ++i)
    impl->io.push_back(std::make_shared<IoThread>());
  for (size_t i = 0; i < impl->shared.listeners.size(); ++i)
    WEFT_TRY(impl->bind(i));
  for (size_t i = 0; i < impl->listening.size(); ++i) {
    if (impl->listening[i].acceptor.is_open()) impl->accept(i);
  }
  for (size_t i = 0; i < threads; ++i) {
    impl->sweepers.push_back(std::make_unique<net::steady_timer>(impl->io[i]->context));
    impl->work.push_back(net::make_work_guard(impl->io[i]->context));
    impl->sweep(i);
  }
  for (size_t i = 0; i < threads; ++i) {
    impl->threads.emplace_back([thread = impl->io[i]] { thread->context.run(); });
  }
  return std::unique_ptr<HttpEngine>(new HttpEngine(std::move(impl)));
}

HttpEngine::HttpEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpEngine::~HttpEngine() {
  shutdown(0);
}

uint16_t HttpEngine::port(size_t index) const {
  return impl_->listening[index].port;
}

uint64_t HttpEngine::connections() const {
  return impl_->shared.connections.load(std::memory_order_acquire);
}

bool HttpEngine::Impl::wait_for_no_connections(std::chrono::steady_clock::time_point until) const {
  while (shared.connections.load(std::memory_order_acquire) > 0) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

void HttpEngine::Impl::on_each_thread(void (Connection::*action)()) {
  for (const auto& thread : io) {
    net::post(thread->context, [thread, action] {
      thread->draining = true;
      for (Connection* connection : thread->connections)
        (connection->*action)();
    });
  }
}

void HttpEngine::shutdown(uint64_t patience_ns) {
  if (std::exchange(impl_->shut_down, true)) return;
  net::post(impl_->io[0]->context, [this] {
    for (auto& listening : impl_->listening) {
      BoostError ignored;
      listening.acceptor.close(ignored);
      listening.pause.cancel();
    }
  });
  const auto now = std::chrono::steady_clock::now();
  impl_->on_each_thread(&Connection::drain);
  if (!impl_->wait_for_no_connections(now + std::chrono::nanoseconds(patience_ns))) {
    impl_->on_each_thread(&Connection::abort);
    impl_->wait_for_no_connections(std::chrono::steady_clock::now() + std::chrono::seconds(2));
  }
  for (size_t i = 0; i < impl_->io.size(); ++i) {
    net::post(impl_->io[i]->context, [this, i] {
      impl_->io[i]->stopped = true;
      impl_->sweepers[i]->cancel();
    });
  }
  impl_->work.clear();
  for (std::thread& thread : impl_->threads)
    thread.join();
}

}  // namespace weft::server
