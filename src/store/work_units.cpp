#include "store/work_units.h"

#include <algorithm>

namespace weft::store {
namespace {

// Traces that are gathered in one go. Many: neighbours in time lie in the same pages, and each page
// is read once a unit.
constexpr size_t kSplitTracesPerUnit = 1024;

// Adds the bounds of the pages that hold the pieces.
void widen(const Snapshot& snapshot, const Pieces& pieces, uint64_t& min_ns, uint64_t& max_ns) {
  for (const Piece& piece : pieces) {
    const Block& block = *snapshot.blocks->blocks[piece.block];
    const PageInfo& page = block.pages()[block.page_of_trace(piece.trace)];
    min_ns = std::min(min_ns, page.min_start_ns);
    max_ns = std::max(max_ns, page.max_start_ns);
  }
}

void add_split_traces(const Snapshot& snapshot, TimeRange range, WorkList& work) {
  const BlockSet& set = *snapshot.blocks;
  // Groups that unsealed spans belong to are gathered with them.
  std::vector<uint8_t> done(set.groups.size());
  for (const auto& [trace, pieces] : snapshot.split->pieces) {
    if (const Pieces* group = set.group_of(pieces.front())) {
      done[static_cast<size_t>(group - set.groups.data())] = 1;
    }
    const auto page = std::ranges::upper_bound(snapshot.memory->pages, trace, {},
                                               &MemoryView::Page::first_trace) -
                      1;
    uint64_t min_ns = page->min_start_ns;
    uint64_t max_ns = page->max_start_ns;
    widen(snapshot, pieces, min_ns, max_ns);
    if (range.overlaps(min_ns, max_ns)) work.split.push_back({pieces, trace, max_ns});
  }
  for (size_t g = 0; g < set.groups.size(); ++g) {
    if (done[g] != 0) continue;
    uint64_t min_ns = UINT64_MAX;
    uint64_t max_ns = 0;
    widen(snapshot, set.groups[g], min_ns, max_ns);
    if (range.overlaps(min_ns, max_ns)) work.split.push_back({set.groups[g], UINT32_MAX, max_ns});
  }
  std::ranges::sort(work.split, [](const SplitTrace& a, const SplitTrace& b) {
    if (a.max_start_ns != b.max_start_ns) return a.max_start_ns > b.max_start_ns;
    return a.pieces != b.pieces ? a.pieces < b.pieces : a.memory_trace < b.memory_trace;
  });
  for (size_t i = 0; i < work.split.size(); i += kSplitTracesPerUnit) {
    WorkUnit unit;
    unit.kind = WorkUnit::Kind::kSplitTraces;
    unit.first_split = static_cast<uint32_t>(i);
    unit.end_split = static_cast<uint32_t>(std::min(i + kSplitTracesPerUnit, work.split.size()));
    unit.max_start_ns = work.split[i].max_start_ns;
    work.units.push_back(unit);
  }
}

}  // namespace

WorkList make_work(const Snapshot& snapshot, TimeRange range) {
  WorkList work;
  const auto& blocks = snapshot.blocks->blocks;
  for (uint32_t b = 0; b < blocks.size(); ++b) {
    const Block& block = *blocks[b];
    if (!range.overlaps(block.meta().min_start_ns, block.meta().max_start_ns)) {
      ++work.blocks_skipped;
      continue;
    }
    ++work.blocks;
    for (uint32_t p = 0; p < block.page_count(); ++p) {
      const PageInfo& page = block.pages()[p];
      if (!range.overlaps(page.min_start_ns, page.max_start_ns)) continue;
      work.units.push_back({.kind = WorkUnit::Kind::kBlockPage,
                            .block = b,
                            .page = p,
                            .max_start_ns = page.max_start_ns});
    }
  }
  const auto& pages = snapshot.memory->pages;
  for (uint32_t p = 0; p < pages.size(); ++p) {
    if (!range.overlaps(pages[p].min_start_ns, pages[p].max_start_ns)) continue;
    work.units.push_back(
        {.kind = WorkUnit::Kind::kMemoryPage, .page = p, .max_start_ns = pages[p].max_start_ns});
  }
  add_split_traces(snapshot, range, work);
  std::ranges::stable_sort(work.units, std::greater{}, &WorkUnit::max_start_ns);
  return work;
}

Expected<const BlockFilter*> BlockFilters::get(uint32_t block) {
  std::call_once(made_[block], [&] {
    filters_[block] = BlockFilter::create(*snapshot_.blocks->blocks[block], predicate_);
  });
  const auto& filter = *filters_[block];
  if (!filter) return std::unexpected(filter.error());
  return &*filter;
}

Expected<std::vector<uint8_t>> matching_rows(const BlockFilter& filter, TimeRange range,
                                             PageReader& page) {
  if (filter.none()) return std::vector<uint8_t>{};
  WEFT_ASSIGN(std::vector<uint8_t> mask, filter.evaluate(page));
  if (mask.empty()) return mask;
  const PageInfo& info = page.info();
  if (info.min_start_ns < range.from_ns || !range.is_before_end(info.max_start_ns)) {
    WEFT_ASSIGN(const auto* starts, page.starts());
    for (size_t row = 0; row < mask.size(); ++row) {
      mask[row] = mask[row] & static_cast<uint8_t>(range.contains((*starts)[row]));
    }
    if (std::ranges::find(mask, 1) == mask.end()) return std::vector<uint8_t>{};
  }
  return mask;
}

Expected<std::vector<uint8_t>> page_candidates(const Snapshot& snapshot, const WorkUnit& unit,
                                               const BlockFilter& filter, TimeRange range,
                                               PageReader& page) {
  WEFT_ASSIGN(std::vector<uint8_t> mask, matching_rows(filter, range, page));
  if (mask.empty()) return mask;
  const auto split = snapshot.split_traces(unit.block, unit.page);
  if (split.empty()) return mask;
  WEFT_ASSIGN(const auto* begin, page.trace_begin());
  for (size_t t = 0; t < split.size(); ++t) {
    if (split[t] == 0) continue;
    std::fill(mask.begin() + (*begin)[t], mask.begin() + (*begin)[t + 1], 0);
  }
  if (std::ranges::find(mask, 1) == mask.end()) return std::vector<uint8_t>{};
  return mask;
}

}  // namespace weft::store
