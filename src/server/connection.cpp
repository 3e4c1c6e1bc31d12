#include "server/connection.h"

#include <algorithm>

namespace weft::server {

Connection::Connection(std::shared_ptr<IoThread> io, EngineShared& shared, size_t listener,
                       Tcp::socket socket)
    : io_(std::move(io)), shared_(shared), listener_(listener), socket_(std::move(socket)) {
  BoostError error;
  socket_.set_option(Tcp::no_delay(true), error);
  const auto remote = socket_.remote_endpoint(error);
  if (!error) {
    auto address = remote.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
      address = net::ip::make_address_v4(net::ip::v4_mapped, address.to_v6());
    }
    peer_ = address.to_string();
  }
  place_ = io_->connections.insert(io_->connections.end(), this);
}

Connection::~Connection() {
  io_->connections.erase(place_);
  shared_.listener_metrics[listener_].connections->add(-1);
  shared_.connections.fetch_sub(1, std::memory_order_acq_rel);
}

Connection::Awaitable<bool> Connection::handshake(Alpn alpn) {
  if (!listener().tls) co_return true;
  SSL* handle = listener().tls->new_connection(alpn);
  if (handle == nullptr) co_return false;
  tls_.emplace(socket_, handle);
  const auto [error] = co_await tls_->async_handshake(net::ssl::stream_base::server, kAwait);
  co_return !error;
}

bool Connection::make_room(std::string& body, size_t filled, size_t length,
                           MemoryReservation& reserved, uint64_t beside) {
  constexpr size_t kFirstBytes = 1u << 20;
  if (filled < body.size()) return true;
  const size_t target = std::min(length, std::max(kFirstBytes, 2 * filled));
  if (!reserved.grow_to(beside + target)) return false;
  // libstdc++ 12 calls the operation with the capacity, which may be more than was asked for.
  body.resize_and_overwrite(target, [target](char*, size_t) { return target; });
  return true;
}

Error Connection::out_of_body_memory() {
  return {ErrorCode::kUnavailable,
          "too many requests are in flight; their bodies would not fit in memory"};
}

Error Connection::not_stored_in_time() {
  return {ErrorCode::kUnavailable, "the spans are not on disk yet; send them again"};
}

void Connection::close() {
  BoostError ignored;
  socket_.shutdown(Tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

}  // namespace weft::server
