#include "server_attributes.h"

#include <array>
#include <atomic>
#include <exception>
#include <memory>

namespace weft::sdk_detail {
namespace {

PeerBlock peer_block(std::string_view address, int port) {
  const Attribute attributes[3] = {
      {"network.peer.address", address}, {"client.address", address}, {"network.peer.port", port}};
  const std::size_t count = address.empty() ? 0 : port == 0 ? 2 : 3;
  return {{}, std::span<const Attribute>(attributes, count)};
}

HostBlock host_block(const HostPort& host) {
  return {{}, HostAttributes(host).view()};
}

// An IPv6 address is an address without what tells it from its port, as on the client's side.
std::string_view without_brackets(std::string_view host) noexcept {
  const bool has = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  return has ? host.substr(1, host.size() - 2) : host;
}

struct KnownHost {
  explicit KnownHost(std::string_view header) : text(header), block(host_block(split_host(text))) {}
  const std::string text;
  const HostBlock block;
};

}  // namespace

ServerPeerState::ServerPeerState(std::string_view peer_address, int peer_port)
    : address(peer_address), port(peer_port), attributes(peer_block(address, port)) {}

HostPort split_host(std::string_view text) noexcept {
  HostPort out{text, 0};
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.find(']', colon) != std::string_view::npos) {
    out.host = without_brackets(text);
    return out;
  }
  out.host = without_brackets(text.substr(0, colon));
  const std::string_view digits = text.substr(colon + 1);
  for (const char c : digits) {
    if (c < '0' || c > '9') break;
    out.port = out.port * 10 + (c - '0');
    if (out.port > 65535) {  // no port
      out.port = 0;
      break;
    }
  }
  return out;
}

const HostBlock* find_host(std::string_view text) noexcept {
  constexpr std::size_t kHosts = 16;
  constexpr std::size_t kMaxBytes = 256;
  static constinit std::array<std::atomic<const KnownHost*>, kHosts> table{};
  if (text.empty() || text.size() > kMaxBytes) return nullptr;
  for (std::atomic<const KnownHost*>& slot : table) {
    const KnownHost* known = slot.load(std::memory_order_acquire);
    if (known == nullptr) {
      try {
        auto made = std::make_unique<const KnownHost>(text);
        if (!made->block.usable()) return nullptr;
        if (slot.compare_exchange_strong(known, made.get(), std::memory_order_acq_rel)) {
          return &made.release()->block;
        }
      } catch (const std::exception&) {
        return nullptr;
      }
    }
    if (is_same(known->text, text)) return &known->block;
  }
  return nullptr;
}

}  // namespace weft::sdk_detail
