// The sealing thread: open blocks become sealed ones, small blocks are merged, old ones dropped.
#include <algorithm>
#include <chrono>

#include "store/block_writer.h"
#include "store/page_reader.h"
#include "store/store_impl.h"

namespace weft::store {
namespace {

// Blocks that are merged in one go, and what their spans may take in memory, in blocks that are
// open. Those of a few huge spans are small in number alone.
constexpr size_t kMinMergeParts = 4;
constexpr size_t kMaxMergeParts = 16;
constexpr uint64_t kMaxMergeMemory = 4;
// Until an error is told again, and until what takes much work is tried again.
constexpr uint64_t kTroubleNs = 60'000'000'000;

}  // namespace

void Store::Impl::run_sealer() {
  std::unique_lock guard(seal_mutex);
  while (true) {
    if (!seal_stop && seal_asked == seal_answered) {
      // After an error a block waits, but not for being looked at without a pause.
      seal_work.wait_for(guard, std::chrono::nanoseconds(options.maintenance_interval_ns), [&] {
        return seal_stop || seal_asked != seal_answered || (seal_status && unsealed.frozen() > 0);
      });
    }
    const uint64_t ticket = seal_asked;
    const bool stopping = seal_stop;
    guard.unlock();
    Status status;
    if (!stopping || ticket > seal_answered) status = seal_frozen();
    flusher->on_sealed(status);
    if (status && !stopping) {
      refresh_manifest();  // if it could not be written before
      if (options.clock->steady_ns() >= merge_again_ns) {
        const Status merged = merge_small_blocks();
        say_trouble(merge_trouble, Severity::kWarning, "merging", merged);
        // Blocks are read and encoded in vain while there is no room for what they become. Damaged
        // ones are not tried again.
        if (!merged && merged.error().code != ErrorCode::kCorrupt) {
          merge_again_ns = options.clock->steady_ns() + kTroubleNs;
        }
      }
      say_trouble(retention_trouble, Severity::kWarning, "retention", apply_retention());
      if (counters.log_bytes.load(std::memory_order_relaxed) > options.log_file_bytes) {
        (void)log.prepare_spare();
      }
    }
    guard.lock();
    seal_answered = std::max(seal_answered, ticket);
    seal_status = status;
    seal_done.notify_all();
    if (stopping) return;
  }
}

Status Store::Impl::seal_frozen() {
  while (const auto generation = unsealed.oldest_frozen()) {
    const uint64_t begin_ns = options.clock->steady_ns();
    if (Status status = seal_one(*generation); !status) {
      counters.seal_errors.fetch_add(1, std::memory_order_relaxed);
      say_trouble(seal_trouble, Severity::kError, "sealing", status);
      return status;
    }
    counters.seal_ns.fetch_add(options.clock->steady_ns() - begin_ns, std::memory_order_relaxed);
    counters.frozen_blocks.store(unsealed.frozen(), std::memory_order_relaxed);
    recycle_logs(generation->logs);
    flusher->on_sealed({});
    say_trouble(seal_trouble, Severity::kError, "sealing", {});
  }
  return {};
}

void Store::Impl::say_trouble(Trouble& trouble, Severity severity, std::string_view what,
                              const Status& status) const {
  if (status) {
    trouble = {};
    return;
  }
  std::string message = std::string(what) + ": " + status.error().message;
  const uint64_t now_ns = options.clock->steady_ns();
  if (message == trouble.message && now_ns - trouble.told_ns < kTroubleNs) return;
  say(severity, message);
  trouble = {std::move(message), now_ns};
}

Status Store::Impl::seal_one(const Generation& generation) {
  const TraceOrder order = order_by_trace(generation.batches);
  BlockMeta meta;
  meta.first_generation = meta.last_generation = generation.number;
  meta.created_ns = options.clock->now_ns();
  std::vector<BlockPtr> known;
  {
    const std::lock_guard guard(state_mutex);
    known = blocks->blocks;
  }
  const auto splits = find_splits(order.trace_ids, known);
  const EncodedBlock encoded = encode_block(generation.batches, order, meta, splits);
  WEFT_TRY(make_way(encoded.meta));
  WEFT_ASSIGN(const BlockPtr block, write_block(encoded.bytes, encoded.meta));
  known.push_back(block);
  auto set = make_block_set(std::move(known));
  {
    const std::lock_guard guard(state_mutex);
    blocks = std::move(set);
    unsealed.drop_oldest_frozen();
  }
  forget_views();
  end_loss(encoded.meta);
  // Before the log is recycled, so that from then on the block is missed when it disappears.
  refresh_manifest();
  counters.sealed_blocks.fetch_add(1, std::memory_order_relaxed);
  counters.sealed_spans.fetch_add(encoded.meta.spans, std::memory_order_relaxed);
  counters.duplicate_spans.fetch_add(order.duplicates, std::memory_order_relaxed);
  return {};
}

const ManifestEntry* Store::Impl::lost_entry(const BlockName& name) const {
  const auto at = std::ranges::find_if(kept_entries, [&](const ManifestEntry& entry) {
    return BlockName{entry.first_generation, entry.last_generation} == name;
  });
  return at == kept_entries.end() ? nullptr : &*at;
}

Status Store::Impl::make_way(const BlockMeta& meta) {
  const BlockName name{meta.first_generation, meta.last_generation};
  if (std::ranges::find(lost, name) == lost.end()) return {};
  const ManifestEntry* entry = lost_entry(name);
  if (entry != nullptr && meta.spans >= entry->spans) return {};
  const std::string file = path(block_file_name(name.first_generation, name.last_generation));
  const std::string aside = file + std::string(kDamagedSuffix);
  if (const auto there = fs.open(file, OpenMode::kRead); !there) {
    if (there.error().code == ErrorCode::kNotFound) return {};  // it is missing
    return std::unexpected(there.error());
  }
  WEFT_TRY(fs.rename(file, aside));
  report(kept_block(aside));
  return {};
}

void Store::Impl::end_loss(const BlockMeta& meta) {
  const BlockName name{meta.first_generation, meta.last_generation};
  if (std::erase(lost, name) == 0) return;
  const std::string file = path(block_file_name(name.first_generation, name.last_generation));
  const ManifestEntry* entry = lost_entry(name);
  if (entry != nullptr && meta.spans < entry->spans) {
    report({file, 0,
            "put together again from what was left of its log: " + std::to_string(meta.spans) +
                " of " + std::to_string(entry->spans) + " spans, the others are lost"});
  } else {
    say(Severity::kInfo, file + " was put together again from its log with " +
                             std::to_string(meta.spans) + " spans");
  }
  std::erase_if(kept_entries, [&](const ManifestEntry& other) {
    return BlockName{other.first_generation, other.last_generation} == name;
  });
}

Expected<BlockPtr> Store::Impl::write_block(const std::string& bytes, const BlockMeta& meta) {
  const std::string name = block_file_name(meta.first_generation, meta.last_generation);
  WEFT_TRY(write_file_atomically(fs, options.dir, name, bytes));
  WEFT_ASSIGN(auto block, Block::open(fs, path(name), cache, reporter()));
  return block;
}

std::vector<SplitEntry> Store::Impl::find_splits(const std::vector<TraceId>& ids,
                                                 const std::vector<BlockPtr>& others) const {
  std::vector<SplitEntry> splits;
  for (const BlockPtr& other : others) {
    const auto found = other->find_traces(ids);
    if (!found) continue;  // damaged: reported by the block
    for (const auto& [index, trace] : *found) {
      splits.push_back({index, other->meta().uid, trace});
    }
  }
  return splits;
}

void Store::Impl::recycle_logs(const std::vector<LogId>& logs) {
  for (const LogId& id : logs) {
    if (Status status = log.recycle(id); !status && status.error().code != ErrorCode::kNotFound) {
      say(Severity::kWarning, "recycling the log: " + status.error().message);
    }
  }
}

Status Store::Impl::merge_small_blocks() {
  std::vector<BlockPtr> all;
  {
    const std::lock_guard guard(state_mutex);
    all = blocks->blocks;
  }
  const auto lost_between = [&](const Block& before, const Block& after) {
    return std::ranges::any_of(lost, [&](const BlockName& block) {
      return block.first_generation <= after.meta().first_generation &&
             block.last_generation >= before.meta().last_generation;
    });
  };
  // The first run of neighbours that are small and of about the same size, so that each span is
  // merged a few times only; the bigger a run's product, the longer it is left alone.
  for (size_t begin = 0; begin + 1 < all.size(); ++begin) {
    const uint64_t first = all[begin]->meta().spans;
    const auto may_merge = [&](const BlockPtr& block) {
      return block->meta().spans < options.merge_below_spans && block->meta().pinned_only == 0 &&
             !not_merged.contains(block->meta().uid);
    };
    if (!may_merge(all[begin])) continue;
    size_t end = begin + 1;
    uint64_t total = first;
    while (end < all.size() && end - begin < kMaxMergeParts) {
      const uint64_t spans = all[end]->meta().spans;
      if (!may_merge(all[end]) || lost_between(*all[end - 1], *all[end]) ||
          spans > first * 4 + 1000 || total + spans > options.block_max_spans) {
        break;
      }
      total += spans;
      ++end;
    }
    if (end - begin < kMinMergeParts) continue;
    return merge(
        {all.begin() + static_cast<ptrdiff_t>(begin), all.begin() + static_cast<ptrdiff_t>(end)});
  }
  return {};
}

Status Store::Impl::merge(std::vector<BlockPtr> parts) {
  std::vector<SpanBatchPtr> batches;
  // What is damaged is read with holes, and the holes must not be written as if they were whole.
  const uint64_t damage = counters.corruptions.load();
  const auto give_up = [&](std::string why) {
    for (const BlockPtr& part : parts)
      not_merged.insert(part->meta().uid);
    return fail(ErrorCode::kCorrupt, "blocks are left unmerged: " + std::move(why));
  };
  uint64_t room = options.block_max_bytes * kMaxMergeMemory;
  bool fits = true;
  for (size_t i = 0; fits && i < parts.size(); ++i) {
    const size_t before = batches.size();
    for (size_t p = 0; fits && p < parts[i]->page_count(); ++p) {
      PageReader page(*parts[i], p);
      auto rows = page.read_rows(0, static_cast<uint32_t>(page.rows()));
      if (!rows) return give_up(rows.error().message);
      const uint64_t bytes = rows->memory_bytes();
      fits = bytes <= room;
      room -= std::min(room, bytes);
      batches.push_back(std::make_shared<SpanBatch>(std::move(*rows)));
    }
    if (fits) continue;
    batches.resize(before);
    if (i < kMinMergeParts) {
      not_merged.insert(parts.front()->meta().uid);
      return {};
    }
    parts.resize(i);
  }
  if (counters.corruptions.load() != damage) return give_up("a part is damaged");
  const TraceOrder order = order_by_trace(batches);
  BlockMeta meta;
  meta.first_generation = parts.front()->meta().first_generation;
  meta.last_generation = parts.back()->meta().last_generation;
  for (const BlockPtr& part : parts) {
    meta.created_ns = std::max(meta.created_ns, part->meta().created_ns);
  }
  std::vector<BlockPtr> others;
  {
    const std::lock_guard guard(state_mutex);
    others = blocks->blocks;
  }
  std::erase_if(others,
                [&](const BlockPtr& b) { return std::ranges::find(parts, b) != parts.end(); });
  const EncodedBlock encoded =
      encode_block(batches, order, meta, find_splits(order.trace_ids, others));
  WEFT_ASSIGN(const BlockPtr merged, write_block(encoded.bytes, encoded.meta));
  counters.merged_blocks.fetch_add(parts.size(), std::memory_order_relaxed);
  return replace_blocks(parts, merged);
}

Status Store::Impl::save_manifest(const BlockSet& set) {
  std::vector<ManifestEntry> entries = kept_entries;
  for (const BlockPtr& block : set.blocks)
    entries.push_back(manifest_entry(block->meta()));
  std::ranges::sort(entries, {}, &ManifestEntry::first_generation);
  if (manifest == entries) return {};
  // After an error it is not known which of the two is there.
  manifest.reset();
  WEFT_TRY(write_manifest(fs, options.dir, entries));
  manifest = std::move(entries);
  return {};
}

void Store::Impl::refresh_manifest() {
  BlockSetPtr set;
  {
    const std::lock_guard guard(state_mutex);
    set = blocks;
  }
  say_trouble(manifest_trouble, Severity::kWarning, "the list of blocks", save_manifest(*set));
}

Status Store::Impl::replace_blocks(const std::vector<BlockPtr>& old, BlockPtr fresh) {
  std::vector<BlockPtr> rest;
  {
    const std::lock_guard guard(state_mutex);
    rest = blocks->blocks;
  }
  std::erase_if(rest, [&](const BlockPtr& b) { return std::ranges::find(old, b) != old.end(); });
  if (fresh) rest.push_back(fresh);
  auto set = make_block_set(std::move(rest));
  // The manifest first: it must never name a block that went on purpose. A merged block stands for
  // its parts, but what retention drops has nothing that stands for it. A full disk must not keep
  // retention from making room: then there is no manifest until there is room for one.
  if (Status status = save_manifest(*set); !status) {
    if (!fresh) {
      WEFT_TRY(fs.remove(path(std::string(kManifestName))));
      WEFT_TRY(fs.sync_dir(options.dir));
    }
    say(Severity::kWarning, "the list of blocks: " + status.error().message);
  }
  {
    const std::lock_guard guard(state_mutex);
    blocks = std::move(set);
  }
  // Readers that still use the old ones keep their files open.
  for (const BlockPtr& block : old) {
    if (!fresh || block->path() != fresh->path()) WEFT_TRY(fs.remove(block->path()));
  }
  return fs.sync_dir(options.dir);
}

// The spans of the block that belong to pinned traces.
Expected<std::vector<SpanBatchPtr>> Store::Impl::pinned_spans(const Block& block) {
  const std::vector<TraceId> ids(pins.begin(), pins.end());
  std::vector<SpanBatchPtr> out;
  if (ids.empty()) return out;
  WEFT_ASSIGN(auto found, block.find_traces(ids));
  for (const auto& [index, trace] : found) {
    PageReader page(block, block.page_of_trace(trace));
    WEFT_ASSIGN(const auto* begin, page.trace_begin());
    const uint32_t local = trace - page.info().first_trace;
    WEFT_ASSIGN(SpanBatch rows, page.read_rows((*begin)[local], (*begin)[local + 1]));
    out.push_back(std::make_shared<SpanBatch>(std::move(rows)));
  }
  return out;
}

Status Store::Impl::drop_block(const BlockPtr& block) {
  // A pin that comes meanwhile waits: what it finds afterwards is kept.
  const std::lock_guard no_pins(pins_mutex);
  WEFT_ASSIGN(const auto kept, pinned_spans(*block));
  BlockPtr fresh;
  uint64_t left = 0;
  if (!kept.empty()) {
    // Under the same name: the rename replaces the block by what is left of it at once.
    const TraceOrder order = order_by_trace(kept);
    BlockMeta meta = block->meta();
    meta.pinned_only = 1;
    std::vector<BlockPtr> others;
    {
      const std::lock_guard guard(state_mutex);
      others = blocks->blocks;
    }
    std::erase(others, block);
    const EncodedBlock encoded =
        encode_block(kept, order, meta, find_splits(order.trace_ids, others));
    WEFT_ASSIGN(fresh, write_block(encoded.bytes, encoded.meta));
    left = encoded.meta.spans;
  }
  counters.dropped_blocks.fetch_add(1, std::memory_order_relaxed);
  counters.dropped_spans.fetch_add(block->meta().spans - left, std::memory_order_relaxed);
  return replace_blocks({block}, fresh);
}

// Age counts from when spans were stored, not from what they say: what is imported from long ago
// stays as long as everything else, and a sender's clock in the year 2500 keeps nothing for ever.
static uint64_t kept_since(const Block& block) {
  return block.meta().created_ns;
}

Status Store::Impl::apply_retention() {
  if (options.retention_age_ns == 0 && options.retention_bytes == 0) return {};
  // One that cannot be dropped now (no room for its pinned traces, or they cannot be read) keeps no
  // other from going.
  Status status;
  std::vector<BlockPtr> failed;
  while (true) {
    std::vector<BlockPtr> all;
    {
      const std::lock_guard guard(state_mutex);
      all = blocks->blocks;
    }
    uint64_t bytes = 0;
    BlockPtr oldest;
    for (const BlockPtr& block : all) {
      bytes += block->file_bytes();
      if (block->meta().pinned_only != 0 || std::ranges::find(failed, block) != failed.end()) {
        continue;
      }
      if (!oldest || kept_since(*block) < kept_since(*oldest)) oldest = block;
    }
    if (!oldest) return status;
    const uint64_t now = options.clock->now_ns();
    const bool too_old = options.retention_age_ns != 0 &&
                         kept_since(*oldest) < now - std::min(now, options.retention_age_ns);
    const bool too_much = options.retention_bytes != 0 && bytes > options.retention_bytes;
    if (!too_old && !too_much) return status;
    if (Status dropped = drop_block(oldest); !dropped) {
      failed.push_back(oldest);
      if (status) status = std::move(dropped);
      continue;
    }
    say(Severity::kInfo, "retention dropped " + oldest->path() + " with " +
                             std::to_string(oldest->meta().spans) + " spans");
  }
}

}  // namespace weft::store
