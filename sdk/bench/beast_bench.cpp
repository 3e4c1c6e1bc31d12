// What the Beast middleware costs a server: the same small server bare and instrumented, under wrk
// on loopback.
//   weft_sdk_beast_bench [--seconds N] [--rounds N]
//   weft_sdk_beast_bench --only handle|handle-bare --count N
//                             the handling of N requests without any network, for callgrind
//   weft_sdk_beast_bench --only serve|serve-bare|serve-coroutines|serve-bare-coroutines --count N
//                             the whole server with N requests over one connection, the same
//
// Each server is a process, with one thread that serves where nothing else is said, so that its
// processor time, and that of the exporter's thread apart, can be read from outside. The servers
// take turns in short slices, in every other round from the last to the first: whatever else the
// machine does meets all of them, and what is printed are medians of what each round says.
// Processor time a request repeats where requests a second do not. Everything is recorded: each
// request is a sampled span under a remote parent, with the attributes of the conventions and one
// of the handler's, and a measurement of http.server.request.duration. What the exporters delivered
// and dropped stands beside.
//
// A process with a second thread, which an exporter needs, pays for that with every lock, every
// allocation and every use of a file descriptor, whatever the thread does: the bare server beside a
// thread that only sleeps shows how much, and what is below it in "of alike" is the middleware's.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <weft/asio.h>
#include <weft/http/beast.h>
#include <weft/metrics.h>
#include <weft/otlp.h>
#include <weft/provider.h>
#include <weft/tracer.h>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using weft::http::BeastCall;
using weft::http::BeastPeer;
using weft::http::BeastRequest;
using weft::http::BeastResponse;

constexpr std::string_view kAccount =
    R"({"id":42,"state":"active","plan":"team","seats":12,"region":"eu-central-1"})";

// ---- the servers

BeastResponse account(const BeastRequest& request) {
  BeastResponse response(beast::http::status::ok, request.version());
  response.set(beast::http::field::content_type, "application/json");
  response.body() = kAccount;
  return response;
}

// The server as it is without any instrumentation.
struct Bare {
  asio::awaitable<BeastResponse> handle(const BeastRequest& request, const BeastPeer&) const {
    BeastResponse response = request.target().starts_with("/accounts/")
                                 ? account(request)
                                 : BeastResponse(beast::http::status::not_found, request.version());
    response.keep_alive(request.keep_alive());
    response.prepare_payload();
    co_return response;
  }
  asio::any_io_executor executor(const asio::any_io_executor& plain) const { return plain; }
};

// The same with a coroutine for a handler.
struct BareCoroutines {
  static asio::awaitable<BeastResponse> answer(const BeastRequest& request) {
    co_return account(request);
  }
  asio::awaitable<BeastResponse> handle(const BeastRequest& request, const BeastPeer&) const {
    BeastResponse response;
    if (request.target().starts_with("/accounts/")) {
      response = co_await answer(request);
    } else {
      response = BeastResponse(beast::http::status::not_found, request.version());
    }
    response.keep_alive(request.keep_alive());
    response.prepare_payload();
    co_return response;
  }
  asio::any_io_executor executor(const asio::any_io_executor& plain) const { return plain; }
};

// Plain functions as handlers.
struct Instrumented {
  Instrumented() {
    routes.add("GET", "/accounts/{id}", [](BeastCall& call) {
      weft::current_span().set("account.state", "active");
      return account(call.request);
    });
  }
  asio::awaitable<BeastResponse> handle(const BeastRequest& request, const BeastPeer& peer) const {
    co_return routes.handle(request, peer);
  }
  asio::any_io_executor executor(const asio::any_io_executor& plain) const { return plain; }
  weft::http::BeastRoutes routes;
};

// Coroutines as handlers, whose context follows them over each co_await.
struct InstrumentedCoroutines {
  InstrumentedCoroutines() {
    routes.add("GET", "/accounts/{id}", [](BeastCall& call) -> asio::awaitable<BeastResponse> {
      weft::current_span().set("account.state", "active");
      co_return account(call.request);
    });
  }
  asio::awaitable<BeastResponse> handle(const BeastRequest& request, const BeastPeer& peer) const {
    return routes.handle(request, peer);
  }
  asio::any_io_executor executor(const asio::any_io_executor& plain) const {
    return weft::with_context(plain, weft::Context());
  }
  weft::http::AsyncBeastRoutes routes;
};

template <class Server>
asio::awaitable<void> serve(tcp::socket socket, const Server* server) {
  beast::flat_buffer buffer;
  try {
    socket.set_option(tcp::no_delay(true));
    const BeastPeer peer = BeastPeer::of(socket.remote_endpoint());
    while (true) {
      BeastRequest request;
      co_await beast::http::async_read(socket, buffer, request, asio::use_awaitable);
      const BeastResponse response = co_await server->handle(request, peer);
      co_await beast::http::async_write(socket, response, asio::use_awaitable);
      if (!response.keep_alive()) break;
    }
  } catch (const boost::system::system_error&) {  // the client has gone
  }
}

template <class Server>
asio::awaitable<void> accept(tcp::acceptor* acceptor, const Server* server) {
  while (true) {
    tcp::socket socket = co_await acceptor->async_accept(asio::use_awaitable);
    const asio::any_io_executor executor = server->executor(acceptor->get_executor());
    asio::co_spawn(executor, serve(std::move(socket), server), asio::detached);
  }
}

// Serves with that many threads until SIGTERM; writes its port to `port_pipe` first.
template <class Server>
void run_server(const Server& server, int port_pipe, int threads = 1) {
  asio::io_context context(threads);
  asio::signal_set end(context, SIGTERM);
  end.async_wait([&context](const boost::system::error_code&, int) { context.stop(); });
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  const std::uint16_t port = acceptor.local_endpoint().port();
  if (write(port_pipe, &port, sizeof(port)) != sizeof(port)) return;
  asio::co_spawn(context, accept(&acceptor, &server), asio::detached);
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i)
    others.emplace_back([&context] { context.run(); });
  context.run();
}

// Takes every OTLP request and throws it away, as cheaply as a process can: what a collector costs
// is no part of what is measured, and it runs on the same processors. The body goes without ever
// being copied out of the kernel.
void discard_requests(int connection) {
  constexpr std::string_view kAnswer =
      "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
  char head[4096];
  while (true) {
    // What is beyond the header stays for the discarding below.
    const ssize_t seen = recv(connection, head, sizeof(head), MSG_PEEK);
    if (seen <= 0) return;
    const std::string_view text(head, static_cast<std::size_t>(seen));
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) {
      if (text.size() == sizeof(head)) return;
      usleep(100);  // the rest of the header is on its way
      continue;
    }
    const std::size_t length = text.find("Content-Length: ");
    if (length > end) return;
    std::size_t left = end + 4 + std::strtoull(head + length + 16, nullptr, 10);
    while (left != 0) {
      const ssize_t gone = ::recv(connection, nullptr, left, MSG_TRUNC);
      if (gone <= 0) return;
      left -= static_cast<std::size_t>(gone);
    }
    if (send(connection, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL) < 0) return;
  }
}

// Writes its port to `port_pipe`; a thread for each exporter's connection.
void run_receiver(int port_pipe) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, plain, size) != 0 || listen(listener, 16) != 0 ||
      getsockname(listener, plain, &size) != 0) {
    return;
  }
  const std::uint16_t port = ntohs(address.sin_port);
  if (write(port_pipe, &port, sizeof(port)) != sizeof(port)) return;
  while (true) {
    const int connection = ::accept(listener, nullptr, nullptr);
    if (connection < 0) return;
    std::thread([connection] {
      discard_requests(connection);
      close(connection);
    }).detach();
  }
}

class Discard final : public weft::Exporter {
 public:
  weft::ExportResult send(const weft::ExportRequest&) noexcept override { return {}; }
  std::string description() const override { return "discard"; }
};

// ---- the processes

// What a server says when it has ended.
struct Exported {
  std::uint64_t delivered = 0;
  std::uint64_t lost = 0;  // dropped by the queue, or not delivered
};

// Processor time in microseconds.
struct CpuTime {
  double total_us = 0;
  double export_us = 0;  // of it that of the exporter's thread
};

// A child process; ends with this one or with this object.
class Child {
 public:
  template <class Run>
  explicit Child(Run&& run) {
    int ends[2];
    if (pipe(ends) != 0) fail("pipe");
    pid_ = fork();
    if (pid_ < 0) fail("fork");
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      close(ends[0]);
      run(ends[1]);
      _exit(1);
    }
    close(ends[1]);
    pipe_ = ends[0];
    if (read(pipe_, &port_, sizeof(port_)) != sizeof(port_)) fail("a server did not start");
    if (clock_getcpuclockid(pid_, &clock_) != 0) fail("clock_getcpuclockid");
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    close(pipe_);
  }
  std::uint16_t port() const { return port_; }
  CpuTime cpu() const {
    timespec t{};
    clock_gettime(clock_, &t);
    CpuTime out;
    out.total_us = static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
    std::error_code ignored;
    const std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks, ignored)) {
      std::string name;
      std::getline(std::ifstream(task.path() / "comm"), name);
      double ran_ns = 0;
      if (name == "weft-export" && std::ifstream(task.path() / "schedstat") >> ran_ns) {
        out.export_us += ran_ns / 1e3;
      }
    }
    return out;
  }
  // Tells an instrumented server to end, and waits for what it has to say.
  Exported end() {
    kill(pid_, SIGTERM);
    Exported exported;
    if (read(pipe_, &exported, sizeof(exported)) != sizeof(exported)) fail("a server did not end");
    return exported;
  }

 private:
  [[noreturn]] static void fail(const char* what) {
    std::perror(what);
    std::exit(1);
  }
  pid_t pid_ = 0;
  int pipe_ = -1;
  std::uint16_t port_ = 0;
  clockid_t clock_ = 0;
};

// Providers for the process, recording everything. `exporter` null: none.
struct Telemetry {
  explicit Telemetry(std::unique_ptr<weft::Exporter> exporter) {
    weft::TracerProviderConfig config;
    config.resource = weft::Resource::from_environment();
    config.sampler = weft::Sampler::always_on();
    weft::BatchOptions batch;
    batch.max_queue_size = 65536;
    config.exporters.push_back({std::move(exporter), batch});
    tracers = weft::TracerProvider(std::move(config));
    tracers.set_global();
    meters = weft::MeterProvider(weft::MeterProviderConfig());
    meters.set_global();
  }
  weft::TracerProvider tracers;
  weft::MeterProvider meters;
};

template <class Server>
auto instrumented(std::uint16_t receiver_port, int threads = 1) {
  return [receiver_port, threads](int pipe) {
    std::unique_ptr<weft::Exporter> exporter;
    if (receiver_port == 0) {
      exporter = std::make_unique<Discard>();
    } else {
      weft::OtlpConfig config;
      config.endpoint = "http://127.0.0.1:" + std::to_string(receiver_port) + "/v1/traces";
      exporter = weft::make_otlp_exporter(config, nullptr);
    }
    Telemetry telemetry(std::move(exporter));
    run_server(Server(), pipe, threads);
    telemetry.tracers.shutdown(5000);
    Exported exported;
    for (const weft::ExporterStats& stats : telemetry.tracers.stats()) {
      exported.delivered += stats.exported;
      exported.lost += stats.dropped + stats.failed;
    }
    if (write(pipe, &exported, sizeof(exported)) != sizeof(exported)) std::perror("write");
  };
}

// ---- the middleware alone

BeastRequest sample_request() {
  BeastRequest request(beast::http::verb::get, "/accounts/42", 11);
  request.set(beast::http::field::host, "127.0.0.1:8080");
  request.set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  return request;
}

// Bare: what the bare server does instead of the middleware.
void handle_requests(bool bare, std::uint64_t count) {
  const Telemetry telemetry(std::make_unique<Discard>());
  const Instrumented server;
  const BeastRequest request = sample_request();
  const BeastPeer peer = BeastPeer::of({asio::ip::address_v4::loopback(), 51234});
  for (std::uint64_t i = 0; i < count; ++i) {
    BeastResponse response = bare ? account(request) : server.routes.handle(request, peer);
    if (bare) {
      response.keep_alive(request.keep_alive());
      response.prepare_payload();
    }
    asm volatile("" : : "r"(&response) : "memory");
  }
}

// ---- a server without wrk

// Sends `count` requests over one connection, one after the other. The same for every server.
void send_requests(std::uint16_t port, std::uint64_t count) {
  constexpr std::string_view kRequest =
      "GET /accounts/42 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
      "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    std::perror("connect");
    std::exit(1);
  }
  char answer[1024];
  for (std::uint64_t i = 0; i < count; ++i) {
    // An answer is written at once, and so comes at once.
    if (send(connection, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0 ||
        recv(connection, answer, sizeof(answer), 0) <= 0) {
      std::perror("the connection");
      std::exit(1);
    }
  }
  close(connection);
}

template <class Server>
void serve_requests(std::uint64_t count) {
  const Telemetry telemetry(std::make_unique<Discard>());
  const Server server;
  int ends[2];
  if (pipe(ends) != 0) return;
  std::thread client([&] {
    std::uint16_t port = 0;
    if (read(ends[0], &port, sizeof(port)) == sizeof(port)) send_requests(port, count);
    kill(getpid(), SIGTERM);
  });
  run_server(server, ends[1]);
  client.join();
}

// ---- the load

struct Run {
  double requests_per_s = 0;
  double requests = 0;
  double cpu_us = 0;  // of the server, per request
  double export_us = 0;
};

// Runs wrk; requests_per_s stays 0 when its answer makes no sense.
Run load(const Child& server, int seconds) {
  const std::string command =
      "wrk -t1 -c64 -d" + std::to_string(seconds) +
      "s -H 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' "
      "http://127.0.0.1:" +
      std::to_string(server.port()) + "/accounts/42 2>&1";
  const CpuTime before = server.cpu();
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  Run run;
  bool errors = false;
  char line[512];
  while (std::fgets(line, sizeof(line), pipe) != nullptr) {
    double value = 0;
    char rest[32];
    if (std::sscanf(line, "Requests/sec: %lf", &value) == 1) run.requests_per_s = value;
    if (std::sscanf(line, " %lf requests in %31s", &value, rest) == 2) run.requests = value;
    errors |=
        std::strstr(line, "Non-2xx") != nullptr || std::strstr(line, "Socket errors") != nullptr;
  }
  if (pclose(pipe) != 0 || errors || run.requests == 0) return {};
  const CpuTime after = server.cpu();
  run.cpu_us = (after.total_us - before.total_us) / run.requests;
  run.export_us = (after.export_us - before.export_us) / run.requests;
  return run;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Candidate {
  const char* name;
  std::unique_ptr<Child> process;
  bool exports = false;
  // One of each a round; share: of the bare one's in the same round, and of the one's that is like
  // it but for the instrumentation.
  std::vector<double> requests_per_s = {}, cpu_us = {}, export_us = {}, share = {},
                      share_of_like = {};
  double requests = 0;   // all of them
  std::size_t like = 0;  // among the candidates
};

}  // namespace

int main(int argc, char** argv) {
  int seconds = 1;
  int rounds = 12;
  std::string_view only;
  std::uint64_t count = 10000;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--seconds") seconds = std::max(1, std::atoi(argv[i + 1]));
    if (option == "--only") only = argv[i + 1];
    if (option == "--count") count = std::strtoull(argv[i + 1], nullptr, 10);
    if (option == "--rounds") rounds = std::max(1, std::atoi(argv[i + 1]));
  }
  if (only == "serve") {
    serve_requests<Instrumented>(count);
  } else if (only == "serve-bare") {
    serve_requests<Bare>(count);
  } else if (only == "serve-coroutines") {
    serve_requests<InstrumentedCoroutines>(count);
  } else if (only == "serve-bare-coroutines") {
    serve_requests<BareCoroutines>(count);
  } else if (!only.empty()) {
    handle_requests(only == "handle-bare", count);
  }
  if (!only.empty()) return 0;
  if (std::system("command -v wrk >/dev/null") != 0) {
    std::printf("the Beast server is not measured: wrk is not installed\n");
    return 0;
  }
  // All processes before the first thread.
  const Child receiver(run_receiver);
  std::vector<Candidate> candidates;
  auto add = [&](const char* name, bool exports, auto&& run) {
    candidates.push_back({name, std::make_unique<Child>(run), exports});
  };
  add("bare", false, [](int pipe) { run_server(Bare(), pipe); });
  add("bare, beside a thread that sleeps", false, [](int pipe) {
    std::thread([] { pause(); }).detach();
    run_server(Bare(), pipe);
  });
  add("instrumented, spans thrown away", true, instrumented<Instrumented>(0));
  candidates.back().like = 1;
  add("the same, exported by OTLP/HTTP", true, instrumented<Instrumented>(receiver.port()));
  candidates.back().like = 1;
  add("bare, coroutine handlers", false, [](int pipe) { run_server(BareCoroutines(), pipe); });
  add("coroutine handlers, exported", true, instrumented<InstrumentedCoroutines>(receiver.port()));
  candidates.back().like = candidates.size() - 2;
  add("bare, two threads", false, [](int pipe) { run_server(Bare(), pipe, 2); });
  add("two threads, exported", true, instrumented<Instrumented>(receiver.port(), 2));
  candidates.back().like = candidates.size() - 2;

  for (int round = -1; round < rounds; ++round) {  // the first to warm up
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      Candidate& c = candidates[round % 2 == 0 ? i : candidates.size() - 1 - i];
      const Run run = load(*c.process, seconds);
      if (run.requests_per_s == 0) {
        std::printf("the Beast server is not measured: wrk failed or met errors\n");
        return 1;
      }
      c.requests += run.requests;
      if (round < 0) continue;
      c.requests_per_s.push_back(run.requests_per_s);
      c.cpu_us.push_back(run.cpu_us);
      c.export_us.push_back(run.export_us);
    }
    if (round < 0) continue;
    for (Candidate& c : candidates) {
      c.share.push_back(c.requests_per_s.back() / candidates[0].requests_per_s.back());
      c.share_of_like.push_back(c.requests_per_s.back() / candidates[c.like].requests_per_s.back());
    }
  }
  std::printf("%-34s %10s %8s %9s %12s %10s %10s %10s %6s\n", "a Beast server under wrk, loopback",
              "requests/s", "of bare", "of alike", "CPU/request", "exporting", "requests",
              "delivered", "lost");
  for (const Candidate& c : candidates) {
    std::printf("%-34s %10.0f %6.1f %% %7.1f %% %9.2f us %7.2f us %10.0f", c.name,
                median(c.requests_per_s), 100 * median(c.share), 100 * median(c.share_of_like),
                median(c.cpu_us), median(c.export_us), c.requests);
    if (c.exports) {
      // More are delivered than wrk has counted: those under way when it stopped.
      const Exported exported = c.process->end();
      std::printf(" %10llu %6llu  >= 97 %%", static_cast<unsigned long long>(exported.delivered),
                  static_cast<unsigned long long>(exported.lost));
    }
    std::printf("\n");
  }
  return 0;
}
