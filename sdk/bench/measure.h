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

inline std::int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

// Allocations of the calling thread, counted by operator new of sdk_bench.cpp.
extern thread_local std::uint64_t allocations;

template <class T>
inline void keep(T const& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

struct Sample {
  double ns = 0;           // median of the batches, per operation
  double allocations = 0;  // per operation, after warming up
};

// Runs `body(n)`, which does n operations, in batches for about `ms` milliseconds. `between` runs
// after each batch and is not timed.
template <class Body, class Between>
Sample measure(int ms, std::uint64_t batch, Body&& body, Between&& between) {
  for (int i = 0; i < 5; ++i) {
    body(batch);
    between();
  }
  std::vector<double> times;
  std::uint64_t allocated = 0;
  const std::int64_t end = now_ns() + std::int64_t{ms} * 1'000'000;
  do {
    const std::uint64_t allocations_before = allocations;
    const std::int64_t start = now_ns();
    body(batch);
    const std::int64_t stop = now_ns();
    allocated += allocations - allocations_before;
    times.push_back(static_cast<double>(stop - start) / static_cast<double>(batch));
    between();
  } while (now_ns() < end || times.size() < 5);
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                   times.end());
  return {times[times.size() / 2],
          static_cast<double>(allocated) / static_cast<double>(times.size() * batch)};
}

// The same on several threads at once; the mean of their medians.
template <class MakeBody>
Sample measure_threads(int threads, int ms, std::uint64_t batch, MakeBody&& run_one) {
  std::atomic<int> ready{0};
  std::vector<Sample> samples(static_cast<std::size_t>(threads));
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&, i] {
      ready.fetch_add(1);
      while (ready.load() < threads) {
      }
      samples[static_cast<std::size_t>(i)] = run_one(ms, batch);
    });
  }
  for (auto& worker : workers)
    worker.join();
  Sample mean;
  for (const Sample& s : samples) {
    mean.ns += s.ns / threads;
    mean.allocations += s.allocations / threads;
  }
  return mean;
}

// Threads in step: all run a batch at once, timed, and rest while `between` runs. For work whose
// other half is done by a thread that would otherwise compete for the same processors.
template <class Body, class Between>
Sample measure_in_step(int threads, int ms, std::uint64_t batch, Body&& body, Between&& between) {
  std::barrier start(threads);
  std::barrier done(threads);
  std::atomic<bool> stop{false};
  auto run = [&](bool leader) {
    std::vector<double> times;
    std::uint64_t allocated = 0;
    const std::int64_t end = now_ns() + std::int64_t{ms} * 1'000'000;
    for (int round = 0; !stop.load(); ++round) {
      start.arrive_and_wait();
      // A barrier wakes threads one after the other: spin to a common start.
      const std::int64_t go = now_ns() + 20'000;
      while (now_ns() < go) {
      }
      const std::uint64_t allocations_before = allocations;
      const std::int64_t begin = now_ns();
      body(batch);
      const std::int64_t finish = now_ns();
      if (round > 5) {
        allocated += allocations - allocations_before;
        times.push_back(static_cast<double>(finish - begin) / static_cast<double>(batch));
      }
      done.arrive_and_wait();
      if (leader) {
        between();
        if (now_ns() > end && round > 10) stop.store(true);
      }
      done.arrive_and_wait();
    }
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                     times.end());
    return Sample{times[times.size() / 2],
                  static_cast<double>(allocated) / static_cast<double>(times.size() * batch)};
  };
  std::vector<Sample> samples(static_cast<std::size_t>(threads));
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&, i] { samples[static_cast<std::size_t>(i)] = run(i == 0); });
  }
  for (auto& worker : workers)
    worker.join();
  Sample mean;
  for (const Sample& s : samples) {
    mean.ns += s.ns / threads;
    mean.allocations += s.allocations / threads;
  }
  return mean;
}

}  // namespace bench
