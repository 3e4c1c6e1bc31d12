#include "wire/row_memo.h"

#include <algorithm>
#include <atomic>

#include "wire/string_interner.h"

namespace weft::wire {
namespace {

constexpr size_t kMaxEntries = 16'384;
constexpr size_t kMaxBytes = 4u << 20;
constexpr size_t kMinSlots = 64;

// Threads take numbers in lots: each new resource would fetch the same line.
uint64_t next_number() {
  constexpr uint64_t kLot = 1024;
  static std::atomic<uint64_t> next_lot{1};
  thread_local uint64_t next = 0;
  if (next % kLot == 0) next = next_lot.fetch_add(1, std::memory_order_relaxed) * kLot;
  return next++;
}

}  // namespace

void RowMemo::end() {
  if (entries_.size() <= kMaxEntries && kept_bytes_ <= kMaxBytes) return;
  entries_ = std::vector<Entry>();
  index_ = std::vector<uint32_t>();
  kept_bytes_ = 0;
}

bool RowMemo::matches(const Entry& entry, std::string_view bytes,
                      std::string_view schema_url) const {
  const std::string_view known = entry.bytes;
  return entry.schema_url_at == bytes.size() && known.substr(0, bytes.size()) == bytes &&
         known.substr(bytes.size()) == schema_url;
}

RowMemo::Entry& RowMemo::find(std::string_view bytes, std::string_view schema_url, bool& fresh) {
  if (entries_.size() * 2 >= index_.size()) grow_index();
  const uint64_t hash = seeded_hash(bytes) ^ (schema_url.empty() ? 0 : seeded_hash(schema_url) * 3);
  size_t at = hash & (index_.size() - 1);
  for (; index_[at] != 0; at = (at + 1) & (index_.size() - 1)) {
    Entry& entry = entries_[index_[at] - 1];
    if (entry.hash != hash || !matches(entry, bytes, schema_url)) continue;
    fresh = entry.request != request_;
    entry.request = request_;
    return entry;
  }
  Entry& entry = entries_.emplace_back();
  entry.number = next_number();
  entry.hash = hash;
  entry.request = request_;
  entry.bytes.reserve(bytes.size() + schema_url.size());
  entry.bytes.append(bytes).append(schema_url);
  entry.schema_url_at = bytes.size();
  kept_bytes_ += sizeof entry + entry.bytes.size();
  index_[at] = static_cast<uint32_t>(entries_.size());
  fresh = true;
  return entry;
}

void RowMemo::grow_index() {
  index_.assign(std::max(kMinSlots, index_.size() * 2), 0);
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    size_t at = entries_[i].hash & (index_.size() - 1);
    while (index_[at] != 0)
      at = (at + 1) & (index_.size() - 1);
    index_[at] = i + 1;
  }
}

}  // namespace weft::wire
