#include "curl_phases.h"

#include <algorithm>
#include <cstring>

#include <weft/tracer.h>
#include <weft/version.h>

namespace weft::sdk_detail {
namespace {

using v1::http::ClientSpan;
using v1::http::DnsResult;
using v1::http::DnsTry;
using v1::http::NetworkDetail;

const Tracer& phase_tracer() {
  static const Tracer instance = tracer("weft.http.trace", WEFT_SDK_VERSION);
  return instance;
}

// A phase that is written: a child span, or a pair of events of the client span. `Writer` hides
// which of the two.
class Phase {
 public:
  Phase(ClientSpan& client, NetworkDetail detail, const Context& parent, const char* name,
        std::uint64_t start_ns, Attributes attributes = {})
      : client_(client), name_(name), as_span_(detail == NetworkDetail::kSpans) {
    if (!as_span_) {
      client_.span().add_event(name_ + ".start", attributes, start_ns);
      return;
    }
    span_ = phase_tracer().start_span(name, {.kind = SpanKind::kClient,
                                             .parent = &parent,
                                             .start_time_ns = start_ns,
                                             .attributes = attributes});
    context_ = parent.with_span(span_);
  }

  const Context& context() const { return context_; }

  void set(const char* key, const AttributeValue& value) {
    if (as_span_) {
      span_.set(key, value);
    } else if (count_ < kMaxAttributes) {
      attributes_[count_++] = {key, value};
    }
  }
  void event(const char* name, Attributes attributes, std::uint64_t time_ns) {
    (as_span_ ? span_ : client_.span()).add_event(name, attributes, time_ns);
  }
  void fail(std::string_view type, std::string_view message) {
    if (type.empty()) return;
    set("error.type", AttributeValue(type));
    if (as_span_) {
      span_.set_status(StatusCode::kError, message);
    } else {
      set("error.message", AttributeValue(message));
    }
  }
  void end(std::uint64_t end_ns) {
    if (as_span_) {
      span_.end(end_ns);
    } else {
      client_.span().add_event(name_ + ".done", std::span<const Attribute>(attributes_, count_),
                               end_ns);
    }
  }

 private:
  static constexpr std::size_t kMaxAttributes = 12;
  ClientSpan& client_;
  std::string name_;
  bool as_span_;
  Span span_;
  Context context_;
  Attribute attributes_[kMaxAttributes];
  std::size_t count_ = 0;
};

// As Go writes durations, whose otelhttptrace this follows: "1m2.5s", "340.2ms", "15µs".
std::string duration_text(std::uint64_t ns) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  std::string out;
  const char* unit = "s";
  int digits = 9;  // behind the point
  if (ns >= kSecond) {
    const std::uint64_t minutes = ns / kSecond / 60;
    if (minutes >= 60) out.append(std::to_string(minutes / 60)).append("h");
    if (minutes != 0) out.append(std::to_string(minutes % 60)).append("m");
    ns -= minutes * 60 * kSecond;
  } else if (ns >= 1'000'000) {
    unit = "ms";
    digits = 6;
  } else if (ns >= 1000) {
    unit = "\xC2\xB5s";
    digits = 3;
  } else {
    return std::to_string(ns) + (ns == 0 ? "s" : "ns");
  }
  std::string number = std::to_string(ns);
  const auto places = static_cast<std::size_t>(digits);
  if (number.size() <= places) number.insert(0, places + 1 - number.size(), '0');
  number.insert(number.size() - places, ".");
  number.resize(number.find_last_not_of('0') + 1);
  if (number.back() == '.') number.pop_back();
  return out.append(number).append(unit);
}

std::string_view host_of(const Hop& hop, std::string_view remote) {
  return remote.empty() ? std::string_view(hop.remote) : remote;
}

void write_tries(Phase& phase, const DnsResult& dns) {
  for (const DnsTry& attempt : dns.tries) {
    const std::string outcome = attempt.outcome();
    const std::uint64_t end_ns = attempt.answered_ns == 0 ? dns.end_ns : attempt.answered_ns;
    phase.event("dns.try",
                {{"dns.try.server", attempt.server},
                 {"dns.try.transport", attempt.tcp ? "tcp" : "udp"},
                 {"dns.question.type", attempt.type == 28  ? "AAAA"
                                       : attempt.type == 1 ? "A"
                                                           : "other"},
                 {"dns.try.outcome", outcome},
                 {"dns.try.answered", attempt.answered_ns != 0},
                 {"dns.try.duration_ms",
                  static_cast<double>(end_ns - std::min(end_ns, attempt.sent_ns)) * 1e-6}},
                attempt.sent_ns);
  }
}

// The lookup that a Resolver made before libcurl was asked.
void write_dns(ClientSpan& client, NetworkDetail detail, const Context& parent, const Hop& hop,
               const DnsResult& dns) {
  Phase phase(client, detail, parent, "http.dns", dns.start_ns, {{"server.address", hop.server}});
  std::vector<std::string_view> addresses(dns.addresses.begin(), dns.addresses.end());
  phase.set("http.dns.source", AttributeValue("c-ares"));
  phase.set("http.dns.addrs", AttributeValue(std::span<const std::string_view>(addresses)));
  phase.set("http.dns.tries", AttributeValue(dns.tries.size()));
  phase.set("http.dns.timeouts", AttributeValue(dns.timeouts()));
  phase.set("http.dns.cached", AttributeValue(dns.cached));
  write_tries(phase, dns);
  if (!dns.ok()) phase.fail(dns.error, dns.error_message);
  phase.end(dns.end_ns);
}

// libcurl's own lookup, of which only the ends are known.
void write_own_dns(ClientSpan& client, NetworkDetail detail, const Context& parent, const Hop& hop,
                   const Outcome& failure) {
  Phase phase(client, detail, parent, "http.dns", hop.dns_start_ns,
              {{"server.address", hop.server}});
  phase.set("http.dns.source", AttributeValue("libcurl"));
  const bool failed = hop.dns_end_ns == 0;
  if (failed) phase.fail(failure.type, failure.message);
  phase.end(failed ? hop.end_ns : hop.dns_end_ns);
}

void write_connects(ClientSpan& client, NetworkDetail detail, const Context& parent, const Hop& hop,
                    const Outcome& failure) {
  for (const ConnectPhase& attempt : hop.connects) {
    Phase phase(client, detail, parent, "http.connect", attempt.start_ns,
                {{"http.remote", attempt.remote}, {"http.conn.start.network", attempt.network}});
    if (!attempt.error.empty()) {
      phase.fail("connect", attempt.error);
    } else if (attempt.end_ns != 0) {
      phase.set("http.conn.done.addr", AttributeValue(std::string_view(attempt.remote)));
      phase.set("http.conn.done.network", AttributeValue(std::string_view(attempt.network)));
    } else if (hop.connected_ns != 0 || hop.tls.start_ns != 0) {
      // Another address answered first.
      phase.set("http.conn.abandoned", AttributeValue(true));
    } else {
      phase.fail(failure.type, failure.message);
    }
    phase.end(attempt.end_ns != 0     ? attempt.end_ns
              : hop.connected_ns != 0 ? hop.connected_ns
                                      : hop.end_ns);
  }
}

void write_tls(ClientSpan& client, NetworkDetail detail, const Context& parent, const Hop& hop,
               const Outcome& failure) {
  const TlsPhase& tls = hop.tls;
  Phase phase(client, detail, parent, "http.tls", tls.start_ns);
  if (!tls.protocol.empty()) {
    phase.set("tls.protocol.version", AttributeValue(std::string_view(tls.protocol)));
    phase.set("tls.cipher", AttributeValue(std::string_view(tls.cipher)));
    phase.set("tls.resumed", AttributeValue(tls.resumed));
  }
  if (!tls.certificate_end.empty()) {
    phase.set("tls.server.not_after", AttributeValue(std::string_view(tls.certificate_end)));
  }
  if (tls.end_ns == 0 || !tls.error.empty()) {
    phase.fail(failure.type.empty() ? "tls" : failure.type,
               tls.error.empty() ? failure.message : tls.error);
  }
  phase.end(tls.end_ns != 0 ? tls.end_ns : hop.end_ns);
}

// getconn with everything below it.
void write_connection(ClientSpan& client, NetworkDetail detail, const Hop& hop,
                      const DnsResult* dns, const Outcome& failure) {
  const std::uint64_t start_ns =
      dns != nullptr ? std::min(dns->start_ns, hop.start_ns) : hop.start_ns;
  const std::uint64_t end_ns = hop.connected_ns != 0 ? hop.connected_ns : hop.end_ns;
  Phase getconn(client, detail, client.context(), "http.getconn", start_ns,
                {{"server.address", hop.server}});
  const Context& parent = detail == NetworkDetail::kSpans ? getconn.context() : client.context();
  if (dns != nullptr) {
    write_dns(client, detail, parent, hop, *dns);
  } else if (hop.dns_start_ns != 0) {
    write_own_dns(client, detail, parent, hop, failure);
  }
  write_connects(client, detail, parent, hop, failure);
  if (hop.tls.start_ns != 0) write_tls(client, detail, parent, hop, failure);
  std::string idle_time;  // as long as the phase
  if (!hop.remote.empty()) {
    getconn.set("http.remote", AttributeValue(host_of(hop, hop.remote)));
    getconn.set("http.local", AttributeValue(std::string_view(hop.local)));
    getconn.set("http.conn.reused", AttributeValue(hop.reused));
    getconn.set("http.conn.wasidle", AttributeValue(hop.was_idle));
    if (hop.idle_ns >= 0) {
      idle_time = duration_text(static_cast<std::uint64_t>(hop.idle_ns));
      getconn.set("http.conn.idletime", AttributeValue(std::string_view(idle_time)));
    }
  }
  if (hop.connected_ns == 0) getconn.fail(failure.type, failure.message);
  getconn.end(end_ns);
}

void write_exchange(ClientSpan& client, NetworkDetail detail, const Hop& hop,
                    const Outcome& failure) {
  const char* failed = failure.failed ? phase_of(hop, nullptr) : "";
  if (hop.send_start_ns != 0) {
    Phase send(client, detail, client.context(), "http.send", hop.send_start_ns);
    const bool broken = std::strcmp(failed, "send") == 0;
    if (broken) send.fail(failure.type, failure.message);
    send.end(broken || hop.send_end_ns == 0 ? hop.end_ns : hop.send_end_ns);
  }
  const bool waiting = std::strcmp(failed, "wait") == 0;
  if (hop.first_byte_ns == 0 && !waiting) return;
  // Receiving begins with the first byte; when none ever came, with the wait for it.
  Phase receive(client, detail, client.context(), "http.receive",
                waiting ? hop.send_end_ns : hop.first_byte_ns);
  if (waiting) {
    receive.set("http.receive.first_byte", AttributeValue(false));
    receive.fail(failure.type, failure.message);
  } else if (std::strcmp(failed, "receive") == 0) {
    receive.fail(failure.type, failure.message);
  }
  receive.end(hop.end_ns);
}

}  // namespace

const char* phase_of(const Hop& hop, const DnsResult* dns) {
  if (dns != nullptr && !dns->ok()) return "dns";
  if (hop.first_byte_ns != 0) return "receive";
  if (hop.send_end_ns != 0) return "wait";
  if (hop.send_start_ns != 0) return "send";
  if (hop.connected_ns != 0) return "send";
  if (hop.tls.start_ns != 0) return "tls";
  if (!hop.connects.empty()) return "connect";
  return hop.dns_start_ns != 0 ? "dns" : "getconn";
}

void write_phases(ClientSpan& client, NetworkDetail detail, const std::vector<Hop>& hops,
                  const DnsResult* dns, const Outcome& outcome) {
  if (!client.span().is_recording()) return;
  for (std::size_t i = 0; i < hops.size(); ++i) {
    const Hop& hop = hops[i];
    if (i > 0) {
      client.span().add_event(
          "http.redirect",
          {{"http.response.status_code", hops[i - 1].status}, {"url.full", hop.url}}, hop.start_ns);
    }
    if (detail == NetworkDetail::kNone) continue;
    const bool is_last = i + 1 == hops.size();
    const Outcome failure = is_last ? outcome : Outcome{};
    write_connection(client, detail, hop, i == 0 ? dns : nullptr, failure);
    write_exchange(client, detail, hop, failure);
  }
}

}  // namespace weft::sdk_detail
