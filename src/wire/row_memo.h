// Resources and scopes that requests repeat, by their bytes: within a request equal ones share a
// row, and from request to request they have the same number. Most senders have one resource, a
// collector's requests some dozens out of a few thousand. Decoders use this.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::wire {

// One thread. Between requests it holds some megabytes at most.
class RowMemo {
 public:
  struct Entry {
    // Its own in the process, never 0; equal numbers mean equal bytes and schema URL.
    uint64_t number = 0;
    uint32_t row = 0;  // in this request; the caller sets it when it is fresh

   private:
    friend class RowMemo;
    uint64_t hash = 0;
    uint64_t request = 0;
    std::string bytes;  // the schema URL follows
    size_t schema_url_at = 0;
  };

  // The next request, whose entries are all fresh.
  void begin() { ++request_; }
  // After a request: forgets everything when that has become much.
  void end();
  // The entry of equal bytes; `fresh` when this request did not have it before. Valid until the
  // next call.
  Entry& find(std::string_view bytes, std::string_view schema_url, bool& fresh);

 private:
  bool matches(const Entry& entry, std::string_view bytes, std::string_view schema_url) const;
  void grow_index();

  uint64_t request_ = 0;
  size_t kept_bytes_ = 0;
  std::vector<Entry> entries_;
  std::vector<uint32_t> index_;  // 1 + entry; 0 is free; a power of two, at most half full
};

}  // namespace weft::wire
