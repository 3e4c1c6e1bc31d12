// A sum of numbers that does not depend on their order: the threads of a query add up in whatever
// order they come, and the answer must not change. Integers are added exactly; doubles as partial
// sums without rounding errors (Shewchuk 1997), rounded once at the end.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace weft::traceql {

class ExactSum {
 public:
  void add(int64_t value) { whole_ += value; }
  // Precondition: finite.
  void add(double value) {
    size_t kept = 0;
    for (double partial : partials_) {
      if (std::abs(value) < std::abs(partial)) std::swap(value, partial);
      const double high = value + partial;
      const double low = partial - (high - value);
      if (low != 0) partials_[kept++] = low;
      value = high;
    }
    partials_.resize(kept);
    partials_.push_back(value);
  }
  void merge(const ExactSum& other) {
    whole_ += other.whole_;
    for (double partial : other.partials_)
      add(partial);
  }
  double total() const {
    ExactSum all = *this;
    // In two halves, each of which a double holds without rounding.
    const auto high = static_cast<int64_t>(all.whole_ >> 48);
    const auto low = static_cast<int64_t>(all.whole_ & 0xFFFF'FFFF'FFFF);
    all.add(std::ldexp(static_cast<double>(high >> 16), 64));
    all.add(std::ldexp(static_cast<double>(high & 0xFFFF), 48));
    all.add(static_cast<double>(low));
    double total = 0;
    for (size_t i = all.partials_.size(); i-- > 0;)
      total += all.partials_[i];
    return total;
  }

 private:
  __extension__ typedef __int128 Whole;
  Whole whole_ = 0;
  std::vector<double> partials_;  // ascending, not overlapping
};

}  // namespace weft::traceql
