// Which connections carry a request, and since when the others carry none: libcurl knows it and
// does not tell. For http.conn.wasidle and http.conn.idletime of curl_transfer.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::sdk_detail {

// A request's use of a connection, from its construction to its destruction. What is known of a
// connection is kept for the process under its two ends, for the last 1024 of them; connections
// that only unrecorded requests have used are not known. Any thread.
class ConnectionUse {
 public:
  // The ends as in Hop. `reused` false: it is new, whatever had these ends before.
  ConnectionUse(std::string_view local, std::string_view remote, bool reused);
  ~ConnectionUse();
  ConnectionUse(const ConnectionUse&) = delete;
  ConnectionUse& operator=(const ConnectionUse&) = delete;

  // It was made for an earlier request, and no other was on it.
  bool was_idle() const noexcept { return was_idle_; }
  // For how long; negative when that is not known.
  std::int64_t idle_ns() const noexcept { return idle_ns_; }

 private:
  const std::string key_;
  bool was_idle_;
  std::int64_t idle_ns_ = -1;
};

}  // namespace weft::sdk_detail
