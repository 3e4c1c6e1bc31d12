#include "store/batch_codec.h"

#include <algorithm>
#include <cstring>

namespace weft::store {
namespace {

constexpr uint32_t kBatchMagic = 0x31424357;  // "WCB1"

class Writer {
 public:
  static constexpr bool kReading = false;
  void u32(uint32_t value) { raw(&value, sizeof value); }
  template <typename T>
  void vector(const ColumnVector<T>& values) {
    u32(static_cast<uint32_t>(values.size()));
    raw(values.data(), values.size() * sizeof(T));
  }
  // Zeros are written, whether they are held or not.
  template <typename T>
  void vector(const SeldomColumn<T>& column) {
    if (!column.values().empty()) return vector(column.values());
    u32(static_cast<uint32_t>(column.size()));
    out_.append(column.size() * sizeof(T), '\0');
  }
  void pool(const StringPool& strings) {
    u32(static_cast<uint32_t>(strings.size() - 1));
    for (StringPool::Id id = 1; id < strings.size(); ++id) {
      u32(static_cast<uint32_t>(strings.at(id).size()));
    }
    for (StringPool::Id id = 1; id < strings.size(); ++id) {
      out_.append(strings.at(id));
    }
  }
  void type(ValueType value) { out_.push_back(static_cast<char>(value)); }
  std::string take() { return std::move(out_); }

 private:
  void raw(const void* data, size_t bytes) { out_.append(static_cast<const char*>(data), bytes); }
  std::string out_;
};

// Reads until the first error; then everything is empty and ok() is false.
class Reader {
 public:
  static constexpr bool kReading = true;
  explicit Reader(std::string_view in) : in_(in) {}
  void u32(uint32_t& value) {
    value = 0;
    raw(&value, sizeof value);
  }
  template <typename T>
  void vector(ColumnVector<T>& values) {
    uint32_t count;
    u32(count);
    if (count > in_.size() / sizeof(T)) return fail_now();
    values.resize(count);
    raw(values.data(), count * sizeof(T));
  }
  template <typename T>
  void vector(SeldomColumn<T>& column) {
    ColumnVector<T> values;
    vector(values);
    column = SeldomColumn<T>(values.data(), values.data() + values.size(), nullptr);
  }
  void pool(StringPool& strings) {
    uint32_t count;
    u32(count);
    if (count > in_.size() / sizeof(uint32_t)) return fail_now();
    std::vector<uint32_t> lengths(count);
    raw(lengths.data(), count * sizeof(uint32_t));
    uint64_t total = 0;
    for (uint32_t length : lengths)
      total += length;
    if (total > in_.size() || total > StringPool::kMaxBytes) return fail_now();
    strings.reserve(count, total);
    for (uint32_t length : lengths) {
      strings.add(in_.substr(0, length));
      in_.remove_prefix(length);
    }
  }
  void type(ValueType& value) {
    uint8_t byte = 0;
    raw(&byte, 1);
    if (byte > static_cast<uint8_t>(ValueType::kKvlist)) return fail_now();
    value = static_cast<ValueType>(byte);
  }
  bool ok() const { return ok_; }
  bool at_end() const { return in_.empty(); }

 private:
  void raw(void* data, size_t bytes) {
    if (bytes > in_.size()) return fail_now();
    if (bytes > 0) std::memcpy(data, in_.data(), bytes);
    in_.remove_prefix(bytes);
  }
  void fail_now() {
    ok_ = false;
    in_ = {};
  }
  std::string_view in_;
  bool ok_ = true;
};

// The order of everything in the bytes, for writing and for reading.
template <typename Archive, typename Table>
void visit_attributes(Archive& archive, Table& table) {
  uint32_t columns = static_cast<uint32_t>(table.columns.size());
  archive.u32(columns);
  if constexpr (Archive::kReading) {
    for (uint32_t i = 0; i < columns && archive.ok(); ++i) {
      auto& column = table.columns.emplace_back();
      archive.u32(column.key);
      archive.type(column.type);
      archive.vector(column.rows);
      archive.vector(column.numbers);
      archive.vector(column.strings);
    }
  } else {
    for (const auto& column : table.columns) {
      archive.u32(column.key);
      archive.type(column.type);
      archive.vector(column.rows);
      archive.vector(column.numbers);
      archive.vector(column.strings);
    }
  }
}

template <typename Archive, typename Batch>
void visit(Archive& archive, Batch& batch) {
  archive.pool(batch.strings);
  archive.vector(batch.trace_id);
  archive.vector(batch.span_id);
  archive.vector(batch.parent_span_id);
  archive.vector(batch.start_ns);
  archive.vector(batch.end_ns);
  archive.vector(batch.name);
  archive.vector(batch.kind);
  archive.vector(batch.status_code);
  archive.vector(batch.status_message);
  archive.vector(batch.trace_state);
  archive.vector(batch.flags);
  archive.vector(batch.dropped_attributes_count);
  archive.vector(batch.dropped_events_count);
  archive.vector(batch.dropped_links_count);
  archive.vector(batch.resource);
  archive.vector(batch.scope);
  archive.vector(batch.resources.schema_url);
  archive.vector(batch.resources.dropped_attributes_count);
  visit_attributes(archive, batch.resources.attributes);
  archive.vector(batch.scopes.name);
  archive.vector(batch.scopes.version);
  archive.vector(batch.scopes.schema_url);
  archive.vector(batch.scopes.dropped_attributes_count);
  visit_attributes(archive, batch.scopes.attributes);
  visit_attributes(archive, batch.attributes);
  archive.vector(batch.events.span_row);
  archive.vector(batch.events.time_ns);
  archive.vector(batch.events.name);
  archive.vector(batch.events.dropped_attributes_count);
  visit_attributes(archive, batch.events.attributes);
  archive.vector(batch.links.span_row);
  archive.vector(batch.links.trace_id);
  archive.vector(batch.links.span_id);
  archive.vector(batch.links.trace_state);
  archive.vector(batch.links.flags);
  archive.vector(batch.links.dropped_attributes_count);
  visit_attributes(archive, batch.links.attributes);
  visit_attributes(archive, batch.annotations);
}

bool all_below(const ColumnVector<uint32_t>& values, size_t limit) {
  return std::ranges::all_of(values, [limit](uint32_t value) { return value < limit; });
}

bool valid_table(const AttributeTable& table, size_t rows, size_t strings) {
  for (const AttributeColumn& column : table.columns) {
    if (column.key >= strings || !all_below(column.rows, rows)) return false;
    if (!std::ranges::is_sorted(column.rows, std::ranges::less_equal{})) return false;
    if (column.numbers.size() != (column.is_number() ? column.rows.size() : 0)) return false;
    if (column.strings.size() != (column.is_string_like() ? column.rows.size() : 0)) return false;
    if (!all_below(column.strings, strings)) return false;
  }
  return true;
}

bool valid(const SpanBatch& batch) {
  const size_t n = batch.size();
  const size_t strings = batch.strings.size();
  const auto same = [n](const auto&... columns) { return ((columns.size() == n) && ...); };
  const auto& r = batch.resources;
  const auto& s = batch.scopes;
  const auto& e = batch.events;
  const auto& l = batch.links;
  return same(batch.span_id, batch.parent_span_id, batch.start_ns, batch.end_ns, batch.name,
              batch.kind, batch.status_code, batch.status_message, batch.trace_state, batch.flags,
              batch.dropped_attributes_count, batch.dropped_events_count, batch.dropped_links_count,
              batch.resource, batch.scope) &&
         all_below(batch.name, strings) && all_below(batch.status_message.values(), strings) &&
         all_below(batch.trace_state.values(), strings) && all_below(batch.resource, r.size()) &&
         all_below(batch.scope, s.size()) && r.dropped_attributes_count.size() == r.size() &&
         all_below(r.schema_url, strings) && s.version.size() == s.size() &&
         s.schema_url.size() == s.size() && s.dropped_attributes_count.size() == s.size() &&
         all_below(s.name, strings) && all_below(s.version, strings) &&
         all_below(s.schema_url, strings) && e.time_ns.size() == e.size() &&
         e.name.size() == e.size() && e.dropped_attributes_count.size() == e.size() &&
         all_below(e.span_row, n) && std::ranges::is_sorted(e.span_row) &&
         all_below(e.name, strings) && l.trace_id.size() == l.size() &&
         l.span_id.size() == l.size() && l.trace_state.size() == l.size() &&
         l.flags.size() == l.size() && l.dropped_attributes_count.size() == l.size() &&
         all_below(l.span_row, n) && std::ranges::is_sorted(l.span_row) &&
         all_below(l.trace_state, strings) && valid_table(batch.attributes, n, strings) &&
         valid_table(batch.annotations, n, strings) &&
         valid_table(r.attributes, r.size(), strings) &&
         valid_table(s.attributes, s.size(), strings) &&
         valid_table(e.attributes, e.size(), strings) &&
         valid_table(l.attributes, l.size(), strings);
}

}  // namespace

std::string encode_batch(const SpanBatch& batch) {
  Writer writer;
  writer.u32(kBatchMagic);
  visit(writer, batch);
  return writer.take();
}

Expected<SpanBatch> decode_batch(std::string_view bytes) {
  Reader reader(bytes);
  uint32_t magic;
  reader.u32(magic);
  SpanBatch batch;
  if (magic == kBatchMagic) visit(reader, batch);
  if (magic != kBatchMagic || !reader.ok() || !reader.at_end() || !valid(batch)) {
    return fail(ErrorCode::kCorrupt, "the bytes are not a batch of columns");
  }
  return batch;
}

}  // namespace weft::store
