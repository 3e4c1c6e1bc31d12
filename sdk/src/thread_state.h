// What each thread keeps for itself so that the hot path shares nothing: the generator of ids, a
// stock of free records, and the chunk it is filling for each pipeline. Works before main, after
// the thread's destructors have run (slower then), and in the child of a fork.
#pragma once

#include <cstdint>

#include "record.h"

namespace weft::sdk_detail {

class Pipeline;
struct Chunk;

// A thread's place at one pipeline.
struct ThreadBuffer {
  Pipeline* pipeline;
  Chunk* chunk;
  ThreadBuffer* next;
};

enum class ThreadPhase : std::uint8_t { kFresh, kLive, kDead };

// Trivial and constant-initialised: reading it costs no guard. The destructor that cleans up
// belongs to another object, which make_live() brings to life. Small, as everything thread-local of
// the library has to be: the initial-exec model takes it from the few hundred bytes that the loader
// keeps for libraries that come at run time.
struct ThreadState {
  std::uint64_t random[4];
  Record* free_records;
  ThreadBuffer* buffers;  // the one used last is first
  void* cell_cache;       // the table of metrics/cell_cache.h, freed with the thread; or null
  std::uint32_t free_count;
  bool seeded;
  ThreadPhase phase;
};

extern constinit thread_local ThreadState thread_state __attribute__((tls_model("initial-exec")));

void make_live() noexcept;
[[gnu::cold]] void seed_random(ThreadState& state) noexcept;

constexpr std::uint64_t rotate_left(std::uint64_t value, int bits) noexcept {
  return value << bits | value >> (64 - bits);
}

// xoshiro256** (Blackman and Vigna), seeded from the kernel. Never 0, so that it can be half an id.
inline std::uint64_t next_random(ThreadState& state) noexcept {
  if (!state.seeded) [[unlikely]]
    seed_random(state);
  std::uint64_t* s = state.random;
  std::uint64_t result;
  do {
    result = rotate_left(s[1] * 5, 7) * 9;
    const std::uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
  } while (result == 0);
  return result;
}

// A cleared record, or null when kMaxRecords are in use.
inline constexpr std::uint32_t kMaxRecords = 131072;
[[gnu::cold]] Record* acquire_record_slow(ThreadState& state) noexcept;
[[gnu::cold]] void release_record_slow(ThreadState& state, Record* record) noexcept;

inline constexpr std::uint32_t kThreadRecords = 64;

inline Record* acquire_record(ThreadState& state) noexcept {
  Record* record = state.free_records;
  if (record == nullptr) [[unlikely]]
    return acquire_record_slow(state);
  state.free_records = record->next_free;
  --state.free_count;
  return record;
}

inline void release_record(ThreadState& state, Record* record) noexcept {
  if (state.free_count >= kThreadRecords || state.phase != ThreadPhase::kLive) [[unlikely]] {
    release_record_slow(state, record);
    return;
  }
  record->next_free = state.free_records;
  state.free_records = record;
  ++state.free_count;
}

// For the handlers of fork().
void lock_record_pool() noexcept;
void unlock_record_pool() noexcept;
// In the child: the records that a thread of the parent was writing to just then start anew. They
// would stay locked, and what is in them may be half written.
void reset_records_after_fork() noexcept;
void reset_thread_after_fork() noexcept;

}  // namespace weft::sdk_detail
