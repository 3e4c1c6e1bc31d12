#include "wire/attribute_table_builder.h"

#include <algorithm>
#include <bit>

#include "wire/protobuf_reader.h"

namespace weft {
namespace {

// Keys that a table builder may remember between batches, in number and bytes, and the bytes of
// buffers that it may keep.
constexpr size_t kMaxWarmSlots = 8192;
constexpr size_t kMaxWarmKeyBytes = 1u << 20;
constexpr size_t kMaxWarmBufferBytes = 8u << 20;

constexpr uint32_t kMinColumnRows = 64;
constexpr size_t kShortIndexBits = 10;

// Longer than any short KeyValue: so whoever compares against it finds, even if the bytes were
// those of its header, that no value follows.
constexpr uint8_t kNeverMatches = AttributeTableBuilder::kMaxShortBytes + 1;

uint32_t tag_of(std::string_view key) {
  return static_cast<uint32_t>(seeded_hash(key) >> 32) | 1u;
}

}  // namespace

void AttributeTableBuilder::begin(StringInterner* strings, const DecodeLimits& limits) {
  close_columns();  // of a batch that was given up
  if (slots_.size() > kMaxWarmSlots || key_bytes_ > kMaxWarmKeyBytes) forget_slots();
  strings_ = strings;
  max_attributes_ = limits.max_attributes;
  max_columns_ = limits.max_columns;
  looks_up_ = true;
  begin_row(0);
}

void AttributeTableBuilder::finish(AttributeTable& table, BatchArena* memory) {
  table.columns = ColumnVector<AttributeColumn>(memory);
  table.columns.reserve(opened_.size());
  for (const Column* column : opened_) {
    AttributeColumn& out = table.columns.emplace_back(memory);
    out.key = keys_[column->slot].id;
    out.type = column->type;
    out.rows.assign(column->rows, column->rows + column->size);
    if (out.is_number()) {
      out.numbers.assign(column->numbers, column->numbers + column->size);
    } else if (out.is_string_like()) {
      out.strings.assign(column->ids, column->ids + column->size);
    }
  }
  close_columns();
}

size_t AttributeTableBuilder::finished_bytes() const {
  size_t bytes = opened_.size() * sizeof(AttributeColumn);
  for (const Column* column : opened_) {
    bytes += BatchArena::piece_bytes(column->size * sizeof(uint32_t)) +
             BatchArena::piece_bytes(column->size * value_bytes(column->type));
  }
  return bytes;
}

void AttributeTableBuilder::close_columns() {
  for (Column* column : opened_) {
    column->size = 0;
    column->capacity = 0;
    column->recent.fill(StringPool::kEmpty);
    column->fresh = 0;
    column->unique = false;
    keys_[column->slot].id = StringPool::kEmpty;
  }
  opened_.clear();
  if (buffer_bytes_ > kMaxWarmBufferBytes) {
    for (Column& column : columns_) {
      column.block.reset();
      column.allocated = 0;
    }
    buffer_bytes_ = 0;
  }
}

void AttributeTableBuilder::forget_slots() {
  slots_ = std::vector<KeySlot>();
  keys_ = std::vector<Key>();
  columns_.clear();
  index_ = std::vector<uint64_t>();
  short_index_.assign(size_t{1} << kShortIndexBits, kRowStart);
  key_bytes_ = 0;
  buffer_bytes_ = 0;
  KeySlot& row_start = slots_.emplace_back();
  row_start.header.fill(0xFF);
  row_start.header_size = kNeverMatches;
  keys_.emplace_back();
}

void AttributeTableBuilder::clear_marks() {
  for (KeySlot& slot : slots_)
    slot.mark = 0;
  mark_ = 1;
}

uint32_t AttributeTableBuilder::find_slot(std::string_view key) {
  if (slots_.size() * 2 >= index_.size()) rebuild_index(std::max<size_t>(256, index_.size() * 2));
  const uint32_t tag = tag_of(key);
  const size_t mask = index_.size() - 1;
  size_t at = tag >> 1 & mask;
  for (; index_[at] != 0; at = (at + 1) & mask) {
    if (static_cast<uint32_t>(index_[at] >> 32) != tag) continue;
    const auto found = static_cast<uint32_t>(index_[at]);
    if (keys_[found].text == key) return found;
  }
  if (opened_.size() >= max_columns_ || slots_.size() >= kNoSlot) return kNoSlot;
  const auto added = static_cast<uint32_t>(slots_.size());
  add_slot(key);
  index_[at] = static_cast<uint64_t>(tag) << 32 | added;
  return added;
}

void AttributeTableBuilder::add_slot(std::string_view key) {
  keys_.emplace_back().text = key;
  key_bytes_ += key.size();
  KeySlot& slot = slots_.emplace_back();
  const size_t size = key.size() + 3;
  if (size > kMaxShortBytes) {
    slot.header.fill(0xFF);
    slot.header_size = kNeverMatches;
    return;
  }
  std::array<uint8_t, kMaxShortBytes> header{0x0A, static_cast<uint8_t>(key.size())};
  std::copy(key.begin(), key.end(), header.begin() + 2);
  header[size - 1] = 0x12;
  std::copy_n(header.begin(), kHeaderBytes, slot.header.begin());
  slot.header_size = static_cast<uint8_t>(size);
  if (size < kHeaderBytes) slot.header_rest = UINT32_MAX << size;
}

bool AttributeTableBuilder::matches_rest(const KeySlot& slot, const uint8_t* p) const {
  if (slot.header_size == kNeverMatches) return false;
  const std::string& key = keys_[index_of(slot)].text;
  return p[key.size() + 2] == 0x12 && std::memcmp(p + kHeaderBytes, key.data() + kHeaderBytes - 2,
                                                  key.size() + 2 - kHeaderBytes) == 0;
}

uint32_t AttributeTableBuilder::look_up_short(const uint8_t* p, size_t size) {
  const size_t key_size = p[1];
  const size_t header_size = key_size + 3;
  if (p[0] != 0x0A || header_size > size || p[header_size - 1] != 0x12) return kNoSlot;
  const std::string_view key(reinterpret_cast<const char*>(p) + 2, key_size);
  if (key_size < 8) return find_slot(key);
  uint64_t head;
  uint64_t tail;
  std::memcpy(&head, key.data(), 8);
  std::memcpy(&tail, key.data() + key_size - 8, 8);
  const uint64_t hash = (head ^ tail * 0x9E3779B97F4A7C15u ^ key_size) * 0xD6E8FEB86659FD93u;
  uint16_t& remembered = short_index_[hash >> (64 - kShortIndexBits)];
  if (remembered != kRowStart && matches(slots_[remembered], p)) return remembered;
  const uint32_t slot = find_slot(key);
  if (slot != kNoSlot) remembered = static_cast<uint16_t>(slot);
  return slot;
}

// A single exception does not unlearn a habit.
void AttributeTableBuilder::learn_next(KeySlot& before, size_t context, uint32_t slot) {
  if (before.next[context] == kRowStart || ++before.next_misses[context] >= 2) {
    before.next[context] = static_cast<uint16_t>(slot);
    before.next_misses[context] = 0;
  }
}

void AttributeTableBuilder::rebuild_index(size_t size) {
  index_.assign(size, 0);
  const size_t mask = size - 1;
  for (size_t i = kRowStart + 1; i < slots_.size(); ++i) {
    const uint32_t tag = tag_of(keys_[i].text);
    size_t at = tag >> 1 & mask;
    while (index_[at] != 0)
      at = (at + 1) & mask;
    index_[at] = static_cast<uint64_t>(tag) << 32 | i;
  }
}

AttributeTableBuilder::Column* AttributeTableBuilder::make_room(KeySlot& slot, ValueType type) {
  const auto slot_index = index_of(slot);
  Key& key = keys_[slot_index];
  Column*& column = key.columns[static_cast<size_t>(type)];
  if (column == nullptr || column->capacity == 0) {
    if (opened_.size() >= max_columns_) return nullptr;
    if (column == nullptr) {
      column = &columns_.emplace_back();
      column->type = type;
      column->slot = static_cast<uint16_t>(slot_index);
    }
    if (key.id == StringPool::kEmpty) key.id = strings_->intern(key.text);
    if (column->allocated == 0) grow(*column);
    column->capacity = column->allocated;
    opened_.push_back(column);
  }
  if (column->size == column->capacity) grow(*column);
  slot.column = column;
  return column;
}

void AttributeTableBuilder::grow(Column& column) {
  const size_t wanted = std::max<size_t>(size_t{column.allocated} * 2, kMinColumnRows);
  const bool numbers = is_number(column.type);
  // The values first: they may need the alignment.
  const size_t values_bytes = wanted * (numbers ? sizeof(uint64_t) : sizeof(StringPool::Id));
  auto block =
      std::make_unique_for_overwrite<std::byte[]>(values_bytes + wanted * sizeof(uint32_t));
  auto* rows = reinterpret_cast<uint32_t*>(block.get() + values_bytes);
  std::copy_n(column.rows, column.size, rows);
  if (numbers) {
    auto* values = reinterpret_cast<uint64_t*>(block.get());
    std::copy_n(column.numbers, column.size, values);
    column.numbers = values;
  } else {
    auto* values = reinterpret_cast<StringPool::Id*>(block.get());
    std::copy_n(column.ids, column.size, values);
    column.ids = values;
  }
  const size_t row_bytes = values_bytes / wanted + sizeof(uint32_t);
  buffer_bytes_ += row_bytes * (wanted - column.allocated);
  column.rows = rows;
  column.block = std::move(block);
  column.allocated = static_cast<uint32_t>(wanted);
  column.capacity = column.allocated;
}

// Where the predicted attribute did not come: the one after it, if it was left out; else the key
// is looked up.
AttributeTableBuilder::KeySlot* AttributeTableBuilder::find_short(const uint8_t* p, size_t size,
                                                                  uint32_t previous,
                                                                  size_t context) {
  uint32_t slot = slots_[slots_[previous].next[context]].next[context];
  if (!matches(slots_[slot], p)) {
    slot = look_up_short(p, size);
    if (slot == kNoSlot) return nullptr;
  }
  learn_next(slots_[previous], context, slot);
  return &slots_[slot];
}

// The length-prefixed AnyValue at `value`, which has `size` bytes as far as the KeyValue's length
// says: an int of up to four bytes.
AttributeOutcome AttributeTableBuilder::add_short_int(KeySlot& slot, const uint8_t* value,
                                                      uint32_t size) {
  // Of the varint's bytes, all but the last have the high bit. They are read at once.
  static constexpr std::array<uint32_t, 4> kBytes = {0xFF, 0xFFFF, 0xFF'FFFF, 0xFFFF'FFFF};
  static constexpr std::array<uint32_t, 4> kHighBits = {0, 0x80, 0x8080, 0x80'8080};
  const uint32_t last = size - 2;
  if (value[0] != size || value[1] != 0x18 || last >= kBytes.size()) {
    return add_short_other(slot, value, size);
  }
  const uint32_t word = wire::load_fixed32(value + 2) & kBytes[last];
  if ((word & 0x8080'8080) != kHighBits[last]) return kUnusual;
  if (!claim(slot)) return why_not(slot);
  Column* column = column_of(slot, ValueType::kInt);
  if (column == nullptr) return AttributeOutcome::kTooMany;
  const uint32_t at = column->size++;
  column->rows[at] = row_;
  column->numbers[at] =
      (word & 0x7F) | (word >> 1 & 0x3F80) | (word >> 2 & 0x1F'C000) | (word >> 3 & 0xFE0'0000);
  return AttributeOutcome::kAdded;
}

// The same for all other types of value but arrays and key-value lists.
AttributeOutcome AttributeTableBuilder::add_short_other(KeySlot& slot, const uint8_t* value,
                                                        uint32_t size) {
  if (size > kMaxShortBytes || value[0] != size) return kUnusual;
  const auto index = index_of(slot);
  if (size == 0) return add_none(index);
  if (size == 1) return kUnusual;
  switch (value[1]) {
    case 0x10:
    case 0x18: {
      const wire::Position end = value + 1 + size;
      uint64_t number = 0;
      if (wire::read_varint(value + 2, end, number) != end) return kUnusual;
      if (value[1] == 0x18) return add_number(index, ValueType::kInt, number);
      return add_number(index, ValueType::kBool, number != 0);
    }
    case 0x21:
      if (size != 9) return kUnusual;
      return add_number(index, ValueType::kDouble, wire::load_fixed64(value + 2));
    case 0x3A:
      if (size_t{value[2]} + 2 != size) return kUnusual;
      return add_string(index, ValueType::kBytes, wire::view(value + 3, value + 1 + size));
    default:
      return kUnusual;
  }
}

AttributeOutcome AttributeTableBuilder::add_number(uint32_t slot_index, ValueType type,
                                                   uint64_t word) {
  KeySlot& slot = slots_[slot_index];
  if (!claim(slot)) return why_not(slot);
  Column* column = column_of(slot, type);
  if (column == nullptr) return AttributeOutcome::kTooMany;
  const uint32_t at = column->size++;
  column->rows[at] = row_;
  column->numbers[at] = word;
  return AttributeOutcome::kAdded;
}

AttributeOutcome AttributeTableBuilder::add_none(uint32_t slot_index) {
  KeySlot& slot = slots_[slot_index];
  if (!claim(slot)) return why_not(slot);
  Column* column = column_of(slot, ValueType::kNone);
  if (column == nullptr) return AttributeOutcome::kTooMany;
  column->rows[column->size++] = row_;
  return AttributeOutcome::kAdded;
}

AttributeOutcome AttributeTableBuilder::add_string(uint32_t slot_index, ValueType type,
                                                   std::string_view text) {
  KeySlot& slot = slots_[slot_index];
  if (!claim(slot)) return why_not(slot);
  Column* column = column_of(slot, type);
  if (column == nullptr) return AttributeOutcome::kTooMany;
  StringPool::Id id = column->size == 0 ? StringPool::kEmpty : column->ids[column->size - 1];
  if (strings_->at(id) != text) {
    id = column->unique ? strings_->add(text) : look_up(*column, text);
  }
  column->rows[column->size] = row_;
  column->ids[column->size] = id;
  ++column->size;
  return AttributeOutcome::kAdded;
}

StringPool::Id AttributeTableBuilder::look_up(Column& column, std::string_view text) {
  if (!looks_up_) return strings_->add(text);
  const uint32_t before = strings_->fresh();
  const StringPool::Id id = strings_->intern(text);
  count_look_up(column, strings_->fresh() != before);
  return id;
}

StringPool::Id AttributeTableBuilder::look_up_overread(Column& column, const char* text,
                                                       size_t size) {
  if (!looks_up_) return strings_->add_overread(text, size);
  const uint32_t before = strings_->fresh();
  const StringPool::Id id = strings_->intern_overread(text, size);
  count_look_up(column, strings_->fresh() != before);
  return id;
}

// Looking up strings that never come again costs more than storing a few of them twice.
void AttributeTableBuilder::count_look_up(Column& column, bool fresh) {
  if (!fresh) return;
  ++column.fresh;
  column.unique = column.size >= kUniqueLater
                      ? column.fresh * 2 > column.size
                      : column.size >= kUniqueAtOnce && column.fresh >= column.size;
}

}  // namespace weft
