#include "peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace sdk_test {
namespace {

constexpr int kPollMs = 20;

int bound_socket(int type, int port, int* got) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return -1;
  }
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  *got = ntohs(address.sin_port);
  return fd;
}

bool readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, kPollMs) > 0;
}

}  // namespace

DnsServer::DnsServer(std::vector<DnsAction> script, std::string address)
    : script_(std::move(script)), address_(std::move(address)) {
  for (int attempt = 0; attempt < 50 && tcp_ < 0; ++attempt) {
    if (udp_ >= 0) close(udp_);
    udp_ = bound_socket(SOCK_DGRAM, 0, &port_);
    int same = 0;
    tcp_ = bound_socket(SOCK_STREAM, port_, &same);
  }
  if (tcp_ < 0) throw std::runtime_error("no port for the DNS server");
  listen(tcp_, 16);
  thread_ = std::thread([this] { run(); });
}

DnsServer::~DnsServer() {
  stopping_ = true;
  thread_.join();
  close(udp_);
  close(tcp_);
}

void DnsServer::run() {
  while (!stopping_) {
    pollfd waits[2] = {{udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
    if (poll(waits, 2, kPollMs) <= 0) continue;
    if ((waits[1].revents & POLLIN) != 0) answer_tcp(accept(tcp_, nullptr, nullptr));
    if ((waits[0].revents & POLLIN) == 0) continue;
    char buffer[1500];
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t got =
        recvfrom(udp_, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got < 12) continue;
    const auto number = static_cast<std::size_t>(queries_++);
    const DnsAction action = script_[std::min(number, script_.size() - 1)];
    if (action == DnsAction::kDrop) continue;
    if (action == DnsAction::kDelay) std::this_thread::sleep_for(std::chrono::milliseconds(120));
    const std::string bytes = reply_to({buffer, static_cast<std::size_t>(got)}, action);
    sendto(udp_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
  }
}

void DnsServer::answer_tcp(int connection) {
  unsigned char length[2];
  if (recv(connection, length, 2, MSG_WAITALL) == 2) {
    std::string query(static_cast<std::size_t>(length[0] << 8 | length[1]), '\0');
    if (recv(connection, query.data(), query.size(), MSG_WAITALL) ==
        static_cast<ssize_t>(query.size())) {
      const std::string bytes = reply_to(query, DnsAction::kAnswer);
      std::string framed{static_cast<char>(bytes.size() >> 8), static_cast<char>(bytes.size())};
      framed += bytes;
      send(connection, framed.data(), framed.size(), MSG_NOSIGNAL);
    }
  }
  close(connection);
}

std::string DnsServer::reply_to(std::string_view query, DnsAction action) const {
  std::size_t end = 12;
  while (end < query.size() && query[end] != 0)
    end += static_cast<unsigned char>(query[end]) + 1u;
  end += 5;
  const auto type = static_cast<unsigned char>(query[end - 3]);
  std::string out(query.substr(0, end));
  const int rcode = action == DnsAction::kNxdomain   ? 3
                    : action == DnsAction::kServfail ? 2
                    : action == DnsAction::kRefuse   ? 5
                                                     : 0;
  const bool truncated = action == DnsAction::kTruncate;
  const bool record = rcode == 0 && !truncated && type == 1;
  out[2] = static_cast<char>(0x84 | (truncated ? 2 : 0) | (out[2] & 1));
  out[3] = static_cast<char>(0x80 | rcode);
  out[6] = 0;
  out[7] = record ? 1 : 0;
  std::memset(out.data() + 8, 0, 4);
  if (!record) return out;
  const unsigned char head[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4};
  out.append(reinterpret_cast<const char*>(head), sizeof head);
  in_addr address{};
  inet_pton(AF_INET, address_.c_str(), &address);
  out.append(reinterpret_cast<const char*>(&address), 4);
  return out;
}

PeerReply reply(int status, std::string_view body, std::string_view extra_headers) {
  PeerReply out;
  out.bytes = "HTTP/1.1 " + std::to_string(status) +
              " Scripted\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  out.bytes.append(extra_headers).append("\r\n").append(body);
  return out;
}

namespace {

// A self-signed certificate for localhost, made for this run.
SSL_CTX* make_tls(const std::string& certificate_file, const std::string& key_file, bool mutual) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* alternative =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  X509_add_ext(certificate, alternative, -1);
  X509_EXTENSION_free(alternative);
  X509_sign(certificate, key, EVP_sha256());
  FILE* file = std::fopen(certificate_file.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(key_file.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  if (mutual) {
    SSL_CTX_load_verify_file(context, certificate_file.c_str());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

// Bytes of one connection, with TLS or without.
class Channel {
 public:
  Channel(int fd, SSL_CTX* tls) : fd_(fd) {
    if (tls == nullptr) return;
    ssl_ = SSL_new(tls);
    SSL_set_fd(ssl_, fd);
    ok_ = SSL_accept(ssl_) == 1;
  }
  ~Channel() {
    if (ssl_ != nullptr) SSL_free(ssl_);
  }
  bool ok() const { return ok_; }
  bool pending() const { return ssl_ != nullptr && SSL_pending(ssl_) > 0; }
  int read(char* buffer, int size) {
    return ssl_ != nullptr ? SSL_read(ssl_, buffer, size)
                           : static_cast<int>(recv(fd_, buffer, static_cast<std::size_t>(size), 0));
  }
  void write(const std::string& bytes) {
    if (bytes.empty()) return;
    if (ssl_ != nullptr) {
      SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
    } else {
      send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
  }

 private:
  int fd_;
  SSL* ssl_ = nullptr;
  bool ok_ = true;
};

// Takes one request off the front of `text`; false while it is not complete.
bool take_request(std::string& text, PeerRequest& out) {
  const std::size_t head = text.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  out = {};
  std::size_t at = text.find("\r\n");
  const std::string line = text.substr(0, at);
  out.method = line.substr(0, line.find(' '));
  out.path = line.substr(line.find(' ') + 1, line.rfind(' ') - line.find(' ') - 1);
  while (at < head) {
    const std::size_t start = at + 2;
    at = text.find("\r\n", start);
    const std::string header = text.substr(start, at - start);
    const std::size_t colon = header.find(':');
    std::string name = header.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(), ::tolower);
    const std::size_t value = header.find_first_not_of(' ', colon + 1);
    out.headers.emplace_back(name, value == std::string::npos ? "" : header.substr(value));
  }
  const std::size_t size = std::strtoul(out.header("content-length").c_str(), nullptr, 10);
  if (text.size() < head + 4 + size) return false;
  out.body = text.substr(head + 4, size);
  text.erase(0, head + 4 + size);
  return true;
}

}  // namespace

HttpPeer::HttpPeer(Handler handler, bool tls, bool mutual) : handler_(std::move(handler)) {
  listener_ = bound_socket(SOCK_STREAM, 0, &port_);
  listen(listener_, 256);
  if (tls) {
    for (std::string* file : {&certificate_file_, &key_file_}) {
      char path[] = "/tmp/weft-test-tls-XXXXXX";
      close(mkstemp(path));
      *file = path;
    }
    tls_ = make_tls(certificate_file_, key_file_, mutual);
  }
  acceptor_ = std::thread([this] { accept_loop(); });
}

HttpPeer::~HttpPeer() {
  stopping_ = true;
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_)
      shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& worker : workers_)
    worker.join();
  close(listener_);
  if (tls_ != nullptr) SSL_CTX_free(tls_);
  for (const std::string& file : {certificate_file_, key_file_}) {
    if (!file.empty()) unlink(file.c_str());
  }
}

std::string HttpPeer::url(std::string_view path, std::string_view host) const {
  return std::string(tls_ != nullptr ? "https://" : "http://")
      .append(host)
      .append(":")
      .append(std::to_string(port_))
      .append(path);
}

std::vector<PeerRequest> HttpPeer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void HttpPeer::accept_loop() {
  while (!stopping_) {
    if (!readable(listener_)) continue;
    const int connection = accept(listener_, nullptr, nullptr);
    if (connection < 0) continue;
    ++connections_;
    const std::lock_guard lock(mutex_);
    open_.push_back(connection);
    workers_.emplace_back([this, connection] { serve(connection); });
  }
}

void HttpPeer::serve(int connection) {
  // OpenSSL writes to clients that have gone.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  {
    Channel channel(connection, tls_);
    std::string text;
    bool go_on = channel.ok();
    while (go_on && !stopping_) {
      if (!channel.pending() && !readable(connection)) continue;
      char buffer[16384];
      const int got = channel.read(buffer, sizeof buffer);
      if (got <= 0) break;
      text.append(buffer, static_cast<std::size_t>(got));
      PeerRequest request;
      while (go_on && take_request(text, request)) {
        {
          const std::lock_guard lock(mutex_);
          requests_.push_back(request);
        }
        const PeerReply answer = handler_(request);
        for (int waited = 0; waited < answer.delay_ms && !stopping_; waited += kPollMs) {
          std::this_thread::sleep_for(std::chrono::milliseconds(kPollMs));
        }
        channel.write(answer.bytes);
        while (answer.hang && !stopping_) {
          std::this_thread::sleep_for(std::chrono::milliseconds(kPollMs));
        }
        go_on = !answer.close && !answer.hang;
      }
    }
  }
  const std::lock_guard lock(mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), connection));
  close(connection);
}

int closed_port() {
  int port = 0;
  bound_socket(SOCK_STREAM, 0, &port);  // kept, so that nobody else gets it
  return port;
}

}  // namespace sdk_test
