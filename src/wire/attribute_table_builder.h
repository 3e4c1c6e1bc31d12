// Fills an AttributeTable: attributes find their columns, strings are shared where they repeat,
// limits are held. What stands where an attribute is added is written for one purpose, few
// instructions a value: a request has some eight values a span.
//
// Columns grow in buffers that are kept from batch to batch and go into the table at the end, in
// one copy of the right size. What is remembered between batches makes them faster; nothing of it
// changes what a request decodes to.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/attribute_table.h"
#include "wire/decode.h"
#include "wire/overread.h"
#include "wire/string_interner.h"

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace weft {

enum class AttributeOutcome : uint8_t { kAdded, kDuplicate, kTooMany };

// One thread. A key has a slot that outlives the batch; the protobuf decoder predicts the slot of
// the next attribute from the one before.
class AttributeTableBuilder {
 public:
  static constexpr uint32_t kNoSlot = UINT16_MAX;
  // Not a key: stands before the first attribute of a row, to predict that one.
  static constexpr uint32_t kRowStart = 0;
  // What follows a key depends on the kind of span: predictions are kept by kind.
  static constexpr size_t kContexts = 5;
  // All lengths in a KeyValue up to this long take one byte.
  static constexpr size_t kMaxShortBytes = 127;
  static constexpr size_t kShortReadAhead = kMaxShortBytes + 1 + wire::kOverread;

  AttributeTableBuilder() { forget_slots(); }

  // Strings go to `strings`, which must outlive the batch.
  void begin(StringInterner* strings, const DecodeLimits& limits);
  // For this batch: strings are told apart as far as that needs no look-up; some stand twice.
  void keep_texts_apart() { looks_up_ = false; }
  // Rows must ascend. Attributes that follow belong to it.
  void begin_row(uint32_t row) {
    row_ = row;
    attributes_left_ = max_attributes_;
    if (++mark_ == 0) [[unlikely]]
      clear_marks();
  }
  // Writes the columns into `table`, which is empty, in the order in which they first occurred;
  // they take finished_bytes() of `memory`.
  void finish(AttributeTable& table, BatchArena* memory);
  size_t finished_bytes() const;

  // The slot of a key, or kNoSlot when the table has all the keys it may have.
  uint32_t find_slot(std::string_view key);
  AttributeOutcome add_none(uint32_t slot);
  AttributeOutcome add_number(uint32_t slot, ValueType type, uint64_t word);
  // kString, kBytes, kArray and kKvlist.
  AttributeOutcome add_string(uint32_t slot, ValueType type, std::string_view text);
  // Adds the KeyValue messages from `p` on that stand behind each other with `tag` and a length of
  // one byte, as long as they are laid out as usual: the key, then the value, which is a string, a
  // number or bytes. Returns where the first one starts that is not, and leaves it alone. All must
  // end before `end`; kShortReadAhead bytes behind `end` may be read. `previous` is the slot of the
  // attribute before, to predict the next one's, and is kept up to date. What cannot be added is
  // skipped; `refused` is called with the outcome.
  template <typename Refused>
  const uint8_t* add_short(const uint8_t* p, const uint8_t* end, uint8_t tag, uint32_t& previous,
                           size_t context, Refused&& refused);

 private:
  static constexpr size_t kRecent = 32;
  // Strings of a column are not looked up any more when none of at least kUniqueAtOnce has come
  // twice or, from kUniqueLater values on, when most have not.
  static constexpr uint32_t kUniqueAtOnce = 16;
  static constexpr uint32_t kUniqueLater = 128;
  // A short KeyValue is known by how it starts: 0x0A, the key's length, the key, 0x12. This much of
  // that is compared at once.
  static constexpr size_t kHeaderBytes = 32;

  // A column and the buffers that it grows in. It outlives the batch.
  struct alignas(64) Column {
    uint32_t* rows = nullptr;
    union {
      StringPool::Id* ids = nullptr;
      uint64_t* numbers;
    };
    uint32_t size = 0;
    uint32_t capacity = 0;  // 0 as long as the batch has not got the column
    uint32_t fresh = 0;     // strings that the batch did not have before
    bool unique = false;    // hardly ever repeats: strings are added without a look-up
    ValueType type = ValueType::kNone;
    uint16_t slot = 0;

    uint32_t allocated = 0;  // entries that the block has room for
    // Strings that occurred, by recent_index().
    std::array<StringPool::Id, kRecent> recent{};
    std::unique_ptr<std::byte[]> block;
  };

  // What is looked at for each attribute of a key.
  struct alignas(64) KeySlot {
    std::array<uint8_t, kHeaderBytes> header;
    Column* column = &no_column();  // the one that was last used
    uint32_t mark = 0;              // the last row that had the key
    // By context, the slot that is expected to follow (kRowStart: none), and how often in a row it
    // did not.
    std::array<uint16_t, kContexts> next{};
    std::array<uint8_t, kContexts> next_misses{};
    uint8_t header_size = 0;
    uint32_t header_rest = 0;  // a bit for each byte of `header` that does not belong to it
  };
  static_assert(sizeof(KeySlot) == 64);

  // Of no key, and full.
  static Column& no_column() {
    static Column column;
    return column;
  }

  struct Key {
    std::string text;
    StringPool::Id id = StringPool::kEmpty;  // in this batch
    std::array<Column*, 8> columns{};        // by ValueType
  };

  uint32_t index_of(const KeySlot& slot) const {
    return static_cast<uint32_t>(&slot - slots_.data());
  }
  bool matches(const KeySlot& slot, const uint8_t* p) const {
    const uint32_t same = wire::equal_bits<true>(slot.header.data(), p) |
                          wire::equal_bits<true>(slot.header.data() + 16, p + 16) << 16;
    if ((same | slot.header_rest) != UINT32_MAX) return false;
    return slot.header_size <= kHeaderBytes || matches_rest(slot, p);
  }
  bool matches_rest(const KeySlot& slot, const uint8_t* p) const;
  KeySlot* find_short(const uint8_t* p, size_t size, uint32_t previous, size_t context);
  uint32_t look_up_short(const uint8_t* p, size_t size);
  // kUnusual instead of an outcome: the value is not laid out as usual, nothing was added.
  static constexpr auto kUnusual = static_cast<AttributeOutcome>(UINT8_MAX);
  AttributeOutcome add_short_value(KeySlot& slot, const uint8_t* value, uint32_t size);
  AttributeOutcome add_short_int(KeySlot& slot, const uint8_t* value, uint32_t size);
  AttributeOutcome add_short_other(KeySlot& slot, const uint8_t* value, uint32_t size);
  void learn_next(KeySlot& before, size_t context, uint32_t slot);
  void add_slot(std::string_view key);
  void forget_slots();
  void rebuild_index(size_t size);
  void clear_marks();
  void close_columns();

  // Whether the row may take an attribute of the key, which is then marked.
  bool claim(KeySlot& slot) {
    if (slot.mark == mark_ || attributes_left_ == 0) [[unlikely]]
      return false;
    slot.mark = mark_;
    --attributes_left_;
    return true;
  }
  AttributeOutcome why_not(const KeySlot& slot) const {
    return slot.mark == mark_ ? AttributeOutcome::kDuplicate : AttributeOutcome::kTooMany;
  }
  // The column of the key with room for one more value; nullptr when there are too many columns.
  Column* column_of(KeySlot& slot, ValueType type) {
    Column* column = slot.column;
    if (column->type != type || column->size == column->capacity) [[unlikely]] {
      return make_room(slot, type);
    }
    return column;
  }
  Column* make_room(KeySlot& slot, ValueType type);
  void grow(Column& column);

  // Where a text is expected among a column's recent ones. Its end and its middle tell texts of
  // one column apart, mostly. What is read before a short text is its header, always the same.
  static size_t recent_index(const char* text, size_t size);
  StringPool::Id resolve_short(Column& column, const char* text, size_t size);
  StringPool::Id look_up(Column& column, std::string_view text);
  StringPool::Id look_up_overread(Column& column, const char* text, size_t size);
  void count_look_up(Column& column, bool fresh);

  StringInterner* strings_ = nullptr;
  uint32_t row_ = 0;
  uint32_t mark_ = 0;
  uint32_t attributes_left_ = 0;
  uint32_t max_attributes_ = 0;
  uint32_t max_columns_ = 0;
  bool looks_up_ = true;
  std::vector<KeySlot> slots_;         // the first is kRowStart
  std::vector<Key> keys_;              // parallel to slots_
  std::deque<Column> columns_;         // of all keys
  std::vector<Column*> opened_;        // of this batch
  std::vector<uint64_t> index_;        // of keys, open addressing: hash tag << 32 | slot; 0 is free
  std::vector<uint16_t> short_index_;  // slots by their headers, each may displace another
  size_t key_bytes_ = 0;
  size_t buffer_bytes_ = 0;
};

[[gnu::always_inline]] inline size_t AttributeTableBuilder::recent_index(const char* text,
                                                                         size_t size) {
  uint64_t tail;
  uint64_t middle;
  std::memcpy(&tail, text + size - 8, 8);
  std::memcpy(&middle, text + size / 2 - 8, 8);
#if defined(__SSE4_2__)
  return _mm_crc32_u64(_mm_crc32_u64(0, tail), middle) % kRecent;
#else
  return ((tail * 0x9E3779B97F4A7C15u ^ middle) * 0xD6E8FEB86659FD93u >> 32) % kRecent;
#endif
}

[[gnu::always_inline]] inline StringPool::Id AttributeTableBuilder::resolve_short(Column& column,
                                                                                  const char* text,
                                                                                  size_t size) {
  if (column.unique) {
    const StringPool::Id last = column.ids[column.size - 1];
    return strings_->equals_overread(last, text, size) ? last : strings_->add_overread(text, size);
  }
  StringPool::Id& recent = column.recent[recent_index(text, size)];
  if (strings_->equals_overread(recent, text, size)) [[likely]]
    return recent;
  return recent = look_up_overread(column, text, size);
}

// The length-prefixed AnyValue at `value`; `size` is its length as the KeyValue's length has it.
[[gnu::always_inline]] inline AttributeOutcome AttributeTableBuilder::add_short_value(
    KeySlot& slot, const uint8_t* value, uint32_t size) {
  // The value's length, 0x0A, the text's length. No bytes are like that when the header, which may
  // have been compared with what lies behind the KeyValue, leaves nothing for a value.
  uint32_t start;
  std::memcpy(&start, value, 4);
  if ((start & 0xFF'FF'FFu) != size * 0x01'00'01u + 0x00'0A'00u - 0x02'00'00u) {
    return add_short_int(slot, value, size);
  }
  if (!claim(slot)) [[unlikely]]
    return why_not(slot);
  Column* const column = column_of(slot, ValueType::kString);
  if (column == nullptr) [[unlikely]]
    return AttributeOutcome::kTooMany;
  const auto* text = reinterpret_cast<const char*>(value) + 3;
  const StringPool::Id id = resolve_short(*column, text, size - 2);
  const uint32_t at = column->size++;
  column->rows[at] = row_;
  column->ids[at] = id;
  return AttributeOutcome::kAdded;
}

template <typename Refused>
[[gnu::always_inline]] inline const uint8_t* AttributeTableBuilder::add_short(
    const uint8_t* p, const uint8_t* end, uint8_t tag, uint32_t& previous, size_t context,
    Refused&& refused) {
  KeySlot* before = &slots_[previous];
  while (p + 2 <= end) {
    // The tag, and a length below 128.
    uint32_t tag_and_size = 0;
    std::memcpy(&tag_and_size, p, 2);
    if (((tag_and_size ^ tag) & 0x80FF) != 0) break;
    const uint32_t size = tag_and_size >> 8;
    const uint8_t* const key = p + 2;
    if (key + size > end) [[unlikely]]
      break;
    // Most often it is the attribute that followed last time. (What is expected to follow nothing
    // matches nothing.)
    KeySlot* slot = &slots_[before->next[context]];
    if (matches(*slot, key)) [[likely]] {
      before->next_misses[context] = 0;
    } else {
      const uint32_t index = index_of(*before);
      slot = find_short(key, size, index, context);
      before = &slots_[index];  // there may be more slots now
      if (slot == nullptr) break;
    }
    const uint32_t header_size = slot->header_size;
    const auto outcome = add_short_value(*slot, key + header_size, size - header_size - 1);
    if (outcome != AttributeOutcome::kAdded) [[unlikely]] {
      if (outcome == kUnusual) break;
      refused(outcome);
    }
    before = slot;
    p = key + size;
  }
  previous = index_of(*before);
  return p;
}

}  // namespace weft
