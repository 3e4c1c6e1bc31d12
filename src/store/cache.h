// A bounded cache of decoded parts of blocks: the least recently used goes first. Shared by all
// blocks of a store.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace weft::store {

// Any thread. What a caller holds stays alive after it has left the cache.
class Cache {
 public:
  explicit Cache(uint64_t max_bytes, std::atomic<uint64_t>* gauge = nullptr)
      : max_bytes_(max_bytes), gauge_(gauge) {}

  // A key is (block, part); blocks take theirs from next_block_id().
  std::shared_ptr<const void> get(uint64_t block, uint64_t part) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key(block, part));
    if (found == entries_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->value;
  }
  void put(uint64_t block, uint64_t part, std::shared_ptr<const void> value, uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    const uint64_t k = key(block, part);
    if (entries_.contains(k)) return;
    order_.push_front({k, std::move(value), bytes});
    entries_[k] = order_.begin();
    bytes_ += bytes;
    while (bytes_ > max_bytes_ && order_.size() > 1) {
      bytes_ -= order_.back().bytes;
      entries_.erase(order_.back().key);
      order_.pop_back();
    }
    if (gauge_ != nullptr) gauge_->store(bytes_, std::memory_order_relaxed);
  }
  uint64_t next_block_id() { return ids_.fetch_add(1); }

 private:
  struct Entry {
    uint64_t key;
    std::shared_ptr<const void> value;
    uint64_t bytes;
  };
  static uint64_t key(uint64_t block, uint64_t part) { return block << 20 | part; }

  std::mutex mutex_;
  std::list<Entry> order_;
  std::unordered_map<uint64_t, std::list<Entry>::iterator> entries_;
  uint64_t bytes_ = 0;
  uint64_t max_bytes_;
  std::atomic<uint64_t>* gauge_;
  std::atomic<uint64_t> ids_{1};
};

}  // namespace weft::store
