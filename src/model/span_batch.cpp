#include "model/span_batch.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <unordered_map>

namespace weft {
namespace {

constexpr uint32_t kUnmapped = std::numeric_limits<uint32_t>::max();

// Which row of the target each row of a source table became; kUnmapped: not taken.
using RowMap = std::vector<uint32_t>;

// Copies strings from one pool to another, each id once.
class StringMapper {
 public:
  StringMapper(StringPool& target, const StringPool& source)
      : target_(target), source_(source), ids_(source.size(), kUnmapped) {}

  StringPool::Id operator()(StringPool::Id id) {
    if (ids_[id] == kUnmapped) ids_[id] = target_.intern(source_.at(id));
    return ids_[id];
  }

 private:
  StringPool& target_;
  const StringPool& source_;
  std::vector<StringPool::Id> ids_;
};

// Finds columns by (key, type) without walking the table for each of hundreds of columns.
class ColumnFinder {
 public:
  explicit ColumnFinder(AttributeTable& table) : table_(table) {
    for (size_t i = 0; i < table.columns.size(); ++i) {
      index_.emplace(slot(table.columns[i].key, table.columns[i].type), i);
    }
  }
  AttributeColumn& find(StringPool::Id key, ValueType type) {
    const auto [at, is_new] = index_.emplace(slot(key, type), table_.columns.size());
    if (is_new) {
      AttributeColumn& column = table_.columns.emplace_back();
      column.key = key;
      column.type = type;
    }
    return table_.columns[at->second];
  }

 private:
  static uint64_t slot(StringPool::Id key, ValueType type) {
    return static_cast<uint64_t>(key) << 8 | static_cast<uint8_t>(type);
  }
  AttributeTable& table_;
  std::unordered_map<uint64_t, size_t> index_;
};

// Appends the values of the mapped rows. `ascending` says that the map keeps the order of rows,
// so that no column has to be sorted afterwards.
void append_attributes(AttributeTable& target, const AttributeTable& source, const RowMap& rows,
                       bool ascending, StringMapper& strings) {
  ColumnFinder finder(target);
  std::vector<std::pair<uint32_t, size_t>> moved;  // (target row, index in the source column)
  for (const AttributeColumn& from : source.columns) {
    moved.clear();
    for (size_t i = 0; i < from.rows.size(); ++i) {
      if (rows[from.rows[i]] != kUnmapped) moved.emplace_back(rows[from.rows[i]], i);
    }
    if (moved.empty()) continue;
    if (!ascending) std::sort(moved.begin(), moved.end());
    AttributeColumn& to = finder.find(strings(from.key), from.type);
    for (const auto& [row, index] : moved) {
      to.rows.push_back(row);
      if (from.is_number()) {
        to.numbers.push_back(from.numbers[index]);
      } else if (from.is_string_like()) {
        to.strings.push_back(strings(from.strings[index]));
      }
    }
  }
}

// A row of a resource or scope table as comparable bytes, in terms of the target's string ids.
class EntityKeys {
 public:
  explicit EntityKeys(size_t rows) : attributes_(rows), fixed_(rows) {}

  void add_fixed(size_t row, uint32_t value) {
    fixed_[row].append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  template <typename MapString>
  void add_attributes(const AttributeTable& table, MapString&& map_string) {
    for (const AttributeColumn& column : table.columns) {
      const uint32_t key = map_string(column.key);
      for (size_t i = 0; i < column.rows.size(); ++i) {
        const uint64_t payload = column.is_number()        ? column.numbers[i]
                                 : column.is_string_like() ? map_string(column.strings[i])
                                                           : 0;
        attributes_[column.rows[i]].push_back({key, column.type, payload});
      }
    }
  }
  std::string take(size_t row) {
    auto& attributes = attributes_[row];
    std::sort(attributes.begin(), attributes.end());
    std::string key = std::move(fixed_[row]);
    for (const Entry& entry : attributes) {
      key.append(reinterpret_cast<const char*>(&entry.key), sizeof entry.key);
      key.push_back(static_cast<char>(entry.type));
      key.append(reinterpret_cast<const char*>(&entry.payload), sizeof entry.payload);
    }
    return key;
  }

 private:
  struct Entry {
    uint32_t key;
    ValueType type;
    uint64_t payload;
    auto operator<=>(const Entry&) const = default;
  };
  std::vector<std::vector<Entry>> attributes_;
  std::vector<std::string> fixed_;
};

template <typename MapString>
EntityKeys keys_of(const ResourceTable& table, MapString&& map_string) {
  EntityKeys keys(table.size());
  for (size_t row = 0; row < table.size(); ++row) {
    keys.add_fixed(row, map_string(table.schema_url[row]));
    keys.add_fixed(row, table.dropped_attributes_count[row]);
  }
  keys.add_attributes(table.attributes, map_string);
  return keys;
}

template <typename MapString>
EntityKeys keys_of(const ScopeTable& table, MapString&& map_string) {
  EntityKeys keys(table.size());
  for (size_t row = 0; row < table.size(); ++row) {
    keys.add_fixed(row, map_string(table.name[row]));
    keys.add_fixed(row, map_string(table.version[row]));
    keys.add_fixed(row, map_string(table.schema_url[row]));
    keys.add_fixed(row, table.dropped_attributes_count[row]);
  }
  keys.add_attributes(table.attributes, map_string);
  return keys;
}

void append_entity(ResourceTable& target, const ResourceTable& source, size_t row,
                   StringMapper& strings) {
  target.schema_url.push_back(strings(source.schema_url[row]));
  target.dropped_attributes_count.push_back(source.dropped_attributes_count[row]);
}

void append_entity(ScopeTable& target, const ScopeTable& source, size_t row,
                   StringMapper& strings) {
  target.name.push_back(strings(source.name[row]));
  target.version.push_back(strings(source.version[row]));
  target.schema_url.push_back(strings(source.schema_url[row]));
  target.dropped_attributes_count.push_back(source.dropped_attributes_count[row]);
}

// Appends the used rows of a resource or scope table, sharing those that the target has already.
template <typename Table>
RowMap append_entities(Table& target, const Table& source, const std::vector<bool>& used,
                       StringMapper& strings) {
  std::unordered_map<std::string, uint32_t> known;
  EntityKeys target_keys = keys_of(target, [](StringPool::Id id) { return id; });
  for (size_t row = 0; row < target.size(); ++row) {
    known.emplace(target_keys.take(row), static_cast<uint32_t>(row));
  }
  EntityKeys source_keys = keys_of(source, strings);
  RowMap map(source.size(), kUnmapped);
  RowMap fresh(source.size(), kUnmapped);  // the rows that are new to the target
  for (size_t row = 0; row < source.size(); ++row) {
    if (!used[row]) continue;
    const auto [at, is_new] =
        known.emplace(source_keys.take(row), static_cast<uint32_t>(target.size()));
    map[row] = at->second;
    if (!is_new) continue;
    append_entity(target, source, row, strings);
    fresh[row] = at->second;
  }
  append_attributes(target.attributes, source.attributes, fresh, true, strings);
  return map;
}

// The source rows of a child table (events, links) in the order of their spans in the target.
std::vector<uint32_t> child_order(const ColumnVector<uint32_t>& span_row, const RowMap& span_map,
                                  bool ascending) {
  std::vector<uint32_t> order;
  for (uint32_t row = 0; row < span_row.size(); ++row) {
    if (span_map[span_row[row]] != kUnmapped) order.push_back(row);
  }
  if (!ascending) {
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return span_map[span_row[a]] < span_map[span_row[b]];
    });
  }
  return order;
}

RowMap map_of(const std::vector<uint32_t>& order, size_t source_rows, size_t first) {
  RowMap map(source_rows, kUnmapped);
  for (size_t i = 0; i < order.size(); ++i)
    map[order[i]] = static_cast<uint32_t>(first + i);
  return map;
}

void append_events(EventTable& target, const EventTable& source, const RowMap& span_map,
                   bool ascending, StringMapper& strings) {
  const auto order = child_order(source.span_row, span_map, ascending);
  const RowMap map = map_of(order, source.size(), target.size());
  for (uint32_t row : order) {
    target.span_row.push_back(span_map[source.span_row[row]]);
    target.time_ns.push_back(source.time_ns[row]);
    target.name.push_back(strings(source.name[row]));
    target.dropped_attributes_count.push_back(source.dropped_attributes_count[row]);
  }
  append_attributes(target.attributes, source.attributes, map, ascending, strings);
}

void append_links(LinkTable& target, const LinkTable& source, const RowMap& span_map,
                  bool ascending, StringMapper& strings) {
  const auto order = child_order(source.span_row, span_map, ascending);
  const RowMap map = map_of(order, source.size(), target.size());
  for (uint32_t row : order) {
    target.span_row.push_back(span_map[source.span_row[row]]);
    target.trace_id.push_back(source.trace_id[row]);
    target.span_id.push_back(source.span_id[row]);
    target.trace_state.push_back(strings(source.trace_state[row]));
    target.flags.push_back(source.flags[row]);
    target.dropped_attributes_count.push_back(source.dropped_attributes_count[row]);
  }
  append_attributes(target.attributes, source.attributes, map, ascending, strings);
}

template <typename Column, typename Map>
void append_column(Column& target, const Column& source, const std::vector<uint32_t>& rows,
                   Map&& map) {
  for (uint32_t row : rows)
    target.push_back(map(source[row]));
}

}  // namespace

size_t SpanBatch::memory_bytes() const {
  constexpr size_t kFixedBytesPerSpan = 16 + 8 + 8 + 8 + 8 + 4 + 1 + 1 + 4 + 4;
  constexpr size_t kBytesPerEvent = 4 + 8 + 4 + 4;
  constexpr size_t kBytesPerLink = 4 + 16 + 8 + 4 + 4 + 4;
  size_t seldom = status_message.memory_bytes() + trace_state.memory_bytes();
  for (const auto* column :
       {&flags, &dropped_attributes_count, &dropped_events_count, &dropped_links_count}) {
    seldom += column->memory_bytes();
  }
  return seldom + strings.memory_bytes() + trace_id.capacity() * kFixedBytesPerSpan +
         attributes.memory_bytes() + annotations.memory_bytes() + resources.size() * 8 +
         resources.attributes.memory_bytes() + scopes.size() * 16 +
         scopes.attributes.memory_bytes() + events.span_row.capacity() * kBytesPerEvent +
         events.attributes.memory_bytes() + links.span_row.capacity() * kBytesPerLink +
         links.attributes.memory_bytes();
}

void append_rows(SpanBatch& target, const SpanBatch& source, const std::vector<uint32_t>& rows) {
  StringMapper strings(target.strings, source.strings);
  const bool ascending = std::is_sorted(rows.begin(), rows.end());
  const RowMap span_map = map_of(rows, source.size(), target.size());

  std::vector<bool> used_resources(source.resources.size());
  std::vector<bool> used_scopes(source.scopes.size());
  for (uint32_t row : rows) {
    used_resources[source.resource[row]] = true;
    used_scopes[source.scope[row]] = true;
  }
  target.resources.origin.clear();
  const RowMap resources =
      append_entities(target.resources, source.resources, used_resources, strings);
  const RowMap scopes = append_entities(target.scopes, source.scopes, used_scopes, strings);

  const auto same = [](auto value) { return value; };
  append_column(target.trace_id, source.trace_id, rows, same);
  append_column(target.span_id, source.span_id, rows, same);
  append_column(target.parent_span_id, source.parent_span_id, rows, same);
  append_column(target.start_ns, source.start_ns, rows, same);
  append_column(target.end_ns, source.end_ns, rows, same);
  append_column(target.name, source.name, rows, strings);
  append_column(target.kind, source.kind, rows, same);
  append_column(target.status_code, source.status_code, rows, same);
  append_column(target.status_message, source.status_message, rows, strings);
  append_column(target.trace_state, source.trace_state, rows, strings);
  append_column(target.flags, source.flags, rows, same);
  append_column(target.dropped_attributes_count, source.dropped_attributes_count, rows, same);
  append_column(target.dropped_events_count, source.dropped_events_count, rows, same);
  append_column(target.dropped_links_count, source.dropped_links_count, rows, same);
  append_column(target.resource, source.resource, rows, [&](uint32_t r) { return resources[r]; });
  append_column(target.scope, source.scope, rows, [&](uint32_t s) { return scopes[s]; });

  append_attributes(target.attributes, source.attributes, span_map, ascending, strings);
  append_attributes(target.annotations, source.annotations, span_map, ascending, strings);
  append_events(target.events, source.events, span_map, ascending, strings);
  append_links(target.links, source.links, span_map, ascending, strings);
}

void append_batch(SpanBatch& target, const SpanBatch& source) {
  std::vector<uint32_t> rows(source.size());
  std::iota(rows.begin(), rows.end(), 0u);
  append_rows(target, source, rows);
}

}  // namespace weft
