// What one thread of an aggregate has counted so far: group keys under small ids, and a cell for
// each group and time bucket. Threads' states are merged at the end.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "scan/scan.h"

namespace weft::store {

// Values of one group column under small ids.
class KeyInterner {
 public:
  // Ids of all values of a column (one value a row).
  void ids(const ValueColumn& column, std::vector<uint32_t>& out);
  uint32_t id(const Value& value);
  const Value& value(uint32_t id) const { return values_[id]; }

 private:
  uint32_t text_id(ValueType type, std::string_view text);
  uint32_t word_id(ValueType type, uint64_t word);

  std::vector<Value> values_;
  std::unordered_map<std::string, uint32_t> known_;  // type byte, then word or text
  // For columns that share a pool (a block's dictionary): id by the pool's id. The pool is kept
  // alive so that its address stays its name.
  struct Memo {
    std::shared_ptr<const StringPool> pool;
    std::vector<uint32_t> ids;
  };
  std::vector<Memo> memos_;
  uint64_t last_word_ = 0;
  ValueType last_type_ = ValueType::kKvlist;
  uint32_t last_id_ = 0;
};

class AggregateState {
 public:
  // `buckets` time buckets.
  AggregateState(const AggregateRequest& request, uint64_t buckets);

  // Counts rows: their starts, the value column (when asked for) and the group columns, all
  // parallel. kResourceExhausted when there are too many groups.
  Status add(const std::vector<uint64_t>& starts, const ValueColumn* value,
             const std::vector<ValueColumn>& keys);
  Status merge(const AggregateState& other);
  GroupTable finish() const;

 private:
  struct Cell {
    uint64_t count = 0;
    double sum = 0;
    double min = 0;
    double max = 0;
    std::vector<uint64_t> histogram;
  };
  struct Group {
    std::vector<uint32_t> keys;
    std::vector<Cell> cells;
  };
  Expected<uint32_t> group(const std::vector<uint32_t>& keys);
  void count(Cell& cell, double value, uint32_t bucket) const;
  uint32_t bucket_of(ValueType type, uint64_t word, double value) const;

  const AggregateRequest& request_;
  uint64_t buckets_;
  uint32_t linear_bits_ = 0;  // log2 of buckets_per_octave
  std::vector<KeyInterner> interners_;
  std::vector<Group> groups_;
  std::unordered_map<std::string, uint32_t> group_ids_;  // the key ids' bytes
  std::vector<uint32_t> dense_;                          // one group column: group + 1 by key id
  std::vector<std::vector<uint32_t>> key_ids_;           // scratch
};

}  // namespace weft::store
