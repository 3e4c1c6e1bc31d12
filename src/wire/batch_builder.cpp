#include "wire/batch_builder.h"

#include <algorithm>
#include <bit>
#include <random>

#include "base/hash.h"

namespace weft {
namespace {

// Keys that a table builder may remember between batches, in number and bytes.
constexpr size_t kMaxWarmSlots = 8192;
constexpr size_t kMaxWarmKeyBytes = 1u << 20;

uint64_t load64(const char* p) {
  uint64_t out;
  std::memcpy(&out, p, 8);
  return out;
}

uint64_t multiply_fold(uint64_t a, uint64_t b) {
  __extension__ using uint128 = unsigned __int128;
  const uint128 product = static_cast<uint128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Short strings by two overlapping words, the others by XXH3: all bytes count.
[[gnu::always_inline]] inline uint64_t fast_hash(std::string_view text, uint64_t seed) {
  const size_t n = text.size();
  if (n > 32) return hash_bytes(text, seed);
  const char* p = text.data();
  uint64_t a = 0;
  uint64_t b = 0;
  if (n >= 8) {
    a = load64(p);
    b = load64(p + n - 8);
    if (n > 16) {
      a ^= multiply_fold(load64(p + 8) ^ 0x9E3779B97F4A7C15u, load64(p + n - 16) ^ seed);
    }
  } else {
    char padded[8] = {};
    if (n > 0) std::memcpy(padded, p, n);  // the empty string may have no address
    a = load64(padded);
  }
  return multiply_fold(a ^ seed, b ^ n ^ 0xD6E8FEB86659FD93u);
}

// Random, so that nobody can prepare strings that collide.
const uint64_t kSeed = [] {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32 | device()) | 1u;
}();

uint32_t tag_of(uint64_t hash) {
  return static_cast<uint32_t>(hash >> 32) | 1u;
}

}  // namespace

void annotate_received(SpanBatch& batch, uint64_t received_ns) {
  if (batch.empty()) return;
  AttributeColumn column;
  column.key = batch.strings.add("received_ns");
  column.type = ValueType::kInt;
  column.rows.resize(batch.size());
  for (size_t row = 0; row < batch.size(); ++row)
    column.rows[row] = static_cast<uint32_t>(row);
  column.numbers.assign(batch.size(), received_ns);
  batch.annotations.columns.push_back(std::move(column));
}

// --- StringInterner ---

void StringInterner::begin(StringPool* pool) {
  pool_ = pool;
  // As small as the last batch allows: a table that stays in the nearest cache is a fast one.
  constexpr size_t kMinSlots = 512;
  const size_t wanted = std::bit_ceil(std::max<size_t>(used_ * 3, kMinSlots));
  if (slots_.size() > wanted * 2) slots_ = {};
  slots_.assign(std::max(wanted, slots_.size()), 0);
  used_ = 0;
}

StringPool::Id StringInterner::intern(std::string_view text) {
  if (text.empty()) return StringPool::kEmpty;
  const uint64_t hash = fast_hash(text, kSeed);
  const uint32_t tag = tag_of(hash);
  const size_t mask = slots_.size() - 1;
  for (size_t slot = tag >> 1 & mask;; slot = (slot + 1) & mask) {
    const uint64_t entry = slots_[slot];
    if (entry == 0) {
      const StringPool::Id id = pool_->add(text);
      slots_[slot] = static_cast<uint64_t>(tag) << 32 | id;
      if (++used_ * 2 > slots_.size()) grow();
      return id;
    }
    if (static_cast<uint32_t>(entry >> 32) == tag) {
      const auto id = static_cast<StringPool::Id>(entry);
      const std::string_view known = pool_->at(id);
      if (known.size() == text.size() && equal_bytes(known.data(), text.data(), text.size())) {
        return id;
      }
    }
  }
}

void StringInterner::grow() {
  std::vector<uint64_t> old(slots_.size() * 2, 0);
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const uint64_t entry : old) {
    if (entry == 0) continue;
    size_t slot = (entry >> 33) & mask;
    while (slots_[slot] != 0)
      slot = (slot + 1) & mask;
    slots_[slot] = entry;
  }
}

// --- AttributeTableBuilder ---

void AttributeTableBuilder::begin(AttributeTable* table, StringInterner* strings,
                                  const DecodeLimits& limits, size_t rows_bound) {
  states_.clear();
  if (slots_.size() > kMaxWarmSlots || key_bytes_ > kMaxWarmKeyBytes) forget_slots();
  table_ = table;
  strings_ = strings;
  max_attributes_ = limits.max_attributes;
  max_columns_ = limits.max_columns;
  rows_bound_ = rows_bound;
  table->columns.reserve(std::min<size_t>(columns_hint_, rows_bound * 2));
  batch_mark_ = (batch_mark_ & ~uint64_t{0xFFFF'FFFF}) + (uint64_t{1} << 32);
  begin_row(0);
}

void AttributeTableBuilder::end() {
  columns_hint_ = states_.size();
  for (size_t i = 0; i < states_.size(); ++i) {
    slots_[states_[i].slot].rows_hint = static_cast<uint32_t>(table_->columns[i].rows.size());
  }
  states_.clear();
}

void AttributeTableBuilder::forget_slots() {
  slots_ = std::vector<KeySlot>(1);
  index_.clear();
  index_.shrink_to_fit();
  key_bytes_ = 0;
}

uint32_t AttributeTableBuilder::find_slot(std::string_view key) {
  if (slots_.size() * 2 >= index_.size()) rebuild_index(std::max<size_t>(256, index_.size() * 2));
  const uint32_t tag = tag_of(fast_hash(key, kSeed));
  const size_t mask = index_.size() - 1;
  size_t at = tag >> 1 & mask;
  for (; index_[at] != 0; at = (at + 1) & mask) {
    if (static_cast<uint32_t>(index_[at] >> 32) != tag) continue;
    const auto found = static_cast<uint32_t>(index_[at]);
    if (slots_[found].key == key) return found;
  }
  if (states_.size() >= max_columns_ || slots_.size() >= kNoSlot) return kNoSlot;
  KeySlot fresh;
  fresh.key = key;
  if (key.size() + 3 <= kHeaderBytes) {
    fresh.header_size = static_cast<uint32_t>(key.size() + 3);
    fresh.header[0] = 0x0A;
    fresh.header[1] = static_cast<uint8_t>(key.size());
    std::copy(key.begin(), key.end(), fresh.header.begin() + 2);
    fresh.header[2 + key.size()] = 0x12;
    fresh.header_mask = fresh.header_size >= 32 ? UINT32_MAX : (1u << fresh.header_size) - 1;
  }
  slots_.push_back(std::move(fresh));
  key_bytes_ += key.size();
  const auto added = static_cast<uint32_t>(slots_.size() - 1);
  index_[at] = static_cast<uint64_t>(tag) << 32 | added;
  return added;
}

void AttributeTableBuilder::rebuild_index(size_t size) {
  index_.assign(size, 0);
  const size_t mask = size - 1;
  for (size_t i = kRowStart + 1; i < slots_.size(); ++i) {
    const uint32_t tag = tag_of(fast_hash(slots_[i].key, kSeed));
    size_t at = tag >> 1 & mask;
    while (index_[at] != 0)
      at = (at + 1) & mask;
    index_[at] = static_cast<uint64_t>(tag) << 32 | i;
  }
}

void AttributeTableBuilder::refresh(KeySlot& slot) {
  slot.column.fill(-1);
  slot.key_id = StringPool::kEmpty;
}

AttributeOutcome AttributeTableBuilder::open_column(uint32_t slot_index, ValueType type,
                                                    int32_t* column) {
  if (table_->columns.size() >= max_columns_) return AttributeOutcome::kTooMany;
  KeySlot& key = slots_[slot_index];
  if (key.key_id == StringPool::kEmpty) key.key_id = strings_->intern(key.key);
  *column = static_cast<int32_t>(table_->columns.size());
  key.column[static_cast<size_t>(type)] = *column;
  AttributeColumn fresh;
  fresh.key = key.key_id;
  fresh.type = type;
  // A little more than last time: growing costs more than a few words too many.
  if (const size_t expected = std::min<size_t>(key.rows_hint * 5 / 4 + 4, rows_bound_);
      expected > 0) {
    fresh.rows.reserve(expected);
    if (fresh.is_number()) fresh.numbers.reserve(expected);
    if (fresh.is_string_like()) fresh.strings.reserve(expected);
  }
  table_->columns.push_back(std::move(fresh));
  states_.emplace_back().slot = slot_index;
  return AttributeOutcome::kAdded;
}

AttributeOutcome AttributeTableBuilder::add_none(uint32_t slot_index) {
  KeySlot& key = slots_[slot_index];
  if (const auto outcome = claim(key); outcome != AttributeOutcome::kAdded) return outcome;
  int32_t index = key.column[static_cast<size_t>(ValueType::kNone)];
  if (index < 0) {
    const auto outcome = open_column(slot_index, ValueType::kNone, &index);
    if (outcome != AttributeOutcome::kAdded) return outcome;
  }
  table_->columns[static_cast<size_t>(index)].rows.push_back(row_);
  return AttributeOutcome::kAdded;
}

StringPool::Id AttributeTableBuilder::resolve(ColumnState& state, std::string_view text) {
  if (state.unique) return state.last = strings_->add(text);
  const uint32_t before = strings_->fresh();
  state.last = strings_->intern(text);
  state.fresh += strings_->fresh() - before;
  // Looking up strings that never come again costs more than storing a few of them twice.
  if (++state.seen >= 32 && state.fresh * 2 > state.seen) state.unique = true;
  return state.last;
}

// --- BatchBuilder ---

void BatchBuilder::begin(const DecodeLimits& limits, size_t body_bytes, size_t spans) {
  limits_ = limits;
  result_ = {};
  warning_.clear();
  spans_ = 0;
  span_events_ = 0;
  span_links_ = 0;
  strings_.begin(&result_.batch.strings);
  // Never more than the body, whatever the last batch was like.
  result_.batch.strings.reserve(std::min<size_t>(strings_hint_, spans * 16 + 64),
                                std::min<size_t>(arena_hint_, body_bytes));
  SpanBatch& b = result_.batch;
  span_attributes_.begin(&b.attributes, &strings_, limits, spans);
  event_attributes_.begin(&b.events.attributes, &strings_, limits, spans);
  link_attributes_.begin(&b.links.attributes, &strings_, limits, spans);
  resource_attributes_.begin(&b.resources.attributes, &strings_, limits, 64);
  scope_attributes_.begin(&b.scopes.attributes, &strings_, limits, 64);
  grow_spans(std::min<size_t>(spans, limits.max_spans));
}

void BatchBuilder::grow_spans(size_t rows) {
  SpanBatch& b = result_.batch;
  b.trace_id.resize(rows);
  b.span_id.resize(rows);
  b.parent_span_id.resize(rows);
  b.start_ns.resize(rows);
  b.end_ns.resize(rows);
  b.name.resize(rows);
  b.kind.resize(rows);
  b.status_code.resize(rows);
  b.status_message.resize(rows);
  b.trace_state.resize(rows);
  b.flags.resize(rows);
  b.dropped_attributes_count.resize(rows);
  b.dropped_events_count.resize(rows);
  b.dropped_links_count.resize(rows);
  b.resource.resize(rows);
  b.scope.resize(rows);
}

DecodeResult BatchBuilder::finish() {
  if (spans_ != result_.batch.trace_id.size()) grow_spans(spans_);
  strings_hint_ = result_.batch.strings.size();
  arena_hint_ = result_.batch.strings.arena_bytes();
  for (AttributeTableBuilder* table : {&span_attributes_, &event_attributes_, &link_attributes_,
                                       &resource_attributes_, &scope_attributes_}) {
    table->end();
  }
  if (result_.message.empty()) result_.message = std::move(warning_);
  warning_.clear();
  return std::move(result_);
}

uint32_t BatchBuilder::begin_span() {
  if (spans_ >= limits_.max_spans) return kNoRow;
  if (spans_ == result_.batch.trace_id.size()) {
    grow_spans(std::min<size_t>(std::max<size_t>(64, size_t{spans_} * 2), limits_.max_spans));
  }
  span_events_ = 0;
  span_links_ = 0;
  span_attributes_.begin_row(spans_);
  return spans_++;
}

uint32_t BatchBuilder::begin_resource() {
  ResourceTable& table = result_.batch.resources;
  const auto row = static_cast<uint32_t>(table.size());
  table.schema_url.push_back(StringPool::kEmpty);
  table.dropped_attributes_count.push_back(0);
  resource_attributes_.begin_row(row);
  return row;
}

uint32_t BatchBuilder::begin_scope() {
  ScopeTable& table = result_.batch.scopes;
  const auto row = static_cast<uint32_t>(table.size());
  table.name.push_back(StringPool::kEmpty);
  table.version.push_back(StringPool::kEmpty);
  table.schema_url.push_back(StringPool::kEmpty);
  table.dropped_attributes_count.push_back(0);
  scope_attributes_.begin_row(row);
  return row;
}

uint32_t BatchBuilder::begin_event() {
  EventTable& table = result_.batch.events;
  if (span_events_ >= limits_.max_events_per_span || table.size() >= limits_.max_events) {
    saturating_add(result_.batch.dropped_events_count[spans_ - 1], 1);
    warn("some events were left out: a span or the request has more than the configured limit");
    return kNoRow;
  }
  ++span_events_;
  const auto row = static_cast<uint32_t>(table.size());
  table.span_row.push_back(spans_ - 1);
  table.time_ns.push_back(0);
  table.name.push_back(StringPool::kEmpty);
  table.dropped_attributes_count.push_back(0);
  event_attributes_.begin_row(row);
  return row;
}

uint32_t BatchBuilder::begin_link() {
  LinkTable& table = result_.batch.links;
  if (span_links_ >= limits_.max_links_per_span || table.size() >= limits_.max_events) {
    drop_link("some links were left out: a span or the request has more than the configured limit");
    return kNoRow;
  }
  ++span_links_;
  const auto row = static_cast<uint32_t>(table.size());
  table.span_row.push_back(spans_ - 1);
  table.trace_id.emplace_back();
  table.span_id.emplace_back();
  table.trace_state.push_back(StringPool::kEmpty);
  table.flags.push_back(0);
  table.dropped_attributes_count.push_back(0);
  link_attributes_.begin_row(row);
  return row;
}

void BatchBuilder::drop_link(std::string_view why) {
  saturating_add(result_.batch.dropped_links_count[spans_ - 1], 1);
  warn(why);
}

void BatchBuilder::count_attribute(AttributeOutcome outcome, uint32_t& dropped) {
  if (outcome == AttributeOutcome::kAdded) return;
  saturating_add(dropped, 1);
  warn(outcome == AttributeOutcome::kDuplicate
           ? "some attributes were left out: a key stands twice; the first value was kept"
           : "some attributes were left out: there are more, or more different keys, than the "
             "configured limit");
}

void BatchBuilder::reject_span(std::string_view why) {
  ++result_.rejected_spans;
  if (result_.message.empty()) result_.message = why;
}

void BatchBuilder::warn(std::string_view what) {
  if (warning_.empty()) warning_ = what;
}

}  // namespace weft
