#include "store/block.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/hash.h"
#include "model/id_hash.h"
#include "store/entity_codec.h"
#include "store/stream_codec.h"

namespace weft::store {
namespace {

// Sections and dictionaries beyond this are damage.
constexpr uint64_t kMaxExtentBytes = 1u << 30;

}  // namespace

size_t LoadedColumn::memory_bytes() const {
  return sizeof *this + classes.capacity() * sizeof(ClassValue) +
         chunks.capacity() * (sizeof(ChunkInfo) + sizeof(uint64_t)) +
         (strings ? strings->memory_bytes() : 0) + numbers.capacity() * sizeof(uint64_t) +
         counts.capacity() * sizeof(uint64_t) + (entities ? entities->memory_bytes() : 0);
}

Block::Block(std::string path, std::unique_ptr<File> file, Cache& cache,
             std::function<void(Finding)> damaged)
    : path_(std::move(path)),
      file_(std::move(file)),
      cache_(cache),
      damaged_(std::move(damaged)),
      id_(cache.next_block_id()) {}

Expected<std::shared_ptr<Block>> Block::open(FileSystem& fs, std::string path, Cache& cache,
                                             std::function<void(Finding)> damaged) {
  WEFT_ASSIGN(auto file, fs.open(path, OpenMode::kRead));
  std::shared_ptr<Block> block(
      new Block(std::move(path), std::move(file), cache, std::move(damaged)));
  WEFT_TRY(block->load());
  return block;
}

std::unexpected<Error> Block::damage(uint64_t offset, const std::string& what) const {
  if (damaged_) damaged_({path_, offset, what});
  return fail(ErrorCode::kCorrupt,
              path_ + " is damaged at offset " + std::to_string(offset) + ": " + what);
}

Status Block::read_at(uint64_t offset, std::span<char> out) const {
  Status status = file_->pread(offset, out);
  if (!status && status.error().code == ErrorCode::kIo) {
    return damage(offset, status.error().message);
  }
  return status;
}

Expected<std::string> Block::read(const Extent& extent, std::string_view what) const {
  if (extent.size > kMaxExtentBytes || extent.offset > file_bytes_ ||
      extent.size > file_bytes_ - extent.offset) {
    return damage(extent.offset, std::string(what) + " lies outside of the file");
  }
  std::string bytes(extent.size, '\0');
  WEFT_TRY(read_at(extent.offset, bytes));
  if (hash_bytes(bytes) != extent.hash) {
    return damage(extent.offset, std::string(what) + " has a wrong checksum");
  }
  return bytes;
}

Status Block::load() {
  WEFT_ASSIGN(file_bytes_, file_->size());
  BlockTail tail;
  if (file_bytes_ < sizeof tail + kBlockHead.size()) return damage(0, "the file is too short");
  const uint64_t tail_offset = file_bytes_ - sizeof tail;
  WEFT_TRY(read_at(tail_offset, {reinterpret_cast<char*>(&tail), sizeof tail}));
  if (tail.magic != kBlockTailMagic) return damage(tail_offset, "the file has no block's tail");
  if (tail.version != kBlockVersion) {
    // The file's beginning has the version, too. A tail that disagrees is damaged: it must not be
    // taken for a newer block's, for which no store is opened.
    std::string head(kBlockHead.size(), '\0');
    WEFT_TRY(read_at(0, head));
    if (head == kBlockHead || tail.version < kBlockVersion) {
      return damage(tail_offset, "the version is not the one at the file's beginning");
    }
    return fail(ErrorCode::kUnimplemented,
                path_ + " was written by a newer version of Weft (format " +
                    std::to_string(tail.version) + "); update to read it");
  }
  WEFT_ASSIGN(
      const std::string directory,
      read({tail.directory_offset, tail.directory_size, tail.directory_hash}, "the directory"));
  ByteReader in(directory);
  while (in.ok() && in.remaining() > 0) {
    Section& section = sections_.emplace_back();
    section.name = in.string();
    section.version = static_cast<uint32_t>(in.varint());
    section.extent = get_extent(in);
  }
  if (!in.ok()) return damage(tail.directory_offset, "the directory cannot be read");

  WEFT_ASSIGN(const std::string meta_bytes, section(kSectionMeta));
  WEFT_ASSIGN(const std::string page_bytes, section(kSectionPages));
  WEFT_ASSIGN(const std::string bloom_bytes, section(kSectionBloom));
  WEFT_ASSIGN(const std::string split_bytes, section(kSectionSplit));
  const auto meta = decode_meta(meta_bytes);
  auto pages = decode_pages(page_bytes);
  auto bloom = Bloom::decode(bloom_bytes);
  auto splits = decode_splits(split_bytes);
  if (!meta || !pages || !bloom || !splits || pages->back().first_row != meta->spans ||
      pages->back().first_trace != meta->traces || pages->back().first_event != meta->events ||
      pages->back().first_link != meta->links) {
    return damage(0, "a section cannot be read");
  }
  meta_ = *meta;
  pages_ = std::move(*pages);
  bloom_ = std::move(*bloom);
  splits_ = std::move(*splits);
  return {};
}

Expected<std::string> Block::section(std::string_view name) const {
  for (const Section& section : sections_) {
    if (section.name == name) return read(section.extent, "section " + section.name);
  }
  return fail(ErrorCode::kNotFound, path_ + " has no section " + std::string(name));
}

size_t Block::memory_bytes() const {
  return sizeof *this + bloom_.memory_bytes() + pages_.size() * sizeof(PageInfo) +
         splits_.size() * sizeof(SplitEntry);
}

Expected<const BlockColumns*> Block::columns() const {
  if (const BlockColumns* known = columns_.load(std::memory_order_acquire)) return known;
  const std::lock_guard lock(columns_mutex_);
  if (owned_columns_ != nullptr) return owned_columns_.get();
  WEFT_ASSIGN(const std::string bytes, section(kSectionColumns));
  auto columns = decode_columns(bytes);
  if (!columns) return damage(0, "the column directory cannot be read");
  owned_columns_ = std::make_unique<const BlockColumns>(std::move(*columns));
  columns_.store(owned_columns_.get(), std::memory_order_release);
  return owned_columns_.get();
}

Expected<std::optional<size_t>> Block::find_field(BlockTable table, Field field) const {
  WEFT_ASSIGN(const BlockColumns* all, columns());
  for (size_t i = 0; i < all->columns.size(); ++i) {
    const ColumnMeta& column = all->columns[i];
    if (column.domain == ColumnDomain::kField && column.table == table && column.field == field) {
      return i;
    }
  }
  return std::nullopt;
}

Expected<std::vector<size_t>> Block::find_attribute(BlockTable table, std::string_view key) const {
  WEFT_ASSIGN(const BlockColumns* all, columns());
  std::vector<size_t> found;
  for (size_t i = 0; i < all->columns.size(); ++i) {
    const ColumnMeta& column = all->columns[i];
    if (column.domain == ColumnDomain::kAttribute && column.table == table && column.key == key) {
      found.push_back(i);
    }
  }
  return found;
}

Expected<LoadedColumnPtr> Block::column(size_t index) const {
  if (auto cached = cache_.get(id_, Cache::Kind::kColumn, index)) {
    return std::static_pointer_cast<const LoadedColumn>(cached);
  }
  WEFT_ASSIGN(const BlockColumns* all, columns());
  WEFT_ASSIGN(auto loaded, load_column(all->columns[index]));
  cache_.put(id_, Cache::Kind::kColumn, index, loaded, loaded->memory_bytes());
  return loaded;
}

PageClassesPtr Block::kept_classes(size_t page) const {
  if (page >= Cache::kMaxParts) return nullptr;
  return std::static_pointer_cast<const PageClasses>(cache_.get(id_, Cache::Kind::kPage, page));
}

void Block::keep_classes(size_t page, PageClassesPtr classes) const {
  if (page >= Cache::kMaxParts) return;
  const uint64_t bytes = classes->memory_bytes();
  cache_.put(id_, Cache::Kind::kPage, page, std::move(classes), bytes);
}

Expected<LoadedColumnPtr> Block::load_column(const ColumnMeta& meta) const {
  auto column = std::make_shared<LoadedColumn>();
  column->meta = meta;
  WEFT_ASSIGN(const std::string index, read(meta.index, "a page index"));
  if (!decode_index(index, column->chunks, page_count())) {
    return damage(meta.index.offset, "a page index cannot be read");
  }
  uint64_t offset = meta.data_offset;
  for (const ChunkInfo& chunk : column->chunks) {
    column->chunk_offsets.push_back(offset);
    offset += chunk.size;
  }
  if (offset > file_bytes_) return damage(meta.index.offset, "a page lies outside of the file");
  if (meta.encoding == ColumnEncoding::kSpecial) return column;
  WEFT_ASSIGN(const std::string classes, read(meta.classes, "a table by class"));
  WEFT_ASSIGN(const BlockColumns* all, columns());
  if (!decode_class_values(classes, column->classes,
                           all->classes[static_cast<size_t>(meta.table)])) {
    return damage(meta.classes.offset, "a table by class cannot be read");
  }
  if (meta.encoding != ColumnEncoding::kNumber) {
    WEFT_TRY(load_dictionary(*column));
    for (const ClassValue& value : column->classes) {
      const bool varies = value.code == ClassValue::kVaries;
      const bool has_entry = varies ? meta.dictionary_size != 0 : value.code < meta.dictionary_size;
      if (!has_entry && value.presence != ClassValue::Presence::kNever) {
        return damage(meta.classes.offset, "a table by class names an unknown entry");
      }
    }
  }
  return column;
}

Status Block::load_dictionary(LoadedColumn& column) const {
  const ColumnMeta& meta = column.meta;
  WEFT_ASSIGN(const std::string bytes, read(meta.dictionary, "a dictionary"));
  const auto bad = [&] { return damage(meta.dictionary.offset, "a dictionary cannot be read"); };
  ByteReader in(bytes);
  const uint64_t entries = in.varint();
  if (!in.ok() || entries != meta.dictionary_size) return bad();
  const bool numbers = meta.type == ValueType::kInt || meta.type == ValueType::kDouble ||
                       meta.type == ValueType::kBool || meta.type == ValueType::kNone;
  if (numbers) {
    if (!get_ints(in, column.numbers, entries)) return bad();
  } else {
    std::vector<uint64_t> lengths;
    std::string text;
    if (!get_ints(in, lengths, entries) || !get_stream(in, text, StringPool::kMaxBytes)) {
      return bad();
    }
    auto pool = std::make_shared<StringPool>();
    pool->reserve(entries, text.size());
    uint64_t at = 0;
    for (uint64_t length : lengths) {
      if (length > text.size() - at) return bad();
      pool->add(std::string_view(text).substr(at, length));
      at += length;
    }
    column.strings = std::move(pool);
  }
  if (!get_ints(in, column.counts, entries)) return bad();
  const bool resource = meta.domain == ColumnDomain::kField && meta.field == Field::kResource;
  const bool scope = meta.domain == ColumnDomain::kField && meta.field == Field::kScope;
  if (resource || scope) {
    auto entities = std::make_shared<SpanBatch>();
    for (uint32_t i = 1; i <= entries; ++i) {
      const std::string_view entry = column.strings->at(i);
      if (!(resource ? decode_resource(entry, *entities) : decode_scope(entry, *entities))) {
        return bad();
      }
    }
    column.entities = std::move(entities);
  }
  return {};
}

Expected<std::string> Block::chunk(const LoadedColumn& column, size_t page) const {
  const ChunkInfo& info = column.chunks[page];
  std::string bytes(info.size, '\0');
  if (info.size == 0) return bytes;
  WEFT_TRY(read_at(column.chunk_offsets[page], bytes));
  if (static_cast<uint32_t>(hash_bytes(bytes)) != info.hash) {
    return damage(column.chunk_offsets[page],
                  "page " + std::to_string(page) + " of " +
                      (column.meta.key.empty()
                           ? "field " + std::to_string(static_cast<int>(column.meta.field))
                           : "attribute " + column.meta.key) +
                      " has a wrong checksum");
  }
  return bytes;
}

Expected<std::vector<TraceId>> Block::trace_ids() const {
  WEFT_ASSIGN(const auto index, find_field(BlockTable::kSpans, Field::kTraceId));
  if (!index) return damage(0, "the trace ids are missing");
  WEFT_ASSIGN(const LoadedColumnPtr ids, column(*index));
  std::vector<TraceId> out(meta_.traces);
  for (size_t page = 0; page < page_count(); ++page) {
    const size_t traces = pages_[page + 1].first_trace - pages_[page].first_trace;
    WEFT_ASSIGN(const std::string bytes, chunk(*ids, page));
    if (bytes.size() != traces * sizeof(TraceId)) return damage(0, "trace ids do not add up");
    std::memcpy(out.data() + pages_[page].first_trace, bytes.data(), bytes.size());
  }
  return out;
}

Expected<std::optional<uint32_t>> Block::find_trace(const TraceId& id) const {
  if (!may_contain(id)) return std::nullopt;
  WEFT_ASSIGN(const auto index, find_field(BlockTable::kSpans, Field::kTraceId));
  if (!index) return damage(0, "the trace ids are missing");
  WEFT_ASSIGN(const LoadedColumnPtr ids, column(*index));
  // The pages lie one behind the other; only the one that has the id is checked. Read in pieces
  // that fit into a cache: on average half of them, and no memory that the kernel has to clear
  // first.
  constexpr size_t kPiece = 2048;
  if (meta_.traces == 0) return std::nullopt;
  if (ids->chunk_offsets[0] + meta_.traces * sizeof(TraceId) > file_bytes_) {
    return damage(ids->chunk_offsets[0], "trace ids lie outside of the file");
  }
  std::array<char, kPiece * sizeof(TraceId)> piece;
  const uint64_t low = id.word(0);
  for (size_t first = 0; first < meta_.traces; first += kPiece) {
    const size_t count = std::min<size_t>(kPiece, meta_.traces - first);
    WEFT_TRY(read_at(ids->chunk_offsets[0] + first * sizeof(TraceId),
                     std::span(piece).first(count * sizeof(TraceId))));
    for (size_t t = 0; t < count; ++t) {
      const char* const at = piece.data() + t * sizeof(TraceId);
      uint64_t word;
      std::memcpy(&word, at, sizeof word);
      if (word != low || std::memcmp(at, &id, sizeof id) != 0) continue;
      const auto trace = static_cast<uint32_t>(first + t);
      WEFT_TRY(chunk(*ids, page_of_trace(trace)));
      return trace;
    }
  }
  return std::nullopt;
}

Expected<std::vector<std::pair<uint32_t, uint32_t>>> Block::find_traces(
    std::span<const TraceId> ids) const {
  std::unordered_map<TraceId, uint32_t, TraceIdHash> wanted;
  for (uint32_t i = 0; i < ids.size(); ++i) {
    if (may_contain(ids[i])) wanted.emplace(ids[i], i);
  }
  std::vector<std::pair<uint32_t, uint32_t>> found;
  if (wanted.empty()) return found;
  WEFT_ASSIGN(const auto all, trace_ids());
  // Most of the block's traces are not wanted: a bitmap of hashes says so without a look-up.
  constexpr size_t kBits = 1u << 16;
  std::vector<uint64_t> bitmap(kBits / 64);
  for (const auto& [id, index] : wanted) {
    const uint64_t bit = slot_hash(id) % kBits;
    bitmap[bit / 64] |= uint64_t{1} << (bit % 64);
  }
  for (uint32_t t = 0; t < all.size(); ++t) {
    const uint64_t bit = slot_hash(all[t]) % kBits;
    if ((bitmap[bit / 64] >> (bit % 64) & 1) == 0) continue;
    const auto at = wanted.find(all[t]);
    if (at != wanted.end()) found.emplace_back(at->second, t);
  }
  return found;
}

size_t Block::page_of_trace(uint32_t trace) const {
  const auto after = std::ranges::upper_bound(pages_, trace, {}, &PageInfo::first_trace);
  return static_cast<size_t>(after - pages_.begin()) - 1;
}

}  // namespace weft::store
