// A sealed block, open for reading: its directory, its filter on trace ids, and its columns, read
// from the file when they are first asked for. Pages are decoded by PageReader.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "model/span_batch.h"
#include "store/block_format.h"
#include "store/bloom.h"
#include "store/cache.h"
#include "store/finding.h"
#include "store/page_classes.h"

namespace weft::store {

// A column's dictionary, table by class and page index, decoded.
struct LoadedColumn {
  ColumnMeta meta;
  std::vector<ClassValue> classes;
  std::vector<ChunkInfo> chunks;
  std::vector<uint64_t> chunk_offsets;
  // kDictionary and kText of strings: entry c has the id c + 1.
  std::shared_ptr<const StringPool> strings;
  std::vector<uint64_t> numbers;  // kDictionary of numbers
  std::vector<uint64_t> counts;   // rows an entry
  // kResource, kScope: the entries as rows of this batch's resources or scopes.
  std::shared_ptr<const SpanBatch> entities;

  size_t memory_bytes() const;
};
using LoadedColumnPtr = std::shared_ptr<const LoadedColumn>;

class Block {
 public:
  // Reads the sections that every question needs. kCorrupt when the file is damaged there.
  // `damaged` is told of damage that later reads come upon. All but the path must outlive the
  // block.
  static Expected<std::shared_ptr<Block>> open(FileSystem& fs, std::string path, Cache& cache,
                                               std::function<void(Finding)> damaged);

  const BlockMeta& meta() const { return meta_; }
  const std::string& path() const { return path_; }
  uint64_t file_bytes() const { return file_bytes_; }
  size_t memory_bytes() const;

  // pages()[page_count()] is the end.
  const std::vector<PageInfo>& pages() const { return pages_; }
  size_t page_count() const { return pages_.size() - 1; }
  const std::vector<SplitEntry>& splits() const { return splits_; }

  bool may_contain(const TraceId& id) const { return bloom_.may_contain(id); }
  // The ordinal of a trace of this block. Reads the block's trace ids when the filter says that it
  // may be there.
  Expected<std::optional<uint32_t>> find_trace(const TraceId& id) const;
  // The same for many: pairs of an index in `ids` and an ordinal, for those that are there.
  Expected<std::vector<std::pair<uint32_t, uint32_t>>> find_traces(
      std::span<const TraceId> ids) const;
  // Ids of all traces, in order.
  Expected<std::vector<TraceId>> trace_ids() const;
  // The page of a trace.
  size_t page_of_trace(uint32_t trace) const;

  // The column directory. Stays loaded.
  Expected<const BlockColumns*> columns() const;
  // Index in columns() of a field; nullopt: no span has it.
  Expected<std::optional<size_t>> find_field(BlockTable table, Field field) const;
  // All columns of a key, whatever their type.
  Expected<std::vector<size_t>> find_attribute(BlockTable table, std::string_view key) const;
  Expected<LoadedColumnPtr> column(size_t index) const;
  // The classes of the spans of a page, decoded: what keep_classes() was given last, unless it has
  // left the cache; then nullptr.
  PageClassesPtr kept_classes(size_t page) const;
  void keep_classes(size_t page, PageClassesPtr classes) const;
  // The bytes of a page's chunk, checked. Empty when it has none.
  Expected<std::string> chunk(const LoadedColumn& column, size_t page) const;

  // The named section's bytes, checked; kNotFound when there is none.
  Expected<std::string> section(std::string_view name) const;
  // Reads every byte and names each place with a wrong checksum.
  std::vector<Finding> verify_checksums() const;
  // The same, and whether what the bytes say makes sense.
  std::vector<Finding> verify() const;

 private:
  Block(std::string path, std::unique_ptr<File> file, Cache& cache,
        std::function<void(Finding)> damaged);
  Status load();
  // What the disk cannot read is damage too: the rest is served.
  Status read_at(uint64_t offset, std::span<char> out) const;
  Expected<std::string> read(const Extent& extent, std::string_view what) const;
  Expected<LoadedColumnPtr> load_column(const ColumnMeta& meta) const;
  Status load_dictionary(LoadedColumn& column) const;
  std::unexpected<Error> damage(uint64_t offset, const std::string& what) const;

  std::string path_;
  std::unique_ptr<File> file_;
  Cache& cache_;
  std::function<void(Finding)> damaged_;
  uint64_t id_;
  uint64_t file_bytes_ = 0;
  BlockMeta meta_;
  std::vector<PageInfo> pages_;
  std::vector<SplitEntry> splits_;
  std::vector<Section> sections_;
  Bloom bloom_{0};

  mutable std::mutex columns_mutex_;
  mutable std::atomic<const BlockColumns*> columns_{nullptr};
  mutable std::unique_ptr<const BlockColumns> owned_columns_;
};

using BlockPtr = std::shared_ptr<const Block>;

}  // namespace weft::store
