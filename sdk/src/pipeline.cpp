#include "pipeline.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <new>

#include "attribute_encoder.h"
#include "clock.h"
#include "protobuf_writer.h"

namespace weft::sdk_detail {

namespace {

constexpr std::size_t kMaxLanes = 16;

std::chrono::steady_clock::time_point to_time_point(std::int64_t monotonic) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(monotonic));
}

BatchOptions sane(BatchOptions options) {
  options.max_queue_size = std::max(options.max_queue_size, 1U);
  options.max_export_batch_size =
      std::clamp(options.max_export_batch_size, 1U, options.max_queue_size);
  options.schedule_delay_ms = std::max(options.schedule_delay_ms, 1U);
  options.export_timeout_ms = std::max(options.export_timeout_ms, 1U);
  return options;
}

}  // namespace

// The queue and the worker of one exporter. Shared with the worker's thread, which may outlive
// the shutdown when its exporter hangs.
struct Pipeline::Lane {
  std::unique_ptr<Exporter> exporter;
  BatchOptions options;
  std::string description;

  std::deque<Range> queue;
  std::uint64_t queued_items = 0;
  std::uint64_t queued_bytes = 0;
  std::vector<Range> taken;  // being exported
  std::uint64_t exported = 0;
  std::uint64_t dropped = 0;
  std::uint64_t failed = 0;
  std::uint64_t dropped_reported = 0;

  std::uint64_t flush_wanted = 0;
  std::uint64_t flush_done = 0;
  bool asleep = false;  // the worker waits, and nobody has undertaken to wake it
  bool stop = false;
  bool finished = false;
  std::atomic<bool> cancelled{false};
  std::unique_ptr<std::condition_variable> wake = std::make_unique<std::condition_variable>();
  std::unique_ptr<std::thread> thread;

  // The worker's own, kept to reuse their memory. Replaced, not reused, after a fork: the parent's
  // worker may have been in the midst of growing one.
  struct Scratch {
    using Head = std::array<char, 11>;  // a tag and a length
    std::vector<const ScopeBytes*> scopes;
    std::vector<std::uint64_t> scope_bytes;
    std::vector<std::uint32_t> used;  // scopes of this batch, in the order of their first items
    std::vector<Head> heads;
    std::vector<std::string_view> pieces;
  };
  std::unique_ptr<Scratch> scratch = std::make_unique<Scratch>();
  RateLimit drop_messages;
  RateLimit failure_messages;
  RateLimit partial_messages;
};

// Workers that have a batch to send. They are woken at the end of its life, which is to be after
// the lock is given back: they would only wait for that.
struct Pipeline::Wakes {
  std::array<std::shared_ptr<Lane>, kMaxLanes> lanes;
  std::size_t count = 0;
  Wakes() = default;
  Wakes(const Wakes&) = delete;
  Wakes& operator=(const Wakes&) = delete;
  ~Wakes() {
    for (std::size_t i = 0; i < count; ++i)
      lanes[i]->wake->notify_one();
  }
};

Pipeline* Pipeline::create(Signal signal, const Resource& resource,
                           std::vector<ExporterSlot> exporters) {
  auto* pipeline = new Pipeline(signal, resource, std::move(exporters));
  register_fork_participant(ForkRank::kPipeline, pipeline);
  return pipeline;
}

Pipeline::Pipeline(Signal signal, const Resource& resource, std::vector<ExporterSlot> exporters)
    : signal_(signal), resource_(resource), progress_(std::make_unique<std::condition_variable>()) {
  refresh_wall_offset();
  append_len(resource_field_, 1, resource.encode());
  if (!resource.schema_url().empty()) append_len(schema_field_, 3, resource.schema_url());
  for (ExporterSlot& slot : exporters) {
    if (slot.exporter == nullptr || lanes_.size() == kMaxLanes) continue;
    auto lane = std::make_shared<Lane>();
    lane->options = sane(slot.batch);
    lane->description = slot.exporter->description();
    lane->exporter = std::move(slot.exporter);
    chunk_items_ = std::min({chunk_items_, lane->options.max_export_batch_size,
                             std::max(lane->options.max_queue_size / 4, 1U)});
    lanes_.push_back(std::move(lane));
  }
  has_exporters_ = !lanes_.empty();
}

std::uint32_t Pipeline::add_scope(std::string_view name, std::string_view version,
                                  std::string_view schema_url) {
  std::string message;
  std::string scratch;
  if (!name.empty()) append_len(message, 1, fit_text(name, SIZE_MAX, scratch));
  if (!version.empty()) append_len(message, 2, fit_text(version, SIZE_MAX, scratch));
  ScopeBytes scope;
  append_len(scope.scope_field, 1, message);
  if (!schema_url.empty()) append_len(scope.schema_field, 3, schema_url);
  const std::lock_guard lock(mutex_);
  scopes_.push_back(std::move(scope));
  return static_cast<std::uint32_t>(scopes_.size() - 1);
}

void Pipeline::count_dropped(const char* why) noexcept {
  dropped_at_source_.fetch_add(1, std::memory_order_relaxed);
  if (!source_messages_.allow()) return;
  char message[256];  // there may be no memory for a string
  std::snprintf(message, sizeof(message), "%s are dropped: %s",
                signal_ == Signal::kTraces ? "spans" : "log records", why);
  diagnose(DiagnosticLevel::kWarn, message);
}

// ---- the filling thread's side

ThreadBuffer* Pipeline::find_buffer(ThreadState& state) noexcept {
  ThreadBuffer** link = &state.buffers;
  while (ThreadBuffer* buffer = *link) {
    if (buffer->pipeline == this) {  // to the front
      *link = buffer->next;
      buffer->next = state.buffers;
      state.buffers = buffer;
      return buffer;
    }
    if (buffer->pipeline->closed_.load(std::memory_order_relaxed)) {
      *link = buffer->next;
      buffer->pipeline->detach(*buffer);
      delete buffer;
      continue;
    }
    link = &buffer->next;
  }
  if (closed_.load(std::memory_order_relaxed)) return nullptr;
  make_live();
  auto* buffer = new (std::nothrow) ThreadBuffer{this, nullptr, state.buffers};
  if (buffer == nullptr) {
    count_dropped(kNoMemory);
    return nullptr;
  }
  state.buffers = buffer;
  return buffer;
}

char* Pipeline::reserve_slow(ThreadBuffer& buffer, std::size_t bytes) noexcept {
  Wakes wakes;
  std::unique_lock lock(mutex_);
  seal(buffer);
  collect(wakes);
  if (closed_.load(std::memory_order_relaxed)) return nullptr;
  const bool too_large = !fits_a_queue(bytes);
  Chunk* chunk = too_large ? nullptr : new_chunk(bytes);
  if (chunk == nullptr) {
    lock.unlock();
    count_dropped(too_large ? "one is larger than the queue of any exporter may be "
                              "(BatchOptions::max_queue_bytes)"
                            : kNoMemory);
    return nullptr;
  }
  chunk->refs = 1;
  chunk->live_index = static_cast<std::uint32_t>(live_.size());
  live_.push_back(chunk);
  buffer.chunk = chunk;
  if (!workers_started_) start_workers();
  return chunk->data() + chunk->used;
}

void Pipeline::detach(ThreadBuffer& buffer) noexcept {
  Wakes wakes;
  const std::lock_guard lock(mutex_);
  seal(buffer);
  collect(wakes);
}

// For a thread whose destructors have run: nobody will clean up after it.
void Pipeline::hand_over_now(ThreadBuffer& buffer, ThreadState& state) noexcept {
  detach(buffer);
  state.buffers = buffer.next;
  delete &buffer;
}

void Pipeline::seal(ThreadBuffer& buffer) noexcept {
  Chunk* chunk = std::exchange(buffer.chunk, nullptr);
  if (chunk == nullptr) return;
  drain(chunk);
  live_.back()->live_index = chunk->live_index;
  live_[chunk->live_index] = live_.back();
  live_.pop_back();
  unref(chunk);
}

bool Pipeline::fits_a_queue(std::size_t bytes) const noexcept {
  return bytes <= Chunk::kDataBytes ||
         std::any_of(lanes_.begin(), lanes_.end(),
                     [bytes](const auto& lane) { return bytes <= lane->options.max_queue_bytes; });
}

// An item that is larger than a chunk gets one of its own.
Chunk* Pipeline::new_chunk(std::size_t bytes) noexcept {
  if (bytes <= Chunk::kDataBytes && !free_.empty()) {
    Chunk* chunk = free_.back();
    free_.pop_back();
    chunk->committed.store(0, std::memory_order_relaxed);
    chunk->used = 0;
    chunk->drained = 0;
    return chunk;
  }
  const std::size_t data = std::max<std::size_t>(bytes, Chunk::kDataBytes);
  void* memory = ::operator new(sizeof(Chunk) + data, std::nothrow);
  if (memory == nullptr) return nullptr;
  auto* chunk = new (memory) Chunk;
  chunk->capacity = static_cast<std::uint32_t>(data);
  chunk->max_items = chunk_items_;
  return chunk;
}

void Pipeline::unref(Chunk* chunk) noexcept {
  if (--chunk->refs != 0) return;
  // As many are kept as the queues can ask for at once; the rest of a burst goes back.
  if (chunk->capacity == Chunk::kDataBytes && !closed_.load(std::memory_order_relaxed) &&
      free_.size() < 4096) {
    free_.push_back(chunk);
    return;
  }
  chunk->~Chunk();
  ::operator delete(chunk);
}

void Pipeline::drain(Chunk* chunk) noexcept {
  const std::uint32_t committed = chunk->committed.load(std::memory_order_acquire);
  if (committed == chunk->drained) return;
  const std::uint32_t begin = std::exchange(chunk->drained, committed);
  for (const auto& lane : lanes_)
    offer(*lane, chunk, begin, committed);
}

void Pipeline::drain_live() noexcept {
  for (Chunk* chunk : live_)
    drain(chunk);
}

void Pipeline::offer(Lane& lane, Chunk* chunk, std::uint32_t begin, std::uint32_t end) noexcept {
  if (lane.finished) {  // its worker could not be started, or has ended
    lane.dropped += end - begin;
    return;
  }
  std::uint32_t accepted = begin;
  const std::uint64_t item_room = lane.options.max_queue_size > lane.queued_items
                                      ? lane.options.max_queue_size - lane.queued_items
                                      : 0;
  const std::uint64_t byte_room = lane.options.max_queue_bytes > lane.queued_bytes
                                      ? lane.options.max_queue_bytes - lane.queued_bytes
                                      : 0;
  const std::uint32_t base = chunk->begin_of(begin);
  while (accepted < end && accepted - begin < item_room &&
         chunk->items[accepted].end - base <= byte_room) {
    ++accepted;
  }
  lane.dropped += end - accepted;
  if (accepted == begin) return;
  lane.queue.push_back({chunk, begin, accepted});
  ++chunk->refs;
  lane.queued_items += accepted - begin;
  lane.queued_bytes += chunk->begin_of(accepted) - base;
}

void Pipeline::collect(Wakes& wakes) noexcept {
  for (const auto& lane : lanes_) {
    if (!lane->asleep || lane->queued_items < lane->options.max_export_batch_size) continue;
    lane->asleep = false;
    wakes.lanes[wakes.count++] = lane;
  }
}

// ---- the workers' side

void Pipeline::start_workers() noexcept {
  workers_started_ = true;
  // Signals are for the program's own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (const auto& lane : lanes_) {
    try {
      lane->thread = std::make_unique<std::thread>([this, lane] { work(lane); });
      pthread_setname_np(lane->thread->native_handle(), "weft-export");
    } catch (const std::exception& e) {
      diagnose(DiagnosticLevel::kError,
               std::string("cannot start the worker of ") + lane->description + ": " + e.what());
      lane->finished = true;
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Pipeline::work(std::shared_ptr<Lane> lane) noexcept {
  const std::int64_t delay_ns = lane->options.schedule_delay_ms * kNsPerMs;
  std::unique_lock lock(mutex_);
  std::int64_t due_ns = monotonic_ns() + delay_ns;
  while (true) {
    const bool due = monotonic_ns() >= due_ns;
    if (due || lane->stop || lane->flush_wanted != lane->flush_done) {
      const std::uint64_t wanted = lane->flush_wanted;
      drain_live();
      {
        Wakes others;  // seldom any: they may as well wait for the lock
        collect(others);
      }
      // What is there now, and not what arrives meanwhile: a flush must come to an end.
      std::uint64_t left = lane->queued_items;
      while (left != 0 && lane->queued_items != 0) {
        const std::uint64_t before = lane->queued_items;
        left -= std::min<std::uint64_t>(
            left, std::min<std::uint64_t>(before, lane->options.max_export_batch_size));
        export_batch(*lane, lock);
      }
      lane->flush_done = wanted;
      progress_->notify_all();
      refresh_wall_offset();
      if (due) due_ns = monotonic_ns() + delay_ns;
      if (lane->stop && lane->queued_items == 0) break;
    } else if (lane->queued_items >= lane->options.max_export_batch_size) {
      export_batch(*lane, lock);
    } else {
      lane->asleep = true;
      lane->wake->wait_until(lock, to_time_point(due_ns));
      lane->asleep = false;
    }
  }
  lock.unlock();
  lane->exporter->shutdown();
  lock.lock();
  lane->finished = true;
  progress_->notify_all();
}

bool Pipeline::take_batch(Lane& lane) noexcept {
  std::uint32_t room = lane.options.max_export_batch_size;
  while (room != 0 && !lane.queue.empty()) {
    Range& front = lane.queue.front();
    const std::uint32_t n = std::min(room, front.end - front.begin);
    const std::uint64_t bytes =
        front.chunk->begin_of(front.begin + n) - front.chunk->begin_of(front.begin);
    lane.taken.push_back({front.chunk, front.begin, front.begin + n});
    lane.queued_items -= n;
    lane.queued_bytes -= bytes;
    room -= n;
    front.begin += n;
    if (front.begin == front.end) {
      lane.queue.pop_front();
    } else {
      ++front.chunk->refs;
    }
  }
  // Scopes are only ever added, and their addresses do not change.
  auto& scopes = lane.scratch->scopes;
  while (scopes.size() < scopes_.size())
    scopes.push_back(&scopes_[scopes.size()]);
  return !lane.taken.empty();
}

// The request in pieces: a header of the resource, then for each scope its items where they lie.
void Pipeline::build_request(Lane& lane) const {
  Lane::Scratch& scratch = *lane.scratch;
  auto& bytes = scratch.scope_bytes;
  auto& used = scratch.used;
  auto& pieces = scratch.pieces;
  const auto& scopes = scratch.scopes;
  bytes.assign(scopes.size(), 0);
  used.clear();
  for (const Range& range : lane.taken) {
    std::uint32_t begin = range.chunk->begin_of(range.begin);
    for (std::uint32_t i = range.begin; i < range.end; ++i) {
      const Chunk::Item& item = range.chunk->items[i];
      if (bytes[item.scope] == 0) used.push_back(item.scope);
      bytes[item.scope] += item.end - begin;
      begin = item.end;
    }
  }
  std::size_t resource_size = resource_field_.size() + schema_field_.size();
  for (const std::uint32_t scope : used) {
    bytes[scope] += scopes[scope]->scope_field.size() + scopes[scope]->schema_field.size();
    resource_size += len_size(bytes[scope]);
  }
  pieces.clear();
  scratch.heads.clear();
  scratch.heads.reserve(1 + used.size());  // pieces point to them
  auto add = [&pieces](std::string_view piece) {
    if (!piece.empty()) pieces.push_back(piece);
  };
  auto add_head = [&](unsigned tag, std::uint64_t size) {
    auto& head = scratch.heads.emplace_back();
    head[0] = static_cast<char>(tag);
    const char* end = put_varint(head.data() + 1, size);
    add({head.data(), static_cast<std::size_t>(end - head.data())});
  };
  add_head(len_tag(1), resource_size);
  add(resource_field_);
  for (const std::uint32_t scope : used) {
    add_head(len_tag(2), bytes[scope]);
    add(scopes[scope]->scope_field);
    for (const Range& range : lane.taken) {
      // Neighbours of one scope are one piece.
      const char* const data = range.chunk->data();
      std::uint32_t begin = range.chunk->begin_of(range.begin);
      std::uint32_t end = begin;
      for (std::uint32_t i = range.begin; i < range.end; ++i) {
        const Chunk::Item& item = range.chunk->items[i];
        if (item.scope != scope) {
          add({data + begin, end - begin});
          begin = item.end;
        }
        end = item.end;
      }
      add({data + begin, end - begin});
    }
    add(scopes[scope]->schema_field);
  }
  add(schema_field_);
}

void Pipeline::export_batch(Lane& lane, std::unique_lock<std::mutex>& lock) noexcept {
  if (!take_batch(lane)) return;
  std::uint64_t items = 0;
  for (const Range& range : lane.taken)
    items += range.end - range.begin;
  const bool cancelled = lane.cancelled.load(std::memory_order_relaxed);
  ExportResult result;
  lock.unlock();
  if (cancelled) {
    result.outcome = ExportOutcome::kCancelled;
  } else {
    try {
      build_request(lane);
      const std::int64_t deadline = monotonic_ns() + lane.options.export_timeout_ms * kNsPerMs;
      result =
          lane.exporter->send({signal_, lane.scratch->pieces, items, deadline, lane.cancelled});
    } catch (const std::exception& e) {  // out of memory
      result = {ExportOutcome::kGaveUp, 0, e.what()};
    }
  }
  lock.lock();
  for (const Range& range : lane.taken)
    unref(range.chunk);
  lane.taken.clear();
  const std::uint64_t lost =
      result.outcome == ExportOutcome::kDelivered ? std::min(result.rejected, items) : items;
  lane.exported += items - lost;
  lane.failed += lost;
  lock.unlock();
  report(lane, result, items);
  lock.lock();
}

void Pipeline::report(Lane& lane, const ExportResult& result, std::uint64_t items) noexcept {
  const std::string what =
      std::to_string(items) + " " + (signal_ == Signal::kTraces ? "spans" : "log records");
  if (result.outcome == ExportOutcome::kDelivered) {
    if (result.rejected != 0 && lane.partial_messages.allow()) {
      diagnose(DiagnosticLevel::kWarn, lane.description + " refused " +
                                           std::to_string(result.rejected) + " of " + what + ": " +
                                           result.message);
    } else if (result.rejected == 0 && !result.message.empty() && lane.partial_messages.allow()) {
      diagnose(DiagnosticLevel::kWarn, lane.description + " says: " + result.message);
    }
  } else if (lane.failure_messages.allow()) {
    diagnose(
        DiagnosticLevel::kError,
        lane.description + ": lost " + what + ": " +
            (result.message.empty() ? "shut down before they could be delivered" : result.message));
  }
  std::uint64_t dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped = lane.dropped;
    if (dropped == lane.dropped_reported || !lane.drop_messages.allow()) return;
    std::swap(lane.dropped_reported, dropped);
    dropped = lane.dropped_reported - dropped;
  }
  diagnose(DiagnosticLevel::kWarn,
           lane.description + ": dropped " + std::to_string(dropped) +
               (signal_ == Signal::kTraces
                    ? " spans because the queue was full; raise OTEL_BSP_MAX_QUEUE_SIZE"
                    : " log records because the queue was full; raise OTEL_BLRP_MAX_QUEUE_SIZE") +
               " or lower the sampling ratio");
}

// ---- anybody's side

bool Pipeline::flush(std::int64_t deadline_ns) noexcept {
  std::unique_lock lock(mutex_);
  if (lanes_.empty()) return true;
  if (!workers_started_) {
    drain_live();
    if (std::all_of(lanes_.begin(), lanes_.end(),
                    [](const auto& lane) { return lane->queued_items == 0; })) {
      return true;
    }
    start_workers();
  }
  struct Waiting {
    std::shared_ptr<Lane> lane;
    std::uint64_t wanted, failed;
  };
  std::vector<Waiting> waiting;
  for (const auto& lane : lanes_) {
    waiting.push_back({lane, ++lane->flush_wanted, lane->failed});
    lane->wake->notify_one();
  }
  const bool done = progress_->wait_until(lock, to_time_point(deadline_ns), [&] {
    return std::all_of(waiting.begin(), waiting.end(), [](const Waiting& w) {
      return w.lane->flush_done >= w.wanted || w.lane->finished;
    });
  });
  return done && std::all_of(waiting.begin(), waiting.end(),
                             [](const Waiting& w) { return w.lane->failed == w.failed; });
}

bool Pipeline::shutdown(std::int64_t deadline_ns) noexcept {
  std::unique_lock lock(mutex_);
  if (closed_.exchange(true)) {
    // Whoever came first may still be at it: the program may end when this returns.
    return progress_->wait_until(lock, to_time_point(deadline_ns), [this] { return ended_; });
  }
  drain_live();
  const bool queued = std::any_of(lanes_.begin(), lanes_.end(),
                                  [](const auto& lane) { return lane->queued_items != 0; });
  if (!workers_started_ && queued) start_workers();
  std::uint64_t failed_before = 0;
  for (const auto& lane : lanes_) {
    lane->stop = true;
    failed_before += lane->failed;
    if (!workers_started_) lane->finished = true;
    lane->wake->notify_one();
  }
  auto all_finished = [this] {
    return std::all_of(lanes_.begin(), lanes_.end(),
                       [](const auto& lane) { return lane->finished; });
  };
  bool in_time = progress_->wait_until(lock, to_time_point(deadline_ns), all_finished);
  if (!in_time) {
    for (const auto& lane : lanes_)
      lane->cancelled.store(true);
    // Exporters that heed the sign return within this; a worker that does not is left behind.
    progress_->wait_until(lock, to_time_point(monotonic_ns() + 500 * kNsPerMs), all_finished);
  }
  std::vector<std::shared_ptr<Lane>> lanes = std::exchange(lanes_, {});
  std::uint64_t failed_after = 0;
  for (const auto& lane : lanes) {
    failed_after += lane->failed;
    final_stats_.push_back(
        {lane->description, lane->exported, lane->dropped, lane->failed, lane->queued_items});
  }
  std::vector<Chunk*> spare = std::exchange(free_, {});
  std::vector<bool> finished;
  for (const auto& lane : lanes)
    finished.push_back(lane->finished);
  lock.unlock();
  for (Chunk* chunk : spare) {
    chunk->~Chunk();
    ::operator delete(chunk);
  }
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    if (lanes[i]->thread == nullptr) continue;
    if (finished[i]) {
      lanes[i]->thread->join();
    } else {
      diagnose(DiagnosticLevel::kError,
               lanes[i]->description + ": the exporter hangs; what it holds is lost");
      lanes[i]->thread->detach();
    }
  }
  lock.lock();
  ended_ = true;
  progress_->notify_all();
  lock.unlock();  // before the exporters end, which are not ours to know
  return in_time && failed_after == failed_before;
}

std::vector<ExporterStats> Pipeline::stats() const {
  const std::lock_guard lock(mutex_);
  std::vector<ExporterStats> out = final_stats_;
  for (const auto& lane : lanes_) {
    out.push_back(
        {lane->description, lane->exported, lane->dropped, lane->failed, lane->queued_items});
  }
  for (ExporterStats& stats : out) {
    stats.dropped += dropped_at_source_.load(std::memory_order_relaxed);
  }
  return out;
}

// ---- fork

void Pipeline::before_fork() noexcept {
  mutex_.lock();
}
void Pipeline::after_fork_in_parent() noexcept {
  mutex_.unlock();
}

void Pipeline::after_fork_in_child() noexcept {
  // The parent delivers what was queued; here it would arrive twice. The other threads are gone,
  // and with them the owners of their chunks.
  renew_after_fork(resource_);
  resource_field_.clear();
  append_len(resource_field_, 1, resource_.encode());
  (void)progress_.release();
  progress_ = std::make_unique<std::condition_variable>();
  for (const auto& lane : lanes_) {
    for (const Range& range : lane->queue)
      unref(range.chunk);
    for (const Range& range : lane->taken)
      unref(range.chunk);
    lane->queue.clear();
    lane->taken.clear();
    lane->queued_items = lane->queued_bytes = 0;
    lane->exported = lane->dropped = lane->failed = lane->dropped_reported = 0;
    lane->flush_done = lane->flush_wanted;
    lane->asleep = false;
    (void)lane->wake.release();
    lane->wake = std::make_unique<std::condition_variable>();
    (void)lane->thread.release();
    (void)lane->scratch.release();
    lane->scratch = std::make_unique<Lane::Scratch>();
    lane->exporter->after_fork_in_child();
  }
  for (ThreadBuffer* b = thread_state.buffers; b != nullptr; b = b->next) {
    if (b->pipeline == this) b->chunk = nullptr;
  }
  for (Chunk* chunk : live_)
    unref(chunk);
  live_.clear();
  dropped_at_source_.store(0, std::memory_order_relaxed);
  workers_started_ = false;
  ended_ = closed_.load(std::memory_order_relaxed);  // whoever was at it is not here
  mutex_.unlock();
}

}  // namespace weft::sdk_detail
