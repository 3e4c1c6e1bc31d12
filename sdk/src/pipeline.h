// Pipeline: the way of encoded spans and log records from the threads that make them to the
// exporters. Each thread fills a chunk of its own without a lock; a full chunk is handed over
// whole to the queue of every exporter, whose worker sends it and gives it back. Workers also take
// what is in the threads' unfinished chunks when the schedule or a flush says so.
//
// Bounds: each queue has a limit in items and one in bytes, over which new items are dropped and
// counted; each thread has at most one chunk. Nothing here waits for an exporter.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <weft/exporter.h>
#include <weft/provider.h>

#include "diagnostics.h"
#include "fork.h"
#include "prefetch.h"
#include "thread_state.h"

namespace weft::sdk_detail {

// Encoded items, one after the other, each a whole field of its Scope* message.
struct Chunk {
  static constexpr std::uint32_t kMaxItems = 64;
  static constexpr std::uint32_t kDataBytes = 32 * 1024 - 768;

  struct Item {
    std::uint32_t end;  // offset in data where the item ends
    std::uint32_t scope;
  };

  // Items complete. Written by the thread that fills the chunk, read by workers: everything below
  // it may be read.
  std::atomic<std::uint32_t> committed{0};
  std::uint32_t max_items = kMaxItems;
  std::uint32_t capacity = kDataBytes;
  std::uint32_t used = 0;     // by the filling thread only
  std::uint32_t drained = 0;  // items handed to the queues; under the pipeline's mutex
  std::uint32_t refs = 0;     // ranges in queues, plus one while being filled; under the mutex
  std::uint32_t live_index = 0;
  Item items[kMaxItems];

  char* data() noexcept { return reinterpret_cast<char*>(this + 1); }
  std::uint32_t begin_of(std::uint32_t item) const noexcept {
    return item == 0 ? 0 : items[item - 1].end;
  }
};

// The protobuf of one instrumentation scope.
struct ScopeBytes {
  std::string scope_field;   // field 1 of ScopeSpans or ScopeLogs
  std::string schema_field;  // field 3, or empty
};

// For Pipeline::count_dropped().
inline constexpr const char* kNoMemory = "there is no memory left";

class Pipeline final : public ForkParticipant {
 public:
  // Never destroyed: threads and spans may hold it. shutdown() frees what is big.
  static Pipeline* create(Signal signal, const Resource& resource,
                          std::vector<ExporterSlot> exporters);

  // The number of an instrumentation scope. Equal ones may get different numbers.
  std::uint32_t add_scope(std::string_view name, std::string_view version,
                          std::string_view schema_url);

  // Room for one item in the chunk of this thread, to be filled and committed before the next
  // call; null when it has to be dropped (it has been counted).
  char* reserve(ThreadState& state, std::size_t bytes) noexcept {
    ThreadBuffer* buffer = state.buffers;
    if (buffer == nullptr || buffer->pipeline != this) [[unlikely]] {
      buffer = find_buffer(state);
      if (buffer == nullptr) return nullptr;
    }
    Chunk* chunk = buffer->chunk;
    if (chunk != nullptr && !closed_.load(std::memory_order_relaxed) &&
        chunk->committed.load(std::memory_order_relaxed) < chunk->max_items &&
        chunk->capacity - chunk->used >= bytes) [[likely]] {
      return chunk->data() + chunk->used;
    }
    return reserve_slow(*buffer, bytes);
  }

  void commit(ThreadState& state, std::size_t bytes, std::uint32_t scope) noexcept {
    Chunk* chunk = state.buffers->chunk;
    const std::uint32_t n = chunk->committed.load(std::memory_order_relaxed);
    chunk->used += static_cast<std::uint32_t>(bytes);
    chunk->items[n] = {chunk->used, scope};
    chunk->committed.store(n + 1, std::memory_order_release);
    // Where the next item goes, a worker has read an earlier one: getting the lines back from its
    // processor takes about as long as making a span, so it goes on beside that.
    prefetch_for_writing(chunk->data() + chunk->used, bytes);
    if (state.phase != ThreadPhase::kLive) [[unlikely]]
      hand_over_now(*state.buffers, state);
  }

  // Counts an item that could not be recorded at all, and says why now and then. Not under mutex_.
  [[gnu::cold]] void count_dropped(const char* why) noexcept;

  // The thread that owned the buffer ends.
  void detach(ThreadBuffer& buffer) noexcept;

  bool flush(std::int64_t deadline_ns) noexcept;
  bool shutdown(std::int64_t deadline_ns) noexcept;
  std::vector<ExporterStats> stats() const;
  bool closed() const noexcept { return closed_.load(std::memory_order_relaxed); }
  bool has_exporters() const noexcept { return has_exporters_; }

  void before_fork() noexcept override;
  void after_fork_in_parent() noexcept override;
  void after_fork_in_child() noexcept override;

 private:
  struct Range {
    Chunk* chunk;
    std::uint32_t begin, end;  // items
  };
  struct Lane;
  struct Wakes;
  Pipeline(Signal signal, const Resource& resource, std::vector<ExporterSlot> exporters);
  ~Pipeline() = default;

  [[gnu::cold]] ThreadBuffer* find_buffer(ThreadState& state) noexcept;
  [[gnu::cold]] char* reserve_slow(ThreadBuffer& buffer, std::size_t bytes) noexcept;
  [[gnu::cold]] void hand_over_now(ThreadBuffer& buffer, ThreadState& state) noexcept;

  // All of these under mutex_.
  void drain(Chunk* chunk) noexcept;
  void drain_live() noexcept;
  void seal(ThreadBuffer& buffer) noexcept;
  void offer(Lane& lane, Chunk* chunk, std::uint32_t begin, std::uint32_t end) noexcept;
  void collect(Wakes& wakes) noexcept;
  void unref(Chunk* chunk) noexcept;
  // Some exporter can take an item of that size.
  bool fits_a_queue(std::size_t bytes) const noexcept;
  Chunk* new_chunk(std::size_t bytes) noexcept;
  void start_workers() noexcept;

  void work(std::shared_ptr<Lane> lane) noexcept;
  bool take_batch(Lane& lane) noexcept;
  void build_request(Lane& lane) const;
  void export_batch(Lane& lane, std::unique_lock<std::mutex>& lock) noexcept;
  void report(Lane& lane, const ExportResult& result, std::uint64_t items) noexcept;

  const Signal signal_;
  Resource resource_;
  std::string resource_field_;  // field 1 of ResourceSpans or ResourceLogs
  std::string schema_field_;
  bool has_exporters_ = false;
  std::uint32_t chunk_items_ = Chunk::kMaxItems;
  std::atomic<bool> closed_{false};

  // Lines of their own from here on: what is above is read for every item, by all threads at once,
  // and must not move between their caches whenever one of them hands a chunk over.
  alignas(64) mutable std::mutex mutex_;
  std::deque<ScopeBytes> scopes_;
  std::vector<Chunk*> live_;
  std::vector<Chunk*> free_;
  std::vector<std::shared_ptr<Lane>> lanes_;
  std::vector<ExporterStats> final_stats_;
  bool workers_started_ = false;
  bool ended_ = false;  // shutdown() has come to its end
  // Replaced, not reused, after a fork: the parent's waiters are part of its state.
  std::unique_ptr<std::condition_variable> progress_;
  std::atomic<std::uint64_t> dropped_at_source_{0};
  RateLimit source_messages_;
};

}  // namespace weft::sdk_detail
