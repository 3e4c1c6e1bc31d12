#include "store/flusher.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "store/batch_codec.h"

namespace weft::store {
namespace {

// Groups whose memory is kept: as many as wait for the disk while it is busy.
constexpr size_t kMaxSpareGroups = 4;
constexpr uint64_t kMaxSpareSlackBytes = 64u << 10;
// Between messages that requests are refused, and how long none may have been until it is over.
constexpr uint64_t kRefusalEveryNs = 10'000'000'000;
constexpr uint64_t kTakenForNs = 1'000'000'000;

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
  SpanSink::RawRequest record;
  std::string encoded;  // what record.body points to when there was no request
  if (raw != nullptr) {
    record = *raw;
  } else {
    encoded = encode_batch(batch);
    record.format = SpanSink::RawRequest::Format::kColumns;
    record.received_ns = options_.clock->now_ns();
    record.body = encoded;
  }
  const uint64_t bytes = record.body.size();
  const uint64_t span_bytes = batch.memory_bytes();
  if (bytes > LogGroup::kMaxBodyBytes) {
    return fail(ErrorCode::kInvalidArgument, "the request is too large for the log");
  }
  Group* group;
  LogGroup::Place place;
  bool wake;
  {
    const std::lock_guard lock(mutex_);
    if (stop_) return fail(ErrorCode::kUnavailable, "the store is closing");
    if (!queue_.empty() && (queue_bytes_ + bytes > options_.queue_max_bytes ||
                            queue_span_bytes_ + span_bytes > options_.queue_max_span_bytes ||
                            queue_requests_ >= options_.queue_max_requests)) {
      counters_.refused_requests.fetch_add(1, std::memory_order_relaxed);
      return fail(ErrorCode::kUnavailable,
                  "the queue before the write-ahead log is full, try again");
    }
    group = &group_for(bytes, span_bytes);
    group->pending.push_back({std::move(batch), std::move(done)});
    place = group->log.reserve(bytes);
    ++group->copying;
    group->bytes += bytes;
    group->span_bytes += span_bytes;
    const uint64_t before = queue_bytes_;
    queue_bytes_ += bytes;
    queue_span_bytes_ += span_bytes;
    ++queue_requests_;
    counters_.queue_bytes.store(queue_bytes_, std::memory_order_relaxed);
    // The thread needs to be woken for the first request and when a group is full.
    wake = queue_requests_ == 1 ||
           (before < options_.group_min_bytes && queue_bytes_ >= options_.group_min_bytes);
  }
  if (wake) work_.notify_one();
  LogGroup::put_record(place, record);
  const std::lock_guard lock(mutex_);
  // Once this is 0 the group may be written, and be gone.
  if (--group->copying == 0) copied_.notify_one();
  return {};
}

Flusher::Group& Flusher::group_for(uint64_t body_bytes, uint64_t span_bytes) {
  if (!queue_.empty() && queue_.back()->log.has_room(body_bytes) &&
      queue_.back()->span_bytes + span_bytes <= options_.block_max_bytes) {
    return *queue_.back();
  }
  std::unique_ptr<Group> group;
  if (!spare_groups_.empty() && spare_groups_.back()->log.has_room(body_bytes)) {
    group = std::move(spare_groups_.back());
    spare_groups_.pop_back();
  } else {
    group = std::make_unique<Group>(std::max(options_.group_max_bytes, body_bytes));
  }
  group->oldest_ns = options_.clock->steady_ns();
  queue_.push_back(std::move(group));
  return *queue_.back();
}

void Flusher::reuse(std::unique_ptr<Group> group) {
  // One huge request does not fix its memory for ever.
  if (group->log.capacity() > options_.group_max_bytes + kMaxSpareSlackBytes) return;
  group->log.clear();
  group->pending.clear();
  group->bytes = 0;
  group->span_bytes = 0;
  const std::lock_guard lock(mutex_);
  if (spare_groups_.size() < kMaxSpareGroups) spare_groups_.push_back(std::move(group));
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

std::unique_ptr<Flusher::Group> Flusher::take_group() {
  using std::chrono::nanoseconds;
  std::unique_lock lock(mutex_);
  const auto asked = [&] { return stop_ || freeze_asked_ > freeze_done_; };
  if (queue_.empty() && !asked()) {
    work_.wait_for(lock, nanoseconds(options_.maintenance_interval_ns),
                   [&] { return !queue_.empty() || asked(); });
  }
  if (queue_.empty()) return nullptr;
  if (queue_bytes_ < options_.group_min_bytes && !asked()) {
    const uint64_t waited = options_.clock->steady_ns() - queue_.front()->oldest_ns;
    if (waited < options_.group_delay_ns) {
      work_.wait_for(lock, nanoseconds(options_.group_delay_ns - waited),
                     [&] { return queue_bytes_ >= options_.group_min_bytes || asked(); });
    }
  }
  std::unique_ptr<Group> group = std::move(queue_.front());
  queue_.pop_front();
  queue_bytes_ -= group->bytes;
  queue_span_bytes_ -= group->span_bytes;
  queue_requests_ -= group->pending.size();
  counters_.queue_bytes.store(queue_bytes_, std::memory_order_relaxed);
  copied_.wait(lock, [&] { return group->copying == 0; });
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

void Flusher::write(Group& group) {
  Status status;
  const uint64_t begin_ns = options_.clock->steady_ns();
  if (wait_for_room(status)) status = log_.write_group(group.log);
  const uint64_t now_ns = options_.clock->steady_ns();
  const size_t requests = group.pending.size();
  if (status) {
    uint64_t spans = 0;
    for (Pending& pending : group.pending) {
      spans += pending.batch.size();
      if (options_.stored) options_.stored(pending.batch);
      unsealed_.add(std::move(pending.batch), now_ns);
    }
    counters_.appended_spans.fetch_add(spans, std::memory_order_relaxed);
    counters_.appended_requests.fetch_add(requests, std::memory_order_relaxed);
    counters_.log_groups.fetch_add(1, std::memory_order_relaxed);
    counters_.log_bytes.fetch_add(group.bytes, std::memory_order_relaxed);
    counters_.log_sync_ns.fetch_add(now_ns - begin_ns, std::memory_order_relaxed);
    report_taken_again(now_ns);
  } else {
    counters_.log_errors.fetch_add(1, std::memory_order_relaxed);
    counters_.refused_requests.fetch_add(requests, std::memory_order_relaxed);
    report_refused(requests, status.error(), now_ns);
  }
  for (Pending& pending : group.pending) {
    if (pending.done) pending.done(status);
  }
}

// A full disk refuses hundreds of groups a second: a line for each would drown everything else, and
// fill the disk again that has been made room on.
void Flusher::report_refused(size_t requests, const Error& error, uint64_t now_ns) {
  refused_since_ += requests;
  refused_ns_ = now_ns;
  if (!options_.log || (refusing_ && now_ns - refusal_told_ns_ < kRefusalEveryNs)) return;
  options_.log(Severity::kError,
               "refused " + std::to_string(refused_since_) + " request(s): " + error.message);
  refusing_ = true;
  refused_since_ = 0;
  refusal_told_ns_ = now_ns;
}

// Small requests find room on a full disk between large ones: it is over when it stays so.
void Flusher::report_taken_again(uint64_t now_ns) {
  if (!refusing_ || now_ns - refused_ns_ < kTakenForNs) return;
  const std::string more =
      refused_since_ != 0 ? " after " + std::to_string(refused_since_) + " more refused" : "";
  options_.log(Severity::kWarning, "requests are taken again" + more);
  refusing_ = false;
  refused_since_ = 0;
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
    if (auto group = take_group()) {
      write(*group);
      reuse(std::move(group));
    }
    freeze_if_due();
    const std::lock_guard lock(mutex_);
    if (stop_ && queue_.empty()) break;
  }
  frozen_.notify_all();
}

}  // namespace weft::store
