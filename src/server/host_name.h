// The name by which a client has asked for this server.
#pragma once

#include <string>
#include <string_view>

#include "base/ascii.h"

namespace weft::server {

// Of a Host header: without its port, in lower case as names of hosts compare; an IPv6 address with
// its brackets. Empty when there was none.
inline std::string host_name(std::string_view host) {
  if (host.starts_with('[')) return lower_ascii(host.substr(0, host.find(']') + 1));
  return lower_ascii(host.substr(0, host.find(':')));
}

}  // namespace weft::server
