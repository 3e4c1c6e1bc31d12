// Resources, instrumentation scopes and overflowing attributes as bytes: they are entries of a
// block's dictionaries. Equal entities give equal bytes, whatever the order of their attributes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/span_batch.h"

namespace weft::store {

// The rows of the table, each as bytes.
std::vector<std::string> encode_resources(const ResourceTable& table, const StringPool& strings);
std::vector<std::string> encode_scopes(const ScopeTable& table, const StringPool& strings);

// Appends one row to the batch's table. False when the bytes are damaged.
bool decode_resource(std::string_view bytes, SpanBatch& batch);
bool decode_scope(std::string_view bytes, SpanBatch& batch);

// One attribute value on its own, for rows of the overflow column.
void put_attribute(std::string& out, std::string_view key, const AttributeColumn& column,
                   size_t index, const StringPool& strings);
// One attribute as it was put.
struct AttributeView {
  std::string_view key;
  ValueType type = ValueType::kNone;
  uint64_t number = 0;
  std::string_view text;
};
// Reads the next attribute; false at the end or at damage.
bool next_attribute(std::string_view& bytes, AttributeView& attribute);

}  // namespace weft::store
