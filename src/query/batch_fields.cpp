#include "query/batch_fields.h"

#include <algorithm>
#include <array>
#include <bit>

namespace weft::traceql {
namespace {

constexpr std::string_view kServiceName = "service.name";

ValueColumn number_column(size_t rows) {
  ValueColumn out;
  out.types.assign(rows, ValueType::kInt);
  out.words.assign(rows, 0);
  return out;
}

}  // namespace

FieldTable::Slot FieldTable::add(const FieldRef& field) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].field == field) return static_cast<Slot>(i);
  }
  Entry entry;
  entry.field = field;
  switch (field.kind) {
    case FieldKind::kTraceDuration:
      entry.column = static_cast<int>(add_column(ColumnRef::of(Intrinsic::kDurationNs)));
      break;
    case FieldKind::kRootName:
      entry.column = static_cast<int>(add_column(ColumnRef::of(Intrinsic::kName)));
      break;
    case FieldKind::kRootService:
      entry.column = static_cast<int>(
          add_column(ColumnRef::attribute(AttributeScope::kResource, std::string(kServiceName))));
      break;
    case FieldKind::kChildCount:
    case FieldKind::kNestedSetLeft:
    case FieldKind::kNestedSetRight:
    case FieldKind::kNestedSetParent:
      break;
    default:
      entry.column = static_cast<int>(add_column(field.column()));
      break;
  }
  needs_trace_ = needs_trace_ || field.is_computed() || field.of_parent;
  slots_.push_back(std::move(entry));
  return static_cast<Slot>(slots_.size() - 1);
}

size_t FieldTable::add_column(const ColumnRef& column) {
  const auto found = std::find(columns_.begin(), columns_.end(), column);
  if (found != columns_.end()) return static_cast<size_t>(found - columns_.begin());
  columns_.push_back(column);
  return columns_.size() - 1;
}

double FieldValue::as_double() const {
  return type == ValueType::kInt ? static_cast<double>(static_cast<int64_t>(word))
                                 : std::bit_cast<double>(word);
}

FieldValue FieldValue::of(int64_t value) {
  return {ValueType::kInt, static_cast<uint64_t>(value), {}};
}
FieldValue FieldValue::of(double value) {
  return {ValueType::kDouble, std::bit_cast<uint64_t>(value), {}};
}
FieldValue FieldValue::of(bool value) {
  return {ValueType::kBool, static_cast<uint64_t>(value), {}};
}

BatchFields::BatchFields(const FieldTable& table, const ScanBatch& batch, BudgetMeter& meter)
    : table_(table), batch_(batch), meter_(meter), computed_(table.size()) {}

const ValueColumn& BatchFields::column(FieldTable::Slot slot) {
  const FieldTable::Entry& entry = table_.slots_[slot];
  const FieldRef& field = entry.field;
  if (!field.is_computed() && !field.of_parent) {
    return batch_.columns[static_cast<size_t>(entry.column)];
  }
  switch (field.kind) {
    case FieldKind::kNestedSetLeft:
      number_nested_sets();
      return nested_->left;
    case FieldKind::kNestedSetRight:
      number_nested_sets();
      return nested_->right;
    case FieldKind::kNestedSetParent:
      number_nested_sets();
      return nested_->parent;
    default:
      break;
  }
  std::optional<ValueColumn>& out = computed_[slot];
  if (out) return *out;
  if (field.kind == FieldKind::kChildCount) {
    out = child_counts();
    return *out;
  }
  const ValueColumn& source = batch_.columns[static_cast<size_t>(entry.column)];
  if (field.kind == FieldKind::kTraceDuration) {
    out = trace_durations(source);
  } else if (field.of_parent) {
    out = of_parent(source);
  } else {
    out = of_root(source);
  }
  return *out;
}

FieldValue BatchFields::value(FieldTable::Slot slot, uint32_t row) {
  const ValueColumn& values = column(slot);
  if (values.offsets.empty()) return value_at(values, row);
  for (uint32_t i = values.offsets[row]; i < values.offsets[row + 1]; ++i) {
    if (values.types[i] != ValueType::kNone) return value_at(values, i);
  }
  return {};
}

uint32_t BatchFields::trace_of(uint32_t row) {
  if (trace_of_.empty()) {
    trace_of_.resize(batch_.rows());
    for (uint32_t trace = 0; trace < batch_.traces(); ++trace) {
      std::fill(trace_of_.begin() + batch_.trace_begin[trace],
                trace_of_.begin() + batch_.trace_begin[trace + 1], trace);
    }
  }
  return trace_of_[row];
}

std::optional<uint32_t> BatchFields::root_row(uint32_t trace) const {
  for (uint32_t row = batch_.trace_begin[trace]; row < batch_.trace_begin[trace + 1]; ++row) {
    if (batch_.parent_row[row] == ScanBatch::kRoot) return row;
  }
  return std::nullopt;
}

ValueColumn BatchFields::child_counts() const {
  ValueColumn out = number_column(batch_.rows());
  for (int32_t parent : batch_.parent_row) {
    if (parent >= 0) ++out.words[static_cast<size_t>(parent)];
  }
  return out;
}

ValueColumn BatchFields::trace_durations(const ValueColumn& durations) const {
  ValueColumn out = number_column(batch_.rows());
  for (size_t trace = 0; trace < batch_.traces(); ++trace) {
    const uint32_t begin = batch_.trace_begin[trace];
    const uint32_t end = batch_.trace_begin[trace + 1];
    uint64_t first = UINT64_MAX;
    uint64_t last = 0;
    for (uint32_t row = begin; row < end; ++row) {
      first = std::min(first, batch_.start_ns[row]);
      uint64_t stop = 0;
      if (__builtin_add_overflow(batch_.start_ns[row], durations.words[row], &stop)) {
        stop = UINT64_MAX;
      }
      last = std::max(last, stop);
    }
    std::fill(out.words.begin() + begin, out.words.begin() + end, last - std::min(first, last));
  }
  return out;
}

ValueColumn BatchFields::of_root(const ValueColumn& source) const {
  ValueColumn out;
  out.types.assign(batch_.rows(), ValueType::kNone);
  out.words.assign(batch_.rows(), 0);
  out.strings = source.strings;
  for (uint32_t trace = 0; trace < batch_.traces(); ++trace) {
    const auto root = root_row(trace);
    if (!root) continue;
    for (uint32_t row = batch_.trace_begin[trace]; row < batch_.trace_begin[trace + 1]; ++row) {
      out.types[row] = source.types[*root];
      out.words[row] = source.words[*root];
    }
  }
  return out;
}

ValueColumn BatchFields::of_parent(const ValueColumn& source) const {
  ValueColumn out;
  out.types.assign(batch_.rows(), ValueType::kNone);
  out.words.assign(batch_.rows(), 0);
  out.strings = source.strings;
  for (size_t row = 0; row < batch_.rows(); ++row) {
    const int32_t parent = batch_.parent_row[row];
    if (parent < 0) continue;
    out.types[row] = source.types[static_cast<size_t>(parent)];
    out.words[row] = source.words[static_cast<size_t>(parent)];
  }
  return out;
}

// Numbers each trace's spans depth first, children in row order, from 1. Spans that hang on no
// root (orphans, cycles) keep 0; the parent of a root is -1.
void BatchFields::number_nested_sets() {
  if (nested_) return;
  const size_t rows = batch_.rows();
  nested_ = NestedSets{number_column(rows), number_column(rows), number_column(rows)};
  // Children as linked lists, built backwards so that they come out in row order.
  std::vector<int32_t> first_child(rows, -1);
  std::vector<int32_t> next_sibling(rows, -1);
  for (size_t row = rows; row-- > 0;) {
    const int32_t parent = batch_.parent_row[row];
    if (parent < 0) continue;
    next_sibling[row] = first_child[static_cast<size_t>(parent)];
    first_child[static_cast<size_t>(parent)] = static_cast<int32_t>(row);
  }
  std::vector<uint32_t> stack;
  for (size_t trace = 0; trace < batch_.traces(); ++trace) {
    uint64_t number = 0;
    for (uint32_t root = batch_.trace_begin[trace]; root < batch_.trace_begin[trace + 1]; ++root) {
      if (batch_.parent_row[root] != ScanBatch::kRoot) continue;
      nested_->parent.words[root] = static_cast<uint64_t>(-1);
      nested_->left.words[root] = ++number;
      stack.push_back(root);
      while (!stack.empty()) {
        const uint32_t row = stack.back();
        const int32_t child = first_child[row];
        if (child < 0) {
          nested_->right.words[row] = ++number;
          stack.pop_back();
          continue;
        }
        first_child[row] = next_sibling[static_cast<size_t>(child)];
        nested_->left.words[static_cast<size_t>(child)] = ++number;
        nested_->parent.words[static_cast<size_t>(child)] = nested_->left.words[row];
        stack.push_back(static_cast<uint32_t>(child));
      }
    }
  }
}

std::string_view status_name(uint64_t code) {
  constexpr std::array<std::string_view, 3> kNames = {"unset", "ok", "error"};
  return code < kNames.size() ? kNames[code] : std::string_view("unknown");
}

std::string_view kind_name(uint64_t kind) {
  constexpr std::array<std::string_view, 6> kNames = {"unspecified", "internal", "server",
                                                      "client",      "producer", "consumer"};
  return kind < kNames.size() ? kNames[kind] : std::string_view("unknown");
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) {
    out.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
  }
  return out;
}

FieldValue value_at(const ValueColumn& column, size_t index) {
  FieldValue out{column.types[index], column.words[index], {}};
  switch (out.type) {
    case ValueType::kString:
    case ValueType::kBytes:
    case ValueType::kArray:
    case ValueType::kKvlist:
      out.text = column.text(index);
      break;
    default:
      break;
  }
  return out;
}

Value to_value(const FieldValue& value) {
  switch (value.type) {
    case ValueType::kNone:
      return {};
    case ValueType::kString:
      return Value(value.text);
    case ValueType::kBool:
      return Value(value.word != 0);
    case ValueType::kInt:
      return Value(static_cast<int64_t>(value.word));
    case ValueType::kDouble:
      return Value(std::bit_cast<double>(value.word));
    case ValueType::kBytes:
      return Value(Value::Bytes{std::string(value.text)});
    case ValueType::kArray:
    case ValueType::kKvlist:
      return decode_nested(value.type, value.text);
  }
  return {};
}

Value display_value(const FieldRef& field, const FieldValue& value) {
  if (value.type == ValueType::kNone) return {};
  switch (field.type()) {
    case StaticType::kStatus:
      return Value(status_name(value.word));
    case StaticType::kKind:
      return Value(kind_name(value.word));
    case StaticType::kId:
      return Value(hex(value.text));
    default:
      return to_value(value);
  }
}

Value display_all(const FieldRef& field, const ValueColumn& column, uint32_t row) {
  if (column.offsets.empty()) return display_value(field, value_at(column, row));
  Value::Array all;
  for (uint32_t i = column.offsets[row]; i < column.offsets[row + 1]; ++i) {
    if (column.types[i] == ValueType::kNone) continue;
    all.push_back(display_value(field, value_at(column, i)));
  }
  if (all.empty()) return {};
  if (all.size() == 1) return std::move(all.front());
  return Value(std::move(all));
}

}  // namespace weft::traceql
