// CurlTransfer: listens to one easy handle's call-backs and keeps a record of the phases. libcurl
// reports them in this order (7.88): resolver start (not when cached or given by CURLOPT_RESOLVE),
// open socket (one an address), verbose text about the connection and TLS, pre-request, the
// request's headers and body, the answer's.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <optional>

#include <weft/http/curl.h>
#include <weft/http/semantics.h>

#include "curl_connections.h"
#include "curl_phases.h"

namespace weft::inline v1::http {
namespace {

using sdk_detail::ConnectPhase;
using sdk_detail::Hop;
using sdk_detail::Outcome;

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// The text between two marks; empty when they are not there.
std::string_view between(std::string_view text, std::string_view from, std::string_view to) {
  const std::size_t start = text.find(from);
  if (start == std::string_view::npos) return {};
  const std::size_t end = text.find(to, start + from.size());
  if (end == std::string_view::npos) return {};
  return text.substr(start + from.size(), end - start - from.size());
}

std::string endpoint(std::string_view address, long port) {
  const bool v6 = address.find(':') != std::string_view::npos;
  std::string out = v6 ? "[" + std::string(address) + "]" : std::string(address);
  return out + ":" + std::to_string(port);
}

std::string endpoint(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return endpoint(text, ntohs(v4->sin_port));
  }
  if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    return endpoint(text, ntohs(v6->sin6_port));
  }
  return "unix";
}

// Of "Jan  1 00:00:00 2031 GMT", as OpenSSL writes it; another spelling stays as it is.
std::string in_iso_8601(std::string_view date) {
  const std::string text(date);
  const std::time_t time = curl_getdate(text.c_str(), nullptr);
  std::tm parts{};
  char out[32];
  if (time == -1 || gmtime_r(&time, &parts) == nullptr) return text;
  const std::size_t size = std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%S.000Z", &parts);
  return size == 0 ? text : std::string(out, size);
}

// error.type of a failed transfer: low-cardinality, the phase first where it is plain.
std::string error_type(CURLcode code, const char* phase, const DnsResult* dns) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return dns != nullptr && !dns->ok() ? "dns." + dns->error : "dns";
    case CURLE_COULDNT_CONNECT:
      return "connect";
    case CURLE_OPERATION_TIMEDOUT:
      return std::string("timeout.") + phase;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return "tls.certificate";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
      return "tls";
    case CURLE_SEND_ERROR:
      return "send";
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
      return "receive";
    case CURLE_GOT_NOTHING:
      return "receive.empty";
    case CURLE_ABORTED_BY_CALLBACK:
      return "cancelled";
    case CURLE_TOO_MANY_REDIRECTS:
      return "too_many_redirects";
    case CURLE_WRITE_ERROR:
      return "response.refused";
    default:
      return "curl." + std::to_string(static_cast<int>(code));
  }
}

}  // namespace

struct CurlTransfer::State {
  CURL* easy;
  ClientSpan client;
  NetworkDetail detail;
  std::function<void(curl_infotype, std::string_view)> debug;
  std::unique_ptr<DnsResult> dns;
  curl_slist* headers = nullptr;  // the caller's with ours, owned
  const curl_slist* caller_headers;
  curl_slist* resolve = nullptr;
  std::vector<Hop> hops;
  std::string server;                            // server.address of the first hop
  std::optional<sdk_detail::ConnectionUse> use;  // of the last hop
  Outcome outcome;
  bool begun = false;
  bool finished = false;

  State(CURL* handle, const CurlTransferOptions& options)
      : easy(handle),
        client({.method = options.method,
                .url = options.url,
                .url_template = options.url_template,
                .parent = options.parent,
                .start_time_ns = options.dns == nullptr ? 0 : options.dns->start_ns}),
        detail(options.detail),
        debug(options.debug),
        caller_headers(options.headers) {
    if (options.dns != nullptr) dns = std::make_unique<DnsResult>(*options.dns);
    const UrlParts url = split_url(options.url);
    server = url.host;
    add_headers();
    pin_addresses(url);
    listen();
  }

  void add_headers() {
    for (const curl_slist* at = caller_headers; at != nullptr; at = at->next) {
      headers = curl_slist_append(headers, at->data);
    }
    client.inject([this](std::string_view name, std::string_view value) {
      headers = curl_slist_append(headers, std::string(name).append(": ").append(value).c_str());
    });
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  }

  void pin_addresses(const UrlParts& url) {
    if (dns == nullptr || !dns->ok() || url.host == dns->addresses.front()) return;
    // "+": it ages as a lookup of libcurl's own, and does not stay for redirects of hours later.
    std::string entry = "+" + std::string(url.host) + ":" + std::to_string(url.port) + ":";
    for (std::size_t i = 0; i < dns->addresses.size(); ++i) {
      const bool v6 = dns->addresses[i].find(':') != std::string::npos;
      entry.append(i == 0 ? "" : ",")
          .append(v6 ? "[" + dns->addresses[i] + "]" : dns->addresses[i]);
    }
    resolve = curl_slist_append(nullptr, entry.c_str());
    curl_easy_setopt(easy, CURLOPT_RESOLVE, resolve);
  }

  void listen() {
    if (!client.span().is_recording() && !debug) return;
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, &on_debug);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, this);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &on_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &on_pre_request);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, &on_resolver_start);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, this);
  }

  void stop_listening() {
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 0L);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, nullptr);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, nullptr);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, nullptr);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, nullptr);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, nullptr);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, nullptr);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, nullptr);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, nullptr);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, caller_headers);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, nullptr);
    curl_slist_free_all(headers);
    curl_slist_free_all(resolve);
    headers = resolve = nullptr;
  }

  Hop& hop() {
    if (hops.empty()) {
      hops.emplace_back();
      hops.back().start_ns = now_ns();
      hops.back().server = server;
    }
    return hops.back();
  }

  static State& self(void* user) { return *static_cast<State*>(user); }

  static int on_resolver_start(void*, void*, void* user) {
    Hop& hop = self(user).hop();
    if (hop.dns_start_ns == 0) hop.dns_start_ns = now_ns();
    return 0;
  }

  static curl_socket_t on_open_socket(void* user, curlsocktype, curl_sockaddr* address) {
    Hop& hop = self(user).hop();
    ConnectPhase& attempt = hop.connects.emplace_back();
    attempt.start_ns = now_ns();
    attempt.remote = endpoint(&address->addr);
    attempt.network = address->family == AF_INET6 ? "tcp6" : "tcp";
    if (hop.dns_start_ns != 0 && hop.dns_end_ns == 0) hop.dns_end_ns = attempt.start_ns;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }

  static int on_pre_request(void* user, char* remote_ip, char* local_ip, int remote_port,
                            int local_port) {
    State& state = self(user);
    Hop& hop = state.hop();
    hop.connected_ns = now_ns();
    hop.remote = endpoint(remote_ip, remote_port);
    hop.local = endpoint(local_ip, local_port);
    // A connection that another transfer of the multi handle opened counts as reused too.
    hop.reused = hop.reused || hop.connects.empty();
    state.use.reset();  // of a connection that turned out to be closed
    state.use.emplace(hop.local, hop.remote, hop.reused);
    hop.was_idle = state.use->was_idle();
    hop.idle_ns = state.use->idle_ns();
    if (hop.tls.start_ns != 0 && hop.tls.end_ns == 0) hop.tls.end_ns = hop.connected_ns;
    return CURL_PREREQFUNC_OK;
  }

  static int on_debug(CURL*, curl_infotype type, char* data, size_t size, void* user) {
    State& state = self(user);
    const std::string_view text(data, size);
    if (state.debug) state.debug(type, text);
    Hop& hop = state.hop();
    switch (type) {
      case CURLINFO_TEXT:
        state.read_text(text);
        break;
      case CURLINFO_HEADER_OUT:
        if (hop.send_start_ns == 0) hop.send_start_ns = now_ns();
        hop.send_end_ns = now_ns();
        break;
      case CURLINFO_DATA_OUT:
        hop.send_end_ns = now_ns();
        break;
      case CURLINFO_HEADER_IN:
        if (hop.first_byte_ns == 0) hop.first_byte_ns = now_ns();
        state.read_status(text);
        break;
      case CURLINFO_DATA_IN:
        if (hop.first_byte_ns == 0) hop.first_byte_ns = now_ns();
        hop.end_ns = now_ns();
        break;
      default:
        break;
    }
    return 0;
  }

  void read_status(std::string_view line) {
    if (!starts_with(line, "HTTP/")) return;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.size() < space + 4) return;
    int status = 0;
    for (const char c : line.substr(space + 1, 3))
      status = status * 10 + (c - '0');
    if (status >= 200) hop().status = status;  // 1xx only announce
  }

  // libcurl says some things in its verbose text alone. The wording is that of 7.88 (Debian 12);
  // where it changes, the phase is still there, with less detail (see finish()).
  void read_text(std::string_view text) {
    Hop& current = hop();
    if (starts_with(text, "connect to ") && text.find(" failed: ") != std::string_view::npos) {
      fail_connect(text);
    } else if (starts_with(text, "Connected to ")) {
      const std::string_view address = between(text, "(", ")");
      for (ConnectPhase& attempt : current.connects) {
        if (attempt.end_ns == 0 && attempt.remote.find(address) != std::string::npos) {
          attempt.end_ns = now_ns();
          return;
        }
      }
    } else if (starts_with(text, "Re-using existing")) {
      current.reused = true;
    } else if (starts_with(text, "TLS") && text.find("handshake") != std::string_view::npos) {
      // A session ticket comes when the connection is in use already, perhaps by another transfer
      // than the one that opened it.
      const bool in_use = current.connected_ns != 0 || current.reused;
      if (current.tls.start_ns == 0 && !in_use) current.tls.start_ns = now_ns();
    } else if (starts_with(text, "SSL connection using ")) {
      current.tls.end_ns = now_ns();
      current.tls.protocol = between(text, "using TLSv", " /");
      current.tls.cipher = between(text, " / ", "\n");
    } else if (text.find("expire date: ") != std::string_view::npos) {
      current.tls.certificate_end = in_iso_8601(between(text, "expire date: ", "\n"));
    } else if (starts_with(text, "SSL reusing session ID") ||
               text.find("re-using session ID") != std::string_view::npos) {
      current.tls.resumed = true;
    } else if (starts_with(text, "SSL certificate problem: ")) {
      current.tls.error = text.substr(0, text.find('\n'));
    } else if (starts_with(text, "Issue another request to this URL: '")) {
      follow(between(text, "'", "'"));
    }
  }

  void fail_connect(std::string_view text) {
    const std::string_view reason = text.substr(text.find(" failed: ") + 9);
    const std::string_view address = between(text, "connect to ", " port");
    for (ConnectPhase& attempt : hop().connects) {
      if (attempt.end_ns != 0 || attempt.remote.find(address) == std::string::npos) continue;
      attempt.end_ns = now_ns();
      attempt.error = reason.substr(0, reason.find('\n'));
      return;
    }
  }

  void follow(std::string_view url) {
    use.reset();
    hop().end_ns = now_ns();
    Hop& next = hops.emplace_back();
    next.start_ns = now_ns();
    next.url = redact_url(url);
    next.server = split_url(url).host;
  }

  // Of a transfer that is not recorded nothing was listened to. Its failure is counted under the
  // same error.type nevertheless: libcurl's own sums tell how far it came.
  const char* phase_by_times() const {
    const auto reached = [this](CURLINFO what) {
      curl_off_t time_us = 0;
      return curl_easy_getinfo(easy, what, &time_us) == CURLE_OK && time_us > 0;
    };
    if (reached(CURLINFO_STARTTRANSFER_TIME_T)) return "receive";
    if (reached(CURLINFO_PRETRANSFER_TIME_T)) return "wait";
    if (reached(CURLINFO_CONNECT_TIME_T)) return "tls";
    return reached(CURLINFO_NAMELOOKUP_TIME_T) ? "connect" : "dns";
  }

  Outcome outcome_of(CURLcode code) {
    if (code == CURLE_OK) return {};
    const bool seen = client.span().is_recording() || (dns != nullptr && !dns->ok()) || !begun;
    const char* phase = seen ? sdk_detail::phase_of(hop(), dns.get()) : phase_by_times();
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY) phase = "dns";
    Outcome failure{true, ::weft::v1::http::error_type(code, phase, dns.get()), {}};
    if (dns != nullptr && !dns->ok()) {
      failure.message = dns->error_message;
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
      failure.message = std::string("timed out in the phase ") + phase;
    } else {
      failure.message = curl_easy_strerror(code);
    }
    client.span().set("http.failed_phase", phase);
    return failure;
  }

  // Times that the verbose text would have told, from libcurl's own sums.
  void fill_gaps() {
    Hop& last = hop();
    curl_off_t app_connect_us = 0, connect_us = 0;
    curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME_T, &app_connect_us);
    curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connect_us);
    if (hops.size() > 1 || last.reused) return;
    const std::uint64_t connected_ns =
        last.start_ns + static_cast<std::uint64_t>(connect_us) * 1000;
    if (app_connect_us > 0 && last.tls.start_ns == 0) {
      last.tls.start_ns = connected_ns;
      last.tls.end_ns = last.start_ns + static_cast<std::uint64_t>(app_connect_us) * 1000;
    }
    if (last.connected_ns != 0 && !last.connects.empty() &&
        std::none_of(last.connects.begin(), last.connects.end(),
                     [](const ConnectPhase& c) { return c.end_ns != 0 && c.error.empty(); })) {
      last.connects.back().end_ns = std::max(last.connects.back().start_ns, connected_ns);
    }
  }

  void describe_connection() {
    char* address = nullptr;
    long port = 0, version = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address);
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
    curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    if (address != nullptr) client.set_peer(address, static_cast<int>(port));
    client.set_protocol_version(version == CURL_HTTP_VERSION_1_0   ? "1.0"
                                : version == CURL_HTTP_VERSION_1_1 ? "1.1"
                                : version == CURL_HTTP_VERSION_2_0 ? "2"
                                : version == CURL_HTTP_VERSION_3   ? "3"
                                                                   : "");
    client.set_resend_count(static_cast<int>(hops.size()) - 1);
  }

  void finish(CURLcode code) {
    if (std::exchange(finished, true)) return;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    const bool asked = begun && (dns == nullptr || dns->ok());
    if (!asked) status = 0;
    hop().end_ns = now_ns();
    use.reset();
    if (client.span().is_recording() && asked) fill_gaps();
    if (asked) describe_connection();  // what is not recorded is measured nevertheless
    outcome = outcome_of(code);
    sdk_detail::write_phases(client, detail, hops, dns.get(), outcome);
    if (outcome.failed) {
      client.fail(outcome.type, outcome.message, static_cast<int>(status));
    } else {
      client.finish(static_cast<int>(status));
    }
    stop_listening();
  }
};

CurlTransfer::CurlTransfer(CURL* easy, const CurlTransferOptions& options)
    : state_(std::make_unique<State>(easy, options)) {}
CurlTransfer::CurlTransfer(CurlTransfer&&) noexcept = default;

CurlTransfer& CurlTransfer::operator=(CurlTransfer&& other) noexcept {
  if (this == &other) return *this;
  if (state_ != nullptr) state_->finish(CURLE_ABORTED_BY_CALLBACK);
  state_ = std::move(other.state_);
  return *this;
}

CurlTransfer::~CurlTransfer() {
  if (state_ != nullptr) state_->finish(CURLE_ABORTED_BY_CALLBACK);
}

ClientSpan& CurlTransfer::client_span() {
  return state_->client;
}

bool CurlTransfer::begin() {
  state_->begun = true;
  state_->hop();
  return state_->dns == nullptr || state_->dns->ok();
}

CURLcode CurlTransfer::perform() {
  const CURLcode code = begin() ? curl_easy_perform(state_->easy) : CURLE_COULDNT_RESOLVE_HOST;
  finish(code);
  return code;
}

void CurlTransfer::finish(CURLcode result) {
  state_->finish(result);
}

std::string_view CurlTransfer::error_type() const {
  return state_->outcome.type;
}
std::string_view CurlTransfer::error_message() const {
  return state_->outcome.message;
}

}  // namespace weft::inline v1::http
