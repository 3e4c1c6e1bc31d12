#include "store/entity_codes.h"

#include <unordered_map>

#include "base/hash.h"
#include "store/bytes.h"
#include "store/entity_codec.h"

namespace weft::store {
namespace {

// What an entity consists of, its strings by their ids over all batches. Entities with equal
// signatures are equal; equal ones with attributes in another order have other signatures.
using Signature = std::string;

struct AttributeWords {
  uint32_t key;
  uint32_t type;
  uint64_t value;
};

void add_attributes(std::vector<Signature>& signatures, uint32_t batch, const AttributeTable& table,
                    GlobalStrings& strings) {
  for (const AttributeColumn& column : table.columns) {
    if (column.rows.empty()) continue;
    AttributeWords words{strings.id(batch, column.key), static_cast<uint32_t>(column.type), 0};
    for (size_t i = 0; i < column.rows.size(); ++i) {
      if (column.is_number()) {
        words.value = column.numbers[i];
      } else if (column.is_string_like()) {
        words.value = strings.id(batch, column.strings[i]);
      }
      put_fixed(signatures[column.rows[i]], words);
    }
  }
}

std::span<const uint64_t> origins_of(const ResourceTable& table) {
  return table.origin;
}
std::span<const uint64_t> origins_of(const ScopeTable&) {
  return {};
}

// The codes of all rows, as soon as all have an origin that is known: nearly always.
bool find_by_origin(std::span<const uint64_t> origins, size_t rows,
                    const std::unordered_map<uint64_t, uint32_t>& by_origin,
                    std::vector<uint32_t>& codes) {
  if (origins.size() != rows) return false;
  codes.reserve(rows);
  for (const uint64_t origin : origins) {
    const auto known = by_origin.find(origin);
    if (known == by_origin.end()) return false;
    codes.push_back(known->second);
  }
  return true;
}

// `table_of` a batch; `add_fields` of a row to its signature; `encode` all rows of a table.
template <typename TableOf, typename AddFields, typename Encode>
EntityCodes number_entities(std::span<const SpanBatchPtr> batches, GlobalStrings& strings,
                            TableOf&& table_of, AddFields&& add_fields, Encode&& encode) {
  EntityCodes out;
  out.codes.resize(batches.size());
  std::unordered_map<uint64_t, uint32_t> by_origin;
  std::unordered_map<Signature, uint32_t, BytesHash> by_signature;
  std::unordered_map<std::string, uint32_t> by_bytes;
  std::vector<Signature> signatures;
  for (uint32_t b = 0; b < batches.size(); ++b) {
    const auto& table = table_of(*batches[b]);
    const std::span<const uint64_t> origins = origins_of(table);
    if (find_by_origin(origins, table.size(), by_origin, out.codes[b])) continue;
    out.codes[b].clear();
    if (signatures.size() < table.size()) signatures.resize(table.size());
    for (uint32_t row = 0; row < table.size(); ++row) {
      signatures[row].clear();
      add_fields(b, row, signatures[row]);
    }
    add_attributes(signatures, b, table.attributes, strings);
    std::vector<std::string> encoded;
    for (uint32_t row = 0; row < table.size(); ++row) {
      const auto known = by_signature.find(signatures[row]);
      if (known != by_signature.end()) {
        out.codes[b].push_back(known->second);
        continue;
      }
      if (encoded.empty()) encoded = encode(table, batches[b]->strings);
      const auto [at, is_new] =
          by_bytes.try_emplace(std::move(encoded[row]), static_cast<uint32_t>(out.entries.size()));
      if (is_new) out.entries.push_back(at->first);
      by_signature.emplace(signatures[row], at->second);
      out.codes[b].push_back(at->second);
    }
    for (uint32_t row = 0; row < origins.size(); ++row) {
      if (origins[row] != 0) by_origin.emplace(origins[row], out.codes[b][row]);
    }
  }
  return out;
}

}  // namespace

EntityCodes number_resources(std::span<const SpanBatchPtr> batches, GlobalStrings& strings) {
  return number_entities(
      batches, strings,
      [](const SpanBatch& batch) -> const ResourceTable& { return batch.resources; },
      [&](uint32_t b, uint32_t row, Signature& signature) {
        const ResourceTable& table = batches[b]->resources;
        put_fixed(signature, strings.id(b, table.schema_url[row]));
        put_fixed(signature, table.dropped_attributes_count[row]);
      },
      encode_resources);
}

EntityCodes number_scopes(std::span<const SpanBatchPtr> batches, GlobalStrings& strings) {
  return number_entities(
      batches, strings, [](const SpanBatch& batch) -> const ScopeTable& { return batch.scopes; },
      [&](uint32_t b, uint32_t row, Signature& signature) {
        const ScopeTable& table = batches[b]->scopes;
        put_fixed(signature, strings.id(b, table.name[row]));
        put_fixed(signature, strings.id(b, table.version[row]));
        put_fixed(signature, strings.id(b, table.schema_url[row]));
        put_fixed(signature, table.dropped_attributes_count[row]);
      },
      encode_scopes);
}

}  // namespace weft::store
