// Which series a span belongs to: the values of by(...) as small numbers, so that a span costs a
// few look-ups and no string. One worker's tool.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "query/batch_fields.h"

namespace weft::traceql {

class LabelCoder {
 public:
  static constexpr uint32_t kNoGroup = UINT32_MAX;

  // Remembers at most `max_values` values of each slot.
  explicit LabelCoder(std::vector<FieldTable::Slot> slots, size_t max_values = kNoGroup);

  // The group of the row: equal for equal labels, counted from 0; kNoGroup for a value beyond
  // max_values.
  uint32_t group_of(BatchFields& fields, uint32_t row);
  // The labels of a group, as they stand in answers.
  const std::vector<Value>& labels(uint32_t group) const { return groups_[group]; }

 private:
  struct Coder {
    FieldTable::Slot slot;
    std::shared_ptr<const StringPool> pool;              // of `by_id`
    std::vector<uint32_t> by_id;                         // code + 1 by string id
    std::unordered_map<std::string, uint32_t> by_bytes;  // type and bytes of a value
    std::vector<Value> values;                           // by code
  };

  uint32_t code_of(Coder& coder, BatchFields& fields, uint32_t row);
  uint32_t code_of(Coder& coder, const FieldRef& field, const FieldValue& value);

  size_t max_values_;
  std::vector<Coder> coders_;
  // One level a label: (group so far, code) to the next group.
  std::vector<std::unordered_map<uint64_t, uint32_t>> levels_;
  std::vector<std::vector<Value>> groups_;  // of the last level
  std::vector<uint32_t> codes_;
};

}  // namespace weft::traceql
