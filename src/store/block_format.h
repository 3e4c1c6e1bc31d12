// The bytes of a sealed block, shared by its writer and its reader; docs/formats/block.md explains
// them. A block file is a row of chunks, then named sections that say where everything lies, then
// a directory of the sections and a tail of fixed size. Everything carries an XXH3-64 checksum.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/value.h"
#include "store/bytes.h"

namespace weft::store {

inline constexpr std::string_view kBlockHead = "WEFTBLK1";
inline constexpr uint32_t kBlockTailMagic = 0x4C424657;  // "WFBL"
inline constexpr uint32_t kBlockVersion = 1;

// Where bytes lie in the file.
struct Extent {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t hash = 0;
};
void put_extent(std::string& out, const Extent& extent);
Extent get_extent(ByteReader& in);

// The last bytes of the file.
struct BlockTail {
  uint64_t directory_offset = 0;
  uint64_t directory_size = 0;
  uint64_t directory_hash = 0;
  uint32_t version = kBlockVersion;
  uint32_t magic = kBlockTailMagic;
};
static_assert(sizeof(BlockTail) == 32);

// A named part; readers step over names that they do not know.
struct Section {
  std::string name;
  uint32_t version = 1;
  Extent extent;
};
inline constexpr std::string_view kSectionMeta = "meta";
inline constexpr std::string_view kSectionPages = "pages";
inline constexpr std::string_view kSectionBloom = "bloom";
inline constexpr std::string_view kSectionColumns = "columns";
inline constexpr std::string_view kSectionSplit = "split";

struct BlockMeta {
  // The generations of the open block that it holds; later ones were stored later.
  uint64_t first_generation = 0;
  uint64_t last_generation = 0;
  uint64_t spans = 0;
  uint64_t traces = 0;
  uint64_t events = 0;
  uint64_t links = 0;
  uint64_t min_start_ns = 0;
  uint64_t max_start_ns = 0;
  uint64_t created_ns = 0;
  // Names this block's order of traces for other blocks' sections about split traces.
  uint64_t uid = 0;
  // 1: what retention left of a block, traces that were pinned. Not dropped again.
  uint64_t pinned_only = 0;
};
std::string encode_meta(const BlockMeta& meta);
std::optional<BlockMeta> decode_meta(std::string_view bytes);

// A page holds whole traces: about kPageRows rows, more when one trace has more.
inline constexpr uint32_t kPageRows = 8192;
struct PageInfo {
  uint32_t first_row = 0;
  uint32_t first_trace = 0;
  uint32_t first_event = 0;
  uint32_t first_link = 0;
  uint64_t min_start_ns = UINT64_MAX;
  uint64_t max_start_ns = 0;
  uint64_t min_duration_ns = UINT64_MAX;
  uint64_t max_duration_ns = 0;
};
// With one entry more than there are pages, whose first_* are the totals.
std::string encode_pages(const std::vector<PageInfo>& pages);
std::optional<std::vector<PageInfo>> decode_pages(std::string_view bytes);

enum class BlockTable : uint8_t { kSpans = 0, kEvents = 1, kLinks = 2 };
inline constexpr size_t kBlockTables = 3;

enum class ColumnDomain : uint8_t {
  kField = 0,       // of the span schema; ColumnMeta::field says which
  kAttribute = 1,   // key and type
  kAnnotation = 2,  // key and type
  kOverflow = 3,  // attributes of keys that got no column of their own, as entity_codec.h has them
};

enum class Field : uint8_t {
  kClass = 0,   // code of what repeats together; the other columns have a table by class
  kTraceId,     // one a trace
  kTraceShape,  // rows and first start of each trace
  kSpanId,
  kParent,
  kStart,     // after the trace's first start
  kDuration,  // end - start, signed
  kResource,  // dictionary of entities (entity_codec.h)
  kScope,     // dictionary of entities
  kName,
  kKind,
  kStatusCode,
  kFlags,
  kStatusMessage,
  kTraceState,
  kDroppedAttributes,
  kDroppedEvents,
  kDroppedLinks,
  kEventCount,
  kLinkCount,
  kEventTime,    // after the span's start, signed
  kLinkTraceId,  // 16 bytes each
  kLinkSpanId,   // 8 bytes each
};

enum class ColumnEncoding : uint8_t {
  kSpecial = 0,     // as the field says
  kDictionary = 1,  // codes
  kNumber = 2,      // numbers
  kText = 3,        // codes of templates, and their variables
};

struct ColumnMeta {
  BlockTable table = BlockTable::kSpans;
  ColumnDomain domain = ColumnDomain::kField;
  Field field = Field::kClass;
  ColumnEncoding encoding = ColumnEncoding::kSpecial;
  ValueType type = ValueType::kNone;
  std::string key;
  uint64_t values = 0;           // rows that have one
  uint32_t dictionary_size = 0;  // entries, or templates
  Extent dictionary;
  Extent classes;            // presence and fixed code by class
  Extent index;              // size and checksum of each page's chunk
  uint64_t data_offset = 0;  // of the first chunk; they lie one behind the other
};

// Of one table.
inline constexpr uint32_t kMaxTableClasses = 65'536;
// Attributes of longer keys, and of the rarest beyond so many, share the overflow column: whatever
// senders make keys of, the directory of columns stays within what a reader takes.
inline constexpr size_t kMaxColumnKeyBytes = 4096;
inline constexpr size_t kMaxAttributeColumns = 1000;

struct BlockColumns {
  uint32_t classes[kBlockTables] = {};
  std::vector<ColumnMeta> columns;
};
std::string encode_columns(const BlockColumns& columns);
std::optional<BlockColumns> decode_columns(std::string_view bytes);

// Size and checksum (the low 32 bits) of each page's chunk; a chunk without bytes has neither.
struct ChunkInfo {
  uint32_t size = 0;
  uint32_t hash = 0;
};
std::string encode_index(const std::vector<ChunkInfo>& chunks);
bool decode_index(std::string_view bytes, std::vector<ChunkInfo>& chunks, size_t pages);

// What a column's table by class says of the rows of one class.
struct ClassValue {
  static constexpr uint32_t kVaries = UINT32_MAX;
  enum class Presence : uint8_t { kNever = 0, kAlways = 1, kMaybe = 2 };
  Presence presence = Presence::kNever;
  uint32_t code = kVaries;  // the one code that all values of the class have
};
std::string encode_class_values(const std::vector<ClassValue>& values);
bool decode_class_values(std::string_view bytes, std::vector<ClassValue>& values, size_t classes);

// A trace of this block of which other blocks hold spans too.
struct SplitEntry {
  uint32_t trace = 0;        // ordinal here
  uint64_t other_uid = 0;    // of the other block
  uint32_t other_trace = 0;  // ordinal there
};
std::string encode_splits(const std::vector<SplitEntry>& splits);
std::optional<std::vector<SplitEntry>> decode_splits(std::string_view bytes);

// "block-<first generation>-<last generation>.wfb" in hex.
std::string block_file_name(uint64_t first_generation, uint64_t last_generation);
struct BlockName {
  uint64_t first_generation = 0;
  uint64_t last_generation = 0;

  bool holds(uint64_t generation) const {
    return first_generation <= generation && generation <= last_generation;
  }
  friend bool operator==(const BlockName&, const BlockName&) = default;
};
std::optional<BlockName> parse_block_file_name(std::string_view name);
// Behind the name of a damaged block that a new one stands for, which holds less than it did.
inline constexpr std::string_view kDamagedSuffix = ".damaged";

}  // namespace weft::store
