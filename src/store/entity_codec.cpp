#include "store/entity_codec.h"

#include <algorithm>

#include "store/bytes.h"

namespace weft::store {
namespace {

// Appends each row's attributes to its bytes, sorted by key and type.
void append_attributes(std::vector<std::string>& rows, const AttributeTable& table,
                       const StringPool& strings) {
  std::vector<const AttributeColumn*> columns;
  for (const AttributeColumn& column : table.columns)
    columns.push_back(&column);
  std::ranges::sort(columns, [&](const AttributeColumn* a, const AttributeColumn* b) {
    const std::string_view key_a = strings.at(a->key);
    const std::string_view key_b = strings.at(b->key);
    return key_a != key_b ? key_a < key_b : a->type < b->type;
  });
  for (const AttributeColumn* column : columns) {
    const std::string_view key = strings.at(column->key);
    for (size_t i = 0; i < column->rows.size(); ++i) {
      put_attribute(rows[column->rows[i]], key, *column, i, strings);
    }
  }
}

bool append_to_table(std::string_view bytes, AttributeTable& table, uint32_t row,
                     StringPool& strings) {
  AttributeView attribute;
  while (!bytes.empty()) {
    if (!next_attribute(bytes, attribute)) return false;
    const StringPool::Id key = strings.intern(attribute.key);
    auto column = std::ranges::find_if(table.columns, [&](const AttributeColumn& c) {
      return c.key == key && c.type == attribute.type;
    });
    if (column == table.columns.end()) {
      table.columns.emplace_back();
      column = table.columns.end() - 1;
      column->key = key;
      column->type = attribute.type;
    }
    if (!column->rows.empty() && column->rows.back() == row) return false;
    column->rows.push_back(row);
    if (column->is_number()) {
      column->numbers.push_back(attribute.number);
    } else if (column->is_string_like()) {
      column->strings.push_back(strings.intern(attribute.text));
    }
  }
  return true;
}

}  // namespace

void put_attribute(std::string& out, std::string_view key, const AttributeColumn& column,
                   size_t index, const StringPool& strings) {
  put_string(out, key);
  out.push_back(static_cast<char>(column.type));
  if (column.is_number()) {
    put_fixed(out, column.numbers[index]);
  } else if (column.is_string_like()) {
    put_string(out, strings.at(column.strings[index]));
  }
}

bool next_attribute(std::string_view& bytes, AttributeView& attribute) {
  ByteReader in(bytes);
  attribute = {};
  attribute.key = in.string();
  const auto type = in.fixed<uint8_t>();
  if (!in.ok() || type > static_cast<uint8_t>(ValueType::kKvlist)) return false;
  attribute.type = static_cast<ValueType>(type);
  switch (attribute.type) {
    case ValueType::kNone:
      break;
    case ValueType::kBool:
    case ValueType::kInt:
    case ValueType::kDouble:
      attribute.number = in.fixed<uint64_t>();
      break;
    default:
      attribute.text = in.string();
  }
  if (!in.ok()) return false;
  bytes.remove_prefix(bytes.size() - in.remaining());
  return true;
}

std::vector<std::string> encode_resources(const ResourceTable& table, const StringPool& strings) {
  std::vector<std::string> rows(table.size());
  for (size_t row = 0; row < rows.size(); ++row) {
    put_string(rows[row], strings.at(table.schema_url[row]));
    put_varint(rows[row], table.dropped_attributes_count[row]);
  }
  append_attributes(rows, table.attributes, strings);
  return rows;
}

std::vector<std::string> encode_scopes(const ScopeTable& table, const StringPool& strings) {
  std::vector<std::string> rows(table.size());
  for (size_t row = 0; row < rows.size(); ++row) {
    put_string(rows[row], strings.at(table.name[row]));
    put_string(rows[row], strings.at(table.version[row]));
    put_string(rows[row], strings.at(table.schema_url[row]));
    put_varint(rows[row], table.dropped_attributes_count[row]);
  }
  append_attributes(rows, table.attributes, strings);
  return rows;
}

bool decode_resource(std::string_view bytes, SpanBatch& batch) {
  ByteReader in(bytes);
  const std::string_view schema_url = in.string();
  const auto dropped = static_cast<uint32_t>(in.varint());
  if (!in.ok()) return false;
  ResourceTable& table = batch.resources;
  table.schema_url.push_back(batch.strings.intern(schema_url));
  table.dropped_attributes_count.push_back(dropped);
  return append_to_table(bytes.substr(bytes.size() - in.remaining()), table.attributes,
                         static_cast<uint32_t>(table.size() - 1), batch.strings);
}

bool decode_scope(std::string_view bytes, SpanBatch& batch) {
  ByteReader in(bytes);
  const std::string_view name = in.string();
  const std::string_view version = in.string();
  const std::string_view schema_url = in.string();
  const auto dropped = static_cast<uint32_t>(in.varint());
  if (!in.ok()) return false;
  ScopeTable& table = batch.scopes;
  table.name.push_back(batch.strings.intern(name));
  table.version.push_back(batch.strings.intern(version));
  table.schema_url.push_back(batch.strings.intern(schema_url));
  table.dropped_attributes_count.push_back(dropped);
  return append_to_table(bytes.substr(bytes.size() - in.remaining()), table.attributes,
                         static_cast<uint32_t>(table.size() - 1), batch.strings);
}

}  // namespace weft::store
