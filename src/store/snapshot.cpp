#include "store/snapshot.h"

#include <algorithm>
#include <map>

namespace weft::store {
namespace {

// Union-find over pieces.
class Groups {
 public:
  size_t find(size_t node) {
    while (parent_[node] != node)
      node = parent_[node] = parent_[parent_[node]];
    return node;
  }
  size_t node(const Piece& piece) {
    const auto [at, is_new] = nodes_.try_emplace(piece, parent_.size());
    if (is_new) parent_.push_back(at->second);
    return at->second;
  }
  void join(const Piece& a, const Piece& b) { parent_[find(node(a))] = find(node(b)); }
  const std::map<Piece, size_t>& nodes() const { return nodes_; }

 private:
  std::map<Piece, size_t> nodes_;
  std::vector<size_t> parent_;
};

}  // namespace

const Pieces* BlockSet::group_of(const Piece& piece) const {
  const auto& traces = split[piece.block];
  const auto at =
      std::ranges::lower_bound(traces, piece.trace, {}, &std::pair<uint32_t, uint32_t>::first);
  if (at == traces.end() || at->first != piece.trace) return nullptr;
  return &groups[at->second];
}

BlockSetPtr make_block_set(std::vector<BlockPtr> blocks) {
  auto set = std::make_shared<BlockSet>();
  std::ranges::sort(blocks, {}, [](const BlockPtr& b) { return b->meta().first_generation; });
  set->blocks = std::move(blocks);
  set->split.resize(set->blocks.size());
  std::unordered_map<uint64_t, uint32_t> by_uid;
  for (uint32_t b = 0; b < set->blocks.size(); ++b) {
    by_uid[set->blocks[b]->meta().uid] = b;
  }
  Groups joined;
  for (uint32_t b = 0; b < set->blocks.size(); ++b) {
    for (const SplitEntry& entry : set->blocks[b]->splits()) {
      const auto other = by_uid.find(entry.other_uid);
      if (other == by_uid.end()) continue;  // dropped, or merged: then the new block names this one
      if (entry.trace >= set->blocks[b]->meta().traces ||
          entry.other_trace >= set->blocks[other->second]->meta().traces) {
        continue;
      }
      joined.join({b, entry.trace}, {other->second, entry.other_trace});
    }
  }
  std::unordered_map<size_t, uint32_t> group_of_root;
  for (const auto& [piece, node] : joined.nodes()) {
    const auto [at, is_new] =
        group_of_root.try_emplace(joined.find(node), static_cast<uint32_t>(set->groups.size()));
    if (is_new) set->groups.emplace_back();
    set->groups[at->second].push_back(piece);
    set->split[piece.block].emplace_back(piece.trace, at->second);
  }
  return set;
}

std::vector<uint8_t> Snapshot::split_traces(uint32_t block, size_t page) const {
  const auto& pages = blocks->blocks[block]->pages();
  const uint32_t first = pages[page].first_trace;
  const uint32_t end = pages[page + 1].first_trace;
  std::vector<uint8_t> mask;
  const auto mark = [&](uint32_t trace) {
    if (mask.empty()) mask.assign(end - first, 0);
    mask[trace - first] = 1;
  };
  const auto& sealed = blocks->split[block];
  for (auto at = std::ranges::lower_bound(sealed, first, {}, &std::pair<uint32_t, uint32_t>::first);
       at != sealed.end() && at->first < end; ++at) {
    mark(at->first);
  }
  if (!split->taken.empty()) {
    const auto& taken = split->taken[block];
    for (auto at = std::ranges::lower_bound(taken, first); at != taken.end() && *at < end; ++at) {
      mark(*at);
    }
  }
  return mask;
}

}  // namespace weft::store
