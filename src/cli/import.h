// What `weft import` does: reads files record by record, decodes them, sends the spans in requests
// of bounded size and keeps a bookmark of what the target has acknowledged.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/ids.h"
#include "model/span_batch.h"

namespace weft::cli {

// Where imported spans go: a running server or a data directory. One thread.
class ImportTarget {
 public:
  virtual ~ImportTarget() = default;
  // Names the target in bookmarks; the same target has the same name in every run.
  virtual std::string name() const = 0;
  // Returns when the spans are on disk. The number of those that the target refused for good.
  virtual Expected<uint64_t> send(const SpanBatch& batch) = 0;
  virtual Expected<bool> has_trace(const TraceId& id) = 0;
  // After the last send: puts things in order. A data directory seals its blocks.
  virtual Status finish() { return {}; }
};

struct ImportOptions {
  std::vector<std::string> files;  // "-" is stdin
  std::string state_dir;           // of bookmarks; "" keeps none
  bool again = false;              // do not trust bookmarks
  bool keep_going = false;         // leave out records that cannot be decoded
  uint64_t max_record_bytes = 256u << 20;
  uint64_t batch_spans = 8'192;             // a request
  const std::atomic<bool>* stop = nullptr;  // set by a signal: ends after the request under way
};

struct ImportReport {
  uint64_t files = 0;
  uint64_t files_already_done = 0;
  uint64_t files_resumed = 0;
  uint64_t records = 0;
  uint64_t spans = 0;         // acknowledged in this run
  uint64_t spans_before = 0;  // acknowledged in earlier runs, by the bookmarks
  uint64_t rejected_spans = 0;
  uint64_t bad_records = 0;     // left out with keep_going
  std::string first_complaint;  // about a rejected span or a bad record
  bool stopped = false;
};

// Called now and then with the report so far and how far the current file is read (raw bytes).
struct ImportTick {
  const ImportReport& report;
  const std::string& file;
  size_t file_index;
  uint64_t file_offset;
  uint64_t file_size;  // 0: not known
};
using OnImportTick = std::function<void(const ImportTick&)>;

// `report` is filled in whatever happens. Errors name file and place, and leave a bookmark behind
// the last acknowledged record.
Status run_import(ImportTarget& target, const ImportOptions& options, const OnImportTick& on_tick,
                  ImportReport& report);

}  // namespace weft::cli
