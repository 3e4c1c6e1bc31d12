// Of which class each row of a page is. Nearly every question asks for it of every page, and to
// unpack it is the dearest part of most answers: blocks keep it, as far as their cache has room.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace weft::store {

struct PageClasses {
  struct Count {
    uint32_t of = 0;  // the class
    uint32_t rows = 0;
  };

  std::vector<uint16_t> of_row;  // by row of the page's table
  std::vector<Count> counts;     // of the classes that occur, ascending

  size_t memory_bytes() const {
    return sizeof(*this) + of_row.capacity() * sizeof(uint16_t) + counts.capacity() * sizeof(Count);
  }
};
using PageClassesPtr = std::shared_ptr<const PageClasses>;

}  // namespace weft::store
