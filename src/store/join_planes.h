// Numbers that are stored one plane of bytes after the other (all lowest bytes, then all second
// ones, ...), put together again. docs/formats/block.md, "Streams".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weft::store {

// One byte of each number; the first plane is the lowest. The bytes must outlive the call.
struct BytePlane {
  const char* bytes = nullptr;  // null: each byte is `constant`
  uint8_t constant = 0;
};

// out[i] = add + the number of byte i of each plane. At most 8 planes (for codes 4).
void join_planes(std::span<const BytePlane> planes, uint64_t add, uint64_t* out, size_t count);
void join_planes(std::span<const BytePlane> planes, uint32_t* out, size_t count);

}  // namespace weft::store
