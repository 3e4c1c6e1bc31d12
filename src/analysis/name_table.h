// Strings numbered in the order of their first appearance, and the translation of a column's
// string ids into these numbers. Analyses group by such numbers instead of by strings.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "scan/scan.h"

namespace weft::analysis {

// One thread. Number 0 is the empty string, which stands for "absent".
class NameTable {
 public:
  static constexpr uint32_t kAbsent = 0;

  NameTable() : slots_(64) { id(""); }
  uint32_t id(std::string_view name) {
    const uint64_t hash = hash_bytes(name);
    const size_t at = slot_of(name, hash);
    if (slots_[at] != 0) return number_in(slots_[at]);
    const auto added = static_cast<uint32_t>(names_.size());
    names_.emplace_back(name);
    slots_[at] = slot(hash, added);
    if (names_.size() * 2 > slots_.size()) grow();
    return added;
  }
  // The number of a name that has one.
  std::optional<uint32_t> find(std::string_view name) const {
    const size_t at = slot_of(name, hash_bytes(name));
    return slots_[at] == 0 ? std::nullopt : std::optional(number_in(slots_[at]));
  }
  // Stays where it is.
  const std::string& name(uint32_t id) const { return names_[id]; }
  size_t size() const { return names_.size(); }

 private:
  // Of a hash the upper half, and 1 + the number.
  static constexpr uint64_t kTagBits = 0xFFFF'FFFF'0000'0000u;
  static uint64_t slot(uint64_t hash, uint32_t number) { return (hash & kTagBits) | (number + 1); }
  static uint32_t number_in(uint64_t slot) { return static_cast<uint32_t>(slot) - 1; }

  // Where the name stands or is to stand.
  size_t slot_of(std::string_view name, uint64_t hash) const {
    const size_t mask = slots_.size() - 1;
    for (size_t at = hash >> 32 & mask;; at = (at + 1) & mask) {
      const uint64_t slot = slots_[at];
      if (slot == 0) return at;
      if (((slot ^ hash) & kTagBits) == 0 && names_[number_in(slot)] == name) return at;
    }
  }
  void grow() {
    std::vector<uint64_t> old(slots_.size() * 2);
    old.swap(slots_);
    const size_t mask = slots_.size() - 1;
    for (const uint64_t slot : old) {
      if (slot == 0) continue;
      size_t at = slot >> 32 & mask;
      while (slots_[at] != 0)
        at = (at + 1) & mask;
      slots_[at] = slot;
    }
  }

  std::deque<std::string> names_;
  std::vector<uint64_t> slots_;  // open addressing, at most half full; 0 is free
};

// Translates one single-valued string column, batch after batch. Batches of one block share their
// strings, so that nearly every value costs one look-up in an array.
class NameColumn {
 public:
  explicit NameColumn(NameTable& table) : table_(&table) {}

  void start_batch(const ValueColumn& column) {
    column_ = &column;
    if (column.strings == pool_) return;
    pool_ = column.strings;
    cache_.assign(pool_ ? pool_->size() : 0, kUnknown);
  }
  // The number of the row's string; kAbsent when there is none or it is no string.
  uint32_t at(size_t row) {
    if (column_->types[row] != ValueType::kString) return NameTable::kAbsent;
    uint32_t& cached = cache_[column_->words[row]];
    if (cached == kUnknown) cached = table_->id(column_->text(row));
    return cached;
  }

 private:
  static constexpr uint32_t kUnknown = UINT32_MAX;

  NameTable* table_;
  const ValueColumn* column_ = nullptr;
  std::shared_ptr<const StringPool> pool_;  // kept, so that its address is not used again
  std::vector<uint32_t> cache_;
};

}  // namespace weft::analysis
