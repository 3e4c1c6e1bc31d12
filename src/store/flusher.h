// The write path: a bounded queue of requests and one thread that puts them on disk in groups,
// makes them visible and acknowledges them. Senders' threads copy their requests into the group
// that is next, while it waits: the memory of a request is free, and still warm, when append()
// returns, and the one thread has nothing left to do but to write. The store owns one.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "store/log_writer.h"
#include "store/options.h"
#include "store/unsealed.h"

namespace weft::store {

class Flusher {
 public:
  // All must outlive the flusher. `on_frozen` is called by the flusher's thread when a block waits
  // to be sealed.
  Flusher(const Options& options, Counters& counters, Unsealed& unsealed, LogWriter& log,
          std::function<void()> on_frozen);
  // Takes what is queued to the disk, then stops.
  ~Flusher();
  Flusher(const Flusher&) = delete;
  Flusher& operator=(const Flusher&) = delete;

  // See SpanSink::append.
  Status append(SpanBatch batch, const SpanSink::RawRequest* raw, SpanSink::Done done);

  // Closes the open block (if it has spans) once everything queued before is in it, and returns
  // then.
  void freeze_now();
  // Takes what is queued to the disk; later append() calls are refused.
  void stop();

  // The sealer tells how it fares: with an error and too many blocks waiting, requests are refused
  // with it.
  void on_sealed(Status status);

 private:
  struct Pending {
    SpanBatch batch;
    SpanSink::Done done;
  };
  struct Group {
    explicit Group(uint64_t body_bytes) : log(body_bytes) {}
    LogGroup log;
    std::vector<Pending> pending;  // parallel to its records
    uint64_t bytes = 0;            // of the bodies
    uint64_t span_bytes = 0;       // of the batches, in memory
    uint64_t oldest_ns = 0;        // steady time of the first
    size_t copying = 0;            // records that senders are still filling
  };

  // The queue's last group, or a fresh one, with room for the body and the spans: a group is of one
  // block, which must not outgrow what a block may have by more than that. Call with mutex_ held.
  Group& group_for(uint64_t body_bytes, uint64_t span_bytes);
  void run();
  // Waits for a group's worth; nullptr when it is time to stop or to look at the block's age.
  std::unique_ptr<Group> take_group();
  void write(Group& group);
  // Say that requests are refused, and that it is over.
  void report_refused(size_t requests, const Error& error, uint64_t now_ns);
  void report_taken_again(uint64_t now_ns);
  // Keeps the memory for another group.
  void reuse(std::unique_ptr<Group> group);
  void freeze_if_due();
  // True when there is room for another block's worth of spans; false when the group has to be
  // refused with `error`.
  bool wait_for_room(Status& error);
  bool block_is_due() const;

  const Options& options_;
  Counters& counters_;
  Unsealed& unsealed_;
  LogWriter& log_;
  std::function<void()> on_frozen_;

  std::mutex mutex_;
  std::condition_variable work_;    // for the thread
  std::condition_variable room_;    // blocks were sealed
  std::condition_variable frozen_;  // freeze_now's answer
  std::condition_variable copied_;  // the group that was taken has all its records
  std::deque<std::unique_ptr<Group>> queue_;
  uint64_t queue_bytes_ = 0;
  uint64_t queue_span_bytes_ = 0;
  size_t queue_requests_ = 0;
  std::vector<std::unique_ptr<Group>> spare_groups_;
  uint64_t freeze_asked_ = 0;
  uint64_t freeze_done_ = 0;
  Status seal_status_;
  bool stop_ = false;

  // The thread's own. While requests are refused: how many since the last message, when that was,
  // and when the last one was refused.
  bool refusing_ = false;
  size_t refused_since_ = 0;
  uint64_t refusal_told_ns_ = 0;
  uint64_t refused_ns_ = 0;

  std::thread thread_;
};

}  // namespace weft::store
