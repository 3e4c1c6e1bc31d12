// A batch turned from columns to rows, for encoders: which attributes, events and links a row has,
// and in which order spans are written. Built in one pass; borrows the batch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/span_batch.h"

namespace weft {

// One attribute: entry `index` of a column.
struct AttributeRef {
  const AttributeColumn* column;
  uint32_t index;
};

class RowIndex {
 public:
  RowIndex(const AttributeTable& table, size_t rows);
  // In the order of the table's columns.
  std::span<const AttributeRef> at(size_t row) const {
    return {refs_.data() + offsets_[row], refs_.data() + offsets_[row + 1]};
  }

 private:
  std::vector<uint32_t> offsets_;
  std::vector<AttributeRef> refs_;
};

// Events or links of each span: those of a span are [begin(row), begin(row + 1)).
class ChildIndex {
 public:
  ChildIndex(const ColumnVector<uint32_t>& span_row, size_t spans);
  uint32_t begin(size_t row) const { return offsets_[row]; }

 private:
  std::vector<uint32_t> offsets_;
};

struct BatchIndex {
  explicit BatchIndex(const SpanBatch& batch);

  RowIndex spans;
  RowIndex events;
  RowIndex links;
  RowIndex resources;
  RowIndex scopes;
  ChildIndex span_events;
  ChildIndex span_links;
};

// The rows of the batch by resource, then scope, then as they stand.
std::vector<uint32_t> rows_by_resource_and_scope(const SpanBatch& batch);

}  // namespace weft
