#include "store/store.h"

#include <algorithm>

#include "store/aggregate.h"
#include "store/attribute_lists.h"
#include "store/store_impl.h"

namespace weft::store {

Store::Impl::~Impl() {
  if (flusher != nullptr) flusher->stop();
  if (sealer.joinable()) {
    {
      const std::lock_guard guard(seal_mutex);
      seal_stop = true;
    }
    seal_work.notify_all();
    sealer.join();
  }
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Expected<std::unique_ptr<Store>> Store::open(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  WEFT_TRY(impl->open());
  if (!impl->options.read_only) impl->start_threads();
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Status Store::append(SpanBatch batch, const RawRequest* raw, Done done) {
  if (impl_->flusher == nullptr) {
    return fail(ErrorCode::kUnavailable, "the data directory is open for reading alone");
  }
  return impl_->flusher->append(std::move(batch), raw, std::move(done));
}

Capabilities Store::capabilities() const {
  return {.exact_filter = true, .aggregate = true};
}

Expected<GroupTable> Store::aggregate(const AggregateRequest& request, const CancelToken& cancel,
                                      ScanStats& stats) {
  return weft::store::aggregate(impl_->snapshot(), request, cancel, stats);
}

Expected<AttributeList> Store::attribute_keys(TimeRange range, size_t limit,
                                              const CancelToken& cancel) {
  return list_attribute_keys(*impl_->snapshot(), range, limit, cancel);
}

Expected<AttributeValueList> Store::attribute_values(const ColumnRef& column, TimeRange range,
                                                     size_t limit, const CancelToken& cancel) {
  return list_attribute_values(*impl_->snapshot(), column, range, limit, cancel);
}

StorageStats Store::stats() const {
  StorageStats out;
  BlockSetPtr set;
  Unsealed::Capture capture;
  {
    const std::lock_guard guard(impl_->state_mutex);
    set = impl_->blocks;
    capture = impl_->unsealed.capture();
  }
  out.oldest_ns = UINT64_MAX;
  for (const BlockPtr& block : set->blocks) {
    const BlockMeta& meta = block->meta();
    out.spans += meta.spans;
    out.traces += meta.traces;
    out.disk_bytes += block->file_bytes();
    out.memory_bytes += block->memory_bytes();
    out.oldest_ns = std::min(out.oldest_ns, meta.min_start_ns);
    out.newest_ns = std::max(out.newest_ns, meta.max_start_ns);
  }
  for (const Pieces& group : set->groups)
    out.traces -= group.size() - 1;
  out.blocks = set->blocks.size();
  const auto view = impl_->unsealed.view(capture);
  out.spans += view->order.rows.size();
  out.traces += view->order.traces();
  for (const MemoryView::Page& page : view->pages) {
    out.oldest_ns = std::min(out.oldest_ns, page.min_start_ns);
    out.newest_ns = std::max(out.newest_ns, page.max_start_ns);
  }
  if (out.spans == 0) out.oldest_ns = 0;
  out.memory_bytes +=
      impl_->unsealed.total_bytes() + impl_->counters.cache_bytes.load(std::memory_order_relaxed);
  return out;
}

Status Store::seal() {
  Impl& s = *impl_;
  if (s.flusher == nullptr) return fail(ErrorCode::kUnavailable, "open for reading alone");
  s.flusher->freeze_now();
  std::unique_lock guard(s.seal_mutex);
  const uint64_t ticket = ++s.seal_asked;
  s.seal_work.notify_all();
  s.seal_done.wait(guard, [&] { return s.seal_answered >= ticket; });
  return s.seal_status;
}

Status Store::shutdown() {
  Impl& s = *impl_;
  if (s.flusher == nullptr) return {};
  Status status = seal();
  s.flusher->stop();
  if (status) status = s.log.drop_spares();
  return status;
}

Status Store::pin(std::span<const TraceId> ids) {
  if (impl_->flusher == nullptr) {
    return fail(ErrorCode::kUnavailable, "the data directory is open for reading alone");
  }
  return impl_->add_pins(ids);
}

std::vector<TraceId> Store::pinned() const {
  return impl_->pinned_ids();
}

const Counters& Store::counters() const {
  return impl_->counters;
}
std::vector<Finding> Store::findings() const {
  const std::lock_guard guard(impl_->findings_mutex);
  return impl_->findings;
}

}  // namespace weft::store
