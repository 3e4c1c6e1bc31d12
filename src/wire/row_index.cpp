#include "wire/row_index.h"

#include <algorithm>
#include <numeric>

namespace weft {

RowIndex::RowIndex(const AttributeTable& table, size_t rows) : offsets_(rows + 1, 0) {
  for (const AttributeColumn& column : table.columns) {
    for (const uint32_t row : column.rows)
      ++offsets_[row + 1];
  }
  std::partial_sum(offsets_.begin(), offsets_.end(), offsets_.begin());
  refs_.resize(offsets_[rows]);
  std::vector<uint32_t> next(offsets_.begin(), offsets_.end() - 1);
  for (const AttributeColumn& column : table.columns) {
    for (uint32_t i = 0; i < column.rows.size(); ++i) {
      refs_[next[column.rows[i]]++] = {&column, i};
    }
  }
}

ChildIndex::ChildIndex(const ColumnVector<uint32_t>& span_row, size_t spans)
    : offsets_(spans + 1, 0) {
  for (const uint32_t row : span_row)
    ++offsets_[row + 1];
  std::partial_sum(offsets_.begin(), offsets_.end(), offsets_.begin());
}

BatchIndex::BatchIndex(const SpanBatch& batch)
    : spans(batch.attributes, batch.size()),
      events(batch.events.attributes, batch.events.size()),
      links(batch.links.attributes, batch.links.size()),
      resources(batch.resources.attributes, batch.resources.size()),
      scopes(batch.scopes.attributes, batch.scopes.size()),
      span_events(batch.events.span_row, batch.size()),
      span_links(batch.links.span_row, batch.size()) {}

std::vector<uint32_t> rows_by_resource_and_scope(const SpanBatch& batch) {
  std::vector<uint32_t> rows(batch.size());
  std::iota(rows.begin(), rows.end(), 0u);
  std::stable_sort(rows.begin(), rows.end(), [&](uint32_t a, uint32_t b) {
    if (batch.resource[a] != batch.resource[b]) return batch.resource[a] < batch.resource[b];
    return batch.scope[a] < batch.scope[b];
  });
  return rows;
}

}  // namespace weft
