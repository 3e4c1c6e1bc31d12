// A bare TCP client for tests that must say exactly which bytes go out: broken requests, slow
// ones, pipelined ones. Reads answers as a person would, by Content-Length, chunks or the end.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/http_types.h"

namespace weft::server::testing {

struct RawResponse {
  int status = 0;  // 0: the connection ended without an answer
  HttpHeaders headers;
  std::string body;
  bool complete = false;  // the body was there to its end
};

class RawClient {
 public:
  explicit RawClient(uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int fd() const { return fd_; }
  void half_close() { ::shutdown(fd_, SHUT_WR); }
  // False when the other side has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // The next answer; interim 1xx answers are returned like others.
  RawResponse read(bool head_only = false) {
    RawResponse out;
    size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!fill()) return out;
    }
    parse_head(std::string_view(buffer_).substr(0, end), out);
    buffer_.erase(0, end + 4);
    if (head_only || out.status < 200 || out.status == 204 || out.status == 304) {
      out.complete = true;
    } else if (out.headers.get("transfer-encoding") == "chunked") {
      read_chunks(out);
    } else if (const auto length = out.headers.find("content-length")) {
      const size_t want = std::strtoull(std::string(*length).c_str(), nullptr, 10);
      while (buffer_.size() < want && fill()) {
      }
      out.complete = buffer_.size() >= want;
      out.body = buffer_.substr(0, want);
      buffer_.erase(0, want);
    } else {
      while (fill()) {
      }
      out.body.swap(buffer_);
      out.complete = true;
    }
    return out;
  }
  // Sends a request and reads its answer.
  RawResponse ask(std::string_view request) {
    send(request);
    return read();
  }
  // Whether the server closes the connection, having said nothing more.
  bool closed_by_server() { return buffer_.empty() && !fill(); }

 private:
  static constexpr int kPatienceMs = 60'000;  // a hang ends the test, not the machine

  bool fill() {
    pollfd waiting{fd_, POLLIN, 0};
    if (::poll(&waiting, 1, kPatienceMs) <= 0) return false;
    char bytes[65536];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(got));
    return true;
  }
  static void parse_head(std::string_view head, RawResponse& out) {
    size_t line_end = head.find("\r\n");
    if (head.size() > 12) out.status = std::atoi(std::string(head.substr(9, 3)).c_str());
    while (line_end != std::string_view::npos) {
      head.remove_prefix(line_end + 2);
      line_end = head.find("\r\n");
      const std::string_view line = head.substr(0, line_end);
      const size_t colon = line.find(": ");
      if (colon != std::string_view::npos) {
        out.headers.add(line.substr(0, colon), line.substr(colon + 2));
      }
    }
  }
  void read_chunks(RawResponse& out) {
    while (true) {
      size_t end = 0;
      while ((end = buffer_.find("\r\n")) == std::string::npos) {
        if (!fill()) return;
      }
      const size_t size = std::strtoull(buffer_.c_str(), nullptr, 16);
      while (buffer_.size() < end + 2 + size + 2) {
        if (!fill()) return;
      }
      out.body += buffer_.substr(end + 2, size);
      buffer_.erase(0, end + 2 + size + 2);
      if (size == 0) break;
    }
    out.complete = true;
  }

  int fd_ = -1;
  bool connected_ = false;
  std::string buffer_;
};

// "POST path" with a body and further header lines ("Name: value\r\n").
inline std::string post_request(std::string_view path, std::string_view content_type,
                                std::string_view body, std::string_view more_headers = {}) {
  std::string out = "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n";
  if (!content_type.empty()) out += "Content-Type: " + std::string(content_type) + "\r\n";
  out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  out.append(more_headers).append("\r\n").append(body);
  return out;
}

inline std::string get_request(std::string_view target, std::string_view more_headers = {}) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" +
         std::string(more_headers) + "\r\n";
}

}  // namespace weft::server::testing
