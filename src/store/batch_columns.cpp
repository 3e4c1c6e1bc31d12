#include "store/batch_columns.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "model/id_hash.h"

namespace weft::store {
namespace {

std::shared_ptr<const StringPool> strings_of(const SpanBatchPtr& batch) {
  return {batch, &batch->strings};
}

// One value a row, all absent.
ValueColumn absent_column(size_t rows) {
  ValueColumn out;
  out.types.assign(rows, ValueType::kNone);
  out.words.assign(rows, 0);
  return out;
}

void fill_attribute(ValueColumn& out, const AttributeTable& table, const StringPool& strings,
                    std::string_view key) {
  for (const AttributeColumn& column : table.columns) {
    if (column.type == ValueType::kNone || strings.at(column.key) != key) continue;
    for (size_t i = 0; i < column.rows.size(); ++i) {
      out.types[column.rows[i]] = column.type;
      out.words[column.rows[i]] = column.is_number() ? column.numbers[i] : column.strings[i];
    }
  }
}

ValueColumn attribute_of_entity(const SpanBatchPtr& batch, const AttributeTable& table,
                                size_t entities, const ColumnVector<uint32_t>& entity_of,
                                std::string_view key) {
  ValueColumn values = absent_column(entities);
  values.strings = strings_of(batch);
  fill_attribute(values, table, batch->strings, key);
  return take_rows(values, entity_of);
}

template <typename Ids>
ValueColumn id_column(const Ids& ids, bool zero_is_absent) {
  ValueColumn out = absent_column(ids.size());
  auto pool = std::make_shared<StringPool>();
  pool->reserve(ids.size(), ids.size() * sizeof(ids[0]));
  for (size_t row = 0; row < ids.size(); ++row) {
    if (zero_is_absent && ids[row].is_zero()) continue;
    if (row > 0 && ids[row] == ids[row - 1]) {
      out.words[row] = out.words[row - 1];
    } else {
      out.words[row] =
          pool->add({reinterpret_cast<const char*>(ids[row].bytes.data()), ids[row].bytes.size()});
    }
    out.types[row] = ValueType::kBytes;
  }
  out.strings = std::move(pool);
  return out;
}

// `ids`: a ColumnVector or a SeldomColumn.
template <typename Column>
ValueColumn string_column(const SpanBatchPtr& batch, const Column& ids) {
  ValueColumn out;
  out.types.assign(ids.size(), ValueType::kString);
  out.words.resize(ids.size());
  for (size_t row = 0; row < ids.size(); ++row)
    out.words[row] = ids[row];
  out.strings = strings_of(batch);
  return out;
}

template <typename Word>
ValueColumn int_column(size_t rows, Word&& word) {
  ValueColumn out;
  out.types.assign(rows, ValueType::kInt);
  out.words.resize(rows);
  for (size_t row = 0; row < rows; ++row)
    out.words[row] = word(row);
  return out;
}

// offsets of a child table: how many children each span has.
std::vector<uint32_t> child_offsets(const ColumnVector<uint32_t>& span_row, size_t spans) {
  std::vector<uint32_t> offsets(spans + 1, 0);
  for (uint32_t span : span_row)
    ++offsets[span + 1];
  std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
  return offsets;
}

// A column of a child table that lists only the children that have a value.
ValueColumn child_attribute(const SpanBatchPtr& batch, const AttributeTable& table,
                            const ColumnVector<uint32_t>& span_row, std::string_view key) {
  ValueColumn all = absent_column(span_row.size());
  fill_attribute(all, table, batch->strings, key);
  ValueColumn out;
  out.strings = strings_of(batch);
  out.offsets.assign(batch->size() + 1, 0);
  for (size_t child = 0; child < span_row.size(); ++child) {
    if (all.types[child] == ValueType::kNone) continue;
    ++out.offsets[span_row[child] + 1];
    out.types.push_back(all.types[child]);
    out.words.push_back(all.words[child]);
  }
  std::partial_sum(out.offsets.begin(), out.offsets.end(), out.offsets.begin());
  return out;
}

ValueColumn event_or_link_column(const SpanBatchPtr& batch, const ColumnRef& column) {
  if (column.is_attribute()) {
    return column.scope == AttributeScope::kEvent
               ? child_attribute(batch, batch->events.attributes, batch->events.span_row,
                                 column.key)
               : child_attribute(batch, batch->links.attributes, batch->links.span_row, column.key);
  }
  ValueColumn out;
  const EventTable& events = batch->events;
  switch (column.intrinsic) {
    case Intrinsic::kEventName:
      out = string_column(batch, events.name);
      out.offsets = child_offsets(events.span_row, batch->size());
      break;
    case Intrinsic::kEventTimeSinceStartNs:
      out = int_column(events.size(), [&](size_t e) {
        return events.time_ns[e] - batch->start_ns[events.span_row[e]];
      });
      out.offsets = child_offsets(events.span_row, batch->size());
      break;
    default:
      out = column.intrinsic == Intrinsic::kLinkTraceId ? id_column(batch->links.trace_id, false)
                                                        : id_column(batch->links.span_id, false);
      out.offsets = child_offsets(batch->links.span_row, batch->size());
  }
  return out;
}

ValueColumn intrinsic_column(const SpanBatchPtr& batch, Intrinsic which) {
  const SpanBatch& b = *batch;
  const size_t n = b.size();
  switch (which) {
    case Intrinsic::kTraceId:
      return id_column(b.trace_id, false);
    case Intrinsic::kSpanId:
      return id_column(b.span_id, false);
    case Intrinsic::kParentSpanId:
      return id_column(b.parent_span_id, true);
    case Intrinsic::kStartNs:
      return int_column(n, [&](size_t row) { return b.start_ns[row]; });
    case Intrinsic::kEndNs:
      return int_column(n, [&](size_t row) { return b.end_ns[row]; });
    case Intrinsic::kDurationNs:
      return int_column(n, [&](size_t row) { return b.duration_ns(row); });
    case Intrinsic::kKind:
      return int_column(n, [&](size_t row) { return uint64_t{b.kind[row]}; });
    case Intrinsic::kStatusCode:
      return int_column(n, [&](size_t row) { return uint64_t{b.status_code[row]}; });
    case Intrinsic::kName:
      return string_column(batch, b.name);
    case Intrinsic::kStatusMessage:
      return string_column(batch, b.status_message);
    case Intrinsic::kTraceState:
      return string_column(batch, b.trace_state);
    case Intrinsic::kInstrumentationName:
      return take_rows(string_column(batch, b.scopes.name), b.scope);
    case Intrinsic::kInstrumentationVersion:
      return take_rows(string_column(batch, b.scopes.version), b.scope);
    default:
      return absent_column(n);
  }
}

}  // namespace

ValueColumn extract_column(const SpanBatchPtr& batch, const ColumnRef& column) {
  if (column.is_multi_valued()) return event_or_link_column(batch, column);
  if (!column.is_attribute()) return intrinsic_column(batch, column.intrinsic);
  const SpanBatch& b = *batch;
  if (column.scope == AttributeScope::kInstrumentation) {
    return attribute_of_entity(batch, b.scopes.attributes, b.scopes.size(), b.scope, column.key);
  }
  ValueColumn out;
  if (column.scope == AttributeScope::kSpan) {
    out = absent_column(b.size());
    out.strings = strings_of(batch);
  } else {
    out = attribute_of_entity(batch, b.resources.attributes, b.resources.size(), b.resource,
                              column.key);
  }
  if (column.scope != AttributeScope::kResource) {
    fill_attribute(out, b.attributes, b.strings, column.key);
  }
  return out;
}

ValueColumn take_rows(const ValueColumn& column, std::span<const uint32_t> rows) {
  ValueColumn out;
  out.strings = column.strings;
  if (column.offsets.empty()) {
    out.types.reserve(rows.size());
    out.words.reserve(rows.size());
    for (uint32_t row : rows) {
      out.types.push_back(column.types[row]);
      out.words.push_back(column.words[row]);
    }
    return out;
  }
  out.offsets.reserve(rows.size() + 1);
  out.offsets.push_back(0);
  for (uint32_t row : rows) {
    for (uint32_t i = column.offsets[row]; i < column.offsets[row + 1]; ++i) {
      out.types.push_back(column.types[i]);
      out.words.push_back(column.words[i]);
    }
    out.offsets.push_back(static_cast<uint32_t>(out.words.size()));
  }
  return out;
}

std::vector<int32_t> find_parents(const std::vector<uint32_t>& trace_begin,
                                  const std::vector<SpanId>& span_ids,
                                  const std::vector<SpanId>& parents) {
  std::vector<int32_t> out(span_ids.size(), ScanBatch::kOrphan);
  std::vector<std::pair<uint64_t, uint32_t>> table;
  for (size_t t = 0; t + 1 < trace_begin.size(); ++t) {
    const uint32_t begin = trace_begin[t];
    const uint32_t end = trace_begin[t + 1];
    const size_t mask = std::bit_ceil(size_t{end - begin} * 2) - 1;
    table.assign(mask + 1, {0, UINT32_MAX});
    const auto slot_of = [&](uint64_t id) {
      size_t slot = hash_span_id(id) & mask;
      while (table[slot].second != UINT32_MAX && table[slot].first != id)
        slot = (slot + 1) & mask;
      return slot;
    };
    for (uint32_t row = begin; row < end; ++row) {
      const uint64_t id = span_ids[row].word();
      table[slot_of(id)] = {id, row};
    }
    for (uint32_t row = begin; row < end; ++row) {
      if (parents[row].is_zero()) {
        out[row] = ScanBatch::kRoot;
        continue;
      }
      const auto& found = table[slot_of(parents[row].word())];
      if (found.second != UINT32_MAX) out[row] = static_cast<int32_t>(found.second);
    }
  }
  return out;
}

std::optional<ScanBatch> make_scan_batch(const SpanBatchPtr& batch,
                                         const std::vector<uint32_t>& trace_begin,
                                         const std::vector<uint8_t>& candidate,
                                         const ScanRequest& request) {
  ScanBatch out;
  std::vector<uint32_t> rows;
  out.trace_begin.push_back(0);
  for (size_t t = 0; t + 1 < trace_begin.size(); ++t) {
    const auto first = candidate.begin() + trace_begin[t];
    const auto last = candidate.begin() + trace_begin[t + 1];
    if (std::find(first, last, 1) == last) continue;
    for (uint32_t row = trace_begin[t]; row < trace_begin[t + 1]; ++row) {
      if (request.whole_traces || candidate[row] != 0) rows.push_back(row);
    }
    out.trace_ids.push_back(batch->trace_id[rows.back()]);
    out.trace_begin.push_back(static_cast<uint32_t>(rows.size()));
  }
  if (rows.empty()) return std::nullopt;
  out.start_ns.reserve(rows.size());
  out.span_ids.reserve(rows.size());
  for (uint32_t row : rows) {
    out.start_ns.push_back(batch->start_ns[row]);
    out.span_ids.push_back(batch->span_id[row]);
  }
  if (request.parents && request.whole_traces) {
    std::vector<SpanId> parents;
    parents.reserve(rows.size());
    for (uint32_t row : rows)
      parents.push_back(batch->parent_span_id[row]);
    out.parent_row = find_parents(out.trace_begin, out.span_ids, parents);
  }
  for (const ColumnRef& column : request.columns) {
    out.columns.push_back(take_rows(extract_column(batch, column), rows));
  }
  return out;
}

SpanBatch gather_rows(std::span<const SpanBatchPtr> batches, std::span<const RowRef> rows) {
  // append_rows walks a whole source batch, so each is visited once; afterwards the rows are put
  // into the order asked for.
  std::vector<uint32_t> by_batch(rows.size());
  std::iota(by_batch.begin(), by_batch.end(), 0u);
  std::ranges::stable_sort(by_batch, {}, [&](uint32_t i) { return rows[i].batch; });
  SpanBatch collected;
  std::vector<uint32_t> part;
  for (size_t i = 0; i < by_batch.size();) {
    const uint32_t b = rows[by_batch[i]].batch;
    part.clear();
    for (; i < by_batch.size() && rows[by_batch[i]].batch == b; ++i) {
      part.push_back(rows[by_batch[i]].row);
    }
    append_rows(collected, *batches[b], part);
  }
  if (std::ranges::is_sorted(by_batch)) return collected;
  std::vector<uint32_t> order(rows.size());
  for (uint32_t i = 0; i < by_batch.size(); ++i)
    order[by_batch[i]] = i;
  SpanBatch out;
  append_rows(out, collected, order);
  return out;
}

}  // namespace weft::store
