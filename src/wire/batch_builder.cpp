#include "wire/batch_builder.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace weft {
namespace {

// What a thread may keep of one huge request.
constexpr size_t kMaxKeptRows = 65'536;

// Calls f(column, vector of the batch) for each column.
template <typename F>
void each_column(SpanColumns& columns, SpanBatch& batch, F&& f) {
  f(columns.trace_id, batch.trace_id);
  f(columns.span_id, batch.span_id);
  f(columns.parent_span_id, batch.parent_span_id);
  f(columns.start_ns, batch.start_ns);
  f(columns.end_ns, batch.end_ns);
  f(columns.name, batch.name);
  f(columns.status_message, batch.status_message);
  f(columns.trace_state, batch.trace_state);
  f(columns.flags, batch.flags);
  f(columns.dropped_attributes_count, batch.dropped_attributes_count);
  f(columns.dropped_events_count, batch.dropped_events_count);
  f(columns.dropped_links_count, batch.dropped_links_count);
  f(columns.resource, batch.resource);
  f(columns.scope, batch.scope);
  f(columns.kind, batch.kind);
  f(columns.status_code, batch.status_code);
}

// The same for the columns of the other tables that have an entry a row.
template <typename Tables, typename F>
void each_table_column(Tables& tables, SpanBatch& batch, F&& f) {
  f(tables.resources.origin, batch.resources.origin);
  f(tables.resources.schema_url, batch.resources.schema_url);
  f(tables.resources.dropped_attributes_count, batch.resources.dropped_attributes_count);
  f(tables.scopes.name, batch.scopes.name);
  f(tables.scopes.version, batch.scopes.version);
  f(tables.scopes.schema_url, batch.scopes.schema_url);
  f(tables.scopes.dropped_attributes_count, batch.scopes.dropped_attributes_count);
  f(tables.events.span_row, batch.events.span_row);
  f(tables.events.time_ns, batch.events.time_ns);
  f(tables.events.name, batch.events.name);
  f(tables.events.dropped_attributes_count, batch.events.dropped_attributes_count);
  f(tables.links.span_row, batch.links.span_row);
  f(tables.links.trace_id, batch.links.trace_id);
  f(tables.links.span_id, batch.links.span_id);
  f(tables.links.trace_state, batch.links.trace_state);
  f(tables.links.flags, batch.links.flags);
  f(tables.links.dropped_attributes_count, batch.links.dropped_attributes_count);
}

}  // namespace

void annotate_received(SpanBatch& batch, uint64_t received_ns) {
  if (batch.empty()) return;
  constexpr std::string_view kKey = "received_ns";
  // The pool has no room to spare and would double.
  batch.strings.reserve(batch.strings.size() + 1, batch.strings.arena_bytes() + kKey.size());
  AttributeColumn column;
  column.key = batch.strings.add(kKey);
  column.type = ValueType::kInt;
  column.rows.resize(batch.size());
  for (size_t row = 0; row < batch.size(); ++row)
    column.rows[row] = static_cast<uint32_t>(row);
  column.numbers.assign(batch.size(), received_ns);
  batch.annotations.columns.push_back(std::move(column));
}

void BatchBuilder::begin(const DecodeLimits& limits, size_t spans) {
  limits_ = limits;
  result_ = {};
  warning_.clear();
  spans_ = 0;
  rows_ = 0;
  span_events_ = 0;
  span_links_ = 0;
  strings_.begin();
  each_table_column(tables_, result_.batch, [](auto& rows, auto&) { rows.clear(); });
  for (AttributeTableBuilder* table : {&span_attributes_, &event_attributes_, &link_attributes_,
                                       &resource_attributes_, &scope_attributes_}) {
    table->begin(&strings_, limits);
  }
  resource_attributes_.keep_texts_apart();
  extend_spans(std::min<size_t>(spans, limits.max_spans));
}

// Makes `rows` rows usable, zeros where there was none.
void BatchBuilder::extend_spans(size_t rows) {
  SpanBatch& batch = result_.batch;
  if (rows > max_rows_) {
    const size_t wanted = (std::max<size_t>(rows, 64) + 7) / 8 * 8;  // keeps columns aligned
    size_t row_bytes = 0;
    each_column(columns_, batch, [&](auto*& column, auto&) { row_bytes += sizeof *column; });
    auto block = std::make_unique_for_overwrite<std::byte[]>(row_bytes * wanted);
    std::byte* at = block.get();
    each_column(columns_, batch, [&]<typename T>(T*& column, auto&) {
      auto* larger = reinterpret_cast<T*>(at);
      if (spans_ > 0) std::copy_n(column, spans_, larger);
      column = larger;
      at += wanted * sizeof(T);
    });
    columns_block_ = std::move(block);
    max_rows_ = wanted;
  }
  each_column(columns_, batch, [&]<typename T>(T*& column, auto&) {
    if (rows > rows_)
      std::memset(static_cast<void*>(column + rows_), 0, (rows - rows_) * sizeof(T));
  });
  rows_ = std::max(rows_, rows);
}

size_t BatchBuilder::finished_bytes() {
  SpanBatch& batch = result_.batch;
  size_t bytes = strings_.finished_bytes();
  each_column(columns_, batch, [&]<typename T>(T*& column, auto& out) {
    constexpr bool kSeldom = std::is_same_v<std::decay_t<decltype(out)>, SeldomColumn<T>>;
    if constexpr (kSeldom) {
      if (SeldomColumn<T>::all_zero(column, column + spans_)) return;
    }
    bytes += BatchArena::piece_bytes(spans_ * sizeof(T));
  });
  each_table_column(tables_, batch, [&](auto& rows, auto&) {
    bytes += BatchArena::piece_bytes(rows.size() * sizeof rows[0]);
  });
  for (const AttributeTableBuilder* table :
       {&span_attributes_, &event_attributes_, &link_attributes_, &resource_attributes_,
        &scope_attributes_}) {
    bytes += table->finished_bytes();
  }
  return bytes;
}

DecodeResult BatchBuilder::finish() {
  SpanBatch& batch = result_.batch;
  BatchArena* const memory = batch.arena.make(finished_bytes());
  each_column(columns_, batch, [&]<typename T, typename Column>(T*& column, Column& out) {
    out = Column(column, column + spans_, memory);
  });
  each_table_column(tables_, batch, [&]<typename T>(ColumnVector<T>& rows, auto& out) {
    out = ColumnVector<T>(rows.begin(), rows.end(), memory);
    if (rows.capacity() > kMaxKeptRows) rows = {};
  });
  span_attributes_.finish(batch.attributes, memory);
  event_attributes_.finish(batch.events.attributes, memory);
  link_attributes_.finish(batch.links.attributes, memory);
  resource_attributes_.finish(batch.resources.attributes, memory);
  scope_attributes_.finish(batch.scopes.attributes, memory);
  strings_.finish(batch.strings, memory);
  if (result_.message.empty()) result_.message = std::move(warning_);
  warning_.clear();
  if (max_rows_ > kMaxKeptRows) {
    columns_ = {};
    columns_block_.reset();
    max_rows_ = 0;
  }
  return std::move(result_);
}

uint32_t BatchBuilder::begin_span() {
  if (spans_ >= limits_.max_spans) return kNoRow;
  if (spans_ == rows_) {
    extend_spans(std::min<size_t>(std::max<size_t>(64, size_t{spans_} * 2), limits_.max_spans));
  }
  span_events_ = 0;
  span_links_ = 0;
  span_attributes_.begin_row(spans_);
  return spans_++;
}

uint32_t BatchBuilder::begin_resource() {
  ResourceTable& table = tables_.resources;
  const auto row = static_cast<uint32_t>(table.size());
  table.origin.push_back(0);
  table.schema_url.push_back(StringPool::kEmpty);
  table.dropped_attributes_count.push_back(0);
  resource_attributes_.begin_row(row);
  return row;
}

uint32_t BatchBuilder::begin_scope() {
  ScopeTable& table = tables_.scopes;
  const auto row = static_cast<uint32_t>(table.size());
  table.name.push_back(StringPool::kEmpty);
  table.version.push_back(StringPool::kEmpty);
  table.schema_url.push_back(StringPool::kEmpty);
  table.dropped_attributes_count.push_back(0);
  scope_attributes_.begin_row(row);
  return row;
}

uint32_t BatchBuilder::begin_event() {
  EventTable& table = tables_.events;
  if (span_events_ >= limits_.max_events_per_span || table.size() >= limits_.max_events) {
    saturating_add(columns_.dropped_events_count[spans_ - 1], 1);
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
  LinkTable& table = tables_.links;
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
  saturating_add(columns_.dropped_links_count[spans_ - 1], 1);
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
