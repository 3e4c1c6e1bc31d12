// The write path: a bounded queue of requests and one thread that puts them on disk in groups,
// makes them visible and acknowledges them. The store owns one.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
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
    SpanSink::RawRequest raw;
    std::string encoded;  // what raw.body points to when there was no request
    SpanSink::Done done;
    uint64_t bytes = 0;
  };

  void run();
  // Waits for a group's worth; empty when it is time to stop or to look at the block's age.
  std::vector<Pending> take_group();
  void write(std::vector<Pending> group);
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
  std::vector<Pending> queue_;
  uint64_t queue_bytes_ = 0;
  uint64_t oldest_ns_ = 0;  // steady time of the oldest in the queue
  uint64_t freeze_asked_ = 0;
  uint64_t freeze_done_ = 0;
  Status seal_status_;
  bool stop_ = false;

  std::thread thread_;
};

}  // namespace weft::store
