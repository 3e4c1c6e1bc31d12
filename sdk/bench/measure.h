// Timing for the benchmark: short batches, of which the median counts, so that a batch that the
// kernel interrupted does not. Used by sdk_bench.cpp.
#pragma once

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace bench {

inline std::int64_t read_ns(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}
inline std::int64_t now_ns() {
  return read_ns(CLOCK_MONOTONIC);
}
// Processor time of the calling thread and of the whole process.
inline std::int64_t thread_cpu_ns() {
  return read_ns(CLOCK_THREAD_CPUTIME_ID);
}
inline std::int64_t process_cpu_ns() {
  return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

// Allocations of the calling thread, counted by operator new of sdk_bench.cpp.
extern thread_local std::uint64_t allocations;

template <class T>
inline void keep(T const& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

// All of one operation.
struct Sample {
  double ns = 0;      // median of the batches
  double cpu_ns = 0;  // processor time of the measured thread: other programs do not lengthen it
  double allocations = 0;  // after warming up
};

inline Sample mean_of(const std::vector<Sample>& samples) {
  Sample mean;
  const auto n = static_cast<double>(samples.size());
  for (const Sample& s : samples) {
    mean.ns += s.ns / n;
    mean.cpu_ns += s.cpu_ns / n;
    mean.allocations += s.allocations / n;
  }
  return mean;
}

// The batches of one thread.
class Batches {
 public:
  explicit Batches(std::uint64_t operations) : operations_(operations) {}
  template <class Body>
  void time(Body&& body) {
    const std::uint64_t allocations_before = allocations;
    const std::int64_t cpu_start = thread_cpu_ns();
    const std::int64_t start = now_ns();
    body(operations_);
    const std::int64_t stop = now_ns();
    const std::int64_t cpu_stop = thread_cpu_ns();
    allocated_ += allocations - allocations_before;
    times_.push_back(static_cast<double>(stop - start) / static_cast<double>(operations_));
    cpu_times_.push_back(static_cast<double>(cpu_stop - cpu_start) /
                         static_cast<double>(operations_));
  }
  std::size_t size() const { return times_.size(); }
  Sample result() {
    return {median(times_), median(cpu_times_),
            static_cast<double>(allocated_) / static_cast<double>(times_.size() * operations_)};
  }

 private:
  static double median(std::vector<double>& values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
  }
  std::uint64_t operations_;
  std::uint64_t allocated_ = 0;
  std::vector<double> times_;
  std::vector<double> cpu_times_;
};

// Runs `body(n)`, which does n operations, in batches for about `ms` milliseconds.
template <class Body>
Sample measure(int ms, std::uint64_t batch, Body&& body) {
  for (int i = 0; i < 5; ++i)
    body(batch);
  Batches batches(batch);
  const std::int64_t end = now_ns() + std::int64_t{ms} * 1'000'000;
  do {
    batches.time(body);
  } while (now_ns() < end || batches.size() < 5);
  return batches.result();
}

// Runs `run_one()` on several threads that start at once.
template <class Run>
void run_threads(int threads, Run&& run_one) {
  std::atomic<int> ready{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&, i] {
      ready.fetch_add(1);
      while (ready.load() < threads) {
      }
      run_one(i);
    });
  }
  for (auto& worker : workers)
    worker.join();
}

// measure() on several threads at once; the mean of their medians.
template <class Body>
Sample measure_threads(int threads, int ms, std::uint64_t batch, Body&& body) {
  std::vector<Sample> samples(static_cast<std::size_t>(threads));
  run_threads(threads,
              [&](int i) { samples[static_cast<std::size_t>(i)] = measure(ms, batch, body); });
  return mean_of(samples);
}

// Threads in step: all run a batch at once, timed, and rest while `between` runs. For work whose
// other half is done by a thread that would otherwise compete for the same processors.
template <class Body, class Between>
Sample measure_in_step(int threads, int ms, std::uint64_t batch, Body&& body, Between&& between) {
  std::barrier start(threads);
  std::barrier done(threads);
  std::atomic<bool> stop{false};
  std::vector<Sample> samples(static_cast<std::size_t>(threads));
  run_threads(threads, [&](int thread) {
    Batches batches(batch);
    const std::int64_t end = now_ns() + std::int64_t{ms} * 1'000'000;
    for (int round = 0; !stop.load(); ++round) {
      start.arrive_and_wait();
      // A barrier wakes threads one after the other: spin to a common start.
      const std::int64_t go = now_ns() + 20'000;
      while (now_ns() < go) {
      }
      if (round > 5) {
        batches.time(body);
      } else {
        body(batch);
      }
      done.arrive_and_wait();
      if (thread == 0) {
        between();
        if (now_ns() > end && round > 10) stop.store(true);
      }
      done.arrive_and_wait();
    }
    samples[static_cast<std::size_t>(thread)] = batches.result();
  });
  return mean_of(samples);
}

}  // namespace bench
