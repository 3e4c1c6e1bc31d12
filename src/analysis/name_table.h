// Strings numbered in the order of their first appearance, and the translation of a column's
// string ids into these numbers. Analyses group by such numbers instead of by strings.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "scan/scan.h"

namespace weft::analysis {

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return hash_bytes(text); }
};

// One thread. Number 0 is the empty string, which stands for "absent".
class NameTable {
 public:
  static constexpr uint32_t kAbsent = 0;

  NameTable() { id(""); }
  uint32_t id(std::string_view name) {
    if (const auto it = ids_.find(name); it != ids_.end()) return it->second;
    const auto next = static_cast<uint32_t>(names_.size());
    const auto inserted = ids_.emplace(std::string(name), next).first;
    names_.push_back(&inserted->first);
    return next;
  }
  // The number of a name that has one.
  std::optional<uint32_t> find(std::string_view name) const {
    const auto it = ids_.find(name);
    return it == ids_.end() ? std::nullopt : std::optional(it->second);
  }
  const std::string& name(uint32_t id) const { return *names_[id]; }
  size_t size() const { return names_.size(); }

 private:
  std::unordered_map<std::string, uint32_t, StringHash, std::equal_to<>> ids_;
  std::vector<const std::string*> names_;  // keys of ids_, whose addresses are stable
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
