#include "http_transport.h"

#include <curl/curl.h>
#include <strings.h>
#include <time.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <exception>

#include <weft/version.h>

#include "../clock.h"
#include "../no_sigpipe.h"

namespace weft::sdk_detail {
namespace {

constexpr std::size_t kMaxBody = 64 * 1024;
// What libcurl takes of a request at a time. A batch of spans is a few hundred kilobytes: with
// libcurl's own 64 KiB each part costs three system calls, and a wait where the receiver is slow.
// More than this goes through the processor's cache before it is sent.
constexpr long kUploadBytes = 128 * 1024;

// Once a process; never undone, because other libraries may use libcurl too.
bool start_curl() noexcept {
  static const bool started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return started;
}

// Where libcurl is in a body.
struct BodyReader {
  Body body;
  std::size_t piece = 0;
  std::size_t at = 0;  // in that piece
};

std::size_t give_body(char* to, std::size_t size, std::size_t count, void* user) {
  auto* reader = static_cast<BodyReader*>(user);
  const std::size_t room = size * count;
  std::size_t given = 0;
  while (given != room && reader->piece != reader->body.size()) {
    const std::string_view rest = reader->body[reader->piece].substr(reader->at);
    const std::size_t bytes = std::min(rest.size(), room - given);
    if (bytes != 0) std::memcpy(to + given, rest.data(), bytes);
    given += bytes;
    reader->at += bytes;
    if (bytes == rest.size()) {
      ++reader->piece;
      reader->at = 0;
    }
  }
  return given;
}

// Once more from the start: the connection that was to be used again has gone.
int rewind_body(void* user, curl_off_t offset, int origin) {
  if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  auto* reader = static_cast<BodyReader*>(user);
  reader->piece = reader->at = 0;
  return CURL_SEEKFUNC_OK;
}

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto* response = static_cast<HttpResponse*>(user);
  const std::size_t bytes = size * count;
  const std::size_t room = kMaxBody - std::min(kMaxBody, response->body.size());
  try {
    response->body.append(data, std::min(bytes, room));
  } catch (const std::exception&) {
    return 0;
  }
  return bytes;
}

// Seconds, or an HTTP date.
std::int64_t read_retry_after(std::string_view text) {
  std::int64_t seconds = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (result.ec == std::errc() && result.ptr == text.data() + text.size()) {
    return std::clamp<std::int64_t>(seconds, 0, 86400) * 1000;
  }
  const time_t at = curl_getdate(std::string(text).c_str(), nullptr);
  if (at == -1) return -1;
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(at) - time(nullptr), 0, 86400) * 1000;
}

// Headers and, with HTTP/2 and chunked bodies, trailers.
std::size_t take_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto* response = static_cast<HttpResponse*>(user);
  std::string_view line(data, size * count);
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size * count;
  const std::string_view name = line.substr(0, colon);
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
    value.remove_prefix(1);
  while (!value.empty() && (value.back() == '\r' || value.back() == '\n'))
    value.remove_suffix(1);
  auto is = [&](std::string_view wanted) {
    return name.size() == wanted.size() &&
           strncasecmp(name.data(), wanted.data(), name.size()) == 0;
  };
  try {
    if (is("retry-after")) response->retry_after_ms = read_retry_after(value);
    if (is("grpc-status")) {
      int status = -1;
      std::from_chars(value.data(), value.data() + value.size(), status);
      response->grpc_status = status;
    }
    if (is("grpc-message")) response->grpc_message = value.substr(0, 1024);
    if (is("grpc-status-details-bin")) response->grpc_details = value.substr(0, 4096);
  } catch (const std::exception&) {
    return 0;
  }
  return size * count;
}

bool is_final(CURLcode code) noexcept {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string fault_of(const Headers& headers) {
  for (const auto& [name, value] : headers) {
    if (name.empty() || (name + value).find_first_of("\r\n") != std::string::npos) {
      return "the header \"" + name + "\" is malformed";
    }
  }
  return {};
}

void append_header_lines(std::vector<std::string>& lines, const Headers& headers) {
  for (const auto& [name, value] : headers) {
    // libcurl: "name;" sends an empty header, "name:" none.
    lines.push_back(value.empty() ? name + ";" : name + ": " + value);
  }
}

std::string without_secrets(std::string_view url) {
  const std::size_t scheme_end = url.find("://");
  const std::size_t authority = scheme_end == std::string_view::npos ? 0 : scheme_end + 3;
  const std::size_t authority_end = std::min(url.find_first_of("/?#", authority), url.size());
  std::string out(url.substr(0, authority));
  std::string_view rest = url.substr(authority);
  const std::size_t user_end = url.substr(0, authority_end).rfind('@');
  if (user_end != std::string_view::npos) {
    out += "REDACTED:REDACTED@";
    rest = url.substr(user_end + 1);
  }
  const std::size_t query = rest.find('?');
  out += rest.substr(0, query);
  if (query != std::string_view::npos) out += "?REDACTED";
  return out;
}

HttpTransport::HttpTransport(std::string url, std::vector<std::string> headers, TlsFiles tls,
                             bool http2)
    : url_(std::move(url)), headers_(std::move(headers)), tls_(std::move(tls)), http2_(http2) {}

HttpTransport::~HttpTransport() {
  close();
}

bool HttpTransport::open() noexcept {
  if (easy_ != nullptr) return true;
  if (!start_curl()) return false;
  CURL* easy = curl_easy_init();
  CURLM* multi = curl_multi_init();
  curl_slist* list = nullptr;
  for (const std::string& header : headers_)
    list = curl_slist_append(list, header.c_str());
  easy_ = easy;
  multi_ = multi;
  list_ = list;
  if (easy == nullptr || multi == nullptr) {
    close();
    return false;
  }
  curl_easy_setopt(easy, CURLOPT_URL, url_.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "OTel-OTLP-Exporter-Cpp-weft/" WEFT_SDK_VERSION);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBytes);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
  curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_body);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                   static_cast<long>(http2_ ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  if (!tls_.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, tls_.ca_file.c_str());
  if (!tls_.client_certificate_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT, tls_.client_certificate_file.c_str());
  }
  if (!tls_.client_key_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLKEY, tls_.client_key_file.c_str());
  }
  return true;
}

void HttpTransport::close() noexcept {
  const NoSigpipe no_sigpipe;
  if (easy_ != nullptr) curl_easy_cleanup(easy_);
  if (multi_ != nullptr) curl_multi_cleanup(multi_);
  curl_slist_free_all(static_cast<curl_slist*>(list_));
  easy_ = multi_ = list_ = nullptr;
}

void HttpTransport::forget_connections() noexcept {
  // Lost on purpose: closing them would say goodbye on the parent's connections.
  easy_ = multi_ = list_ = nullptr;
  connected_ = false;
}

// libcurl 7.88 fails with "Error in the HTTP2 framing layer" when a connection that was made with
// prior knowledge is used again under that setting; under "HTTP/2" it can be used again, but a new
// one would begin with an upgrade that gRPC servers refuse. So the setting follows the connection,
// and when that turns out to be gone, a fresh one is made at once.
HttpResponse HttpTransport::post(Body body, std::int64_t timeout_ms,
                                 const std::atomic<bool>& cancelled) noexcept {
  const bool clear_http2 = http2_ && url_.starts_with("http:");
  if (!clear_http2) return post_once(body, timeout_ms, false, cancelled);
  const std::int64_t start = monotonic_ns();
  if (connected_ && easy_ != nullptr) {
    HttpResponse response = post_once(body, timeout_ms, false, cancelled);
    long version = 0;
    curl_easy_getinfo(easy_, CURLINFO_HTTP_VERSION, &version);
    if (response.status != 0 && version == CURL_HTTP_VERSION_2_0) return response;
    connected_ = false;
    timeout_ms -= (monotonic_ns() - start) / kNsPerMs;
    if (response.cancelled || timeout_ms <= 0) return response;
  }
  HttpResponse response = post_once(body, timeout_ms, true, cancelled);
  connected_ = response.status != 0;
  return response;
}

HttpResponse HttpTransport::post_once(Body body, std::int64_t timeout_ms, bool fresh,
                                      const std::atomic<bool>& cancelled) noexcept {
  const NoSigpipe no_sigpipe;
  HttpResponse response;
  if (!open()) {
    response.error = "libcurl cannot start";
    return response;
  }
  char detail[CURL_ERROR_SIZE] = "";
  if (http2_ && url_.starts_with("http:")) {
    curl_easy_setopt(
        easy_, CURLOPT_HTTP_VERSION,
        static_cast<long>(fresh ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_2_0));
    curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
  }
  BodyReader reader{body};
  std::size_t bytes = 0;
  for (const std::string_view piece : body)
    bytes += piece.size();
  curl_easy_setopt(easy_, CURLOPT_READDATA, &reader);
  curl_easy_setopt(easy_, CURLOPT_SEEKDATA, &reader);
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(bytes));
  curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, &response);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, &response);
  CURLcode code = CURLE_FAILED_INIT;
  bool done = curl_multi_add_handle(multi_, easy_) != CURLM_OK;
  while (!done) {
    int running = 0;
    if (curl_multi_perform(multi_, &running) != CURLM_OK) break;
    int queued = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &queued)) {
      if (message->msg == CURLMSG_DONE) {
        code = message->data.result;
        done = true;
      }
    }
    if (done) break;
    if (cancelled.load(std::memory_order_relaxed)) {
      response.cancelled = true;
      break;
    }
    curl_multi_poll(multi_, nullptr, 0, 100, nullptr);
  }
  curl_multi_remove_handle(multi_, easy_);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, nullptr);
  if (response.cancelled) {
    response.status = 0;
    return response;
  }
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &response.status);
  // With the status of gRPC, which comes last, the answer is whole, even when the server has ended
  // the stream before all of the request was sent (RFC 9113, 8.1); libcurl calls that an error.
  const bool answered = response.status == 200 && response.grpc_status >= 0;
  if (code != CURLE_OK && !answered) {
    response.error = detail[0] != 0 ? detail : curl_easy_strerror(code);
    // libcurl 7.88 loses an answer that comes in one piece with the end of the stream.
    if (code == CURLE_HTTP2_STREAM && detail[0] == 0) {
      response.error =
          "the receiver has ended the request before all of it was sent; it may be larger than the "
          "receiver takes (OTEL_BSP_MAX_EXPORT_BATCH_SIZE)";
    }
    response.final = is_final(code);
    response.status = 0;  // an answer that broke off is none
  }
  return response;
}

bool wait_ms(std::int64_t ms, const std::atomic<bool>& cancelled) noexcept {
  const std::int64_t end = monotonic_ns() + ms * kNsPerMs;
  while (!cancelled.load(std::memory_order_relaxed)) {
    const std::int64_t left = end - monotonic_ns();
    if (left <= 0) return true;
    const std::int64_t slice = std::min(left, 20 * kNsPerMs);
    const timespec t{0, static_cast<long>(slice)};
    nanosleep(&t, nullptr);
  }
  return false;
}

bool gzip(Body in, std::string& out) noexcept {
  z_stream stream{};
  constexpr int kGzip = 16 + MAX_WBITS;
  // Level 1: spans repeat themselves, and the worker's time is the program's.
  if (deflateInit2(&stream, 1, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) return false;
  bool good = false;
  try {
    std::size_t bytes = 0;
    for (const std::string_view piece : in)
      bytes += piece.size();
    out.resize(deflateBound(&stream, bytes));
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    // There is room for all, so each piece is taken whole.
    for (const std::string_view piece : in) {
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
      stream.avail_in = static_cast<uInt>(piece.size());
      if (deflate(&stream, Z_NO_FLUSH) == Z_STREAM_ERROR) break;
    }
    good = deflate(&stream, Z_FINISH) == Z_STREAM_END;
    out.resize(stream.total_out);
  } catch (const std::exception&) {
    good = false;
  }
  deflateEnd(&stream);
  return good;
}

}  // namespace weft::sdk_detail
