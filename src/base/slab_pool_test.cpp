#include "base/slab_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <iostream>
#include <random>
#include <thread>

namespace weft {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kUsesSlabs = false;
#else
constexpr bool kUsesSlabs = true;
#endif

struct Piece {
  std::byte* memory;
  size_t bytes;
  uint8_t mark;

  bool is_intact() const {
    for (size_t i = 0; i < bytes; ++i) {
      if (memory[i] != std::byte{mark}) return false;
    }
    return true;
  }
};

// Takes pieces of all sizes, also larger than a slab, and gives them back in any order.
void churn(SlabPool& pool, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Piece> held;
  for (int step = 0; step < 600; ++step) {
    if (held.size() < 20 || random() % 2 == 0) {
      const size_t limit = random() % 20 == 0 ? 2 * SlabPool::kMaxPieceBytes : 200'000;
      const size_t bytes = random() % limit;
      Piece piece{pool.take(bytes), bytes, static_cast<uint8_t>(random())};
      ASSERT_EQ(reinterpret_cast<uintptr_t>(piece.memory) % SlabPool::kPieceAlignment, 0u);
      if (bytes > 0) std::memset(piece.memory, piece.mark, bytes);
      held.push_back(piece);
    } else {
      std::swap(held[random() % held.size()], held.back());
      ASSERT_TRUE(held.back().is_intact());
      pool.give_back(held.back().memory, held.back().bytes);
      held.pop_back();
    }
  }
  for (const Piece& piece : held) {
    ASSERT_TRUE(piece.is_intact());
    pool.give_back(piece.memory, piece.bytes);
  }
}

TEST(SlabPool, PiecesDoNotTouchEachOther) {
  const uint64_t seed = std::random_device()();
  std::cout << "seed " << seed << "\n";
  SlabPool pool;
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i)
    threads.emplace_back([&pool, seed, i] { churn(pool, seed + i); });
  for (std::thread& thread : threads)
    thread.join();
}

TEST(SlabPool, EmptySlabsAreUsedAgainAndGivenBackWhenAsked) {
  if (!kUsesSlabs) GTEST_SKIP() << "the address sanitizer watches each piece by itself";
  SlabPool pool;
  constexpr size_t kBytes = 300'000;
  size_t most = 0;
  for (int round = 0; round < 50; ++round) {
    std::vector<std::byte*> pieces;
    for (int i = 0; i < 30; ++i)
      pieces.push_back(pool.take(kBytes));
    for (std::byte* piece : pieces)
      pool.give_back(piece, kBytes);
    if (round == 0) most = pool.slab_bytes();
  }
  EXPECT_GE(most, 30 * kBytes);
  // One more: a round begins in the middle of the last one's slab.
  EXPECT_LE(pool.slab_bytes(), most + SlabPool::kSlabBytes);
  pool.trim();
  EXPECT_EQ(pool.slab_bytes(), SlabPool::kSlabBytes) << "the one that the next piece comes from";
}

TEST(SlabPool, ASlabStaysAsLongAsAnyOfItsPieces) {
  SlabPool pool;
  Piece first{pool.take(1000), 1000, 0x5A};
  std::memset(first.memory, first.mark, first.bytes);
  std::vector<std::byte*> others;
  for (int i = 0; i < 20; ++i)
    others.push_back(pool.take(SlabPool::kMaxPieceBytes));
  for (std::byte* other : others)
    pool.give_back(other, SlabPool::kMaxPieceBytes);
  pool.trim();
  EXPECT_TRUE(first.is_intact());
  pool.give_back(first.memory, first.bytes);
}

}  // namespace
}  // namespace weft
