#include "wire/string_interner.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <random>

#include "base/hash.h"

namespace weft {
namespace {

constexpr size_t kMinArena = 16u << 10;
constexpr uint32_t kMinIds = 1024;
constexpr size_t kMinSlots = 512;
// What a thread may keep of one huge request.
constexpr size_t kMaxKeptArena = 4u << 20;
constexpr uint32_t kMaxKeptIds = 1u << 18;

uint64_t load64(const char* p) {
  uint64_t out;
  std::memcpy(&out, p, 8);
  return out;
}

uint64_t multiply_fold(uint64_t a, uint64_t b) {
  __extension__ using uint128 = unsigned __int128;
  const uint128 product = static_cast<uint128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Short strings by two overlapping words, the others by XXH3: all bytes count.
[[gnu::always_inline]] inline uint64_t fast_hash(std::string_view text, uint64_t seed) {
  const size_t n = text.size();
  if (n > 32) return hash_bytes(text, seed);
  const char* p = text.data();
  uint64_t a = 0;
  uint64_t b = 0;
  if (n >= 8) {
    a = load64(p);
    b = load64(p + n - 8);
    if (n > 16) {
      a ^= multiply_fold(load64(p + 8) ^ 0x9E3779B97F4A7C15u, load64(p + n - 16) ^ seed);
    }
  } else {
    char padded[8] = {};
    if (n > 0) std::memcpy(padded, p, n);  // the empty string may have no address
    a = load64(padded);
  }
  return multiply_fold(a ^ seed, b ^ n ^ 0xD6E8FEB86659FD93u);
}

const uint64_t kSeed = [] {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32 | device()) | 1u;
}();

uint32_t tag_of(uint64_t hash) {
  return static_cast<uint32_t>(hash >> 32) | 1u;
}

}  // namespace

uint64_t seeded_hash(std::string_view text) {
  return fast_hash(text, kSeed);
}

StringInterner::StringInterner() {
  begin();
}

void StringInterner::begin() {
  if (arena_capacity_ > kMaxKeptArena || max_ids_ > kMaxKeptIds) {
    arena_.reset();
    offsets_.reset();
    arena_capacity_ = 0;
    max_ids_ = 0;
  }
  arena_size_ = 0;
  ids_ = 0;
  if (max_ids_ == 0) grow_pool(kMinArena);
  offsets_[0] = offsets_[1] = 0;
  ids_ = 1;
  // As small as the last batch allows: a table that stays in the nearest cache is a fast one.
  const size_t wanted = std::bit_ceil(std::max<size_t>(used_ * 3, kMinSlots));
  if (slots_.size() > wanted * 2) slots_ = std::vector<uint64_t>();
  if (slots_.size() < wanted) slots_.resize(wanted);
  std::memset(slots_.data(), 0, slots_.size() * sizeof slots_[0]);
  used_ = 0;
}

void StringInterner::finish(StringPool& pool, BatchArena* memory) {
  // What was worth a look-up here is worth one over all batches.
  common_.assign(common_words(), 0);
  for (const uint64_t entry : slots_) {
    const auto id = static_cast<StringPool::Id>(entry);
    common_[id / 64] |= uint64_t{entry != 0} << id % 64;
  }
  pool.assign({arena_.get(), arena_size_}, {offsets_.get() + 2, ids_ - 1}, common_, memory);
}

void StringInterner::grow_pool(size_t more_bytes) {
  assert(arena_size_ + more_bytes <= StringPool::kMaxBytes);
  if (arena_capacity_ - arena_size_ < more_bytes) {
    const size_t wanted = std::max(arena_capacity_ * 2, arena_size_ + more_bytes);
    auto larger = std::make_unique_for_overwrite<char[]>(wanted + wire::kOverread);
    if (arena_size_ > 0) std::memcpy(larger.get(), arena_.get(), arena_size_);
    arena_ = std::move(larger);
    arena_capacity_ = wanted;
  }
  if (ids_ == max_ids_) {
    const uint32_t wanted = std::max(max_ids_ * 2, kMinIds);
    auto larger = std::make_unique_for_overwrite<uint32_t[]>(size_t{wanted} + 1);
    if (ids_ > 0) std::memcpy(larger.get(), offsets_.get(), (size_t{ids_} + 1) * sizeof(uint32_t));
    offsets_ = std::move(larger);
    max_ids_ = wanted;
  }
}

StringPool::Id StringInterner::add(std::string_view text) {
  if (arena_capacity_ - arena_size_ < text.size() || ids_ == max_ids_) grow_pool(text.size());
  if (!text.empty()) std::memcpy(arena_.get() + arena_size_, text.data(), text.size());
  arena_size_ += text.size();
  offsets_[ids_ + 1] = static_cast<uint32_t>(arena_size_);
  return ids_++;
}

template <bool kMayOverread>
[[gnu::always_inline]] inline StringPool::Id StringInterner::find_or_add(std::string_view text) {
  if (text.empty()) return StringPool::kEmpty;
  const uint32_t tag = tag_of(fast_hash(text, kSeed));
  const size_t mask = slots_.size() - 1;
  for (size_t slot = tag >> 1 & mask;; slot = (slot + 1) & mask) {
    const uint64_t entry = slots_[slot];
    const auto id = static_cast<StringPool::Id>(entry);
    if (entry == 0) {
      const StringPool::Id added =
          kMayOverread ? add_overread(text.data(), text.size()) : add(text);
      slots_[slot] = static_cast<uint64_t>(tag) << 32 | added;
      if (++used_ * 2 > slots_.size()) grow_index();
      return added;
    }
    if (static_cast<uint32_t>(entry >> 32) == tag &&
        (kMayOverread ? equals_overread(id, text.data(), text.size()) : at(id) == text)) {
      return id;
    }
  }
}

StringPool::Id StringInterner::intern(std::string_view text) {
  return find_or_add<false>(text);
}

StringPool::Id StringInterner::intern_overread(const char* text, size_t size) {
  return find_or_add<true>({text, size});
}

void StringInterner::grow_index() {
  std::vector<uint64_t> old(slots_.size() * 2, 0);
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const uint64_t entry : old) {
    if (entry == 0) continue;
    size_t slot = (entry >> 33) & mask;
    while (slots_[slot] != 0)
      slot = (slot + 1) & mask;
    slots_[slot] = entry;
  }
}

}  // namespace weft
