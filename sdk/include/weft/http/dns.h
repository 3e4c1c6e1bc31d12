// A resolver that shows its work: looks names up through c-ares and keeps, for every query that
// went out, the server that was asked, what it answered and when. The libcurl client uses it so
// that a failed, slow or retried lookup can be seen in a trace; libc's resolver tells nothing of
// that kind. Part of the component weft::http_curl.
//
// Standards: RFC 1035 (messages and response codes), RFC 8305 (which address is tried first is
// left to the caller).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft::inline v1::http {

// One query as it went out on the wire.
struct DnsTry {
  std::string server;             // "127.0.0.1:53"
  bool tcp = false;               // after a truncated answer, or when configured
  std::uint16_t type = 1;         // 1: A, 28: AAAA
  std::uint64_t sent_ns = 0;      // nanoseconds since the epoch
  std::uint64_t answered_ns = 0;  // 0: no answer came while the lookup waited for it
  int rcode = -1;                 // of the answer: 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED
  bool truncated = false;         // the answer did not fit and is asked for again over TCP
  // "NOERROR", "SERVFAIL", "NXDOMAIN", "REFUSED", "truncated", "timeout", "unreachable", "RCODE9".
  std::string outcome() const;
};

// What a lookup came to, with every query that went out for it.
struct DnsResult {
  std::vector<std::string> addresses;  // in the order of the answers, at most 16
  // Why there are none: "nxdomain", "nodata", "servfail", "refused", "timeout", "bad_answer",
  // "no_server", "cancelled"; empty on success. Low-cardinality: goes into error.type.
  std::string error;
  std::string error_message;  // for a person
  std::vector<DnsTry> tries;  // at most 64; empty when cached or answered by the hosts file
  bool cached = false;
  std::uint64_t start_ns = 0;  // nanoseconds since the epoch
  std::uint64_t end_ns = 0;

  // There is an address.
  bool ok() const { return !addresses.empty(); }
  // How many of the tries were not answered in time.
  int timeouts() const;
};

// Which addresses are asked for: A, AAAA or both.
enum class AddressFamily : std::uint8_t { kAny, kIpv4, kIpv6 };

// How lookups are made.
struct ResolverConfig {
  // "host[:port]" of the name servers, separated by commas; empty: those of /etc/resolv.conf.
  std::string servers;
  // How long one query waits for its answer before it is sent again (the wait doubles when all
  // servers have been asked), and how often each server is asked.
  std::uint32_t timeout_ms = 2000;
  std::uint32_t tries = 3;
  AddressFamily family = AddressFamily::kAny;
  // Answers are kept for their TTL, at most this long and so many; 0 keeps none. Failures are not
  // kept.
  std::uint32_t cache_ttl_ms_max = 60'000;
  std::size_t cache_entries_max = 1024;
};

// A lookup under way, for event loops. Made by Resolver::start; destroying it gives the lookup up.
// One thread.
class DnsLookup {
 public:
  virtual ~DnsLookup() = default;
  // The descriptors to wait for, and which way. Changes after every process().
  struct Watch {
    int descriptor;
    bool read;
    bool write;
  };
  virtual std::vector<Watch> watches() const = 0;
  // When process() wants to be called even if nothing is ready: milliseconds from now.
  virtual int timeout_ms() const = 0;
  // Handles what is ready and what has timed out, without blocking. True when result() is there.
  virtual bool process() = 0;
  virtual const DnsResult& result() const = 0;
};

// Thread-safe; shares its cache between threads. Each lookup has sockets of its own, which is
// what makes it possible to say which query belonged to it.
class Resolver {
 public:
  // Asks nobody yet.
  explicit Resolver(ResolverConfig config);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Looks up and waits, at most timeout_ms (0: as long as the tries take).
  DnsResult resolve(const std::string& name, std::uint32_t timeout_ms = 0);
  // Begins a lookup. A literal address or a cached name is done at once.
  std::unique_ptr<DnsLookup> start(const std::string& name);
  void clear_cache();

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace weft::inline v1::http
