// A SpanSource over plain spans in memory, for the tests of everything that reads spans. Simple
// rather than fast, and able to behave as badly as the contract allows: supersets, any order of
// batches, no hints about what remains.
#pragma once

#include <cstdint>
#include <vector>

#include "model/span.h"
#include "scan/scan.h"

namespace weft::testing {

struct MemorySourceOptions {
  size_t traces_per_batch = 7;
  bool superset = false;        // return spans (or traces) that do not meet the filter as well
  bool drops_unneeded = false;  // leaves traces out that lack a span of ScanRequest::needed
  bool newest_first = true;     // else batches come in an order drawn from `seed`
  bool tell_remaining = true;   // fill ScanBatch::remaining_before_ns
  bool aggregates = false;      // aggregate() is there, exact
  uint64_t seed = 1;
  uint64_t next_delay_ns = 0;  // every next() and aggregate() takes this long, unless cancelled
};

class MemorySource final : public SpanSource {
 public:
  // Duplicates by (trace id, span id) are dropped, but for the first.
  explicit MemorySource(std::vector<Span> spans, MemorySourceOptions options = {});

  // Appends spans, as a source does while it runs. Not while a scan is being opened.
  void add(std::vector<Span> spans);

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

  const std::vector<Span>& spans() const { return spans_; }

 private:
  std::vector<Span> spans_;  // by (trace id, start, span id)
  MemorySourceOptions options_;
};

}  // namespace weft::testing
