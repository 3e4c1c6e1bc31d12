// A column of which most batches have nothing but zeros (trace states, counts of what was dropped):
// as long as that is so it holds no entries at all.
#pragma once

#include <cstddef>

#include "model/batch_arena.h"

namespace weft {

template <typename T>
class SeldomColumn {
 public:
  SeldomColumn() = default;
  // Of values in an array, copied into the arena unless all are zero.
  SeldomColumn(const T* begin, const T* end, BatchArena* arena)
      : rows_(static_cast<size_t>(end - begin)), values_(arena) {
    if (!all_zero(begin, end)) values_.assign(begin, end);
  }

  static bool all_zero(const T* begin, const T* end) {
    T seen{};
    for (; begin != end; ++begin)
      seen |= *begin;
    return seen == T{};
  }

  size_t size() const { return rows_; }
  // `row` below size().
  T operator[](size_t row) const { return values_.empty() ? T{} : values_[row]; }
  // An entry to be written; the column has entries from then on.
  T& at(size_t row) {
    if (values_.empty()) values_.resize(rows_);
    return values_[row];
  }
  // The entries, or none when all are zero.
  const ColumnVector<T>& values() const { return values_; }

  void push_back(T value) {
    resize(rows_ + 1);
    if (value != T{}) at(rows_ - 1) = value;
  }
  // Those that are added are zero.
  void resize(size_t rows) {
    rows_ = rows;
    if (!values_.empty()) values_.resize(rows);
  }
  size_t memory_bytes() const { return values_.capacity() * sizeof(T); }

 private:
  size_t rows_ = 0;
  ColumnVector<T> values_;
};

}  // namespace weft
