// The library's own messages, for its sources. See include/weft/diagnostics.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include <weft/diagnostics.h>

namespace weft::sdk_detail {

void diagnose(DiagnosticLevel level, std::string_view message) noexcept;

// Lets one message through in ten seconds, so that a receiver that is down for a day does not
// fill a disk. One for each kind of message.
class RateLimit {
 public:
  bool allow() noexcept;

 private:
  std::atomic<std::int64_t> next_ns_{0};
};

}  // namespace weft::sdk_detail
