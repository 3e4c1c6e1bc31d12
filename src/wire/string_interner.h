// The strings of the batch that is being decoded, and ids for those that repeat. They are gathered
// in buffers that are kept from batch to batch, hence warm and grown already, and are handed to
// the batch's StringPool in one copy of the right size.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "model/string_pool.h"
#include "wire/overread.h"

namespace weft {

// A hash of all bytes with a seed that is random in each process, so that nobody can prepare
// strings that collide.
uint64_t seeded_hash(std::string_view text);

// One thread. Ids are those of the StringPool that finish() fills.
class StringInterner {
 public:
  StringInterner();

  // Forgets everything; only id 0, the empty string, is there.
  void begin();
  // Makes `pool` hold the strings, in finished_bytes() of `memory`. They stay here until the next
  // begin().
  void finish(StringPool& pool, BatchArena* memory);
  size_t finished_bytes() const {
    return StringPool::assigned_bytes(arena_size_, ids_ - 1, common_words());
  }

  // The id of equal bytes that were interned before, else a new one.
  StringPool::Id intern(std::string_view text);
  // A new id without a look-up.
  StringPool::Id add(std::string_view text);
  // Valid until a string is added.
  std::string_view at(StringPool::Id id) const {
    return {arena_.get() + offsets_[id], offsets_[id + 1] - offsets_[id]};
  }
  // Number of intern() calls since begin() that made a new id.
  uint32_t fresh() const { return used_; }

  // As intern(), add() and at(id) == text, where wire::kOverread bytes behind `text` may be read.
  StringPool::Id intern_overread(const char* text, size_t size);
  [[gnu::always_inline]] StringPool::Id add_overread(const char* text, size_t size) {
    if (arena_capacity_ - arena_size_ < size || ids_ == max_ids_) [[unlikely]]
      grow_pool(size);
    wire::copy_overread(arena_.get() + arena_size_, text, size);
    arena_size_ += size;
    offsets_[ids_ + 1] = static_cast<uint32_t>(arena_size_);
    return ids_++;
  }
  [[gnu::always_inline]] bool equals_overread(StringPool::Id id, const char* text,
                                              size_t size) const {
    const uint32_t begin = offsets_[id];
    return offsets_[id + 1] - begin == size &&
           wire::equal_overread(arena_.get() + begin, text, size);
  }

 private:
  size_t common_words() const { return (ids_ + 63) / 64; }
  template <bool kMayOverread>
  StringPool::Id find_or_add(std::string_view text);
  void grow_pool(size_t more_bytes);
  void grow_index();

  std::unique_ptr<char[]> arena_;        // has wire::kOverread bytes behind arena_capacity_
  std::unique_ptr<uint32_t[]> offsets_;  // where each id's text begins; one more than ids
  size_t arena_size_ = 0;
  size_t arena_capacity_ = 0;
  uint32_t ids_ = 0;
  uint32_t max_ids_ = 0;
  uint32_t used_ = 0;
  std::vector<uint64_t> slots_;   // hash tag << 32 | id; 0 is free; at most half full
  std::vector<uint64_t> common_;  // a bit by id: it is in slots_
};

}  // namespace weft
