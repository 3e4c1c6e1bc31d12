#include <weft/http/dns.h>

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fcntl.h>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>

namespace weft::inline v1::http {
namespace {

constexpr std::size_t kMaxAddresses = 16;
constexpr std::size_t kMaxTries = 64;

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
}

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string to_text(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(v4->sin_port));
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
  inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
  return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6->sin6_port));
}

bool is_literal(const std::string& name) {
  unsigned char buffer[16];
  return inet_pton(AF_INET, name.c_str(), buffer) == 1 ||
         inet_pton(AF_INET6, name.c_str(), buffer) == 1;
}

// The low-cardinality name of a c-ares failure.
const char* error_name(int status) {
  switch (status) {
    case ARES_ENOTFOUND:
      return "nxdomain";
    case ARES_ENODATA:
      return "nodata";
    case ARES_ESERVFAIL:
      return "servfail";
    case ARES_EREFUSED:
      return "refused";
    case ARES_ETIMEOUT:
      return "timeout";
    case ARES_ECONNREFUSED:
      return "no_server";
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
      return "cancelled";
    default:
      return "bad_answer";
  }
}

// The type asked for in the first question of a DNS message; 0 when it is malformed.
std::uint16_t question_type(const unsigned char* message, std::size_t size) {
  std::size_t at = 12;
  while (at < size && message[at] != 0) {
    if ((message[at] & 0xC0) != 0) return 0;
    at += message[at] + 1u;
  }
  if (at + 3 > size) return 0;
  return static_cast<std::uint16_t>(message[at + 1] << 8 | message[at + 2]);
}

}  // namespace

std::string DnsTry::outcome() const {
  if (answered_ns == 0) return rcode == -2 ? "unreachable" : "timeout";
  if (truncated) return "truncated";
  switch (rcode) {
    case 0:
      return "NOERROR";
    case 1:
      return "FORMERR";
    case 2:
      return "SERVFAIL";
    case 3:
      return "NXDOMAIN";
    case 4:
      return "NOTIMP";
    case 5:
      return "REFUSED";
    default:
      return "RCODE" + std::to_string(rcode);
  }
}

int DnsResult::timeouts() const {
  return static_cast<int>(std::count_if(tries.begin(), tries.end(), [](const DnsTry& t) {
    return t.answered_ns == 0 && t.rcode != -2;
  }));
}

struct Resolver::State {
  struct Entry {
    std::vector<std::string> addresses;
    std::int64_t expires_ms;
  };

  explicit State(ResolverConfig c) : config(std::move(c)) {}

  bool find(const std::string& name, std::vector<std::string>& addresses) {
    const std::lock_guard lock(mutex);
    const auto at = cache.find(name);
    if (at == cache.end()) return false;
    if (at->second.expires_ms <= steady_ms()) {
      cache.erase(at);
      return false;
    }
    addresses = at->second.addresses;
    return true;
  }

  void keep(const std::string& name, const std::vector<std::string>& addresses, int ttl_s) {
    const std::int64_t ttl_ms =
        std::min<std::int64_t>(std::int64_t{ttl_s} * 1000, config.cache_ttl_ms_max);
    if (ttl_ms <= 0 || config.cache_entries_max == 0) return;
    const std::lock_guard lock(mutex);
    if (cache.size() >= config.cache_entries_max) cache.erase(cache.begin());
    cache[name] = {addresses, steady_ms() + ttl_ms};
  }

  const ResolverConfig config;
  std::mutex mutex;
  std::unordered_map<std::string, Entry> cache;
};

namespace {

// Watches the sockets of one channel: every query that leaves and every answer that comes. TCP
// messages carry a length of two bytes in front, and their pieces may come apart; their bytes are
// collected until a header is complete.
class Wiretap {
 public:
  explicit Wiretap(std::vector<DnsTry>& tries) : tries_(tries) {}

  static const ares_socket_functions* functions() {
    static const ares_socket_functions table = {&on_open, &on_close, &on_connect, &on_receive,
                                                &on_send};
    return &table;
  }

 private:
  struct Socket {
    std::string server;
    bool tcp = false;
    std::string sent;  // TCP only: bytes of messages that are not complete yet
    std::string received;
  };

  static Wiretap& self(void* user) { return *static_cast<Wiretap*>(user); }

  static ares_socket_t on_open(int family, int type, int protocol, void* user) {
    const int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd >= 0) self(user).sockets_[fd].tcp = type == SOCK_STREAM;
    return fd;
  }
  static int on_close(ares_socket_t fd, void* user) {
    self(user).sockets_.erase(fd);
    return close(fd);
  }
  static int on_connect(ares_socket_t fd, const sockaddr* address, ares_socklen_t size,
                        void* user) {
    self(user).sockets_[fd].server = to_text(address);
    return connect(fd, address, size);
  }
  static ares_ssize_t on_receive(ares_socket_t fd, void* buffer, size_t size, int flags,
                                 sockaddr* from, ares_socklen_t* from_size, void* user) {
    const ssize_t got = recvfrom(fd, buffer, size, flags, from, from_size);
    if (got > 0) {
      self(user).received(fd, static_cast<const char*>(buffer), static_cast<std::size_t>(got));
    } else if (got < 0 && errno == ECONNREFUSED) {
      self(user).unreachable(fd);
    }
    return got;
  }
  static ares_ssize_t on_send(ares_socket_t fd, const iovec* parts, int count, void* user) {
    const ssize_t sent = writev(fd, parts, count);
    if (sent > 0) {
      std::string bytes;
      for (int i = 0; i < count; ++i) {
        bytes.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
      }
      bytes.resize(static_cast<std::size_t>(sent));
      self(user).sent(fd, bytes);
    }
    return sent;
  }

  void sent(int fd, std::string_view bytes) {
    Socket& socket = sockets_[fd];
    if (!socket.tcp) return query(socket, bytes);
    socket.sent.append(bytes);
    for_each_message(socket.sent, [&](std::string_view message) { query(socket, message); });
  }

  void received(int fd, const char* data, std::size_t size) {
    Socket& socket = sockets_[fd];
    if (!socket.tcp) return answer(socket, {data, size});
    socket.received.append(data, size);
    for_each_message(socket.received, [&](std::string_view message) { answer(socket, message); });
  }

  template <class F>
  static void for_each_message(std::string& stream, F&& function) {
    while (stream.size() >= 2) {
      const std::size_t size =
          static_cast<unsigned char>(stream[0]) << 8 | static_cast<unsigned char>(stream[1]);
      if (stream.size() < 2 + size) return;
      function(std::string_view(stream).substr(2, size));
      stream.erase(0, 2 + size);
    }
  }

  void query(const Socket& socket, std::string_view message) {
    if (message.size() < 12 || tries_.size() >= kMaxTries) return;
    const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
    DnsTry& entry = tries_.emplace_back();
    entry.server = socket.server;
    entry.tcp = socket.tcp;
    entry.type = question_type(bytes, message.size());
    entry.sent_ns = now_ns();
    ids_.resize(tries_.size());
    ids_.back() = static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
  }

  // The newest query of that id to that server which has no answer yet.
  void answer(const Socket& socket, std::string_view message) {
    if (message.size() < 12) return;
    const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
    const auto id = static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
    for (std::size_t i = tries_.size(); i-- > 0;) {
      DnsTry& entry = tries_[i];
      if (ids_[i] != id || entry.server != socket.server || entry.tcp != socket.tcp ||
          entry.answered_ns != 0) {
        continue;
      }
      entry.answered_ns = now_ns();
      entry.rcode = bytes[3] & 15;
      entry.truncated = (bytes[2] & 2) != 0;
      return;
    }
  }

  void unreachable(int fd) {
    const std::string& server = sockets_[fd].server;
    for (std::size_t i = tries_.size(); i-- > 0;) {
      if (tries_[i].server != server || tries_[i].answered_ns != 0) continue;
      tries_[i].rcode = -2;
      return;
    }
  }

  std::vector<DnsTry>& tries_;
  std::vector<std::uint16_t> ids_;  // parallel to tries_
  std::map<int, Socket> sockets_;
};

class FinishedLookup final : public DnsLookup {
 public:
  explicit FinishedLookup(DnsResult result) : result_(std::move(result)) {}
  std::vector<Watch> watches() const override { return {}; }
  int timeout_ms() const override { return 0; }
  bool process() override { return true; }
  const DnsResult& result() const override { return result_; }

 private:
  DnsResult result_;
};

class AresLookup final : public DnsLookup {
 public:
  AresLookup(std::shared_ptr<Resolver::State> state, const std::string& name)
      : state_(std::move(state)), name_(name), tap_(result_.tries) {
    result_.start_ns = now_ns();
    if (const int status = open(); status != ARES_SUCCESS) {
      finish(status, nullptr);
      return;
    }
    ares_addrinfo_hints hints = {};
    hints.ai_family = state_->config.family == AddressFamily::kIpv4   ? AF_INET
                      : state_->config.family == AddressFamily::kIpv6 ? AF_INET6
                                                                      : AF_UNSPEC;
    ares_getaddrinfo(
        channel_, name_.c_str(), nullptr, &hints,
        [](void* self, int status, int, ares_addrinfo* info) {
          static_cast<AresLookup*>(self)->finish(status, info);
        },
        this);
  }
  ~AresLookup() override {
    if (channel_ != nullptr) ares_destroy(channel_);
  }

  std::vector<Watch> watches() const override {
    std::vector<Watch> out;
    if (done_ || channel_ == nullptr) return out;
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    const int bits = ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM);
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      const bool read = ARES_GETSOCK_READABLE(bits, i);
      const bool write = ARES_GETSOCK_WRITABLE(bits, i);
      if (read || write) out.push_back({sockets[i], read, write});
    }
    return out;
  }

  int timeout_ms() const override {
    if (done_ || channel_ == nullptr) return 0;
    timeval longest = {60, 0};
    timeval buffer = {};
    const timeval* next = ares_timeout(channel_, &longest, &buffer);
    // Rounded up: c-ares looks at microseconds and would find nothing due a moment too early.
    return static_cast<int>(next->tv_sec * 1000 + (next->tv_usec + 999) / 1000);
  }

  bool process() override {
    if (done_ || channel_ == nullptr) return true;
    std::vector<pollfd> ready;
    for (const Watch& watch : watches()) {
      ready.push_back({watch.descriptor,
                       static_cast<short>((watch.read ? POLLIN : 0) | (watch.write ? POLLOUT : 0)),
                       0});
    }
    poll(ready.data(), ready.size(), 0);
    bool any = false;
    for (const pollfd& p : ready) {
      if (p.revents == 0) continue;
      any = true;
      const bool failed = (p.revents & (POLLERR | POLLHUP)) != 0;
      ares_process_fd(channel_, (p.revents & POLLIN) != 0 || failed ? p.fd : ARES_SOCKET_BAD,
                      (p.revents & POLLOUT) != 0 ? p.fd : ARES_SOCKET_BAD);
      if (done_) return true;
    }
    if (!any) ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    return done_;
  }

  const DnsResult& result() const override { return result_; }

 private:
  int open() {
    static const int library = ares_library_init(ARES_LIB_INIT_ALL);
    if (library != ARES_SUCCESS) return library;
    ares_options options = {};
    options.timeout = static_cast<int>(state_->config.timeout_ms);
    options.tries = static_cast<int>(std::max(1u, state_->config.tries));
    // After SERVFAIL, NOTIMP or REFUSED c-ares goes on to the next server by itself.
    const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
    if (const int status = ares_init_options(&channel_, &options, mask); status != ARES_SUCCESS) {
      channel_ = nullptr;
      return status;
    }
    ares_set_socket_functions(channel_, Wiretap::functions(), &tap_);
    if (state_->config.servers.empty()) return ARES_SUCCESS;
    return ares_set_servers_ports_csv(channel_, state_->config.servers.c_str());
  }

  void finish(int status, ares_addrinfo* info) {
    if (done_) return;
    done_ = true;
    result_.end_ns = now_ns();
    int ttl_s = INT32_MAX;
    for (auto* node = info == nullptr ? nullptr : info->nodes; node != nullptr;
         node = node->ai_next) {
      if (result_.addresses.size() < kMaxAddresses) add(*node);
      ttl_s = std::min(ttl_s, node->ai_ttl);
    }
    if (info != nullptr) ares_freeaddrinfo(info);
    if (!result_.ok()) {
      if (status == ARES_SUCCESS) status = ARES_ENODATA;
      result_.error = error_name(status);
      result_.error_message = std::string("look up ") + name_ + ": " + ares_strerror(status);
      refine_error();
    } else if (!result_.tries.empty()) {
      state_->keep(name_, result_.addresses, ttl_s);
    }
  }

  // c-ares says "could not contact DNS servers" when every server has been asked in vain; what the
  // servers did is in the tries, and is what a person wants to know.
  void refine_error() {
    if (result_.error != "no_server" || result_.tries.empty()) return;
    const DnsTry& last = result_.tries.back();
    if (last.answered_ns == 0 && last.rcode != -2) {
      result_.error = "timeout";
    } else if (last.rcode == 2) {
      result_.error = "servfail";
    } else if (last.rcode == 5) {
      result_.error = "refused";
    }
  }

  void add(const ares_addrinfo_node& node) {
    char text[INET6_ADDRSTRLEN] = {};
    const void* address = node.ai_family == AF_INET
                              ? static_cast<const void*>(
                                    &reinterpret_cast<const sockaddr_in*>(node.ai_addr)->sin_addr)
                              : &reinterpret_cast<const sockaddr_in6*>(node.ai_addr)->sin6_addr;
    if (inet_ntop(node.ai_family, address, text, sizeof text) != nullptr) {
      result_.addresses.emplace_back(text);
    }
  }

  std::shared_ptr<Resolver::State> state_;
  const std::string name_;
  DnsResult result_;
  Wiretap tap_;
  ares_channel channel_ = nullptr;
  bool done_ = false;
};

}  // namespace

Resolver::Resolver(ResolverConfig config) : state_(std::make_shared<State>(std::move(config))) {}
Resolver::~Resolver() = default;

std::unique_ptr<DnsLookup> Resolver::start(const std::string& name) {
  DnsResult known;
  known.start_ns = known.end_ns = now_ns();
  if (is_literal(name)) {
    known.addresses.push_back(name);
    return std::make_unique<FinishedLookup>(std::move(known));
  }
  if (state_->find(name, known.addresses)) {
    known.cached = true;
    return std::make_unique<FinishedLookup>(std::move(known));
  }
  return std::make_unique<AresLookup>(state_, name);
}

DnsResult Resolver::resolve(const std::string& name, std::uint32_t timeout_ms) {
  const std::int64_t deadline_ms = timeout_ms == 0 ? INT64_MAX : steady_ms() + timeout_ms;
  const auto lookup = start(name);
  while (!lookup->process()) {
    const std::int64_t left_ms = deadline_ms - steady_ms();
    if (left_ms <= 0) {
      DnsResult result = lookup->result();
      result.end_ns = now_ns();
      result.error = "timeout";
      result.error_message =
          "look up " + name + ": no answer within " + std::to_string(timeout_ms) + " ms";
      return result;
    }
    std::vector<pollfd> waits;
    for (const DnsLookup::Watch& watch : lookup->watches()) {
      waits.push_back({watch.descriptor,
                       static_cast<short>((watch.read ? POLLIN : 0) | (watch.write ? POLLOUT : 0)),
                       0});
    }
    poll(waits.data(), waits.size(),
         static_cast<int>(std::min<std::int64_t>(lookup->timeout_ms(), left_ms)));
  }
  return lookup->result();
}

void Resolver::clear_cache() {
  const std::lock_guard lock(state_->mutex);
  state_->cache.clear();
}

}  // namespace weft::inline v1::http
