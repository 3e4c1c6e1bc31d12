// Memory in pages of 2 MiB where the kernel gives them: for large tables that are read at random
// places, where a read would wait for the page's address as well, and for what devices read.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace weft {

inline constexpr size_t kHugePageBytes = 2u << 20;

// Whole huge pages, uninitialized, to be given to std::free; nullptr when there is no memory.
// Where the kernel has no huge pages it is ordinary memory.
inline void* allocate_huge_pages(size_t bytes) {
  const size_t rounded = (bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  void* const memory = std::aligned_alloc(kHugePageBytes, rounded);
  if (memory != nullptr) (void)::madvise(memory, rounded, MADV_HUGEPAGE);
  return memory;
}

// For standard containers that seldom grow.
template <typename T>
struct HugePageAllocator {
  using value_type = T;

  HugePageAllocator() = default;
  template <typename U>
  explicit(false) HugePageAllocator(const HugePageAllocator<U>&) {}

  T* allocate(size_t count) {
    void* const memory = allocate_huge_pages(count * sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t) { std::free(memory); }
  friend bool operator==(const HugePageAllocator&, const HugePageAllocator&) { return true; }
};

}  // namespace weft
