#include "model/string_pool.h"

#include <bit>
#include <cassert>
#include <new>

#include "base/hash.h"

namespace weft {
namespace {

uint32_t tag_of(std::string_view text) {
  return static_cast<uint32_t>(hash_bytes(text)) | 1u;
}

}  // namespace

StringPool::Id StringPool::add(std::string_view text) {
  // Texts of many blocks can come together in one batch: offsets of 32 bits must not wrap.
  if (text.size() > kMaxBytes - arena_.size()) throw std::bad_alloc();
  arena_.insert(arena_.end(), text.begin(), text.end());
  ends_.push_back(static_cast<uint32_t>(arena_.size()));
  return static_cast<Id>(ends_.size() - 1);
}

StringPool::Id StringPool::intern(std::string_view text) {
  if (text.empty()) return kEmpty;
  if ((indexed_ + 1) * 2 > slots_.size()) {
    rebuild_index(slots_.empty() ? std::bit_ceil(ends_.size() * 4 + 64) : slots_.size() * 2);
  }
  const uint32_t tag = tag_of(text);
  const size_t mask = slots_.size() - 1;
  for (size_t slot = tag & mask;; slot = (slot + 1) & mask) {
    const uint64_t entry = slots_[slot];
    if (entry == 0) {
      const Id id = add(text);
      slots_[slot] = (static_cast<uint64_t>(tag) << 32) | id;
      ++indexed_;
      return id;
    }
    if (static_cast<uint32_t>(entry >> 32) == tag && at(static_cast<Id>(entry)) == text) {
      return static_cast<Id>(entry);
    }
  }
}

void StringPool::rebuild_index(size_t slots) {
  // Strings that came by add() are indexed too when the index is first built; a few doubles in
  // it are harmless.
  std::vector<uint64_t> old(slots, 0);
  old.swap(slots_);
  indexed_ = 0;
  if (old.empty()) {
    for (Id id = 1; id < ends_.size(); ++id)
      insert_slot(id, tag_of(at(id)));
  } else {
    for (uint64_t entry : old) {
      if (entry != 0) insert_slot(static_cast<Id>(entry), static_cast<uint32_t>(entry >> 32));
    }
  }
}

void StringPool::insert_slot(Id id, uint32_t tag) {
  const size_t mask = slots_.size() - 1;
  size_t slot = tag & mask;
  while (slots_[slot] != 0)
    slot = (slot + 1) & mask;
  slots_[slot] = (static_cast<uint64_t>(tag) << 32) | id;
  ++indexed_;
}

size_t StringPool::memory_bytes() const {
  return arena_.capacity() + ends_.capacity() * sizeof(uint32_t) +
         (slots_.capacity() + common_.capacity()) * sizeof(uint64_t);
}

void StringPool::reserve(size_t strings, size_t bytes) {
  ends_.reserve(strings + 1);
  arena_.reserve(bytes);
}

void StringPool::assign(std::string_view arena, std::span<const uint32_t> ends,
                        std::span<const uint64_t> common, BatchArena* memory) {
  assert(ends.empty() ? arena.empty() : ends.back() == arena.size());
  drop_index();
  arena_ = ColumnVector<char>(arena.begin(), arena.end(), memory);
  ends_ = ColumnVector<uint32_t>(memory);
  ends_.reserve(ends.size() + 1);
  ends_.push_back(0);
  ends_.insert(ends_.end(), ends.begin(), ends.end());
  common_ = ColumnVector<uint64_t>(common.begin(), common.end(), memory);
}

size_t StringPool::assigned_bytes(size_t arena_bytes, size_t ends, size_t common_words) {
  return BatchArena::piece_bytes(arena_bytes) +
         BatchArena::piece_bytes((ends + 1) * sizeof(uint32_t)) + common_words * sizeof(uint64_t);
}

void StringPool::drop_index() {
  slots_ = std::vector<uint64_t>();  // "= {}" would keep the memory
  indexed_ = 0;
}

}  // namespace weft
