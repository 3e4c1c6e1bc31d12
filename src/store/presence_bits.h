// Which rows of a page have a value, for those rows alone of which that is not known from their
// class. The table encoder uses this.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace weft::store {

// One bit a row, the first in the lowest bit of the first word. Bits behind the last row are of no
// meaning.
class RowBits {
 public:
  explicit RowBits(uint32_t rows) : words_((size_t{rows} + 63) / 64) {}
  void fill(bool value) { words_.assign(words_.size(), value ? ~uint64_t{0} : 0); }
  void set(uint32_t row) { words_[row / 64] |= uint64_t{1} << (row % 64); }
  void unset(uint32_t row) { words_[row / 64] &= ~(uint64_t{1} << (row % 64)); }
  std::span<const uint64_t> words() const { return words_; }

 private:
  std::vector<uint64_t> words_;
};

// The bits of `bits` where `chosen` has ones, moved together at the lowest end: PEXT where the
// machine has it.
uint64_t extract_bits(uint64_t bits, uint64_t chosen);
// What it does elsewhere.
uint64_t extract_bits_portably(uint64_t bits, uint64_t chosen);

// Of the rows [begin, end) those of `chosen`, as bits that say whether they are in `present`,
// packed one behind the other into `out` (replaced; the rest of the last byte is 0).
void pack_chosen_bits(const RowBits& present, const RowBits& chosen, uint32_t begin, uint32_t end,
                      std::string& out);

}  // namespace weft::store
