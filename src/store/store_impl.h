// The inside of a Store, shared by the files that implement it; nobody else includes this.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "model/id_hash.h"
#include "store/flusher.h"
#include "store/log_writer.h"
#include "store/manifest.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/unsealed.h"

namespace weft::store {

struct Store::Impl {
  explicit Impl(Options opts)
      : options(std::move(opts)),
        fs(*options.fs),
        cache(options.cache_bytes, &counters.cache_bytes),
        log(fs, options.dir, {options.log_file_bytes, options.log_spare_files}) {}
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // --- store_open.cpp ---
  Status open();
  // `logs`: the files of the log that are there, ascending.
  Status open_blocks(const std::vector<std::string>& names, std::span<const LogId> logs);
  // Whether the log's files of the generation are all that is left of it, or it was never sealed.
  bool needs_log(uint64_t generation) const;
  // Names the blocks that disappeared since the manifest was written.
  Status load_manifest(const std::vector<std::string>& names);
  // Generations up to `sealed` had a block, which is lost: they become blocks again.
  Status replay(const std::vector<LogId>& files, uint64_t sealed);
  Status replay_file(const LogId& id);
  Expected<SpanBatch> decode(const SpanSink::RawRequest& record) const;
  void add_replayed(SpanBatch batch);
  // Takes what an earlier start could not decode and this one can back into the log, whose files
  // `logs` are, or into memory when read-only. `sealed`: see replay().
  Status take_in_undecoded(const LogId& of, std::vector<LogId>& logs, uint64_t sealed);
  void start_threads();

  // --- store_seal.cpp: the sealing thread ---
  void run_sealer();
  // Seals all blocks that wait. An error leaves them waiting.
  Status seal_frozen();
  Status seal_one(const Generation& generation);
  // Before a block is written in the place of a lost one: a damaged file that holds more spans
  // than it is kept aside.
  Status make_way(const BlockMeta& meta);
  // After it was written, and before the manifest is: it stands for the lost one.
  void end_loss(const BlockMeta& meta);
  // The manifest's entry of a lost block; nullptr when it has none.
  const ManifestEntry* lost_entry(const BlockName& name) const;
  // Puts a block's bytes on disk and opens it.
  Expected<BlockPtr> write_block(const std::string& bytes, const BlockMeta& meta);
  // Traces of `ids` that the blocks have too, as a new block's section says them.
  std::vector<SplitEntry> find_splits(const std::vector<TraceId>& ids,
                                      const std::vector<BlockPtr>& blocks) const;
  Status merge_small_blocks();
  // Of `parts`, as many from the first on as fit into memory; none, and the first is left alone
  // from then on, when those are too few.
  Status merge(std::vector<BlockPtr> parts);
  Status apply_retention();
  Status drop_block(const BlockPtr& block);
  // Brings the manifest on disk up to the blocks of `set`. Opening and the sealing thread alone.
  Status save_manifest(const BlockSet& set);
  // The same after blocks were added: an error is told and made good later, since a manifest that
  // lacks blocks raises no alarm.
  void refresh_manifest();
  Status replace_blocks(const std::vector<BlockPtr>& old, BlockPtr fresh);
  // Call with pins_mutex held.
  Expected<std::vector<SpanBatchPtr>> pinned_spans(const Block& block);
  void recycle_logs(const std::vector<LogId>& logs);

  // --- store_read.cpp ---
  SnapshotPtr snapshot() const;
  std::shared_ptr<const MemorySplit> memory_split(
      const BlockSetPtr& set, const std::shared_ptr<const MemoryView>& view) const;
  // Frees what is kept for the next query and holds spans that have been sealed.
  void forget_views() const;

  // --- store_pins.cpp ---
  Status load_pins();
  Status add_pins(std::span<const TraceId> ids);
  std::vector<TraceId> pinned_ids() const;

  // --- helpers ---
  std::string path(const std::string& name) const { return options.dir + "/" + name; }
  void say(Severity severity, const std::string& message) const {
    if (options.log) options.log(severity, message);
  }
  // What is known of work that failed and is tried again, over and over while the disk is full.
  struct Trouble {
    std::string message;  // empty: none
    uint64_t told_ns = 0;
  };
  // Says how such work went: an error once, and again after a minute.
  void say_trouble(Trouble& trouble, Severity severity, std::string_view what,
                   const Status& status) const;
  void report(Finding finding);
  std::function<void(Finding)> reporter() {
    return [this](Finding finding) { report(std::move(finding)); };
  }

  Options options;
  FileSystem& fs;
  Counters counters;
  Cache cache;
  std::unique_ptr<FileLock> lock;

  LogWriter log;
  Unsealed unsealed{1};

  // What blocks there are, together with which spans are unsealed: changed under this lock, so
  // that a snapshot sees a span in one of the two.
  mutable std::mutex state_mutex;
  BlockSetPtr blocks = std::make_shared<BlockSet>();

  // Blocks that are not served, damaged or missing; nothing is merged across them, since a merged
  // block would stand for them. Opening and the sealing thread alone.
  std::vector<BlockName> lost;
  // Those that the manifest goes on naming.
  std::vector<ManifestEntry> kept_entries;
  // What the manifest on disk says. Opening and the sealing thread alone.
  std::optional<std::vector<ManifestEntry>> manifest;

  // Where the unsealed traces lie in blocks; filled as views are asked for, started again when
  // the blocks change.
  mutable std::mutex split_mutex;
  mutable BlockSetPtr split_blocks;
  mutable std::shared_ptr<const MemoryView> split_view;
  mutable std::shared_ptr<const MemorySplit> split;
  // The traces of all views up to this version were looked for. While the blocks are the same,
  // unsealed traces only become more.
  mutable uint64_t split_checked = 0;
  mutable std::unordered_map<TraceId, Pieces, TraceIdHash> split_known;

  mutable std::mutex pins_mutex;
  std::unordered_set<TraceId, TraceIdHash> pins;

  mutable std::mutex findings_mutex;
  std::vector<Finding> findings;

  // The sealing thread.
  std::unordered_set<uint64_t> not_merged;  // uids of blocks with damage, or of huge spans
  Trouble seal_trouble;
  Trouble merge_trouble;
  Trouble retention_trouble;
  Trouble manifest_trouble;
  uint64_t merge_again_ns = 0;  // not before this
  std::mutex seal_mutex;
  std::condition_variable seal_work;
  std::condition_variable seal_done;
  uint64_t seal_asked = 0;
  uint64_t seal_answered = 0;
  Status seal_status;
  bool seal_stop = false;
  std::thread sealer;

  std::unique_ptr<Flusher> flusher;  // null when read-only; destroyed before the rest
};

}  // namespace weft::store
