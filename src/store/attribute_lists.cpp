#include "store/attribute_lists.h"

#include <algorithm>
#include <bit>
#include <map>
#include <ranges>
#include <tuple>
#include <unordered_map>

#include "store/batch_columns.h"
#include "store/entity_codec.h"
#include "store/page_extract.h"
#include "store/work_units.h"

namespace weft::store {
namespace {

// Distinct values that are counted; with more, the list says that it is not complete.
constexpr size_t kMaxDistinctValues = 100'000;
constexpr size_t kMaxDistinctKeys = 100'000;

bool overlaps(const Block& block, TimeRange range) {
  return range.overlaps(block.meta().min_start_ns, block.meta().max_start_ns);
}
bool covered(const Block& block, TimeRange range) {
  return range.contains(block.meta().min_start_ns) && range.contains(block.meta().max_start_ns);
}

class KeyCounter {
 public:
  void add(AttributeScope scope, std::string_view key, ValueType type, uint64_t spans) {
    if (spans == 0) return;
    const auto at = counts_.find(std::make_tuple(scope, key, type));
    if (at != counts_.end()) {
      at->second += spans;
    } else if (counts_.size() < kMaxDistinctKeys) {
      counts_.emplace(std::make_tuple(scope, std::string(key), type), spans);
    } else {
      full_ = true;
    }
  }
  // There are keys that are not listed.
  void leave_out() { full_ = true; }
  AttributeList take(size_t limit) {
    AttributeList out;
    for (const auto& [key, spans] : counts_) {
      out.keys.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), spans});
    }
    std::ranges::stable_sort(out.keys, std::greater{}, &AttributeKey::spans);
    out.limit_reached = full_ || out.keys.size() > limit;
    if (out.keys.size() > limit) out.keys.resize(limit);
    return out;
  }

 private:
  std::map<std::tuple<AttributeScope, std::string, ValueType>, uint64_t, std::less<>> counts_;
  bool full_ = false;
};

Status add_block_keys(const Block& block, KeyCounter& counter) {
  WEFT_ASSIGN(const BlockColumns* all, block.columns());
  for (size_t i = 0; i < all->columns.size(); ++i) {
    const ColumnMeta& meta = all->columns[i];
    if (meta.domain == ColumnDomain::kAttribute) {
      const AttributeScope scope = meta.table == BlockTable::kEvents  ? AttributeScope::kEvent
                                   : meta.table == BlockTable::kLinks ? AttributeScope::kLink
                                                                      : AttributeScope::kSpan;
      counter.add(scope, meta.key, meta.type, meta.values);
    }
    if (meta.domain == ColumnDomain::kOverflow) counter.leave_out();
    if (meta.domain != ColumnDomain::kField) continue;
    if (meta.field != Field::kResource && meta.field != Field::kScope) continue;
    WEFT_ASSIGN(const LoadedColumnPtr column, block.column(i));
    const SpanBatch& entities = *column->entities;
    const bool resource = meta.field == Field::kResource;
    const AttributeTable& table =
        resource ? entities.resources.attributes : entities.scopes.attributes;
    for (const AttributeColumn& attribute : table.columns) {
      uint64_t spans = 0;
      for (uint32_t row : attribute.rows)
        spans += column->counts[row];
      counter.add(resource ? AttributeScope::kResource : AttributeScope::kInstrumentation,
                  entities.strings.at(attribute.key), attribute.type, spans);
    }
  }
  return {};
}

void add_batch_keys(const SpanBatch& batch, TimeRange range, KeyCounter& counter) {
  std::vector<uint8_t> in(batch.size());
  for (size_t row = 0; row < in.size(); ++row)
    in[row] = range.contains(batch.start_ns[row]);
  const auto add = [&](AttributeScope scope, const AttributeTable& table, auto&& spans_of) {
    for (const AttributeColumn& column : table.columns) {
      uint64_t spans = 0;
      for (uint32_t row : column.rows)
        spans += spans_of(row);
      counter.add(scope, batch.strings.at(column.key), column.type, spans);
    }
  };
  add(AttributeScope::kSpan, batch.attributes, [&](uint32_t row) { return uint64_t{in[row]}; });
  add(AttributeScope::kEvent, batch.events.attributes,
      [&](uint32_t e) { return uint64_t{in[batch.events.span_row[e]]}; });
  add(AttributeScope::kLink, batch.links.attributes,
      [&](uint32_t l) { return uint64_t{in[batch.links.span_row[l]]}; });
  std::vector<uint64_t> of_resource(batch.resources.size());
  std::vector<uint64_t> of_scope(batch.scopes.size());
  for (size_t row = 0; row < in.size(); ++row) {
    of_resource[batch.resource[row]] += in[row];
    of_scope[batch.scope[row]] += in[row];
  }
  add(AttributeScope::kResource, batch.resources.attributes,
      [&](uint32_t row) { return of_resource[row]; });
  add(AttributeScope::kInstrumentation, batch.scopes.attributes,
      [&](uint32_t row) { return of_scope[row]; });
}

class ValueCounter {
 public:
  void add(ValueType type, uint64_t word, std::string_view text, uint64_t spans) {
    if (type == ValueType::kNone || spans == 0) return;
    const bool is_text = type == ValueType::kString || type >= ValueType::kBytes;
    std::string key(1, static_cast<char>(type));
    if (is_text) {
      key += text;
    } else {
      key.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
    const auto at = counts_.find(key);
    if (at != counts_.end()) {
      at->second += spans;
    } else if (counts_.size() < kMaxDistinctValues) {
      counts_.emplace(std::move(key), spans);
    } else {
      full_ = true;
    }
  }
  void add(const ValueColumn& column) {
    for (size_t i = 0; i < column.types.size(); ++i) {
      const ValueType type = column.types[i];
      const bool is_text = type == ValueType::kString || type >= ValueType::kBytes;
      add(type, column.words[i], is_text ? column.text(i) : std::string_view(), 1);
    }
  }
  // Values beyond are not listed any more.
  bool full() const { return full_; }
  AttributeValueList take(size_t limit) {
    std::vector<std::pair<uint64_t, const std::string*>> order;
    for (const auto& [key, spans] : counts_)
      order.emplace_back(spans, &key);
    std::ranges::sort(order, [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : *a.second < *b.second;
    });
    AttributeValueList out;
    out.limit_reached = full_ || order.size() > limit;
    for (size_t i = 0; i < std::min(order.size(), limit); ++i) {
      out.values.push_back({value_of(*order[i].second), order[i].first});
    }
    return out;
  }

 private:
  static Value value_of(const std::string& key) {
    const auto type = static_cast<ValueType>(key[0]);
    const std::string_view rest = std::string_view(key).substr(1);
    uint64_t word = 0;
    if (rest.size() == sizeof word) std::memcpy(&word, rest.data(), sizeof word);
    switch (type) {
      case ValueType::kString:
        return Value(rest);
      case ValueType::kBool:
        return word != 0;
      case ValueType::kInt:
        return static_cast<int64_t>(word);
      case ValueType::kDouble:
        return std::bit_cast<double>(word);
      case ValueType::kBytes:
        return Value(Value::Bytes{std::string(rest)});
      default:
        return decode_nested(type, rest);
    }
  }
  std::unordered_map<std::string, uint64_t> counts_;
  bool full_ = false;
};

// The columns whose dictionaries answer for a whole block; nullopt when they do not.
Expected<std::optional<std::vector<size_t>>> dictionary_columns(const Block& block,
                                                                const ColumnRef& column) {
  std::vector<size_t> found;
  const auto field = [&](BlockTable table, Field which) -> Status {
    WEFT_ASSIGN(const auto index, block.find_field(table, which));
    if (index) found.push_back(*index);
    return {};
  };
  if (column.is_attribute()) {
    if (column.scope == AttributeScope::kSpan || column.scope == AttributeScope::kEvent ||
        column.scope == AttributeScope::kLink) {
      const BlockTable table = column.scope == AttributeScope::kEvent  ? BlockTable::kEvents
                               : column.scope == AttributeScope::kLink ? BlockTable::kLinks
                                                                       : BlockTable::kSpans;
      WEFT_ASSIGN(found, block.find_attribute(table, column.key));
    } else if (column.scope == AttributeScope::kResource) {
      WEFT_TRY(field(BlockTable::kSpans, Field::kResource));
    } else {
      return std::nullopt;
    }
  } else {
    switch (column.intrinsic) {
      case Intrinsic::kName:
        WEFT_TRY(field(BlockTable::kSpans, Field::kName));
        break;
      case Intrinsic::kKind:
        WEFT_TRY(field(BlockTable::kSpans, Field::kKind));
        break;
      case Intrinsic::kStatusCode:
        WEFT_TRY(field(BlockTable::kSpans, Field::kStatusCode));
        break;
      case Intrinsic::kEventName:
        WEFT_TRY(field(BlockTable::kEvents, Field::kName));
        break;
      default:
        return std::nullopt;
    }
  }
  WEFT_ASSIGN(const BlockColumns* all, block.columns());
  for (const ColumnMeta& meta : all->columns) {
    if (meta.domain == ColumnDomain::kOverflow) return std::nullopt;
  }
  for (size_t index : found) {
    if (all->columns[index].encoding != ColumnEncoding::kDictionary) return std::nullopt;
  }
  return found;
}

Status add_dictionary(const LoadedColumn& column, const ColumnRef& wanted, ValueCounter& counter) {
  if (column.entities != nullptr) {
    const SpanBatch& entities = *column.entities;
    for (const AttributeColumn& attribute : entities.resources.attributes.columns) {
      if (entities.strings.at(attribute.key) != wanted.key) continue;
      for (size_t i = 0; i < attribute.rows.size(); ++i) {
        const bool number = !attribute.is_string_like();
        counter.add(attribute.type, number && attribute.is_number() ? attribute.numbers[i] : 0,
                    number ? std::string_view() : entities.strings.at(attribute.strings[i]),
                    column.counts[attribute.rows[i]]);
      }
    }
    return {};
  }
  for (uint32_t code = 0; code < column.meta.dictionary_size; ++code) {
    counter.add(column.meta.type, column.strings ? 0 : column.numbers[code],
                column.strings ? column.strings->at(code + 1) : std::string_view(),
                column.counts[code]);
  }
  return {};
}

// Whether the block keeps the column as near-unique strings alone.
Expected<bool> is_near_unique(const Block& block, const ColumnRef& column) {
  if (!column.is_attribute() || column.scope != AttributeScope::kSpan) return false;
  WEFT_ASSIGN(const auto indexes, block.find_attribute(BlockTable::kSpans, column.key));
  WEFT_ASSIGN(const BlockColumns* all, block.columns());
  return !indexes.empty() && std::ranges::all_of(indexes, [all](size_t index) {
    return all->columns[index].encoding == ColumnEncoding::kText;
  });
}

Status add_block_values(const Block& block, const ColumnRef& column, TimeRange range,
                        const CancelToken& cancel, ValueCounter& counter) {
  if (covered(block, range)) {
    WEFT_ASSIGN(const auto indexes, dictionary_columns(block, column));
    if (indexes) {
      for (size_t index : *indexes) {
        WEFT_ASSIGN(const LoadedColumnPtr loaded, block.column(index));
        WEFT_TRY(add_dictionary(*loaded, column, counter));
      }
      return {};
    }
  }
  WEFT_ASSIGN(const bool near_unique, is_near_unique(block, column));
  for (size_t p = block.page_count(); p-- > 0;) {
    if (cancel.cancelled()) return fail(ErrorCode::kCancelled, "the query was cancelled");
    // Nearly every value would be one that is not listed any more.
    if (near_unique && counter.full()) return {};
    PageReader page(block, p);
    WEFT_ASSIGN(const auto* starts, page.starts());
    std::vector<uint32_t> rows;
    for (uint32_t row = 0; row < starts->size(); ++row) {
      if (range.contains((*starts)[row])) rows.push_back(row);
    }
    if (rows.empty()) continue;
    WEFT_ASSIGN(const ValueColumn values, extract_column(page, column, rows));
    counter.add(values);
  }
  return {};
}

}  // namespace

Expected<AttributeList> list_attribute_keys(const Snapshot& snapshot, TimeRange range, size_t limit,
                                            const CancelToken& cancel) {
  KeyCounter counter;
  for (const BlockPtr& block : snapshot.blocks->blocks) {
    if (cancel.cancelled()) return fail(ErrorCode::kCancelled, "the query was cancelled");
    if (!overlaps(*block, range)) continue;
    if (Status status = add_block_keys(*block, counter);
        !status && status.error().code != ErrorCode::kCorrupt) {
      return std::unexpected(status.error());
    }
  }
  for (const SpanBatchPtr& batch : snapshot.memory->batches) {
    add_batch_keys(*batch, range, counter);
  }
  return counter.take(limit);
}

Expected<AttributeValueList> list_attribute_values(const Snapshot& snapshot,
                                                   const ColumnRef& column, TimeRange range,
                                                   size_t limit, const CancelToken& cancel) {
  ValueCounter counter;
  // The newest first: they are listed when not all are.
  for (const SpanBatchPtr& batch : snapshot.memory->batches) {
    std::vector<uint32_t> rows;
    for (uint32_t row = 0; row < batch->size(); ++row) {
      if (range.contains(batch->start_ns[row])) rows.push_back(row);
    }
    if (!rows.empty()) counter.add(take_rows(extract_column(batch, column), rows));
  }
  for (const BlockPtr& block : snapshot.blocks->blocks | std::views::reverse) {
    if (!overlaps(*block, range)) continue;
    if (Status status = add_block_values(*block, column, range, cancel, counter);
        !status && status.error().code != ErrorCode::kCorrupt) {
      return std::unexpected(status.error());
    }
  }
  return counter.take(limit);
}

}  // namespace weft::store
