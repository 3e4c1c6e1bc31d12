// The sides of calls between services that wait for their other side: a bounded hash table from
// (trace id, span id of the caller) to what was seen. Part of SpanMetrics, under its lock.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/huge_pages.h"
#include "model/ids.h"

namespace weft::analysis {

struct CallSide {
  uint64_t key = 0;  // 0: free
  uint64_t duration_ns = 0;
  uint32_t service = 0;
  uint32_t stamp = 0;  // when it came, in calls
  bool is_caller = false;
  bool failed = false;
  bool messaging = false;
};
static_assert(sizeof(CallSide) == 32);

// Never 0. A collision of two calls among those that wait is so rare that it is let pass.
inline uint64_t call_key(const TraceId& trace, const SpanId& caller) {
  uint64_t h = hash_trace_id(trace) ^ caller.word() * 0x9E3779B97F4A7C15u;
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  h ^= h >> 29;
  return h | 1;
}

// Sets of four neighbours, two cache lines each; within a set the oldest gives way.
class PendingCalls {
 public:
  explicit PendingCalls(size_t capacity)
      : sets_(std::bit_ceil(std::max<size_t>(capacity, kWays)) / kWays), slots_(sets_ * kWays) {}

  void prefetch(uint64_t key) const {
    const CallSide* const set = &slots_[first_of(key)];
    __builtin_prefetch(set, 1);
    __builtin_prefetch(set + kWays / 2, 1);
  }

  // The other side, which is then forgotten; without one, this side waits.
  std::optional<CallSide> match(const CallSide& side) {
    CallSide* const set = &slots_[first_of(side.key)];
    CallSide* target = set;
    ++clock_;
    for (CallSide* slot = set; slot != set + kWays; slot++) {
      if (slot->key == side.key && slot->is_caller != side.is_caller) {
        const CallSide other = *slot;
        *slot = {};
        return other;
      }
      const bool older = clock_ - slot->stamp > clock_ - target->stamp;
      if (target->key != 0 && (slot->key == 0 || older)) target = slot;
    }
    evicted_ += target->key != 0;
    *target = side;
    target->stamp = clock_;
    return std::nullopt;
  }

  // Sides that gave way before their other side came.
  uint64_t evicted() const { return evicted_; }

 private:
  static constexpr size_t kWays = 4;

  size_t first_of(uint64_t key) const { return (key >> 20 & (sets_ - 1)) * kWays; }

  size_t sets_;
  std::vector<CallSide, HugePageAllocator<CallSide>> slots_;
  uint32_t clock_ = 0;
  uint64_t evicted_ = 0;
};

}  // namespace weft::analysis
