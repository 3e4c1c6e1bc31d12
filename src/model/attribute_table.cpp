#include "model/attribute_table.h"

namespace weft {

size_t AttributeTable::memory_bytes() const {
  size_t bytes = columns.capacity() * sizeof(AttributeColumn);
  for (const AttributeColumn& column : columns) {
    bytes += column.rows.capacity() * sizeof(uint32_t) +
             column.numbers.capacity() * sizeof(uint64_t) +
             column.strings.capacity() * sizeof(StringPool::Id);
  }
  return bytes;
}

}  // namespace weft
