#include "store/unsealed.h"

#include <algorithm>

namespace weft::store {
namespace {

// Batches below this many spans are merged with the one before: a service that sends its spans
// one by one must not make a million batches.
constexpr size_t kSmallBatch = 256;

}  // namespace

void Unsealed::add(SpanBatch batch, uint64_t now_steady_ns) {
  if (batch.empty()) return;
  // Built outside the lock: only the flusher changes the open block.
  std::vector<SpanBatchPtr> tail;
  {
    const std::lock_guard lock(mutex_);
    for (size_t i = open_.batches.size(); i > 0; --i) {
      const auto& previous = open_.batches[i - 1];
      if (previous->size() >= kSmallBatch) break;
      tail.push_back(previous);
    }
  }
  // As in a binary counter: batches are merged when they are of about the same size, so that each
  // span is copied a logarithmic number of times.
  const size_t added = batch.size();
  auto merged = std::make_shared<SpanBatch>(std::move(batch));
  size_t taken = 0;
  while (taken < tail.size() && merged->size() < kSmallBatch &&
         tail[taken]->size() <= merged->size() * 2) {
    auto joined = std::make_shared<SpanBatch>();
    append_batch(*joined, *tail[taken]);
    append_batch(*joined, *merged);
    merged = std::move(joined);
    ++taken;
  }
  merged->strings.drop_index();
  const uint64_t merged_bytes = merged->memory_bytes();

  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < taken; ++i) {
    open_.bytes -= open_.batches.back()->memory_bytes();
    open_.batches.pop_back();
  }
  open_.bytes += merged_bytes;
  open_.batches.push_back(std::move(merged));
  open_.spans += added;
  if (open_.opened_ns == 0) open_.opened_ns = now_steady_ns;
  ++version_;
}

uint64_t Unsealed::freeze(std::vector<LogId> logs) {
  const std::lock_guard lock(mutex_);
  if (open_.spans == 0) return open_.number;
  auto frozen = std::make_shared<Generation>(std::move(open_));
  frozen->logs = std::move(logs);
  open_ = Generation{};
  open_.number = frozen->number + 1;
  frozen_.push_back(std::move(frozen));
  return open_.number;
}

std::shared_ptr<const Generation> Unsealed::oldest_frozen() const {
  const std::lock_guard lock(mutex_);
  return frozen_.empty() ? nullptr : frozen_.front();
}

void Unsealed::drop_oldest_frozen() {
  const std::lock_guard lock(mutex_);
  frozen_.pop_front();
  ++version_;
}

size_t Unsealed::frozen() const {
  const std::lock_guard lock(mutex_);
  return frozen_.size();
}

uint64_t Unsealed::open_spans() const {
  const std::lock_guard lock(mutex_);
  return open_.spans;
}

uint64_t Unsealed::open_bytes() const {
  const std::lock_guard lock(mutex_);
  return open_.bytes;
}

uint64_t Unsealed::opened_ns() const {
  const std::lock_guard lock(mutex_);
  return open_.opened_ns;
}

uint64_t Unsealed::open_generation() const {
  const std::lock_guard lock(mutex_);
  return open_.number;
}

uint64_t Unsealed::total_spans() const {
  const std::lock_guard lock(mutex_);
  uint64_t spans = open_.spans;
  for (const auto& generation : frozen_)
    spans += generation->spans;
  return spans;
}

uint64_t Unsealed::total_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = open_.bytes;
  for (const auto& generation : frozen_)
    bytes += generation->bytes;
  return bytes;
}

void Unsealed::set_open_generation(uint64_t number) {
  const std::lock_guard lock(mutex_);
  open_.number = number;
}

Unsealed::Capture Unsealed::capture() const {
  const std::lock_guard lock(mutex_);
  Capture out;
  out.version = version_;
  for (const auto& generation : frozen_) {
    out.batches.insert(out.batches.end(), generation->batches.begin(), generation->batches.end());
  }
  out.batches.insert(out.batches.end(), open_.batches.begin(), open_.batches.end());
  return out;
}

std::shared_ptr<const MemoryView> Unsealed::view(const Capture& capture) const {
  const std::lock_guard lock(view_mutex_);
  if (view_ != nullptr && view_->version == capture.version) return view_;
  const auto fresh = make_view(capture.batches, view_.get());
  fresh->version = capture.version;
  if (view_ == nullptr || capture.version > view_->version) view_ = fresh;
  return fresh;
}

void Unsealed::forget_view() const {
  const std::lock_guard lock(view_mutex_);
  view_.reset();
}

}  // namespace weft::store
