#include <weft/metrics.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "../clock.h"
#include "../fork.h"

namespace weft::inline v1 {
namespace {

constexpr std::size_t kMaxConnections = 32;
constexpr std::size_t kMaxRequestBytes = 8192;
constexpr std::size_t kMaxDrainedBytes = 1 << 20;
constexpr std::int64_t kIdleNs = 10 * sdk_detail::kNsPerSecond;

struct Connection {
  int fd;
  std::int64_t last_ns;
  std::string in;
  std::string out;  // being written; the connection closes when it is gone
  // Answered before the request had come to its end: the rest is read and thrown away, because
  // closing over unread bytes resets the connection and may take the answer with it.
  bool draining = false;
  std::size_t drained = 0;
};

std::string answer(int status, const char* reason, const std::string& type,
                   const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + " " + reason + "\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" +
         body;
}

// The value of a header of a request, looked for without regard to case.
std::string find_header(const std::string& request, std::string_view lower_name) {
  std::size_t at = request.find("\r\n");
  while (at != std::string::npos && at + 2 < request.size()) {
    const std::size_t end = request.find("\r\n", at + 2);
    if (end == std::string::npos || end == at + 2) break;
    const std::string line = request.substr(at + 2, end - at - 2);
    const std::size_t colon = line.find(':');
    if (colon == lower_name.size()) {
      bool same = true;
      for (std::size_t i = 0; i < colon && same; ++i) {
        same = (line[i] | 0x20) == lower_name[i] || line[i] == lower_name[i];
      }
      if (same) return line.substr(colon + 1);
    }
    at = end;
  }
  return {};
}

class Server;

// The servers of the process. A fork leaves the child their descriptors and none of their threads.
class Servers final : public sdk_detail::ForkParticipant {
 public:
  static Servers& instance() {
    static auto* made = [] {
      auto* servers = new Servers;  // never destroyed, as all participants
      sdk_detail::register_fork_participant(sdk_detail::ForkRank::kRegistry, servers);
      return servers;
    }();
    return *made;
  }
  void add(Server* server) {
    const std::lock_guard lock(mutex_);
    all_.insert(server);
  }
  void remove(Server* server) {
    const std::lock_guard lock(mutex_);
    all_.erase(server);
  }

  void before_fork() noexcept override { mutex_.lock(); }
  void after_fork_in_parent() noexcept override { mutex_.unlock(); }
  void after_fork_in_child() noexcept override;

 private:
  std::mutex mutex_;
  std::set<Server*> all_;
};

// One thread and poll(): scrapes are rare.
class Server final : public PrometheusServer {
 public:
  Server(const MeterProvider& provider, int listener, int stop, std::uint16_t port)
      : provider_(provider), listener_(listener), stop_(stop), port_(port) {
    Servers::instance().add(this);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      thread_ = std::make_unique<std::thread>([this] { run(); });
    } catch (...) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      Servers::instance().remove(this);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  ~Server() override {
    Servers::instance().remove(this);
    if (thread_ == nullptr) return;  // the parent's
    const std::uint64_t one = 1;
    if (write(stop_, &one, sizeof(one)) == static_cast<ssize_t>(sizeof(one))) thread_->join();
    close(listener_);
    close(stop_);
  }
  std::uint16_t port() const override { return port_; }

  // The port stays the parent's alone: a word on stop_ would end the parent's thread, and a socket
  // kept open would keep the port taken when the parent has gone.
  void forget_after_fork() noexcept {
    (void)thread_.release();
    close(listener_);
    close(stop_);
  }

 private:
  void run() {
    std::vector<Connection> connections;
    bool exhausted = false;  // no descriptor was left for the connection that is waiting
    while (true) {
      std::vector<pollfd> fds = {{stop_, POLLIN, 0}};
      const bool accepts = connections.size() < kMaxConnections && !exhausted;
      exhausted = false;  // tried again after what is open, or a second
      fds.push_back({accepts ? listener_ : -1, POLLIN, 0});
      for (const Connection& c : connections) {
        const bool reads = c.out.empty() || c.draining;
        fds.push_back({c.fd, static_cast<short>(reads ? POLLIN : POLLOUT), 0});
      }
      if (poll(fds.data(), fds.size(), 1000) < 0 && errno != EINTR) break;
      if (fds[0].revents != 0) break;
      const std::int64_t now = sdk_detail::monotonic_ns();
      for (std::size_t i = connections.size(); i-- > 0;) {
        Connection& c = connections[i];
        const bool ready = fds[i + 2].revents != 0;
        if (ready) c.last_ns = now;
        if ((ready && !serve(c)) || now - c.last_ns > kIdleNs) {
          close(c.fd);
          connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(i));
        }
      }
      if (fds[1].revents != 0) {
        const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) connections.push_back({fd, now, {}, {}});
        exhausted = fd < 0 && (errno == EMFILE || errno == ENFILE);
      }
    }
    for (const Connection& c : connections)
      close(c.fd);
  }

  // False when the connection is done with.
  bool serve(Connection& c) {
    if (c.draining) {
      char buffer[4096];
      const ssize_t n = recv(c.fd, buffer, sizeof(buffer), 0);
      if (n < 0) return errno == EAGAIN || errno == EINTR;
      c.drained += static_cast<std::size_t>(n);
      return n != 0 && c.drained <= kMaxDrainedBytes;
    }
    if (c.out.empty()) {
      char buffer[2048];
      const ssize_t n = recv(c.fd, buffer, sizeof(buffer), 0);
      if (n < 0) return errno == EAGAIN || errno == EINTR;
      if (n == 0) return false;
      c.in.append(buffer, static_cast<std::size_t>(n));
      if (c.in.find("\r\n\r\n") == std::string::npos) {
        if (c.in.size() <= kMaxRequestBytes) return true;
        c.out = answer(431, "Request Header Fields Too Large", "text/plain", "too large\n");
      } else {
        c.out = respond(c.in);
      }
    }
    const ssize_t n = send(c.fd, c.out.data(), c.out.size(), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    c.out.erase(0, static_cast<std::size_t>(n));
    if (!c.out.empty()) return true;
    if (c.in.find("\r\n\r\n") != std::string::npos) return false;
    shutdown(c.fd, SHUT_WR);
    c.draining = true;
    return true;
  }

  std::string respond(const std::string& request) {
    const bool get = request.starts_with("GET ");
    const bool head = request.starts_with("HEAD ");
    if (!get && !head) return answer(405, "Method Not Allowed", "text/plain", "GET only\n");
    const std::size_t begin = get ? 4 : 5;
    std::string path = request.substr(begin, request.find(' ', begin) - begin);
    path = path.substr(0, path.find('?'));
    if (path != "/metrics") return answer(404, "Not Found", "text/plain", "see /metrics\n");
    std::string type;
    const std::string body = provider_.prometheus_text(find_header(request, "accept"), &type);
    std::string out = answer(200, "OK", type, body);
    if (head) out.resize(out.size() - body.size());
    return out;
  }

  const MeterProvider& provider_;
  const int listener_;
  const int stop_;
  const std::uint16_t port_;
  std::unique_ptr<std::thread> thread_;  // null in the child of a fork
};

void Servers::after_fork_in_child() noexcept {
  for (Server* server : all_)
    server->forget_after_fork();
  all_.clear();
  mutex_.unlock();
}

// A listening socket; -1 with errno when there is none to be had.
int listen_on(const addrinfo& address) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(fd, address.ai_addr, address.ai_addrlen) == 0 && listen(fd, 64) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

std::unique_ptr<PrometheusServer> PrometheusServer::start(const MeterProvider& provider,
                                                          const std::string& host,
                                                          std::uint16_t port, std::string* error) {
  auto fail = [&](const std::string& why) -> std::unique_ptr<PrometheusServer> {
    if (error != nullptr) *error = host + ":" + std::to_string(port) + ": " + why;
    return nullptr;
  };
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) return fail(gai_strerror(failed));
  // A name such as localhost may stand for several addresses. IPv4 comes first: who asks for the
  // name tries them all, who asks for 127.0.0.1 does not. What another process has taken is no
  // reason to listen elsewhere.
  int fd = -1;
  int bind_error = 0;
  for (const bool want_v4 : {true, false}) {
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
      if (fd >= 0 || bind_error == EADDRINUSE || (at->ai_family == AF_INET) != want_v4) continue;
      fd = listen_on(*at);
      if (fd < 0) bind_error = errno;
    }
  }
  freeaddrinfo(found);
  if (fd < 0) return fail(std::strerror(bind_error));
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    const int error_number = errno;
    close(fd);
    return fail(std::strerror(error_number));
  }
  const std::uint16_t actual = address.ss_family == AF_INET6
                                   ? ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port)
                                   : ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  const int stop = eventfd(0, EFD_CLOEXEC);
  if (stop < 0) {
    close(fd);
    return fail(std::strerror(errno));
  }
  try {
    return std::make_unique<Server>(provider, fd, stop, actual);
  } catch (const std::exception& e) {
    close(fd);
    close(stop);
    return fail(e.what());
  }
}

}  // namespace weft::inline v1
