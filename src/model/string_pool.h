// The strings of one SpanBatch: an arena and an id for each string. Columns hold ids. A string
// may stand in the pool more than once (add() does not look it up), so equal bytes do not imply
// equal ids; equal ids imply equal bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "model/batch_arena.h"

namespace weft {

class StringPool {
 public:
  using Id = uint32_t;
  static constexpr Id kEmpty = 0;
  // An arena holds at most this much; beyond, intern() and add() throw std::bad_alloc, as they do
  // when the machine has no memory left.
  static constexpr uint64_t kMaxBytes = 0xFFFF'0000u;

  // Id 0 is the empty string.
  StringPool() : ends_{0} {}

  // The id of a string that was interned before, else a new one. Not thread-safe.
  Id intern(std::string_view text);
  // A new id without a look-up: for values that are hardly ever repeated.
  Id add(std::string_view text);
  // Valid until the next intern or add.
  std::string_view at(Id id) const {
    const uint32_t begin = id == 0 ? 0 : ends_[id - 1];
    return {arena_.data() + begin, ends_[id] - begin};
  }
  // Number of ids.
  size_t size() const { return ends_.size(); }
  size_t arena_bytes() const { return arena_.size(); }
  // Memory held, index included.
  size_t memory_bytes() const;
  void reserve(size_t strings, size_t bytes);
  // Replaces the content: the texts of the ids from 1 on stand one after the other in `arena`, and
  // ends[i] is where that of id i + 1 ends. Bit i of `common` says whether is_common(i). Holds no
  // more memory than that takes: assigned_bytes() of `memory`, or of the heap.
  void assign(std::string_view arena, std::span<const uint32_t> ends,
              std::span<const uint64_t> common = {}, BatchArena* memory = nullptr);
  static size_t assigned_bytes(size_t arena_bytes, size_t ends, size_t common_words);
  // Whether the string is of a kind that repeats, so that other batches may have it too. A hint:
  // false where nobody said so.
  bool is_common(Id id) const {
    return id / 64 < common_.size() && (common_[id / 64] >> id % 64 & 1) != 0;
  }
  // Drops the look-up index to save memory; the next intern rebuilds it.
  void drop_index();

 private:
  void rebuild_index(size_t slots);
  void insert_slot(Id id, uint32_t tag);

  ColumnVector<char> arena_;
  ColumnVector<uint32_t> ends_;  // ends_[id] is one past the string's last byte
  // Open addressing, a power of two; each slot is (hash tag << 32 | id), 0 is free.
  std::vector<uint64_t> slots_;
  size_t indexed_ = 0;
  ColumnVector<uint64_t> common_;  // a bit by id; may end before the last
};

}  // namespace weft
