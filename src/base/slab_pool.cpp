#include "base/slab_pool.h"

#include <sys/mman.h>

#include <cassert>
#include <new>
#include <utility>

namespace weft {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kUsesSlabs = false;  // each piece by itself, so that it sees who reads behind one
#else
constexpr bool kUsesSlabs = true;
#endif

// At a multiple of kSlabBytes, so that a piece tells where its slab begins. Not malloc's: it would
// keep what lies between such addresses.
void* map_slab() {
  constexpr size_t kBytes = SlabPool::kSlabBytes;
  void* const memory =
      ::mmap(nullptr, 2 * kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* const begin = static_cast<std::byte*>(memory);
  const size_t before = -reinterpret_cast<uintptr_t>(begin) % kBytes;
  if (before > 0) (void)::munmap(begin, before);
  (void)::munmap(begin + before + kBytes, kBytes - before);
  (void)::madvise(begin + before, kBytes, MADV_HUGEPAGE);
  return begin + before;
}

}  // namespace

// At its begin; the pieces follow.
struct SlabPool::Slab {
  size_t used_bytes = sizeof(Slab);
  uint32_t users = 0;  // pieces, and the pool while it is the current one
  std::byte padding[kPieceAlignment - sizeof(size_t) - sizeof(uint32_t)] = {};

  static Slab* of(std::byte* piece) {
    return reinterpret_cast<Slab*>(piece - reinterpret_cast<uintptr_t>(piece) % kSlabBytes);
  }
};

SlabPool::~SlabPool() {
  if (current_ != nullptr) let_go(std::exchange(current_, nullptr));
  trim();
  assert(slabs_ == 0);
}

SlabPool& SlabPool::shared() {
  static auto& pool = *new SlabPool;
  return pool;
}

std::byte* SlabPool::take(size_t bytes) {
  if (!kUsesSlabs || bytes > kMaxPieceBytes) {
    return static_cast<std::byte*>(::operator new(bytes, std::align_val_t(kPieceAlignment)));
  }
  const size_t taken = (bytes + kPieceAlignment - 1) / kPieceAlignment * kPieceAlignment;
  const std::lock_guard lock(mutex_);
  if (current_ == nullptr || kSlabBytes - current_->used_bytes < taken) {
    Slab* const next = begin_slab();
    if (current_ != nullptr) let_go(current_);
    current_ = next;
  }
  std::byte* const piece = reinterpret_cast<std::byte*>(current_) + current_->used_bytes;
  current_->used_bytes += taken;
  ++current_->users;
  return piece;
}

void SlabPool::give_back(std::byte* piece, size_t bytes) {
  if (!kUsesSlabs || bytes > kMaxPieceBytes) {
    ::operator delete(piece, std::align_val_t(kPieceAlignment));
    return;
  }
  const std::lock_guard lock(mutex_);
  let_go(Slab::of(piece));
}

void SlabPool::trim() {
  std::vector<Slab*> unused;
  {
    const std::lock_guard lock(mutex_);
    unused.swap(empty_);
    slabs_ -= unused.size();
    empty_.reserve(slabs_);
  }
  for (Slab* slab : unused)
    (void)::munmap(slab, kSlabBytes);
}

size_t SlabPool::slab_bytes() const {
  const std::lock_guard lock(mutex_);
  return slabs_ * kSlabBytes;
}

// The one that was emptied last: it may still be in a cache.
SlabPool::Slab* SlabPool::begin_slab() {
  void* memory = nullptr;
  if (empty_.empty()) {
    empty_.reserve(slabs_ + 1);  // giving back never allocates
    memory = map_slab();
    ++slabs_;
  } else {
    memory = empty_.back();
    empty_.pop_back();
  }
  static_assert(sizeof(Slab) == kPieceAlignment);
  auto* const slab = new (memory) Slab;
  slab->users = 1;
  return slab;
}

void SlabPool::let_go(Slab* slab) {
  if (--slab->users == 0) empty_.push_back(slab);
}

}  // namespace weft
