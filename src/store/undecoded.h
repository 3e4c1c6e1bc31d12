// Requests that were acknowledged and that the replay of the log could not decode: a limit was
// lowered, or a decoder became stricter. They lie in files of their own, so that the log can be
// recycled without losing them, and are taken in at the first start that can decode them. Opening a
// store and `weft check` use it. docs/formats/wal.md describes the files.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "scan/scan.h"
#include "store/finding.h"
#include "store/log_format.h"

namespace weft::store {

// A request with a body of its own.
class KeptRequest {
 public:
  explicit KeptRequest(const SpanSink::RawRequest& request)
      : request_(request), body_(request.body) {}

  // Valid as long as this is neither moved nor destroyed.
  SpanSink::RawRequest request() const {
    SpanSink::RawRequest out = request_;
    out.body = body_;
    return out;
  }
  friend bool operator==(const KeptRequest& a, const KeptRequest& b) {
    return a.body_ == b.body_ && a.request_.received_ns == b.request_.received_ns &&
           a.request_.format == b.request_.format;
  }

 private:
  SpanSink::RawRequest request_;
  std::string body_;
};

// "undecoded-0000000000000003-0001.wal": what could not be decoded of the log file of that id.
std::string undecoded_file_name(const LogId& log);
std::optional<LogId> parse_undecoded_file_name(std::string_view name);

// Adds damaged places to `findings`; errors as read_log() has them.
Expected<std::vector<KeptRequest>> read_undecoded(FileSystem& fs, const std::string& dir,
                                                  const LogId& log, std::vector<Finding>& findings);
// Replaces the file, or removes it when there are no requests. Durable when it returns; after an
// error the file is as it was or as it should be.
Status write_undecoded(FileSystem& fs, const std::string& dir, const LogId& log,
                       std::span<const KeptRequest> requests);
// The same with the requests that the file has already.
Status add_undecoded(FileSystem& fs, const std::string& dir, const LogId& log,
                     std::span<const KeptRequest> requests);

// Says of a file why it is there. `failure`: why the first of `count` requests cannot be decoded,
// or empty.
Finding undecoded_requests(const std::string& dir, const LogId& log, size_t count,
                           const std::string& failure);

}  // namespace weft::store
