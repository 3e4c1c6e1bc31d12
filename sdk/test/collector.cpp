#include "collector.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>

namespace sdk_test {
namespace {

int bind_to_any_port(std::uint16_t& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("cannot bind to 127.0.0.1");
  }
  port = ntohs(address.sin_port);
  return fd;
}

int listen_on_any_port(std::uint16_t& port) {
  const int fd = bind_to_any_port(port);
  if (listen(fd, 64) != 0) throw std::runtime_error("cannot listen on 127.0.0.1");
  return fd;
}

std::int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

void write_all(int fd, const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;
    sent += static_cast<std::size_t>(n);
  }
}

}  // namespace

Collector::Collector(std::vector<Reply> script) : script_(std::move(script)) {
  listener_ = listen_on_any_port(port_);
  acceptor_ = std::thread([this] {
    while (!stop_.load()) {
      pollfd p{listener_, POLLIN, 0};
      if (poll(&p, 1, 20) <= 0) continue;
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      const std::lock_guard lock(mutex_);
      connections_.emplace_back([this, fd] { serve(fd); });
    }
  });
}

Collector::~Collector() {
  stop_.store(true);
  acceptor_.join();
  for (auto& connection : connections_)
    connection.join();
  close(listener_);
}

std::string Collector::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

std::vector<Received> Collector::received() const {
  const std::lock_guard lock(mutex_);
  return received_;
}

bool Collector::wait_for(std::size_t count) const {
  for (int i = 0; i < 2000; ++i) {
    if (received().size() >= count) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

void Collector::serve(int fd) {
  std::string in;
  while (!stop_.load()) {
    const std::size_t head = in.find("\r\n\r\n");
    Received request;
    std::size_t length = 0;
    if (head != std::string::npos) {
      const std::size_t first = in.find("\r\n");
      const std::size_t space = in.find(' ');
      request.path = in.substr(space + 1, in.find(' ', space + 1) - space - 1);
      for (std::size_t at = first; at < head;) {
        const std::size_t end = in.find("\r\n", at + 2);
        const std::string line = in.substr(at + 2, end - at - 2);
        const std::size_t colon = line.find(':');
        if (colon != std::string::npos) {
          std::string name = line.substr(0, colon);
          std::transform(name.begin(), name.end(), name.begin(), [](char c) {
            return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
          });
          request.headers[name] = line.substr(std::min(line.size(), colon + 2));
        }
        at = end;
      }
      if (request.headers.count("content-length") != 0) {
        length = std::stoul(request.headers["content-length"]);
      }
    }
    if (head != std::string::npos && in.size() >= head + 4 + length) {
      request.body = in.substr(head + 4, length);
      in.erase(0, head + 4 + length);
      request.at_ns = now_ns();
      if (!answer(fd, request)) break;
      continue;
    }
    pollfd p{fd, POLLIN, 0};
    if (poll(&p, 1, 20) <= 0) continue;
    char buffer[65536];
    const ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
    if (n <= 0) break;
    in.append(buffer, static_cast<std::size_t>(n));
  }
  close(fd);
}

// False when the connection is to be closed.
bool Collector::answer(int fd, const Received& request) {
  Reply reply;
  {
    const std::lock_guard lock(mutex_);
    reply = script_[std::min(received_.size(), script_.size() - 1)];
    received_.push_back(request);
  }
  switch (reply.kind) {
    case Reply::Kind::kHang:
      while (!stop_.load()) {
        pollfd p{fd, POLLIN, 0};
        char c;
        if (poll(&p, 1, 20) > 0 && recv(fd, &c, 1, 0) <= 0) return false;
      }
      return false;
    case Reply::Kind::kClose:
      return false;
    case Reply::Kind::kCloseMidway:
      write_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
      return false;
    case Reply::Kind::kAnswer:
      write_all(fd, "HTTP/1.1 " + std::to_string(reply.status) + " X\r\n" + reply.headers +
                        "Content-Length: " + std::to_string(reply.body.size()) + "\r\n\r\n" +
                        reply.body);
      return true;
  }
  return false;
}

std::uint16_t unused_port() {
  std::uint16_t port = 0;
  bind_to_any_port(port);  // kept, so that nobody else gets it
  return port;
}

std::string gunzip(const std::string& in) {
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) throw std::runtime_error("zlib");
  std::string out(64U << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = inflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::runtime_error("not gzip");
  return out;
}

}  // namespace sdk_test
