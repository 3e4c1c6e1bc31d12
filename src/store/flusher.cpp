#include "store/flusher.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "store/batch_codec.h"

namespace weft::store {
namespace {

// The flusher sleeps while the disk works; when it wakes, everybody waits for it.
void raise_priority() {
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  (void)::setpriority(PRIO_PROCESS, thread, -10);  // without the right to, as before
}

}  // namespace

Flusher::Flusher(const Options& options, Counters& counters, Unsealed& unsealed, LogWriter& log,
                 std::function<void()> on_frozen)
    : options_(options),
      counters_(counters),
      unsealed_(unsealed),
      log_(log),
      on_frozen_(std::move(on_frozen)),
      thread_([this] { run(); }) {}

Flusher::~Flusher() {
  stop();
}

void Flusher::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_all();
  room_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status Flusher::append(SpanBatch batch, const SpanSink::RawRequest* raw, SpanSink::Done done) {
  Pending pending;
  if (raw != nullptr) {
    pending.raw = *raw;
  } else {
    pending.encoded = encode_batch(batch);
    pending.raw.format = SpanSink::RawRequest::Format::kColumns;
    pending.raw.received_ns = options_.clock->now_ns();
  }
  pending.bytes = raw != nullptr ? raw->body.size() : pending.encoded.size();
  pending.batch = std::move(batch);
  pending.done = std::move(done);
  bool wake;
  {
    const std::lock_guard lock(mutex_);
    if (stop_) return fail(ErrorCode::kUnavailable, "the store is closing");
    if (!queue_.empty() && (queue_bytes_ + pending.bytes > options_.queue_max_bytes ||
                            queue_.size() >= options_.queue_max_requests)) {
      counters_.refused_requests.fetch_add(1, std::memory_order_relaxed);
      return fail(ErrorCode::kUnavailable,
                  "the queue before the write-ahead log is full, try again");
    }
    if (queue_.empty()) oldest_ns_ = options_.clock->steady_ns();
    const uint64_t before = queue_bytes_;
    queue_bytes_ += pending.bytes;
    queue_.push_back(std::move(pending));
    counters_.queue_bytes.store(queue_bytes_, std::memory_order_relaxed);
    // The thread needs to be woken for the first request and when a group is full.
    wake = queue_.size() == 1 ||
           (before < options_.group_min_bytes && queue_bytes_ >= options_.group_min_bytes);
  }
  if (wake) work_.notify_one();
  return {};
}

void Flusher::freeze_now() {
  std::unique_lock lock(mutex_);
  if (stop_) return;
  const uint64_t ticket = ++freeze_asked_;
  work_.notify_one();
  frozen_.wait(lock, [&] { return freeze_done_ >= ticket || stop_; });
}

void Flusher::on_sealed(Status status) {
  {
    const std::lock_guard lock(mutex_);
    seal_status_ = std::move(status);
  }
  room_.notify_all();
}

std::vector<Flusher::Pending> Flusher::take_group() {
  using std::chrono::nanoseconds;
  std::unique_lock lock(mutex_);
  const auto asked = [&] { return stop_ || freeze_asked_ > freeze_done_; };
  if (queue_.empty() && !asked()) {
    work_.wait_for(lock, nanoseconds(options_.maintenance_interval_ns),
                   [&] { return !queue_.empty() || asked(); });
  }
  if (!queue_.empty() && queue_bytes_ < options_.group_min_bytes && !asked()) {
    const uint64_t waited = options_.clock->steady_ns() - oldest_ns_;
    if (waited < options_.group_delay_ns) {
      work_.wait_for(lock, nanoseconds(options_.group_delay_ns - waited),
                     [&] { return queue_bytes_ >= options_.group_min_bytes || asked(); });
    }
  }
  std::vector<Pending> group;
  size_t count = 0;
  uint64_t bytes = 0;
  while (count < queue_.size() &&
         (count == 0 || bytes + queue_[count].bytes <= options_.group_max_bytes)) {
    bytes += queue_[count++].bytes;
  }
  if (count == queue_.size()) {
    group.swap(queue_);
  } else {
    group.assign(std::make_move_iterator(queue_.begin()),
                 std::make_move_iterator(queue_.begin() + static_cast<ptrdiff_t>(count)));
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(count));
  }
  queue_bytes_ -= bytes;
  counters_.queue_bytes.store(queue_bytes_, std::memory_order_relaxed);
  return group;
}

bool Flusher::wait_for_room(Status& error) {
  using std::chrono::nanoseconds;
  if (unsealed_.frozen() < options_.max_frozen || !block_is_due()) return true;
  std::unique_lock lock(mutex_);
  while (unsealed_.frozen() >= options_.max_frozen) {
    if (!seal_status_) {
      error = seal_status_;
      return false;
    }
    if (stop_) {
      error = fail(ErrorCode::kUnavailable, "the store is closing");
      return false;
    }
    room_.wait_for(lock, nanoseconds(options_.maintenance_interval_ns));
  }
  return true;
}

void Flusher::write(std::vector<Pending> group) {
  Status status;
  std::vector<SpanSink::RawRequest> records;
  records.reserve(group.size());
  uint64_t bytes = 0;
  for (Pending& pending : group) {
    if (!pending.encoded.empty()) pending.raw.body = pending.encoded;
    bytes += pending.raw.body.size();
    records.push_back(pending.raw);
  }
  const uint64_t begin_ns = options_.clock->steady_ns();
  if (wait_for_room(status)) status = log_.write_group(records);
  const uint64_t now_ns = options_.clock->steady_ns();
  if (status) {
    uint64_t spans = 0;
    for (Pending& pending : group) {
      spans += pending.batch.size();
      if (options_.stored) options_.stored(pending.batch);
      unsealed_.add(std::move(pending.batch), now_ns);
    }
    counters_.appended_spans.fetch_add(spans, std::memory_order_relaxed);
    counters_.appended_requests.fetch_add(group.size(), std::memory_order_relaxed);
    counters_.log_groups.fetch_add(1, std::memory_order_relaxed);
    counters_.log_bytes.fetch_add(bytes, std::memory_order_relaxed);
    counters_.log_sync_ns.fetch_add(now_ns - begin_ns, std::memory_order_relaxed);
  } else {
    counters_.log_errors.fetch_add(1, std::memory_order_relaxed);
    counters_.refused_requests.fetch_add(group.size(), std::memory_order_relaxed);
    if (options_.log) {
      options_.log(Severity::kError, "refused " + std::to_string(group.size()) +
                                         " request(s): " + status.error().message);
    }
  }
  for (Pending& pending : group) {
    if (pending.done) pending.done(status);
  }
}

bool Flusher::block_is_due() const {
  const uint64_t opened = unsealed_.opened_ns();
  return opened != 0 && (unsealed_.open_spans() >= options_.block_max_spans ||
                         unsealed_.open_bytes() >= options_.block_max_bytes ||
                         options_.clock->steady_ns() - opened >= options_.block_max_age_ns);
}

void Flusher::freeze_if_due() {
  uint64_t ticket;
  bool idle;
  {
    const std::lock_guard lock(mutex_);
    ticket = freeze_asked_;
    idle = queue_.empty();
  }
  const bool asked = ticket > freeze_done_ && idle;
  if (asked || (block_is_due() && unsealed_.frozen() < options_.max_frozen)) {
    const uint64_t before = unsealed_.open_generation();
    const uint64_t now = unsealed_.freeze(log_.files());
    if (now != before) {
      log_.start_generation(now, 0);
      counters_.frozen_blocks.store(unsealed_.frozen(), std::memory_order_relaxed);
      on_frozen_();
    }
  }
  if (asked) {
    {
      const std::lock_guard lock(mutex_);
      freeze_done_ = ticket;
    }
    frozen_.notify_all();
  }
}

void Flusher::run() {
  raise_priority();
  while (true) {
    auto group = take_group();
    if (!group.empty()) write(std::move(group));
    freeze_if_due();
    const std::lock_guard lock(mutex_);
    if (stop_ && queue_.empty()) break;
  }
  frozen_.notify_all();
}

}  // namespace weft::store
