// A SpanSink for tests: keeps what it is given, and does to it what a test asks for: refuse, fail
// later, or hold the acknowledgement back.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "scan/scan.h"

namespace weft::server::testing {

class MemorySink final : public SpanSink {
 public:
  struct Kept {
    SpanBatch batch;
    RawRequest::Format format = RawRequest::Format::kColumns;
    RawRequest::Compression compression = RawRequest::Compression::kNone;
    std::string body;
    uint64_t received_ns = 0;
    bool untrusted_clock = false;
  };

  Status append(SpanBatch batch, const RawRequest* raw, Done done) override {
    std::unique_lock lock(mutex_);
    if (refuse_) return std::unexpected(*refuse_);
    if (fail_later_) {
      const Error error = *fail_later_;
      lock.unlock();
      done(std::unexpected(error));
      return {};
    }
    Kept kept;
    kept.batch = std::move(batch);
    if (raw != nullptr) {
      kept.format = raw->format;
      kept.compression = raw->compression;
      kept.body = raw->body;
      kept.received_ns = raw->received_ns;
      kept.untrusted_clock = raw->untrusted_clock;
    }
    kept_.push_back(std::move(kept));
    changed_.notify_all();
    if (hold_) {
      held_.push_back(std::move(done));
      return {};
    }
    lock.unlock();
    done({});
    return {};
  }

  void refuse_with(std::optional<Error> error) {
    const std::lock_guard lock(mutex_);
    refuse_ = std::move(error);
  }
  void fail_later_with(std::optional<Error> error) {
    const std::lock_guard lock(mutex_);
    fail_later_ = std::move(error);
  }
  // Acknowledgements wait until release().
  void hold() {
    const std::lock_guard lock(mutex_);
    hold_ = true;
  }
  void release() {
    std::deque<Done> held;
    {
      const std::lock_guard lock(mutex_);
      hold_ = false;
      held.swap(held_);
    }
    for (Done& done : held)
      done({});
  }
  void wait_for_requests(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return kept_.size() >= count; });
  }
  size_t spans() const {
    const std::lock_guard lock(mutex_);
    size_t out = 0;
    for (const Kept& kept : kept_)
      out += kept.batch.size();
    return out;
  }
  size_t requests() const {
    const std::lock_guard lock(mutex_);
    return kept_.size();
  }
  Kept last() const {
    const std::lock_guard lock(mutex_);
    return kept_.back();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Kept> kept_;
  std::deque<Done> held_;
  std::optional<Error> refuse_;
  std::optional<Error> fail_later_;
  bool hold_ = false;
};

}  // namespace weft::server::testing
