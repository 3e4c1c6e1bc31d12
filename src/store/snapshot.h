// What a question is asked of: the sealed blocks, the unsealed spans, and which traces lie in more
// than one of them, all at one moment. Immutable; a question keeps its snapshot alive.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "store/block.h"
#include "store/unsealed.h"

namespace weft::store {

// The spans of a trace that lie in one block.
struct Piece {
  uint32_t block = 0;  // index in BlockSet::blocks
  uint32_t trace = 0;  // ordinal in the block
  friend auto operator<=>(const Piece&, const Piece&) = default;
};
using Pieces = std::vector<Piece>;  // ascending: as stored

// All sealed blocks, and the traces that several of them have spans of.
struct BlockSet {
  std::vector<BlockPtr> blocks;  // in the order in which they were stored
  std::vector<Pieces> groups;    // each: one trace, two pieces or more
  // For each block the ordinals of its traces that are in a group, ascending, and the group.
  std::vector<std::vector<std::pair<uint32_t, uint32_t>>> split;

  // The group of a block's trace; nullptr when it is whole.
  const Pieces* group_of(const Piece& piece) const;
};
using BlockSetPtr = std::shared_ptr<const BlockSet>;

// Puts the sections about split traces of all blocks together.
BlockSetPtr make_block_set(std::vector<BlockPtr> blocks);

// Traces of the unsealed spans of which blocks have spans too.
struct MemorySplit {
  std::vector<uint8_t> is_split;                // one a trace of the view; empty: none is
  std::unordered_map<uint32_t, Pieces> pieces;  // by ordinal in the view
  // The pieces' traces, by block, ascending: scans of the block leave them out.
  std::vector<std::vector<uint32_t>> taken;
};

struct Snapshot {
  BlockSetPtr blocks;
  std::shared_ptr<const MemoryView> memory;
  std::shared_ptr<const MemorySplit> split;

  // One byte a trace of the page: 1 where the trace is not whole there. Empty: all are whole.
  std::vector<uint8_t> split_traces(uint32_t block, size_t page) const;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace weft::store
