#include "thread_state.h"

#include <sys/random.h>

#include <cstdlib>
#include <iterator>
#include <mutex>
#include <new>
#include <utility>

#include "clock.h"
#include "pipeline.h"

namespace weft::sdk_detail {

constinit thread_local ThreadState thread_state{};

namespace {

constexpr std::uint32_t kExchange = kThreadRecords / 2;

// The stock that threads exchange with. Trivially destructible, so usable until the very end.
struct RecordPool {
  std::mutex mutex;
  Record* free = nullptr;
  std::uint32_t slab_count = 0;
  Record* slabs[kMaxRecords / kExchange] = {};  // of kExchange records each
};
constinit RecordPool pool;

// Puts a slab of new records into the pool, which is locked. False when the limit is reached or
// memory is short.
bool make_slab() noexcept {
  if (pool.slab_count == std::size(pool.slabs)) return false;
  void* memory =
      ::operator new(std::size_t{kExchange} * Record::kBytes, std::align_val_t(64), std::nothrow);
  if (memory == nullptr) return false;
  for (std::uint32_t i = 0; i < kExchange; ++i) {
    auto* record = new (static_cast<char*>(memory) + i * Record::kBytes) Record;
    record->capacity = static_cast<std::uint32_t>(kInlineDataBytes);
    record->next_free = pool.free;
    pool.free = record;
  }
  pool.slabs[pool.slab_count++] = static_cast<Record*>(memory);
  return true;
}

// Cleans up when the thread ends.
struct ThreadGuard {
  ~ThreadGuard() {
    ThreadState& state = thread_state;
    state.phase = ThreadPhase::kDead;
    while (ThreadBuffer* buffer = state.buffers) {
      state.buffers = buffer->next;
      buffer->pipeline->detach(*buffer);
      delete buffer;
    }
    std::free(std::exchange(state.cell_cache, nullptr));
    const std::lock_guard lock(pool.mutex);
    while (Record* record = state.free_records) {
      state.free_records = record->next_free;
      record->next_free = pool.free;
      pool.free = record;
    }
    state.free_count = 0;
  }
  void touch() noexcept {}
};

}  // namespace

void make_live() noexcept {
  if (thread_state.phase != ThreadPhase::kFresh) return;
  thread_local ThreadGuard guard;
  guard.touch();
  thread_state.phase = ThreadPhase::kLive;
}

void seed_random(ThreadState& state) noexcept {
  if (getrandom(state.random, sizeof(state.random), GRND_NONBLOCK) !=
      static_cast<ssize_t>(sizeof(state.random))) {
    // No entropy this early in the boot: differ at least between threads, processes and times.
    std::uint64_t x = static_cast<std::uint64_t>(clock_ns(CLOCK_REALTIME)) ^
                      reinterpret_cast<std::uintptr_t>(&state) ^
                      static_cast<std::uint64_t>(clock_ns(CLOCK_PROCESS_CPUTIME_ID)) << 32;
    for (std::uint64_t& word : state.random) {  // splitmix64
      x += 0x9E3779B97F4A7C15;
      std::uint64_t z = x;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
      word = z ^ (z >> 31);
    }
  }
  state.seeded = true;
}

Record* acquire_record_slow(ThreadState& state) noexcept {
  if (state.phase == ThreadPhase::kFresh) make_live();
  const std::lock_guard lock(pool.mutex);
  if (pool.free == nullptr && !make_slab()) return nullptr;
  Record* result = pool.free;
  pool.free = result->next_free;
  if (state.phase != ThreadPhase::kLive) return result;
  while (pool.free != nullptr && state.free_count < kExchange) {
    Record* record = pool.free;
    pool.free = record->next_free;
    record->next_free = state.free_records;
    state.free_records = record;
    ++state.free_count;
  }
  return result;
}

void release_record_slow(ThreadState& state, Record* record) noexcept {
  if (state.phase == ThreadPhase::kFresh) make_live();
  const std::lock_guard lock(pool.mutex);
  record->next_free = pool.free;
  pool.free = record;
  // A thread that only ends what others start gives back in bulk.
  while (state.free_count > kExchange) {
    Record* spare = state.free_records;
    state.free_records = spare->next_free;
    spare->next_free = pool.free;
    pool.free = spare;
    --state.free_count;
  }
}

void lock_record_pool() noexcept {
  pool.mutex.lock();
}
void unlock_record_pool() noexcept {
  pool.mutex.unlock();
}

void reset_records_after_fork() noexcept {
  for (std::uint32_t i = 0; i < pool.slab_count; ++i) {
    char* const slab = reinterpret_cast<char*>(pool.slabs[i]);
    for (std::uint32_t j = 0; j < kExchange; ++j) {
      auto* record = reinterpret_cast<Record*>(slab + j * Record::kBytes);
      if (record->locked.load(std::memory_order_relaxed)) record->abandon_contents();
    }
  }
}

void reset_thread_after_fork() noexcept {
  thread_state.seeded = false;
}

}  // namespace weft::sdk_detail
