// The server's certificate: loaded from PEM files, checked at start, and loaded again on demand
// (SIGHUP) without dropping connections. Used by the HTTP engine; gRPC reads the same files itself.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"

struct ssl_ctx_st;

namespace weft::server {

struct TlsFiles {
  std::string cert_file;  // PEM: the certificate, then its chain
  std::string key_file;   // PEM, not encrypted
  bool enabled() const { return !cert_file.empty(); }
};

// Any thread.
class TlsContext {
 public:
  // Errors name the file and what OpenSSL says of it.
  static Expected<std::shared_ptr<TlsContext>> load(TlsFiles files);
  // New connections get the new certificate; on an error the old one stays.
  Status reload();
  // Shared: a connection's SSL object keeps what it was made from.
  std::shared_ptr<ssl_ctx_st> current() const;
  const TlsFiles& files() const { return files_; }

 private:
  explicit TlsContext(TlsFiles files) : files_(std::move(files)) {}

  const TlsFiles files_;
  mutable std::mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_;
};

}  // namespace weft::server
