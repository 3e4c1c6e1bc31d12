// Attributes of server spans that many requests share though no route knows them: those of the far
// end of a connection and those of the Host header. Encoded once.
#pragma once

#include <string>
#include <string_view>

#include "../span_template.h"

namespace weft::sdk_detail {

// Texts of at most 60 bytes, the longest that are not written one by one.
using PeerBlock = AttributeBlock<192>;
using HostBlock = AttributeBlock<128>;

// Of one connection.
struct ServerPeerState {
  ServerPeerState(std::string_view peer_address, int peer_port);
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

// server.address and server.port of a Host header, from a table of the process; null when it has to
// be taken apart. Any thread. Bounded, since the header comes from outside: the first few hosts to
// come are kept, which for a server is all of them.
const HostBlock* find_host(std::string_view text) noexcept;

}  // namespace weft::sdk_detail
