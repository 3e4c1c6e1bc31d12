#include "fork.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "thread_state.h"

namespace weft::sdk_detail {

constinit std::atomic<std::uint32_t> fork_generation{0};

namespace {

constinit std::mutex registry_mutex;

struct Entry {
  ForkRank rank;
  ForkParticipant* participant;
};

std::vector<Entry>& participants() {
  static auto* list = new std::vector<Entry>;  // never destroyed: threads may outlive main
  return *list;
}

void before() {
  registry_mutex.lock();
  for (const Entry& e : participants())
    e.participant->before_fork();
  lock_record_pool();
}

void in_parent() {
  unlock_record_pool();
  for (auto it = participants().rbegin(); it != participants().rend(); ++it) {
    it->participant->after_fork_in_parent();
  }
  registry_mutex.unlock();
}

void in_child() {
  reset_records_after_fork();
  unlock_record_pool();
  fork_generation.fetch_add(1, std::memory_order_relaxed);
  reset_thread_after_fork();
  for (auto it = participants().rbegin(); it != participants().rend(); ++it) {
    it->participant->after_fork_in_child();
  }
  registry_mutex.unlock();
}

}  // namespace

void register_fork_participant(ForkRank rank, ForkParticipant* participant) {
  const std::lock_guard lock(registry_mutex);
  static const int installed = pthread_atfork(before, in_parent, in_child);
  (void)installed;
  auto& list = participants();
  const auto after = std::upper_bound(list.begin(), list.end(), rank,
                                      [](ForkRank r, const Entry& e) { return r < e.rank; });
  list.insert(after, {rank, participant});
}

}  // namespace weft::sdk_detail
