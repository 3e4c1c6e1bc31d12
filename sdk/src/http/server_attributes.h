// Attributes of server spans that many requests share though no route knows them: those of the far
// end of a connection and those of the Host header. Encoded once.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <weft/http/short_text.h>

#include "../span_template.h"

namespace weft::sdk_detail {

// Texts of at most 60 bytes, the longest that are not written one by one.
using PeerBlock = AttributeBlock<192>;
using HostBlock = AttributeBlock<128>;

// Of one connection.
struct ServerPeerState {
  ServerPeerState(std::string_view peer_address, int peer_port);
  bool is(std::string_view other_address, int other_port) const noexcept {
    return port == other_port && is_same(address, other_address);
  }
  const std::string address;
  const int port;
  const PeerBlock attributes;  // network.peer.*, and client.address
};

// A Host header taken apart. The port is 0 when there is none.
struct HostPort {
  std::string_view host;
  int port = 0;
};
HostPort split_host(std::string_view text) noexcept;

// What it says as attributes: server.address and, where there is one, server.port. Views into it.
class HostAttributes {
 public:
  explicit HostAttributes(const HostPort& host)
      : attributes_{{"server.address", host.host}, {"server.port", host.port}},
        count_(host.port == 0 ? 1 : 2) {}
  std::span<const Attribute> view() const { return {attributes_, count_}; }

 private:
  Attribute attributes_[2];
  std::size_t count_;
};

// server.address and server.port of a Host header, from a table of the process; null when it has to
// be taken apart. Any thread. Bounded, since the header comes from outside: the first few hosts to
// come are kept, which for a server is all of them.
const HostBlock* find_host(std::string_view text) noexcept;

}  // namespace weft::sdk_detail
