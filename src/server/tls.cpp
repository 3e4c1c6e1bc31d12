#include "server/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <system_error>

namespace weft::server {

namespace {

// The first error is the cause ("No such file or directory", "no start line"); the last one only
// says in which of OpenSSL's layers it was noticed.
std::string openssl_reason() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  if (ERR_SYSTEM_ERROR(code)) return std::system_category().message(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

constexpr unsigned char kHttp1[] = "\x08http/1.1";
constexpr unsigned char kHttp2[] = "\x02h2";

// Where a connection keeps what it is going to speak. Asio takes the place that OpenSSL calls the
// application's.
int alpn_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// Each listener speaks one protocol; a client that offers others as well is told which.
int select_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_length,
                    const unsigned char* in, unsigned in_length, void*) {
  const auto* wanted = static_cast<const unsigned char*>(SSL_get_ex_data(ssl, alpn_index()));
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, wanted, 1U + wanted[0], in, in_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// The later of the two files' times; the least of all when they cannot be looked at, as between
// the two steps of replacing one.
std::filesystem::file_time_type change_time(const TlsFiles& files) {
  auto latest = std::filesystem::file_time_type::min();
  for (const std::string& file : {files.cert_file, files.key_file}) {
    std::error_code error;
    const auto time = std::filesystem::last_write_time(file, error);
    if (!error) latest = std::max(latest, time);
  }
  return latest;
}

Expected<std::shared_ptr<SSL_CTX>> make_context(const TlsFiles& files) {
  ERR_clear_error();  // of other calls on this thread
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return fail(ErrorCode::kInternal, "cannot make a TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_alpn_select_cb(context.get(), select_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.cert_file.c_str()) != 1) {
    return fail(ErrorCode::kInvalidArgument, "tls certificate " + files.cert_file + ": " +
                                                 openssl_reason() +
                                                 "; a PEM file with a certificate is needed");
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail(ErrorCode::kInvalidArgument, "tls key " + files.key_file + ": " + openssl_reason() +
                                                 "; a PEM file with a private key is needed");
  }
  if (SSL_CTX_check_private_key(context.get()) != 1) {
    return fail(ErrorCode::kInvalidArgument, "tls key " + files.key_file +
                                                 " does not belong to the certificate " +
                                                 files.cert_file + ": " + openssl_reason());
  }
  return context;
}

}  // namespace

Expected<std::shared_ptr<TlsContext>> TlsContext::load(
    TlsFiles files, std::chrono::steady_clock::duration look_every) {
  std::shared_ptr<TlsContext> out(new TlsContext(std::move(files), look_every));
  WEFT_TRY(out->reload());
  return out;
}

Status TlsContext::reload() {
  const auto changed = change_time(files_);
  WEFT_ASSIGN(auto context, make_context(files_));
  const std::lock_guard lock(mutex_);
  context_ = std::move(context);
  changed_ = changed;
  looked_ = std::chrono::steady_clock::now();
  return {};
}

// Files that do not fit together (yet) are looked at again later; what they hold is said when
// somebody asks for it to be read.
void TlsContext::reload_if_changed() {
  {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - looked_ < look_every_) return;
    looked_ = now;
    if (change_time(files_) == changed_) return;
  }
  (void)reload();
}

ssl_st* TlsContext::new_connection(Alpn alpn) {
  reload_if_changed();
  std::shared_ptr<SSL_CTX> context;
  {
    const std::lock_guard lock(mutex_);
    context = context_;
  }
  SSL* ssl = SSL_new(context.get());
  if (ssl == nullptr) return nullptr;
  const unsigned char* wanted = alpn == Alpn::kHttp2 ? kHttp2 : kHttp1;
  if (SSL_set_ex_data(ssl, alpn_index(), const_cast<unsigned char*>(wanted)) != 1) {
    SSL_free(ssl);
    return nullptr;
  }
  return ssl;
}

}  // namespace weft::server
