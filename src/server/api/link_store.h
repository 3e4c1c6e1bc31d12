// Short links of the page and the traces that they show. A link is one file of the data directory;
// its traces are kept in it as OTLP, so that they outlive the retention of the store. The APIs look
// here for a trace that the store has no more. docs/formats/links.md describes the file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "model/id_hash.h"
#include "model/span_batch.h"

namespace weft::server {

struct Link {
  std::string id;    // 12 characters of a-z and 2-7
  std::string path;  // of the page, with its query: "/search?q=…"
  std::vector<TraceId> trace_ids;
  uint64_t created_ns = 0;
};

struct LinkLimits {
  size_t max_links = 10'000;
  uint64_t max_bytes = 1u << 30;  // of all files
  size_t max_traces = 100;        // of one link
  size_t max_path_bytes = 8192;
};

// Any thread.
class LinkStore {
 public:
  // Reads the links in `dir`, which is created by the first link. Files that are not sound are left
  // alone and named in warnings(). `fs` must outlive the store.
  static Expected<std::unique_ptr<LinkStore>> open(FileSystem& fs, std::string dir,
                                                   LinkLimits limits = {});

  // Keeps the link and its traces; they are on disk when it returns. The id is made of path and
  // trace ids: the same link again is the same link, and gives the one that is there.
  // kInvalidArgument for a path that does not lead into the page, kResourceExhausted over a limit.
  Expected<Link> create(std::string_view path, const std::vector<TraceId>& trace_ids,
                        const std::vector<SpanBatch>& traces, uint64_t now_ns);

  std::optional<Link> find(std::string_view id) const;

  // The spans that a link keeps of the trace; an empty batch when none does.
  Expected<SpanBatch> pinned_trace(const TraceId& id) const;

  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  struct Payload {
    std::string file;
    uint64_t offset = 0;
    uint64_t size = 0;
    uint64_t checksum = 0;
  };
  struct Entry {
    Link link;
    std::vector<Payload> payloads;  // parallel to link.trace_ids
    uint64_t file_bytes = 0;
  };

  LinkStore(FileSystem& fs, std::string dir, LinkLimits limits)
      : fs_(fs), dir_(std::move(dir)), limits_(limits) {}
  Expected<Entry> read_header(const std::string& file) const;
  void add(Entry entry);
  Status check(std::string_view path, const std::vector<TraceId>& trace_ids) const;

  FileSystem& fs_;
  const std::string dir_;
  const LinkLimits limits_;
  std::vector<std::string> warnings_;

  mutable std::mutex mutex_;
  std::map<std::string, Link, std::less<>> links_;
  std::unordered_map<TraceId, Payload, TraceIdHash> payloads_;
  uint64_t bytes_ = 0;
};

}  // namespace weft::server
