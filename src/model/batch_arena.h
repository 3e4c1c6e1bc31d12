// The memory of a batch's columns in one piece. A decoded batch has some hundred columns of known
// sizes: one allocation instead of one for each, side by side for those who read them row by row,
// and freed at once by whichever thread lets the batch go.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/slab_pool.h"

namespace weft {

// Hands out its memory once, in order; nothing is given back before it ends. One thread.
class BatchArena {
 public:
  // What a piece of so many bytes takes: everything that columns hold is aligned by it.
  static constexpr size_t piece_bytes(size_t bytes) { return (bytes + 7) / 8 * 8; }

  explicit BatchArena(size_t bytes)
      : begin_(SlabPool::shared().take(bytes)), next_(begin_), end_(begin_ + bytes) {}
  ~BatchArena() { SlabPool::shared().give_back(begin_, static_cast<size_t>(end_ - begin_)); }
  BatchArena(const BatchArena&) = delete;
  BatchArena& operator=(const BatchArena&) = delete;

  // nullptr when less than that is left.
  void* take(size_t bytes) {
    const size_t piece = piece_bytes(bytes);
    if (static_cast<size_t>(end_ - next_) < piece) return nullptr;
    return std::exchange(next_, next_ + piece);
  }
  bool owns(const void* memory) const {
    const auto* at = static_cast<const std::byte*>(memory);
    return std::greater_equal<>()(at, begin_) && std::less<>()(at, end_);
  }

 private:
  std::byte* begin_;
  std::byte* next_;
  std::byte* end_;
};

// Owns the arena of a batch, or none. A copy owns none: copied columns lie on the heap.
class OwnedArena {
 public:
  OwnedArena() = default;
  OwnedArena(OwnedArena&&) = default;
  OwnedArena(const OwnedArena&) {}
  OwnedArena& operator=(OwnedArena&&) = delete;

  BatchArena* make(size_t bytes) {
    arena_ = std::make_unique<BatchArena>(bytes);
    return arena_.get();
  }

 private:
  std::unique_ptr<BatchArena> arena_;
};

// Takes from an arena, which must outlive the container, while there is room, else from the heap.
// Without an arena it is std::allocator; so is that of a copy. Moves take the arena along.
template <typename T>
class ColumnAllocator {
 public:
  using value_type = T;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;

  ColumnAllocator() = default;
  explicit(false) ColumnAllocator(BatchArena* arena) : arena_(arena) {}
  template <typename U>
  explicit(false) ColumnAllocator(const ColumnAllocator<U>& other) : arena_(other.arena()) {}

  T* allocate(size_t count) {
    static_assert(alignof(T) <= alignof(void*));
    if (arena_ != nullptr) {
      if (void* const memory = arena_->take(count * sizeof(T))) return static_cast<T*>(memory);
    }
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* memory, size_t count) {
    if (arena_ != nullptr && arena_->owns(memory)) return;
    std::allocator<T>().deallocate(memory, count);
  }
  ColumnAllocator select_on_container_copy_construction() const { return {}; }
  BatchArena* arena() const { return arena_; }
  friend bool operator==(const ColumnAllocator&, const ColumnAllocator&) = default;

 private:
  BatchArena* arena_ = nullptr;
};

// A column of a batch. To be moved out of a batch only together with it.
template <typename T>
using ColumnVector = std::vector<T, ColumnAllocator<T>>;

}  // namespace weft
