// Attributes in columns: one column for each (key, type) that occurs. The same table serves
// spans, events, links, resources and instrumentation scopes; "row" means a row of whichever of
// these the table belongs to. Decoders fill it, the store keeps it, encoders read it.
#pragma once

#include <cstdint>

#include "model/batch_arena.h"
#include "model/string_pool.h"
#include "model/value.h"

namespace weft {

constexpr bool is_number(ValueType type) {
  return type == ValueType::kBool || type == ValueType::kInt || type == ValueType::kDouble;
}

// Of a value in its column: nothing for kNone.
constexpr size_t value_bytes(ValueType type) {
  if (type == ValueType::kNone) return 0;
  return is_number(type) ? sizeof(uint64_t) : sizeof(StringPool::Id);
}

struct AttributeColumn {
  AttributeColumn() = default;
  // With columns in the arena, as long as it has room.
  explicit AttributeColumn(BatchArena* arena) : rows(arena), numbers(arena), strings(arena) {}

  StringPool::Id key = StringPool::kEmpty;
  ValueType type = ValueType::kNone;
  // The rows that have a value, strictly ascending.
  ColumnVector<uint32_t> rows;
  // One of these two is parallel to `rows`:
  ColumnVector<uint64_t> numbers;        // kBool 0 or 1, kInt as two's complement, kDouble as bits
  ColumnVector<StringPool::Id> strings;  // kString, kBytes, kArray, kKvlist (encoded, value.h)
  // kNone columns (an attribute that is present without a value) have neither.

  bool is_number() const { return weft::is_number(type); }
  bool is_string_like() const { return type != ValueType::kNone && !is_number(); }
};

struct AttributeTable {
  // A (key, type) occurs once. Within one row a key occurs once, whatever the type: OTLP demands
  // unique keys; decoders keep the first and count the others as dropped.
  ColumnVector<AttributeColumn> columns;

  size_t memory_bytes() const;
};

}  // namespace weft
