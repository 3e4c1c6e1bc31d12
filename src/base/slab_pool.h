// Memory for what comes in pieces of some hundred kilobytes, is made on some threads and let go in
// about the same order on others: batches of spans. Pieces lie side by side in slabs of some huge
// pages each. A slab whose pieces have all gone is used again, so a busy server stops asking the
// kernel for memory; malloc would leave holes, and pages of 4 KiB make every row of a block that is
// sealed wait for an address, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/huge_pages.h"

namespace weft {

// Any thread.
class SlabPool {
 public:
  // What is left at the end of a slab is lost: little, since most pieces are far smaller.
  static constexpr size_t kSlabBytes = 4 * kHugePageBytes;
  // Larger pieces, and all of them where the address sanitizer watches, are malloc's.
  static constexpr size_t kMaxPieceBytes = kSlabBytes / 4;

  SlabPool() = default;
  ~SlabPool();
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;

  // That of the process. It is never destroyed: what is freed last may be a batch.
  static SlabPool& shared();

  // Uninitialized memory at a multiple of kPieceAlignment, to be given back with the same size to
  // the same pool, which must outlive it. Throws std::bad_alloc.
  static constexpr size_t kPieceAlignment = 64;
  std::byte* take(size_t bytes);
  void give_back(std::byte* piece, size_t bytes);

  // Frees the slabs that nothing lies in.
  void trim();
  // Memory of slabs, used or not.
  size_t slab_bytes() const;

 private:
  struct Slab;
  Slab* begin_slab();
  void let_go(Slab* slab);

  mutable std::mutex mutex_;
  Slab* current_ = nullptr;  // where the next piece comes from; has a user of its own
  std::vector<Slab*> empty_;
  size_t slabs_ = 0;
};

}  // namespace weft
