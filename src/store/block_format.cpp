#include "store/block_format.h"

#include <charconv>
#include <cstdio>

#include "model/attribute_table.h"
#include "store/stream_codec.h"

namespace weft::store {
namespace {

// Counts beyond this in a section are damage.
constexpr uint64_t kMaxEntries = 1u << 24;

void put_rows(std::string& out, const std::vector<std::vector<uint64_t>>& columns) {
  put_varint(out, columns.empty() ? 0 : columns.front().size());
  for (const auto& column : columns)
    put_ints(out, column);
}

bool is_special(BlockTable table, Field field) {
  switch (field) {
    case Field::kClass:
      return true;
    case Field::kTraceId:
    case Field::kTraceShape:
    case Field::kSpanId:
    case Field::kParent:
    case Field::kStart:
    case Field::kDuration:
      return table == BlockTable::kSpans;
    case Field::kEventTime:
      return table == BlockTable::kEvents;
    case Field::kLinkTraceId:
    case Field::kLinkSpanId:
      return table == BlockTable::kLinks;
    default:
      return false;
  }
}

bool is_text(Field field) {
  return field == Field::kResource || field == Field::kScope || field == Field::kName ||
         field == Field::kStatusMessage || field == Field::kTraceState;
}

// Whether the column is encoded in a way in which what it holds can be: readers rely on it.
bool makes_sense(const ColumnMeta& column) {
  const bool is_field = column.domain == ColumnDomain::kField;
  const bool special = is_field && is_special(column.table, column.field);
  if (special || column.encoding == ColumnEncoding::kSpecial) {
    return special && column.encoding == ColumnEncoding::kSpecial;
  }
  const bool number = is_number(column.type);
  const bool text = !number && column.type != ValueType::kNone;
  if (is_field && (is_text(column.field) ? !text : !number)) return false;
  if (column.domain == ColumnDomain::kOverflow && !text) return false;
  if (column.encoding == ColumnEncoding::kNumber) return number;
  return column.encoding != ColumnEncoding::kText || text;
}

bool get_rows(ByteReader& in, std::vector<std::vector<uint64_t>>& columns) {
  const uint64_t count = in.varint();
  if (!in.ok() || count > kMaxEntries) return false;
  for (auto& column : columns) {
    if (!get_ints(in, column, count)) return false;
  }
  return in.ok();
}

}  // namespace

void put_extent(std::string& out, const Extent& extent) {
  put_varint(out, extent.offset);
  put_varint(out, extent.size);
  put_fixed(out, extent.hash);
}

Extent get_extent(ByteReader& in) {
  Extent extent;
  extent.offset = in.varint();
  extent.size = in.varint();
  extent.hash = in.fixed<uint64_t>();
  return extent;
}

std::string encode_meta(const BlockMeta& meta) {
  std::string out;
  for (uint64_t value : {meta.first_generation, meta.last_generation, meta.spans, meta.traces,
                         meta.events, meta.links, meta.min_start_ns, meta.max_start_ns,
                         meta.created_ns, meta.uid, meta.pinned_only}) {
    put_fixed(out, value);
  }
  return out;
}

std::optional<BlockMeta> decode_meta(std::string_view bytes) {
  ByteReader in(bytes);
  BlockMeta meta;
  for (uint64_t* value : {&meta.first_generation, &meta.last_generation, &meta.spans, &meta.traces,
                          &meta.events, &meta.links, &meta.min_start_ns, &meta.max_start_ns,
                          &meta.created_ns, &meta.uid, &meta.pinned_only}) {
    *value = in.fixed<uint64_t>();
  }
  if (!in.ok()) return std::nullopt;
  return meta;
}

std::string encode_pages(const std::vector<PageInfo>& pages) {
  std::vector<std::vector<uint64_t>> columns(8);
  for (const PageInfo& page : pages) {
    size_t c = 0;
    for (uint64_t value : {uint64_t{page.first_row}, uint64_t{page.first_trace},
                           uint64_t{page.first_event}, uint64_t{page.first_link}, page.min_start_ns,
                           page.max_start_ns, page.min_duration_ns, page.max_duration_ns}) {
      columns[c++].push_back(value);
    }
  }
  std::string out;
  put_rows(out, columns);
  return out;
}

std::optional<std::vector<PageInfo>> decode_pages(std::string_view bytes) {
  ByteReader in(bytes);
  std::vector<std::vector<uint64_t>> columns(8);
  if (!get_rows(in, columns) || columns[0].empty()) return std::nullopt;
  std::vector<PageInfo> pages(columns[0].size());
  for (size_t i = 0; i < pages.size(); ++i) {
    PageInfo& page = pages[i];
    page.first_row = static_cast<uint32_t>(columns[0][i]);
    page.first_trace = static_cast<uint32_t>(columns[1][i]);
    page.first_event = static_cast<uint32_t>(columns[2][i]);
    page.first_link = static_cast<uint32_t>(columns[3][i]);
    page.min_start_ns = columns[4][i];
    page.max_start_ns = columns[5][i];
    page.min_duration_ns = columns[6][i];
    page.max_duration_ns = columns[7][i];
    if (i == 0) {
      if ((page.first_row | page.first_trace | page.first_event | page.first_link) != 0) {
        return std::nullopt;
      }
      continue;
    }
    // No page is without a trace, no trace without a row.
    const PageInfo& before = pages[i - 1];
    if (page.first_row <= before.first_row || page.first_trace <= before.first_trace ||
        page.first_event < before.first_event || page.first_link < before.first_link) {
      return std::nullopt;
    }
  }
  return pages;
}

std::string encode_columns(const BlockColumns& columns) {
  std::string plain;
  for (uint32_t classes : columns.classes)
    put_varint(plain, classes);
  put_varint(plain, columns.columns.size());
  for (const ColumnMeta& column : columns.columns) {
    for (auto byte : {static_cast<uint8_t>(column.table), static_cast<uint8_t>(column.domain),
                      static_cast<uint8_t>(column.field), static_cast<uint8_t>(column.encoding),
                      static_cast<uint8_t>(column.type)}) {
      put_fixed(plain, byte);
    }
    put_string(plain, column.key);
    put_varint(plain, column.values);
    put_varint(plain, column.dictionary_size);
    put_extent(plain, column.dictionary);
    put_extent(plain, column.classes);
    put_extent(plain, column.index);
    put_varint(plain, column.data_offset);
  }
  static_assert(kBlockTables * kMaxAttributeColumns * (kMaxColumnKeyBytes + 128) < kMaxEntries);
  std::string out;
  put_stream(out, plain);
  return out;
}

std::optional<BlockColumns> decode_columns(std::string_view bytes) {
  ByteReader packed(bytes);
  std::string plain;
  if (!get_stream(packed, plain, kMaxEntries)) return std::nullopt;
  ByteReader in(plain);
  BlockColumns out;
  for (uint32_t& classes : out.classes) {
    const uint64_t of_table = in.varint();
    if (of_table > kMaxTableClasses) return std::nullopt;
    classes = static_cast<uint32_t>(of_table);
  }
  const uint64_t count = in.varint();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    ColumnMeta& column = out.columns.emplace_back();
    const auto table = in.fixed<uint8_t>();
    const auto domain = in.fixed<uint8_t>();
    const auto field = in.fixed<uint8_t>();
    const auto encoding = in.fixed<uint8_t>();
    const auto type = in.fixed<uint8_t>();
    if (table >= kBlockTables || domain > static_cast<uint8_t>(ColumnDomain::kOverflow) ||
        encoding > static_cast<uint8_t>(ColumnEncoding::kText) ||
        field > static_cast<uint8_t>(Field::kLinkSpanId) ||
        type > static_cast<uint8_t>(ValueType::kKvlist)) {
      return std::nullopt;
    }
    column.table = static_cast<BlockTable>(table);
    column.domain = static_cast<ColumnDomain>(domain);
    column.field = static_cast<Field>(field);
    column.encoding = static_cast<ColumnEncoding>(encoding);
    column.type = static_cast<ValueType>(type);
    column.key = in.string();
    column.values = in.varint();
    column.dictionary_size = static_cast<uint32_t>(in.varint());
    column.dictionary = get_extent(in);
    column.classes = get_extent(in);
    column.index = get_extent(in);
    column.data_offset = in.varint();
    if (!makes_sense(column)) return std::nullopt;
  }
  if (!in.ok() || out.columns.size() != count) return std::nullopt;
  return out;
}

std::string encode_index(const std::vector<ChunkInfo>& chunks) {
  std::string out;
  for (const ChunkInfo& chunk : chunks) {
    put_varint(out, chunk.size);
    if (chunk.size > 0) put_fixed(out, chunk.hash);
  }
  return out;
}

bool decode_index(std::string_view bytes, std::vector<ChunkInfo>& chunks, size_t pages) {
  ByteReader in(bytes);
  chunks.resize(pages);
  for (ChunkInfo& chunk : chunks) {
    chunk.size = static_cast<uint32_t>(in.varint());
    chunk.hash = chunk.size > 0 ? in.fixed<uint32_t>() : 0;
  }
  return in.ok();
}

std::string encode_class_values(const std::vector<ClassValue>& values) {
  std::string presence;
  std::vector<uint32_t> codes;
  uint32_t max_code = 0;
  for (const ClassValue& value : values) {
    presence.push_back(static_cast<char>(value.presence));
    if (value.presence == ClassValue::Presence::kNever) continue;
    codes.push_back(value.code + 1);  // kVaries becomes 0
    max_code = std::max(max_code, codes.back());
  }
  std::string out;
  put_stream(out, presence);
  put_varint(out, codes.size());
  put_varint(out, max_code);
  put_codes(out, codes, max_code);
  return out;
}

bool decode_class_values(std::string_view bytes, std::vector<ClassValue>& values, size_t classes) {
  ByteReader in(bytes);
  std::string presence;
  std::vector<uint32_t> codes;
  if (!get_stream(in, presence, classes) || presence.size() != classes) return false;
  const uint64_t count = in.varint();
  const auto max_code = static_cast<uint32_t>(in.varint());
  if (!in.ok() || count > classes || !get_codes(in, codes, count, max_code)) return false;
  values.assign(classes, {});
  size_t next = 0;
  for (size_t c = 0; c < classes; ++c) {
    if (presence[c] == 0) continue;
    if (presence[c] > 2 || next >= codes.size()) return false;
    values[c].presence = static_cast<ClassValue::Presence>(presence[c]);
    values[c].code = codes[next++] - 1;
  }
  return true;
}

std::string encode_splits(const std::vector<SplitEntry>& splits) {
  std::vector<std::vector<uint64_t>> columns(3);
  for (const SplitEntry& split : splits) {
    columns[0].push_back(split.trace);
    columns[1].push_back(split.other_uid);
    columns[2].push_back(split.other_trace);
  }
  std::string out;
  put_rows(out, columns);
  return out;
}

std::optional<std::vector<SplitEntry>> decode_splits(std::string_view bytes) {
  ByteReader in(bytes);
  std::vector<std::vector<uint64_t>> columns(3);
  if (!get_rows(in, columns)) return std::nullopt;
  std::vector<SplitEntry> splits(columns[0].size());
  for (size_t i = 0; i < splits.size(); ++i) {
    splits[i] = {static_cast<uint32_t>(columns[0][i]), columns[1][i],
                 static_cast<uint32_t>(columns[2][i])};
  }
  return splits;
}

std::string block_file_name(uint64_t first_generation, uint64_t last_generation) {
  char name[64];
  std::snprintf(name, sizeof name, "block-%016llx-%016llx.wfb",
                static_cast<unsigned long long>(first_generation),
                static_cast<unsigned long long>(last_generation));
  return name;
}

std::optional<BlockName> parse_block_file_name(std::string_view name) {
  if (!name.starts_with("block-") || !name.ends_with(".wfb") || name.size() != 43) return {};
  BlockName out;
  const auto hex = [](std::string_view digits, uint64_t& value) {
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    return result.ec == std::errc{} && result.ptr == digits.data() + digits.size();
  };
  if (!hex(name.substr(6, 16), out.first_generation)) return {};
  if (name[22] != '-' || !hex(name.substr(23, 16), out.last_generation)) return {};
  return out;
}

}  // namespace weft::store
