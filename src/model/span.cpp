#include "model/span.h"

#include <algorithm>
#include <bit>

namespace weft {
namespace {

Value value_at(const AttributeColumn& column, size_t index, const StringPool& strings) {
  switch (column.type) {
    case ValueType::kNone:
      return {};
    case ValueType::kString:
      return Value(strings.at(column.strings[index]));
    case ValueType::kBool:
      return Value(column.numbers[index] != 0);
    case ValueType::kInt:
      return Value(static_cast<int64_t>(column.numbers[index]));
    case ValueType::kDouble:
      return Value(std::bit_cast<double>(column.numbers[index]));
    case ValueType::kBytes:
      return Value(Value::Bytes{std::string(strings.at(column.strings[index]))});
    case ValueType::kArray:
    case ValueType::kKvlist:
      return decode_nested(column.type, strings.at(column.strings[index]));
  }
  return {};
}

// The attributes of the rows [begin, end), one entry a row.
std::vector<Attributes> read_attributes(const AttributeTable& table, const StringPool& strings,
                                        size_t begin, size_t end) {
  std::vector<Attributes> out(end - begin);
  for (const AttributeColumn& column : table.columns) {
    const std::string key(strings.at(column.key));
    auto at = std::lower_bound(column.rows.begin(), column.rows.end(), begin);
    for (; at != column.rows.end() && *at < end; ++at) {
      const auto index = static_cast<size_t>(at - column.rows.begin());
      out[*at - begin].push_back({key, value_at(column, index, strings)});
    }
  }
  return out;
}

std::string text(const SpanBatch& batch, StringPool::Id id) {
  return std::string(batch.strings.at(id));
}

// Spans of the rows [begin, end), with the events, links, resources and scopes they refer to.
std::vector<Span> read_rows(const SpanBatch& batch, size_t begin, size_t end) {
  auto attributes = read_attributes(batch.attributes, batch.strings, begin, end);
  auto annotations = read_attributes(batch.annotations, batch.strings, begin, end);
  auto resource_attributes =
      read_attributes(batch.resources.attributes, batch.strings, 0, batch.resources.size());
  auto scope_attributes =
      read_attributes(batch.scopes.attributes, batch.strings, 0, batch.scopes.size());
  std::vector<Span> spans(end - begin);
  for (size_t row = begin; row < end; ++row) {
    Span& span = spans[row - begin];
    span.trace_id = batch.trace_id[row];
    span.span_id = batch.span_id[row];
    span.parent_span_id = batch.parent_span_id[row];
    span.start_ns = batch.start_ns[row];
    span.end_ns = batch.end_ns[row];
    span.name = text(batch, batch.name[row]);
    span.kind = static_cast<SpanKind>(batch.kind[row]);
    span.status_code = static_cast<StatusCode>(batch.status_code[row]);
    span.status_message = text(batch, batch.status_message[row]);
    span.trace_state = text(batch, batch.trace_state[row]);
    span.flags = batch.flags[row];
    span.dropped_attributes_count = batch.dropped_attributes_count[row];
    span.dropped_events_count = batch.dropped_events_count[row];
    span.dropped_links_count = batch.dropped_links_count[row];
    span.attributes = std::move(attributes[row - begin]);
    span.annotations = std::move(annotations[row - begin]);
    const uint32_t resource = batch.resource[row];
    span.resource = {resource_attributes[resource],
                     batch.resources.dropped_attributes_count[resource],
                     text(batch, batch.resources.schema_url[resource])};
    const uint32_t scope = batch.scope[row];
    span.scope = {text(batch, batch.scopes.name[scope]), text(batch, batch.scopes.version[scope]),
                  scope_attributes[scope], batch.scopes.dropped_attributes_count[scope],
                  text(batch, batch.scopes.schema_url[scope])};
  }
  return spans;
}

struct ChildRows {
  size_t begin;
  size_t end;
};

ChildRows child_rows(const ColumnVector<uint32_t>& span_row, size_t begin, size_t end) {
  const auto first = std::lower_bound(span_row.begin(), span_row.end(), begin);
  const auto last = std::lower_bound(first, span_row.end(), end);
  return {static_cast<size_t>(first - span_row.begin()),
          static_cast<size_t>(last - span_row.begin())};
}

void read_events(const SpanBatch& batch, size_t begin, size_t end, std::vector<Span>& spans) {
  const auto rows = child_rows(batch.events.span_row, begin, end);
  auto attributes = read_attributes(batch.events.attributes, batch.strings, rows.begin, rows.end);
  for (size_t i = rows.begin; i < rows.end; ++i) {
    spans[batch.events.span_row[i] - begin].events.push_back(
        {batch.events.time_ns[i], text(batch, batch.events.name[i]),
         std::move(attributes[i - rows.begin]), batch.events.dropped_attributes_count[i]});
  }
}

void read_links(const SpanBatch& batch, size_t begin, size_t end, std::vector<Span>& spans) {
  const auto rows = child_rows(batch.links.span_row, begin, end);
  auto attributes = read_attributes(batch.links.attributes, batch.strings, rows.begin, rows.end);
  for (size_t i = rows.begin; i < rows.end; ++i) {
    spans[batch.links.span_row[i] - begin].links.push_back(
        {batch.links.trace_id[i], batch.links.span_id[i], text(batch, batch.links.trace_state[i]),
         batch.links.flags[i], std::move(attributes[i - rows.begin]),
         batch.links.dropped_attributes_count[i]});
  }
}

std::vector<Span> read_spans(const SpanBatch& batch, size_t begin, size_t end) {
  std::vector<Span> spans = read_rows(batch, begin, end);
  read_events(batch, begin, end, spans);
  read_links(batch, begin, end, spans);
  return spans;
}

AttributeColumn& column_for(AttributeTable& table, StringPool::Id key, ValueType type) {
  for (AttributeColumn& column : table.columns) {
    if (column.key == key && column.type == type) return column;
  }
  AttributeColumn& column = table.columns.emplace_back();
  column.key = key;
  column.type = type;
  return column;
}

void write_attributes(AttributeTable& table, StringPool& strings, uint32_t row,
                      const Attributes& attributes) {
  for (const KeyValue& pair : attributes) {
    AttributeColumn& column = column_for(table, strings.intern(pair.key), pair.value.type());
    column.rows.push_back(row);
    const auto& data = pair.value.data;
    switch (pair.value.type()) {
      case ValueType::kNone:
        break;
      case ValueType::kString:
        column.strings.push_back(strings.intern(std::get<std::string>(data)));
        break;
      case ValueType::kBool:
        column.numbers.push_back(std::get<bool>(data));
        break;
      case ValueType::kInt:
        column.numbers.push_back(static_cast<uint64_t>(std::get<int64_t>(data)));
        break;
      case ValueType::kDouble:
        column.numbers.push_back(std::bit_cast<uint64_t>(std::get<double>(data)));
        break;
      case ValueType::kBytes:
        column.strings.push_back(strings.intern(std::get<Value::Bytes>(data).data));
        break;
      case ValueType::kArray:
      case ValueType::kKvlist:
        column.strings.push_back(strings.intern(encode_nested(pair.value)));
        break;
    }
  }
}

// Equal to what the last row of the table holds: the common case of many spans of one sender.
template <typename Table, typename Entity>
bool equals_last(const SpanBatch& batch, const Table& table, const Entity& entity) {
  if (table.size() == 0) return false;
  const size_t last = table.size() - 1;
  return table.dropped_attributes_count[last] == entity.dropped_attributes_count &&
         batch.strings.at(table.schema_url[last]) == entity.schema_url &&
         read_attributes(table.attributes, batch.strings, last, last + 1)[0] == entity.attributes;
}

uint32_t write_resource(SpanBatch& batch, const Resource& resource) {
  ResourceTable& table = batch.resources;
  if (equals_last(batch, table, resource)) return static_cast<uint32_t>(table.size() - 1);
  const auto row = static_cast<uint32_t>(table.size());
  table.schema_url.push_back(batch.strings.intern(resource.schema_url));
  table.dropped_attributes_count.push_back(resource.dropped_attributes_count);
  write_attributes(table.attributes, batch.strings, row, resource.attributes);
  return row;
}

uint32_t write_scope(SpanBatch& batch, const InstrumentationScope& scope) {
  ScopeTable& table = batch.scopes;
  if (equals_last(batch, table, scope) && batch.strings.at(table.name.back()) == scope.name &&
      batch.strings.at(table.version.back()) == scope.version) {
    return static_cast<uint32_t>(table.size() - 1);
  }
  const auto row = static_cast<uint32_t>(table.size());
  table.name.push_back(batch.strings.intern(scope.name));
  table.version.push_back(batch.strings.intern(scope.version));
  table.schema_url.push_back(batch.strings.intern(scope.schema_url));
  table.dropped_attributes_count.push_back(scope.dropped_attributes_count);
  write_attributes(table.attributes, batch.strings, row, scope.attributes);
  return row;
}

void write_events(SpanBatch& batch, uint32_t span_row, const std::vector<SpanEvent>& events) {
  EventTable& table = batch.events;
  for (const SpanEvent& event : events) {
    const auto row = static_cast<uint32_t>(table.size());
    table.span_row.push_back(span_row);
    table.time_ns.push_back(event.time_ns);
    table.name.push_back(batch.strings.intern(event.name));
    table.dropped_attributes_count.push_back(event.dropped_attributes_count);
    write_attributes(table.attributes, batch.strings, row, event.attributes);
  }
}

void write_links(SpanBatch& batch, uint32_t span_row, const std::vector<SpanLink>& links) {
  LinkTable& table = batch.links;
  for (const SpanLink& link : links) {
    const auto row = static_cast<uint32_t>(table.size());
    table.span_row.push_back(span_row);
    table.trace_id.push_back(link.trace_id);
    table.span_id.push_back(link.span_id);
    table.trace_state.push_back(batch.strings.intern(link.trace_state));
    table.flags.push_back(link.flags);
    table.dropped_attributes_count.push_back(link.dropped_attributes_count);
    write_attributes(table.attributes, batch.strings, row, link.attributes);
  }
}

void sort_by_key(Attributes& attributes) {
  std::stable_sort(attributes.begin(), attributes.end(),
                   [](const KeyValue& a, const KeyValue& b) { return a.key < b.key; });
}

}  // namespace

const Value* find_attribute(const Attributes& attributes, std::string_view key) {
  for (const KeyValue& pair : attributes) {
    if (pair.key == key) return &pair.value;
  }
  return nullptr;
}

Span to_span(const SpanBatch& batch, size_t row) {
  return std::move(read_spans(batch, row, row + 1).front());
}

std::vector<Span> to_spans(const SpanBatch& batch) {
  return read_spans(batch, 0, batch.size());
}

void append_span(SpanBatch& batch, const Span& span) {
  const auto row = static_cast<uint32_t>(batch.size());
  batch.trace_id.push_back(span.trace_id);
  batch.span_id.push_back(span.span_id);
  batch.parent_span_id.push_back(span.parent_span_id);
  batch.start_ns.push_back(span.start_ns);
  batch.end_ns.push_back(span.end_ns);
  batch.name.push_back(batch.strings.intern(span.name));
  batch.kind.push_back(static_cast<uint8_t>(span.kind));
  batch.status_code.push_back(static_cast<uint8_t>(span.status_code));
  batch.status_message.push_back(batch.strings.intern(span.status_message));
  batch.trace_state.push_back(batch.strings.intern(span.trace_state));
  batch.flags.push_back(span.flags);
  batch.dropped_attributes_count.push_back(span.dropped_attributes_count);
  batch.dropped_events_count.push_back(span.dropped_events_count);
  batch.dropped_links_count.push_back(span.dropped_links_count);
  batch.resource.push_back(write_resource(batch, span.resource));
  batch.scope.push_back(write_scope(batch, span.scope));
  write_attributes(batch.attributes, batch.strings, row, span.attributes);
  write_attributes(batch.annotations, batch.strings, row, span.annotations);
  write_events(batch, row, span.events);
  write_links(batch, row, span.links);
}

void normalise(Span& span) {
  sort_by_key(span.attributes);
  sort_by_key(span.annotations);
  sort_by_key(span.resource.attributes);
  sort_by_key(span.scope.attributes);
  for (SpanEvent& event : span.events)
    sort_by_key(event.attributes);
  for (SpanLink& link : span.links)
    sort_by_key(link.attributes);
}

}  // namespace weft
