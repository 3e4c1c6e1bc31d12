// The server's certificate: loaded from PEM files, checked at start, and loaded again without
// dropping connections: on demand (SIGHUP), and within a minute of its files having changed.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"

struct ssl_st;
struct ssl_ctx_st;

namespace weft::server {

struct TlsFiles {
  std::string cert_file;  // PEM: the certificate, then its chain
  std::string key_file;   // PEM, not encrypted
  bool enabled() const { return !cert_file.empty(); }
};

// What a connection is going to speak, to be agreed on in its handshake (RFC 7301). A client that
// does not negotiate is taken at its word later.
enum class Alpn : uint8_t { kHttp1, kHttp2 };

// Any thread.
class TlsContext {
 public:
  static constexpr auto kLookEvery = std::chrono::seconds(30);
  // Errors name the file and what OpenSSL says of it. `look_every`: how often new connections have
  // it looked whether the files have changed.
  static Expected<std::shared_ptr<TlsContext>> load(
      TlsFiles files, std::chrono::steady_clock::duration look_every = kLookEvery);
  // New connections get the new certificate; on an error the old one stays.
  Status reload();
  // For a new connection, with the certificate in force, which it keeps; the caller's. Null when
  // memory is short.
  ssl_st* new_connection(Alpn alpn);
  const TlsFiles& files() const { return files_; }

 private:
  TlsContext(TlsFiles files, std::chrono::steady_clock::duration look_every)
      : files_(std::move(files)), look_every_(look_every) {}
  void reload_if_changed();

  const TlsFiles files_;
  const std::chrono::steady_clock::duration look_every_;
  mutable std::mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_;
  // Of the files, when they were last looked at.
  std::filesystem::file_time_type changed_;
  std::chrono::steady_clock::time_point looked_;
};

}  // namespace weft::server
