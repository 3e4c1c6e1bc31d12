// What is known of the phases of one transfer, and how they become spans or events. Filled by
// curl_transfer.cpp from libcurl's call-backs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weft/http/client_span.h>
#include <weft/http/curl.h>

namespace weft::sdk_detail {

// One address that was tried. Times are nanoseconds since the epoch; 0: did not happen.
struct ConnectPhase {
  std::string remote;  // "127.0.0.1:443"
  std::string network = "tcp";
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
  std::string error;
};

struct TlsPhase {
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
  std::string protocol;  // "1.3"
  std::string cipher;
  std::string certificate_end;  // "2031-01-01T00:00:00.000Z"
  bool resumed = false;
  std::string error;
};

// One request on the wire: a transfer has one, and one more for each redirect.
struct Hop {
  std::uint64_t start_ns = 0;
  std::uint64_t dns_start_ns = 0;  // libcurl's own lookup
  std::uint64_t dns_end_ns = 0;
  std::vector<ConnectPhase> connects;
  TlsPhase tls;
  bool reused = false;
  bool was_idle = false;
  std::int64_t idle_ns = -1;       // negative: not known
  std::uint64_t connected_ns = 0;  // getconn is over
  std::string remote;
  std::string local;
  std::uint64_t send_start_ns = 0;
  std::uint64_t send_end_ns = 0;
  std::uint64_t first_byte_ns = 0;
  std::uint64_t end_ns = 0;
  int status = 0;
  std::string url;     // of a redirect's target, redacted
  std::string server;  // server.address
};

// How a transfer ended.
struct Outcome {
  bool failed = false;
  std::string type;     // error.type
  std::string message;  // for a person
};

// Where a hop stood when it ended: "getconn" when nothing had begun, else "dns", "connect", "tls",
// "send", "wait" or "receive".
const char* phase_of(const Hop& hop, const v1::http::DnsResult* dns);

// Writes the phases below the client span. `outcome` marks the phase of the last hop that failed.
void write_phases(v1::http::ClientSpan& client, v1::http::NetworkDetail detail,
                  const std::vector<Hop>& hops, const v1::http::DnsResult* dns,
                  const Outcome& outcome);

}  // namespace weft::sdk_detail
