#include "query/trace_columns.h"

#include <algorithm>
#include <unordered_map>

#include "model/id_hash.h"

namespace weft::traceql {
namespace {

using BatchPtr = std::shared_ptr<const SpanBatch>;
using Rows = std::vector<uint32_t>;

std::shared_ptr<const StringPool> pool_of(const BatchPtr& batch) {
  return {batch, &batch->strings};
}

// Cell by (entry of a table): the value that the attribute `key` has there, whatever its type.
struct Cells {
  std::vector<ValueType> types;
  std::vector<uint64_t> words;
};

Cells cells_of(const SpanBatch& batch, const AttributeTable& table, std::string_view key,
               size_t size) {
  Cells out{std::vector<ValueType>(size, ValueType::kNone), std::vector<uint64_t>(size, 0)};
  for (const AttributeColumn& column : table.columns) {
    if (column.type == ValueType::kNone || batch.strings.at(column.key) != key) continue;
    for (size_t i = 0; i < column.rows.size(); ++i) {
      out.types[column.rows[i]] = column.type;
      out.words[column.rows[i]] = column.is_number() ? column.numbers[i] : column.strings[i];
    }
  }
  return out;
}

ValueColumn gather(const BatchPtr& batch, const Cells& cells, const Rows& rows) {
  ValueColumn out;
  out.strings = pool_of(batch);
  out.types.reserve(rows.size());
  out.words.reserve(rows.size());
  for (uint32_t row : rows) {
    out.types.push_back(cells.types[row]);
    out.words.push_back(cells.words[row]);
  }
  return out;
}

ValueColumn gather_through(const BatchPtr& batch, const Cells& cells,
                           const ColumnVector<uint32_t>& entry_of, const Rows& rows) {
  Rows entries;
  entries.reserve(rows.size());
  for (uint32_t row : rows)
    entries.push_back(entry_of[row]);
  return gather(batch, cells, entries);
}

template <typename WordOf>
ValueColumn plain_column(const BatchPtr& batch, ValueType type, const Rows& rows, WordOf word_of) {
  ValueColumn out;
  out.types.assign(rows.size(), type);
  out.words.reserve(rows.size());
  for (uint32_t row : rows)
    out.words.push_back(word_of(row));
  if (type == ValueType::kString) out.strings = pool_of(batch);
  return out;
}

template <typename Id>
std::string_view bytes_of(const Id& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

template <typename Id>
ValueColumn id_column(const ColumnVector<Id>& ids, const Rows& rows, bool zero_is_absent) {
  ValueColumn out;
  auto pool = std::make_shared<StringPool>();
  for (uint32_t row : rows) {
    const bool absent = zero_is_absent && ids[row].is_zero();
    out.types.push_back(absent ? ValueType::kNone : ValueType::kBytes);
    out.words.push_back(absent ? 0 : pool->add(bytes_of(ids[row])));
  }
  out.strings = std::move(pool);
  return out;
}

// The entries of events or links that belong to the rows, and where each row's begin.
Rows entries_of(const ColumnVector<uint32_t>& span_row, const Rows& rows,
                std::vector<uint32_t>& offsets) {
  Rows out;
  offsets.assign(1, 0);
  for (uint32_t row : rows) {
    auto entry = std::lower_bound(span_row.begin(), span_row.end(), row);
    for (; entry != span_row.end() && *entry == row; ++entry) {
      out.push_back(static_cast<uint32_t>(entry - span_row.begin()));
    }
    offsets.push_back(static_cast<uint32_t>(out.size()));
  }
  return out;
}

ValueColumn attribute_column(const BatchPtr& batch, const ColumnRef& column, const Rows& rows) {
  const SpanBatch& b = *batch;
  switch (column.scope) {
    case AttributeScope::kSpan:
      return gather(batch, cells_of(b, b.attributes, column.key, b.size()), rows);
    case AttributeScope::kResource:
      return gather_through(batch,
                            cells_of(b, b.resources.attributes, column.key, b.resources.size()),
                            b.resource, rows);
    case AttributeScope::kInstrumentation:
      return gather_through(batch, cells_of(b, b.scopes.attributes, column.key, b.scopes.size()),
                            b.scope, rows);
    case AttributeScope::kAny: {
      ColumnRef part = column;
      part.scope = AttributeScope::kSpan;
      ValueColumn own = attribute_column(batch, part, rows);
      part.scope = AttributeScope::kResource;
      const ValueColumn resource = attribute_column(batch, part, rows);
      for (size_t i = 0; i < rows.size(); ++i) {
        if (own.types[i] != ValueType::kNone) continue;
        own.types[i] = resource.types[i];
        own.words[i] = resource.words[i];
      }
      return own;
    }
    case AttributeScope::kEvent:
    case AttributeScope::kLink:
      break;
  }
  const bool is_event = column.scope == AttributeScope::kEvent;
  std::vector<uint32_t> offsets;
  const Rows entries = entries_of(is_event ? b.events.span_row : b.links.span_row, rows, offsets);
  const AttributeTable& table = is_event ? b.events.attributes : b.links.attributes;
  ValueColumn out = gather(
      batch, cells_of(b, table, column.key, is_event ? b.events.size() : b.links.size()), entries);
  out.offsets = std::move(offsets);
  return out;
}

ValueColumn event_time_column(const BatchPtr& batch, const Rows& rows) {
  const EventTable& events = batch->events;
  std::vector<uint32_t> offsets;
  const Rows entries = entries_of(events.span_row, rows, offsets);
  ValueColumn out = plain_column(batch, ValueType::kInt, entries, [&](uint32_t entry) {
    return events.time_ns[entry] - batch->start_ns[events.span_row[entry]];
  });
  out.offsets = std::move(offsets);
  return out;
}

ValueColumn intrinsic_column(const BatchPtr& batch, Intrinsic which, const Rows& rows) {
  const SpanBatch& b = *batch;
  const auto number = [&](auto word_of) {
    return plain_column(batch, ValueType::kInt, rows, word_of);
  };
  const auto text = [&](auto word_of) {
    return plain_column(batch, ValueType::kString, rows, word_of);
  };
  switch (which) {
    case Intrinsic::kNone:
      break;
    case Intrinsic::kTraceId:
      return id_column(b.trace_id, rows, false);
    case Intrinsic::kSpanId:
      return id_column(b.span_id, rows, false);
    case Intrinsic::kParentSpanId:
      return id_column(b.parent_span_id, rows, true);
    case Intrinsic::kStartNs:
      return number([&](uint32_t row) { return b.start_ns[row]; });
    case Intrinsic::kEndNs:
      return number([&](uint32_t row) { return b.end_ns[row]; });
    case Intrinsic::kDurationNs:
      return number([&](uint32_t row) { return b.duration_ns(row); });
    case Intrinsic::kKind:
      return number([&](uint32_t row) { return b.kind[row]; });
    case Intrinsic::kStatusCode:
      return number([&](uint32_t row) { return b.status_code[row]; });
    case Intrinsic::kName:
      return text([&](uint32_t row) { return b.name[row]; });
    case Intrinsic::kStatusMessage:
      return text([&](uint32_t row) { return b.status_message[row]; });
    case Intrinsic::kTraceState:
      return text([&](uint32_t row) { return b.trace_state[row]; });
    case Intrinsic::kInstrumentationName:
      return text([&](uint32_t row) { return b.scopes.name[b.scope[row]]; });
    case Intrinsic::kInstrumentationVersion:
      return text([&](uint32_t row) { return b.scopes.version[b.scope[row]]; });
    case Intrinsic::kEventTimeSinceStartNs:
      return event_time_column(batch, rows);
    case Intrinsic::kEventName: {
      std::vector<uint32_t> offsets;
      const Rows entries = entries_of(b.events.span_row, rows, offsets);
      ValueColumn out = plain_column(batch, ValueType::kString, entries,
                                     [&](uint32_t entry) { return b.events.name[entry]; });
      out.offsets = std::move(offsets);
      return out;
    }
    case Intrinsic::kLinkTraceId:
    case Intrinsic::kLinkSpanId: {
      std::vector<uint32_t> offsets;
      const Rows entries = entries_of(b.links.span_row, rows, offsets);
      ValueColumn out = which == Intrinsic::kLinkTraceId
                            ? id_column(b.links.trace_id, entries, true)
                            : id_column(b.links.span_id, entries, true);
      out.offsets = std::move(offsets);
      return out;
    }
  }
  ValueColumn none;
  none.types.assign(rows.size(), ValueType::kNone);
  none.words.assign(rows.size(), 0);
  return none;
}

void fill_parents(const SpanBatch& batch, const Rows& rows, ScanBatch& out) {
  out.parent_row.assign(rows.size(), ScanBatch::kRoot);
  std::unordered_map<SpanId, int32_t, SpanIdHash> row_of;
  for (size_t trace = 0; trace < out.traces(); ++trace) {
    row_of.clear();
    for (uint32_t i = out.trace_begin[trace]; i < out.trace_begin[trace + 1]; ++i) {
      row_of.emplace(out.span_ids[i], static_cast<int32_t>(i));
    }
    for (uint32_t i = out.trace_begin[trace]; i < out.trace_begin[trace + 1]; ++i) {
      const SpanId& parent = batch.parent_span_id[rows[i]];
      if (parent.is_zero()) continue;
      const auto found = row_of.find(parent);
      out.parent_row[i] = found == row_of.end() ? ScanBatch::kOrphan : found->second;
    }
  }
}

}  // namespace

ScanBatch scan_batch_of(std::shared_ptr<const SpanBatch> batch, const std::vector<uint32_t>& rows,
                        const std::vector<ColumnRef>& columns) {
  ScanBatch out;
  for (size_t i = 0; i < rows.size(); ++i) {
    const TraceId& id = batch->trace_id[rows[i]];
    if (out.trace_ids.empty() || out.trace_ids.back() != id) {
      out.trace_ids.push_back(id);
      out.trace_begin.push_back(static_cast<uint32_t>(i));
    }
    out.start_ns.push_back(batch->start_ns[rows[i]]);
    out.span_ids.push_back(batch->span_id[rows[i]]);
  }
  out.trace_begin.push_back(static_cast<uint32_t>(rows.size()));
  fill_parents(*batch, rows, out);
  for (const ColumnRef& column : columns) {
    out.columns.push_back(column.is_attribute() ? attribute_column(batch, column, rows)
                                                : intrinsic_column(batch, column.intrinsic, rows));
  }
  return out;
}

size_t memory_bytes(const ScanBatch& batch) {
  size_t out = batch.trace_ids.size() * (sizeof(TraceId) + 4) +
               batch.rows() * (sizeof(uint64_t) + sizeof(SpanId)) + batch.parent_row.size() * 4;
  for (const ValueColumn& column : batch.columns) {
    out += column.words.size() * (sizeof(uint64_t) + sizeof(ValueType)) +
           column.offsets.size() * sizeof(uint32_t);
  }
  return out;
}

}  // namespace weft::traceql
