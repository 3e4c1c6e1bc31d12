#include "store/store.h"

#include <algorithm>

#include "store/batch_columns.h"
#include "store/scan_cursor.h"
#include "store/store_impl.h"

namespace weft::store {

Store::Impl::~Impl() = default;

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Expected<std::unique_ptr<Store>> Store::open(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  WEFT_TRY(impl->open());
  if (!impl->options.read_only) {
    impl->flusher =
        std::make_unique<Flusher>(impl->options, impl->counters, impl->unsealed, impl->log, [] {});
  }
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Status Store::append(SpanBatch batch, const RawRequest* raw, Done done) {
  if (impl_->flusher == nullptr) {
    return fail(ErrorCode::kUnavailable, "the data directory is open for reading alone");
  }
  return impl_->flusher->append(std::move(batch), raw, std::move(done));
}

Capabilities Store::capabilities() const {
  return {.exact_filter = true, .aggregate = false};
}

Expected<std::unique_ptr<ScanCursor>> Store::scan(const ScanRequest& request,
                                                  const CancelToken& cancel, ScanStats& stats) {
  return make_scan_cursor(impl_->unsealed.view(impl_->unsealed.capture()), request, cancel, stats);
}

Expected<GroupTable> Store::aggregate(const AggregateRequest&, const CancelToken&, ScanStats&) {
  return fail(ErrorCode::kUnimplemented, "aggregates are not pushed down");
}

Expected<SpanBatch> Store::trace(const TraceId& id, size_t max_spans) {
  const auto capture = impl_->unsealed.capture();
  std::vector<SpanBatchPtr> pieces;
  std::vector<uint32_t> rows;
  for (const auto& batch : capture.batches) {
    rows.clear();
    for (uint32_t row = 0; row < batch->size(); ++row) {
      if (batch->trace_id[row] == id) rows.push_back(row);
    }
    if (rows.empty()) continue;
    auto piece = std::make_shared<SpanBatch>();
    append_rows(*piece, *batch, rows);
    pieces.push_back(std::move(piece));
  }
  const TraceOrder order = order_by_trace(pieces);
  if (order.rows.size() > max_spans) {
    return fail(ErrorCode::kResourceExhausted,
                "trace " + id.to_hex() + " has " + std::to_string(order.rows.size()) +
                    " spans, more than the limit of " + std::to_string(max_spans));
  }
  return gather_rows(pieces, order.rows);
}

Expected<std::unique_ptr<SpanSource::BatchCursor>> Store::export_all(TimeRange,
                                                                     const CancelToken&) {
  return fail(ErrorCode::kUnimplemented, "export");
}

Expected<AttributeList> Store::attribute_keys(TimeRange, size_t, const CancelToken&) {
  return AttributeList{};
}

Expected<AttributeValueList> Store::attribute_values(const ColumnRef&, TimeRange, size_t,
                                                     const CancelToken&) {
  return AttributeValueList{};
}

StorageStats Store::stats() const {
  StorageStats out;
  out.spans = impl_->unsealed.total_spans();
  out.memory_bytes = impl_->unsealed.total_bytes();
  return out;
}

Status Store::seal() {
  return {};
}
Status Store::shutdown() {
  if (impl_->flusher != nullptr) impl_->flusher->stop();
  return {};
}
Status Store::pin(std::span<const TraceId>) {
  return {};
}
std::vector<TraceId> Store::pinned() const {
  return {};
}
const Counters& Store::counters() const {
  return impl_->counters;
}
std::vector<Finding> Store::findings() const {
  const std::lock_guard guard(impl_->findings_mutex);
  return impl_->findings;
}

}  // namespace weft::store
