// The state of instruments: for each set of attributes a cell with its sum, last value or
// histogram. Cells are found by the encoded set in one of several locked shards, and never freed,
// so that bound instruments may keep pointing to them.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <weft/context.h>
#include <weft/metrics.h>

#include "../diagnostics.h"

namespace weft::sdk_detail {

struct InstrumentState;

// A measurement kept as an example of its bucket, with the span it was taken in.
struct ExemplarSlot {
  double value = 0;
  std::uint64_t time_ns = 0;
  std::uint64_t trace_id[2] = {};
  std::uint64_t span_id = 0;
  bool used = false;
};

// Everything under `locked` but the value of counters and gauges, which is one atomic word.
struct MetricCell {
  InstrumentState* owner = nullptr;
  std::string attributes;                                   // encoded fields of the data point
  std::vector<std::pair<std::string, std::string>> labels;  // the same as UTF-8, for Prometheus
  std::atomic<std::uint64_t> value{0};                      // bits of a double or an int64
  std::atomic<bool> touched{false};                         // something was recorded
  std::atomic<bool> locked{false};
  double sum = 0;
  double min = 0;
  double max = 0;
  std::uint64_t count = 0;
  std::size_t last_bucket = 0;  // of the newest measurement of a histogram
  std::vector<std::uint64_t> buckets;
  std::vector<ExemplarSlot> exemplars;  // one a bucket; one for counters

  void lock() noexcept {
    if (locked.exchange(true, std::memory_order_acquire)) [[unlikely]]
      wait();
  }
  [[gnu::cold]] void wait() noexcept;  // and locks
  void unlock() noexcept { locked.store(false, std::memory_order_release); }
};

// What an instrument is, from its making.
struct InstrumentSpec {
  InstrumentKind kind;
  bool is_double;
  std::string name;
  std::string unit;
  std::string description;
  std::vector<double> boundaries;
};

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>()(text);
  }
};

struct InstrumentState {
  static constexpr std::size_t kShards = 16;

  InstrumentSpec spec;
  MeterCore* meter = nullptr;
  std::uint32_t scope = 0;
  std::atomic<std::uint32_t> sets{0};
  std::uint32_t max_sets = 2000;
  ExemplarFilter exemplars = ExemplarFilter::kTraceBased;
  RateLimit overflow_messages;
  RateLimit ignored_messages;

  struct alignas(64) Shard {
    std::mutex mutex;
    std::unordered_map<std::string, std::unique_ptr<MetricCell>, TextHash, std::equal_to<>> cells;
  };
  Shard shards[kShards];

  // The cell of a set of attributes, made if need be; that of the overflow when there are too
  // many. Null when memory is short.
  MetricCell* find(Attributes attributes) noexcept;
  template <class F>
  void for_each_cell(F&& visit) {
    for (Shard& shard : shards) {
      const std::lock_guard lock(shard.mutex);
      for (auto& [key, cell] : shard.cells)
        visit(*cell);
    }
  }
};

// What an instrument points to: the state at a provider, or nothing yet.
struct InstrumentHandle {
  InstrumentState* state;  // read and written atomically
};

inline InstrumentState* state_of(const InstrumentHandle* handle) noexcept {
  return __atomic_load_n(&handle->state, __ATOMIC_ACQUIRE);
}

// Lets the library's instrumentations look behind an instrument.
struct InstrumentAccess {
  template <class T, InstrumentKind kKind>
  static const InstrumentHandle* handle_of(const Instrument<T, kKind>& instrument) noexcept {
    return instrument.handle_;
  }
};

// Counts a value in the cell of a histogram as measured under `context`, whatever is ambient, at a
// time in nanoseconds since the epoch.
void record_under(MetricCell& cell, double value, std::uint64_t time_ns,
                  const ContextWords& context) noexcept;

}  // namespace weft::sdk_detail
