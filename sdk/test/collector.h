// A stand-in for a collector: an HTTP/1.1 server on 127.0.0.1 that answers by a script, well or
// badly, and remembers what it was sent.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sdk_test {

struct Reply {
  enum class Kind : std::uint8_t { kAnswer, kHang, kClose, kCloseMidway };
  Kind kind = Kind::kAnswer;
  int status = 200;
  std::string headers = {};  // whole lines with \r\n
  std::string body = {};
};

struct Received {
  std::string path;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::int64_t at_ns = 0;
};

class Collector {
 public:
  // Answers the n-th request with the n-th reply, all further ones with the last.
  explicit Collector(std::vector<Reply> script = {Reply()});
  ~Collector();
  std::uint16_t port() const { return port_; }
  std::string url(const std::string& path = "/v1/traces") const;
  std::vector<Received> received() const;
  // Waits for so many requests, at most ten seconds.
  bool wait_for(std::size_t count) const;

 private:
  void serve(int fd);
  bool answer(int fd, const Received& request);

  std::vector<Reply> script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<Received> received_;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

// A port on which nobody listens.
std::uint16_t unused_port();

// Undoes gzip; throws std::runtime_error when it cannot.
std::string gunzip(const std::string& in);

}  // namespace sdk_test
