// The spans that are in the log but in no sealed block yet: the open block and those that wait to
// be sealed. The flusher adds to them, the sealer takes them away, queries read snapshots.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "store/log_format.h"
#include "store/memory_view.h"

namespace weft::store {

// One open block's worth of spans, and the log files that hold them.
struct Generation {
  uint64_t number = 0;
  std::vector<SpanBatchPtr> batches;  // in the order in which they were stored
  uint64_t spans = 0;
  uint64_t bytes = 0;
  uint64_t opened_ns = 0;  // steady time of the first batch; 0 while empty
  std::vector<LogId> logs;
};

// Every function may be called from any thread.
class Unsealed {
 public:
  explicit Unsealed(uint64_t first_generation) { open_.number = first_generation; }

  // Adds a batch to the open block; from now on queries see it. Small batches are merged.
  void add(SpanBatch batch, uint64_t now_steady_ns);

  // Closes the open block, if it has spans, and opens the next. `logs` hold its spans.
  // Returns the number of the open generation.
  uint64_t freeze(std::vector<LogId> logs);

  // The oldest block that waits to be sealed, or nullptr.
  std::shared_ptr<const Generation> oldest_frozen() const;
  // Forgets it: a sealed block holds its spans.
  void drop_oldest_frozen();
  size_t frozen() const;

  // Of the open block.
  uint64_t open_spans() const;
  uint64_t open_bytes() const;
  uint64_t opened_ns() const;
  uint64_t open_generation() const;
  // Of all.
  uint64_t total_spans() const;
  uint64_t total_bytes() const;

  // Everything that is unsealed at one moment.
  struct Capture {
    std::vector<SpanBatchPtr> batches;  // oldest first
    uint64_t version = 0;
  };
  Capture capture() const;
  // The same, grouped by trace. Made when asked for, out of the newest that was; a second caller
  // waits for the first.
  std::shared_ptr<const MemoryView> view(const Capture& capture) const;
  // Lets go of the newest view, when much of what it holds has been sealed.
  void forget_view() const;

  // While replaying: the spans that follow belong to this generation. The open block is empty.
  void set_open_generation(uint64_t number);

 private:
  mutable std::mutex mutex_;
  Generation open_;
  std::deque<std::shared_ptr<const Generation>> frozen_;
  uint64_t version_ = 1;

  mutable std::mutex view_mutex_;
  mutable std::shared_ptr<const MemoryView> view_;  // the newest
};

}  // namespace weft::store
