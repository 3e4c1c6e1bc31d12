// Fills a SpanBatch: strings are shared where they repeat, attributes find their columns, limits
// are held and what was left out is counted. All decoders of src/wire build their batches with it.
// One thread; a builder is reused from request to request, so that its buffers and the keys that
// it has seen stay warm. Nothing it remembers changes what a request decodes to.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/equal_bytes.h"
#include "model/span_batch.h"
#include "wire/decode.h"

namespace weft {

// Ids for repeated strings of one StringPool. It keeps its look-up table from batch to batch and
// leaves the pool's own index unbuilt, which saves an allocation of the table a batch.
class StringInterner {
 public:
  // Forgets everything.
  void begin(StringPool* pool);
  // The id of equal bytes that were interned in this batch before, else a new one.
  StringPool::Id intern(std::string_view text);
  StringPool::Id add(std::string_view text) { return pool_->add(text); }
  std::string_view at(StringPool::Id id) const { return pool_->at(id); }
  // Number of intern() calls that made a new id.
  uint32_t fresh() const { return used_; }

 private:
  void grow();

  StringPool* pool_ = nullptr;
  std::vector<uint64_t> slots_;  // hash tag << 32 | id; 0 is free
  uint32_t used_ = 0;
};

enum class AttributeOutcome : uint8_t { kAdded, kDuplicate, kTooMany };

// The columns of one AttributeTable. A key has a slot that outlives the batch; the protobuf
// decoder predicts the slot of the next attribute from the previous one.
class AttributeTableBuilder {
 public:
  static constexpr uint16_t kNoSlot = UINT16_MAX;
  // What follows a key depends on the kind of span: predictions are kept by kind.
  static constexpr size_t kContexts = 8;
  // Not a key: stands before the first attribute of a row, to predict that one.
  static constexpr uint32_t kRowStart = 0;
  // A KeyValue that starts like this, up to the length of its value, is predicted by its bytes:
  // 0x0A, the key's length, the key, 0x12.
  static constexpr size_t kHeaderBytes = 64;

  struct KeySlot {
    alignas(16) std::array<uint8_t, kHeaderBytes> header;
    uint32_t header_mask = 0;  // a bit for each of the first 32 bytes of the header
    uint32_t header_size = 0;  // 0: the key is too long to be predicted
    // By context, the slot that is expected to follow, and how often in a row it did not.
    std::array<uint16_t, kContexts> next;
    std::array<uint8_t, kContexts> next_misses{};
    uint64_t mark = 0;       // the last (batch, row) that had the key
    uint32_t rows_hint = 0;  // length of its column in the last batch that had it
    StringPool::Id key_id = 0;
    std::array<int32_t, 8> column;  // by ValueType; index in the table, -1 when there is none yet
    std::string key;

    KeySlot() {
      next.fill(kNoSlot);
      column.fill(-1);
      header.fill(0);
    }
  };

  // `table` must be empty and outlive the batch. `rows_bound` caps what is reserved ahead.
  void begin(AttributeTable* table, StringInterner* strings, const DecodeLimits& limits,
             size_t rows_bound);
  // Rows must ascend. Attributes that follow belong to it.
  void begin_row(uint32_t row) {
    row_ = row;
    mark_ = batch_mark_ + row;
    row_attributes_ = 0;
  }

  // The batch is complete: remembers how long its columns became.
  void end();

  // The slot of a key, or kNoSlot when the table has all the keys it may have.
  uint32_t find_slot(std::string_view key);
  KeySlot& slot(uint32_t index) { return slots_[index]; }
  // Learns that `slot_index` came after `previous`. A single exception does not unlearn a habit.
  void follow(uint32_t previous, uint32_t slot_index, size_t context) {
    KeySlot& before = slots_[previous];
    if (before.next[context] == slot_index) {
      before.next_misses[context] = 0;
    } else if (before.next[context] == kNoSlot || ++before.next_misses[context] >= 2) {
      before.next[context] = static_cast<uint16_t>(slot_index);
      before.next_misses[context] = 0;
    }
  }

  AttributeOutcome add_none(uint32_t slot_index);
  AttributeOutcome add_number(uint32_t slot_index, ValueType type, uint64_t word);
  // kString, kBytes, kArray and kKvlist.
  AttributeOutcome add_string(uint32_t slot_index, ValueType type, std::string_view text);

 private:
  struct ColumnState {
    StringPool::Id last = StringPool::kEmpty;
    uint32_t seen = 0;    // values that differed from their predecessor
    uint32_t fresh = 0;   // of these, new ones
    bool unique = false;  // hardly ever repeats: strings are added without a look-up
    uint32_t slot = 0;
  };

  AttributeOutcome open_column(uint32_t slot_index, ValueType type, int32_t* column);
  StringPool::Id resolve(ColumnState& state, std::string_view text);
  void refresh(KeySlot& slot);
  void forget_slots();
  void rebuild_index(size_t size);
  // kAdded when the row may take an attribute of the key; marks it.
  AttributeOutcome claim(KeySlot& slot) {
    if (slot.mark == mark_) return AttributeOutcome::kDuplicate;
    if (row_attributes_ >= max_attributes_) return AttributeOutcome::kTooMany;
    if (slot.mark < batch_mark_) refresh(slot);
    slot.mark = mark_;
    ++row_attributes_;
    return AttributeOutcome::kAdded;
  }

  AttributeTable* table_ = nullptr;
  StringInterner* strings_ = nullptr;
  uint32_t max_attributes_ = 0;
  uint32_t max_columns_ = 0;
  size_t rows_bound_ = 0;
  uint32_t row_ = 0;
  uint32_t row_attributes_ = 0;
  uint64_t mark_ = 0;
  uint64_t batch_mark_ = 0;
  size_t key_bytes_ = 0;
  size_t columns_hint_ = 0;          // of the last batch
  std::vector<KeySlot> slots_{1};    // kRowStart
  std::vector<ColumnState> states_;  // parallel to table_->columns
  std::vector<uint64_t> index_;      // open addressing: hash tag << 32 | slot; 0 is free
};

[[gnu::always_inline]] inline AttributeOutcome AttributeTableBuilder::add_number(
    uint32_t slot_index, ValueType type, uint64_t word) {
  KeySlot& key = slots_[slot_index];
  if (const auto outcome = claim(key); outcome != AttributeOutcome::kAdded) return outcome;
  int32_t index = key.column[static_cast<size_t>(type)];
  if (index < 0) {
    const auto outcome = open_column(slot_index, type, &index);
    if (outcome != AttributeOutcome::kAdded) return outcome;
  }
  AttributeColumn& column = table_->columns[static_cast<size_t>(index)];
  column.rows.push_back(row_);
  column.numbers.push_back(word);
  return AttributeOutcome::kAdded;
}

[[gnu::always_inline]] inline AttributeOutcome AttributeTableBuilder::add_string(
    uint32_t slot_index, ValueType type, std::string_view text) {
  KeySlot& key = slots_[slot_index];
  if (const auto outcome = claim(key); outcome != AttributeOutcome::kAdded) return outcome;
  int32_t index = key.column[static_cast<size_t>(type)];
  if (index < 0) {
    const auto outcome = open_column(slot_index, type, &index);
    if (outcome != AttributeOutcome::kAdded) return outcome;
  }
  AttributeColumn& column = table_->columns[static_cast<size_t>(index)];
  ColumnState& state = states_[static_cast<size_t>(index)];
  const std::string_view last = strings_->at(state.last);
  const bool repeated =
      last.size() == text.size() && equal_bytes(last.data(), text.data(), text.size());
  const StringPool::Id id = repeated ? state.last : resolve(state, text);
  column.rows.push_back(row_);
  column.strings.push_back(id);
  return AttributeOutcome::kAdded;
}

// The whole batch. Callers write the fields of a span straight into batch() at the row that
// begin_span returned.
class BatchBuilder {
 public:
  // Starts an empty batch. `spans` is a guess of how many will come.
  void begin(const DecodeLimits& limits, size_t body_bytes, size_t spans);
  // Gives the batch away; the builder is ready for the next begin().
  DecodeResult finish();

  SpanBatch& batch() { return result_.batch; }
  StringInterner& strings() { return strings_; }
  AttributeTableBuilder& span_attributes() { return span_attributes_; }
  AttributeTableBuilder& event_attributes() { return event_attributes_; }
  AttributeTableBuilder& link_attributes() { return link_attributes_; }
  AttributeTableBuilder& resource_attributes() { return resource_attributes_; }
  AttributeTableBuilder& scope_attributes() { return scope_attributes_; }

  // A new row, all fields zero; attributes, events and links that follow belong to it. nullopt-like
  // kNoRow when the request has all the spans it may have: then the request is to be refused.
  static constexpr uint32_t kNoRow = UINT32_MAX;
  uint32_t begin_span();
  uint32_t begin_resource();
  uint32_t begin_scope();
  // kNoRow when the span (or the request) has all that it may have; it has been counted then.
  uint32_t begin_event();
  uint32_t begin_link();

  // Counts an attribute that was not added into `dropped` (a dropped_attributes_count).
  void count_attribute(AttributeOutcome outcome, uint32_t& dropped);
  void drop_link(std::string_view why);
  // A span that cannot be stored; `why` is kept when it is the first.
  void reject_span(std::string_view why);
  // Something that was left out; kept when nothing was said yet.
  void warn(std::string_view what);

 private:
  void grow_spans(size_t rows);

  DecodeLimits limits_;
  DecodeResult result_;
  std::string warning_;
  StringInterner strings_;
  AttributeTableBuilder span_attributes_;
  AttributeTableBuilder event_attributes_;
  AttributeTableBuilder link_attributes_;
  AttributeTableBuilder resource_attributes_;
  AttributeTableBuilder scope_attributes_;
  size_t strings_hint_ = 0;  // what the last batch's pool became
  size_t arena_hint_ = 0;
  uint32_t spans_ = 0;  // rows in use; the vectors are longer until finish()
  uint32_t span_events_ = 0;
  uint32_t span_links_ = 0;
};

// sum, at most the largest uint32.
inline void saturating_add(uint32_t& sum, uint64_t more) {
  sum = more > UINT32_MAX - sum ? UINT32_MAX : sum + static_cast<uint32_t>(more);
}

}  // namespace weft
