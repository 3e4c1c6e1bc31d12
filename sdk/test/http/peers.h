// Peers that misbehave on purpose, on free ports of 127.0.0.1: a DNS server that follows a script
// and an HTTP server that answers each request as a function says. Each runs on threads of its own
// and ends with its object.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

typedef struct ssl_ctx_st SSL_CTX;

namespace sdk_test {

// What the server does with one query.
enum class DnsAction { kAnswer, kDrop, kNxdomain, kServfail, kRefuse, kTruncate, kDelay };

class DnsServer {
 public:
  // The n-th query (from 0) that arrives over UDP is met with script[n]; further ones with the last
  // entry. Over TCP everything is answered.
  explicit DnsServer(std::vector<DnsAction> script, std::string address = "127.0.0.1");
  ~DnsServer();

  std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }
  int queries() const { return queries_; }

 private:
  void run();
  void answer_tcp(int connection);
  std::string reply_to(std::string_view query, DnsAction action) const;

  const std::vector<DnsAction> script_;
  const std::string address_;
  int udp_ = -1;
  int tcp_ = -1;
  int port_ = 0;
  std::atomic<int> queries_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// One request that arrived, header names in lower case.
struct PeerRequest {
  std::string method;
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
};

// The bytes to send for a request, and what to do with the connection afterwards.
struct PeerReply {
  std::string bytes;
  bool close = false;
  int delay_ms = 0;   // before the first byte
  bool hang = false;  // send the bytes, then nothing more until the server stops
};

PeerReply reply(int status, std::string_view body, std::string_view extra_headers = {});

class HttpPeer {
 public:
  using Handler = std::function<PeerReply(const PeerRequest&)>;
  // `tls`: a certificate for "localhost" that nobody has signed but itself; its PEM is at
  // certificate_file() while the server lives, that of its key at key_file(). `mutual`: clients
  // must show that same certificate.
  explicit HttpPeer(Handler handler, bool tls = false, bool mutual = false);
  ~HttpPeer();

  int port() const { return port_; }
  std::string url(std::string_view path, std::string_view host = "127.0.0.1") const;
  std::string certificate_file() const { return certificate_file_; }
  std::string key_file() const { return key_file_; }
  int connections() const { return connections_; }
  std::vector<PeerRequest> requests() const;

 private:
  void accept_loop();
  void serve(int connection);

  const Handler handler_;
  SSL_CTX* tls_ = nullptr;
  std::string certificate_file_;
  std::string key_file_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::vector<PeerRequest> requests_;
  std::vector<int> open_;
  std::vector<std::thread> workers_;
  std::thread acceptor_;
};

// A port of 127.0.0.1 where nobody listens.
int closed_port();

}  // namespace sdk_test
