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
  // Columns (dictionaries and tables by class) have three quarters of the room and pages a quarter:
  // a question that passes over more pages than there is room for must not cost the columns, which
  // all questions need.
  enum class Kind : uint8_t { kColumn = 0, kPage = 1 };

  explicit Cache(uint64_t max_bytes, std::atomic<uint64_t>* gauge = nullptr) : gauge_(gauge) {
    shares_[0].max_bytes = max_bytes - max_bytes / 4;
    shares_[1].max_bytes = max_bytes / 4;
  }

  // A key is (block, kind, part); blocks take theirs from next_block_id(), parts are below
  // kMaxParts.
  static constexpr uint64_t kMaxParts = uint64_t{1} << 20;
  std::shared_ptr<const void> get(uint64_t block, Kind kind, uint64_t part) {
    const std::lock_guard lock(mutex_);
    Share& share = shares_[static_cast<size_t>(kind)];
    const auto found = share.entries.find(key(block, part));
    if (found == share.entries.end()) return nullptr;
    share.order.splice(share.order.begin(), share.order, found->second);
    return found->second->value;
  }
  void put(uint64_t block, Kind kind, uint64_t part, std::shared_ptr<const void> value,
           uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    Share& share = shares_[static_cast<size_t>(kind)];
    const uint64_t k = key(block, part);
    if (share.entries.contains(k)) return;
    share.order.push_front({k, std::move(value), bytes});
    share.entries[k] = share.order.begin();
    share.bytes += bytes;
    while (share.bytes > share.max_bytes && share.order.size() > 1) {
      share.bytes -= share.order.back().bytes;
      share.entries.erase(share.order.back().key);
      share.order.pop_back();
    }
    if (gauge_ != nullptr) {
      gauge_->store(shares_[0].bytes + shares_[1].bytes, std::memory_order_relaxed);
    }
  }
  uint64_t next_block_id() { return ids_.fetch_add(1); }

 private:
  struct Entry {
    uint64_t key;
    std::shared_ptr<const void> value;
    uint64_t bytes;
  };
  struct Share {
    std::list<Entry> order;
    std::unordered_map<uint64_t, std::list<Entry>::iterator> entries;
    uint64_t bytes = 0;
    uint64_t max_bytes = 0;
  };
  static uint64_t key(uint64_t block, uint64_t part) { return block * kMaxParts | part; }

  std::mutex mutex_;
  Share shares_[2];
  std::atomic<uint64_t>* gauge_;
  std::atomic<uint64_t> ids_{1};
};

}  // namespace weft::store
