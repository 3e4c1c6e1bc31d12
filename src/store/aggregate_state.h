// What one thread of an aggregate has counted so far: group keys under small ids, and a cell for
// each group and time bucket. Threads' states are merged at the end.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "scan/scan.h"
#include "store/page_extract.h"

namespace weft::store {

// Values of one group column under small ids.
class KeyInterner {
 public:
  // Ids of all values of a column (one value a row).
  void ids(const ValueColumn& column, std::vector<uint32_t>& out);
  void ids(const CodedColumn& column, std::vector<uint32_t>& out);
  uint32_t id(const Value& value);
  uint32_t id(const CodedColumn& column, uint32_t code);
  const Value& value(uint32_t id) const { return values_[id]; }

 private:
  uint32_t text_id(ValueType type, std::string_view text);
  uint32_t word_id(ValueType type, uint64_t word);

  std::vector<Value> values_;
  std::unordered_map<std::string, uint32_t> known_;  // type byte, then word or text
  // For columns that share a pool or a dictionary: id by the id or code there. What it is of is
  // kept alive so that its address stays its name.
  struct Memo {
    std::shared_ptr<const void> of;
    std::vector<uint32_t> ids;
  };
  Memo& memo(const std::shared_ptr<const void>& of, size_t ids);

  std::vector<Memo> memos_;
  uint64_t last_word_ = 0;
  ValueType last_type_ = ValueType::kKvlist;
  uint32_t last_id_ = 0;
};

// Rows to count, column by column; all columns that are there have as many values.
struct AggregateRows {
  size_t rows = 0;
  std::span<const uint64_t> starts;  // empty: all fall into the time bucket `bucket`
  uint64_t bucket = 0;
  // The values when the request asks for one: in `values`, or whole numbers in `integers`.
  const ValueColumn* values = nullptr;
  std::span<const uint64_t> integers;
  std::vector<std::variant<ValueColumn, CodedColumn>> keys;  // parallel to group_by
};

class AggregateState {
 public:
  // `buckets` time buckets.
  AggregateState(const AggregateRequest& request, uint64_t buckets);

  // kResourceExhausted when there are too many groups.
  Status add(const AggregateRows& rows);
  Status merge(const AggregateState& other);
  GroupTable finish() const;

 private:
  struct Counted {
    double number = 0;
    uint32_t bucket = 0;
  };
  struct Totals {
    uint64_t count = 0;
    double sum = 0;
    double min = 0;
    double max = 0;
  };
  struct Cell {
    Totals totals;
    std::vector<uint64_t> histogram;
  };
  struct Group {
    std::vector<uint32_t> keys;
    std::vector<Cell> cells;
  };
  Expected<uint32_t> group(const std::vector<uint32_t>& keys);
  Status find_groups(const AggregateRows& rows);
  Status find_groups_of(const CodedColumn& key);
  template <bool kHistogram, typename ValueOf>
  void count(const AggregateRows& rows, ValueOf&& value_of);
  bool count_small_integers(const AggregateRows& rows);
  template <typename ValueOf>
  void count_all(const AggregateRows& rows, ValueOf&& value_of);
  uint32_t bucket_of(int64_t value) const;

  const AggregateRequest& request_;
  uint64_t buckets_;
  uint32_t linear_bits_ = 0;  // log2 of buckets_per_octave
  std::vector<KeyInterner> interners_;
  std::vector<Group> groups_;
  std::unordered_map<std::string, uint32_t> group_ids_;  // the key ids' bytes
  std::vector<uint32_t> dense_;                          // one group column: group + 1 by key id
  std::vector<std::vector<uint32_t>> key_ids_;           // scratch
  std::vector<uint32_t> row_groups_;                     // scratch: of each row
  std::vector<uint32_t> group_of_code_;                  // scratch
};

}  // namespace weft::store
