// A fixed number of threads behind a bounded queue: queries and large requests run here, so that
// the I/O threads never wait for them. When the queue is full the work is refused at once.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace weft::server {

class WorkerPool {
 public:
  using Work = std::move_only_function<void()>;

  WorkerPool(size_t threads, size_t queue_capacity);
  // stop().
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False, with `work` untouched, when the queue is full or the pool is stopped. Any thread.
  bool try_submit(Work& work);
  // Lets the queued work finish, then ends the threads. Not from a worker.
  void stop();
  size_t queued() const;

 private:
  void run();

  const size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace weft::server
