// The embedded store: spans in a data directory. It is both sides of the storage contract
// (scan/scan.h): what append() acknowledges is on disk and can be found. The server owns one; the
// command line opens one to read a directory that no server holds.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "scan/scan.h"
#include "store/finding.h"
#include "store/options.h"

namespace weft::store {

class Store final : public SpanSink, public SpanSource {
 public:
  // Opens or creates the directory and replays the log. kUnavailable when another process has it
  // open. Damage does not keep a directory from opening: it is logged and counted, and the rest
  // is served.
  static Expected<std::unique_ptr<Store>> open(Options options);
  // Takes what was appended to the disk and stops; spans that are not sealed come back from the
  // log. Cursors must be gone.
  ~Store() override;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  Status append(SpanBatch batch, const RawRequest* raw, Done done) override;

  Capabilities capabilities() const override;
  Expected<std::unique_ptr<ScanCursor>> scan(const ScanRequest& request, const CancelToken& cancel,
                                             ScanStats& stats) override;
  Expected<GroupTable> aggregate(const AggregateRequest& request, const CancelToken& cancel,
                                 ScanStats& stats) override;
  Expected<SpanBatch> trace(const TraceId& id, size_t max_spans) override;
  Expected<std::unique_ptr<BatchCursor>> export_all(TimeRange range,
                                                    const CancelToken& cancel) override;
  Expected<AttributeList> attribute_keys(TimeRange range, size_t limit,
                                         const CancelToken& cancel) override;
  Expected<AttributeValueList> attribute_values(const ColumnRef& column, TimeRange range,
                                                size_t limit, const CancelToken& cancel) override;
  StorageStats stats() const override;

  // Seals everything that has been acknowledged, and returns when it is in blocks. Any thread.
  Status seal();
  // The orderly end: takes in nothing more, seals, and removes what the log does not need. The
  // store can still be read. Once.
  Status shutdown();

  // Keeps traces past retention, durably, from the time it returns. They need not exist yet.
  Status pin(std::span<const TraceId> ids);
  std::vector<TraceId> pinned() const;

  const Counters& counters() const;
  // Damage met so far, the newest last; at most 1,000.
  std::vector<Finding> findings() const;

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::store
