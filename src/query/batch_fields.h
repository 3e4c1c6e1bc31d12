// The fields of a query, as columns over one batch of spans: those that the source delivered, and
// those that are worked out from a whole trace (child counts, nested sets, the root's name, the
// parent's attributes) on first use. Used by filters, pipelines and metrics; one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "query/ast.h"
#include "query/budget.h"
#include "scan/scan.h"

namespace weft::traceql {

// Which column holds which field: the columns to ask of a source, and how to work out the rest.
// Built once a query, then shared by all workers.
class FieldTable {
 public:
  using Slot = uint32_t;

  // The same field gives the same slot.
  Slot add(const FieldRef& field);
  // A column wanted as it is.
  size_t add_column(const ColumnRef& column);
  const std::vector<ColumnRef>& columns() const { return columns_; }
  const FieldRef& field(Slot slot) const { return slots_[slot].field; }
  size_t size() const { return slots_.size(); }
  // Some field needs the whole trace and parent rows.
  bool needs_trace() const { return needs_trace_; }

 private:
  friend class BatchFields;
  struct Entry {
    FieldRef field;
    int column = -1;  // in columns_, of the field itself or of what it is made from
    int second = -1;  // rootName and rootService have one; trace:duration has its own
  };

  std::vector<Entry> slots_;
  std::vector<ColumnRef> columns_;
  bool needs_trace_ = false;
};

// One value of one row, borrowed from its column.
struct FieldValue {
  ValueType type = ValueType::kNone;
  uint64_t word = 0;
  std::string_view text;

  bool is_number() const { return type == ValueType::kInt || type == ValueType::kDouble; }
  double as_double() const;
  static FieldValue of(int64_t value);
  static FieldValue of(double value);
  static FieldValue of(bool value);
};

class BatchFields {
 public:
  // Borrows all. With needs_trace(), the batch must hold whole traces with parent rows.
  BatchFields(const FieldTable& table, const ScanBatch& batch, BudgetMeter& meter);

  const ScanBatch& batch() const { return batch_; }
  const FieldTable& table() const { return table_; }
  // Of the query that the batch is read for.
  BudgetMeter& meter() { return meter_; }
  const ValueColumn& column(FieldTable::Slot slot);
  const ValueColumn& raw_column(size_t index) const { return batch_.columns[index]; }
  // The first value of the row; kNone when it has none.
  FieldValue value(FieldTable::Slot slot, uint32_t row);

  // Which trace of the batch owns the row.
  uint32_t trace_of(uint32_t row);
  // The earliest span without a parent id; nullopt when none is stored.
  std::optional<uint32_t> root_row(uint32_t trace) const;

 private:
  ValueColumn child_counts() const;
  ValueColumn trace_durations(const ValueColumn& durations) const;
  ValueColumn of_root(const ValueColumn& source) const;
  ValueColumn of_parent(const ValueColumn& source) const;
  void number_nested_sets();

  const FieldTable& table_;
  const ScanBatch& batch_;
  BudgetMeter& meter_;
  std::vector<std::optional<ValueColumn>> computed_;
  struct NestedSets {
    ValueColumn left;
    ValueColumn right;
    ValueColumn parent;
  };
  std::optional<NestedSets> nested_;
  std::vector<uint32_t> trace_of_;
};

// How the value stands in answers: status and kind by name, ids as hex digits, the rest as it is.
Value display_value(const FieldRef& field, const FieldValue& value);
std::string_view status_name(uint64_t code);
std::string_view kind_name(uint64_t kind);
// Lower-case hex digits.
std::string hex(std::string_view bytes);

// All values of the row: kNone when there is none, an array when there are several.
Value display_all(const FieldRef& field, const ValueColumn& column, uint32_t row);

FieldValue value_at(const ValueColumn& column, size_t index);
Value to_value(const FieldValue& value);

}  // namespace weft::traceql
