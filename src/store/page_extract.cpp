#include "store/page_extract.h"

#include <algorithm>

#include "store/batch_columns.h"
#include "store/block_filter.h"

namespace weft::store {
namespace {

ValueColumn absent_column(size_t rows) {
  ValueColumn out;
  out.types.assign(rows, ValueType::kNone);
  out.words.assign(rows, 0);
  return out;
}

// Puts string-like values of several sources into one column. As long as there is one source,
// its pool is shared; with a second one, strings are copied into a pool of the column's own.
class ColumnFiller {
 public:
  explicit ColumnFiller(size_t rows) : out_(absent_column(rows)) {}

  void set_number(size_t i, ValueType type, uint64_t word) {
    out_.types[i] = type;
    out_.words[i] = word;
  }
  void set_text(size_t i, ValueType type, uint64_t id,
                const std::shared_ptr<const StringPool>& strings) {
    if (out_.strings == nullptr) out_.strings = strings;
    if (out_.strings != strings) {
      if (own_ == nullptr) take_over();
      id = own_->intern(strings->at(static_cast<StringPool::Id>(id)));
    }
    out_.types[i] = type;
    out_.words[i] = id;
  }
  void clear(size_t i) {
    out_.types[i] = ValueType::kNone;
    out_.words[i] = 0;
  }
  ValueColumn take() { return std::move(out_); }

 private:
  void take_over() {
    own_ = std::make_shared<StringPool>();
    for (size_t i = 0; i < out_.words.size(); ++i) {
      const ValueType type = out_.types[i];
      if (type == ValueType::kString || type >= ValueType::kBytes) {
        out_.words[i] = own_->intern(out_.strings->at(static_cast<StringPool::Id>(out_.words[i])));
      }
    }
    out_.strings = own_;
  }
  ValueColumn out_;
  std::shared_ptr<StringPool> own_;
};

void fill_values(ColumnFiller& filler, const PageColumn& column,
                 const std::vector<uint32_t>& rows) {
  const ColumnMeta& meta = column.column->meta;
  const auto& strings = column.strings();
  for (size_t i = 0; i < rows.size(); ++i) {
    const uint32_t row = rows[i];
    if (!column.present(row)) continue;
    if (strings) {
      filler.set_text(i, meta.type, column.word(row), strings);
    } else {
      filler.set_number(i, meta.type, column.word(row));
    }
  }
}

// The column from the first of the rows to the last.
Expected<PageColumn> read_column(PageReader& page, size_t index,
                                 const std::vector<uint32_t>& rows) {
  if (rows.empty()) return page.column(index, 0, 0);
  return page.column(index, rows.front(), rows.back() + 1);
}

// The key's value in each resource or scope of the block.
ValueColumn entity_values(const std::shared_ptr<const SpanBatch>& entities,
                          const AttributeTable& table, size_t count, std::string_view key) {
  ValueColumn out = absent_column(count);
  out.strings = {entities, &entities->strings};
  for (const AttributeColumn& column : table.columns) {
    if (column.type == ValueType::kNone || entities->strings.at(column.key) != key) continue;
    for (size_t i = 0; i < column.rows.size(); ++i) {
      out.types[column.rows[i]] = column.type;
      out.words[column.rows[i]] = column.is_number() ? column.numbers[i] : column.strings[i];
    }
  }
  return out;
}

Status fill_entity(ColumnFiller& filler, PageReader& page, Field field, const ColumnRef& column,
                   const std::vector<uint32_t>& rows) {
  WEFT_ASSIGN(const auto index, page.block().find_field(BlockTable::kSpans, field));
  if (!index) return fail(ErrorCode::kCorrupt, page.block().path() + ": a field is missing");
  WEFT_ASSIGN(const PageColumn codes, read_column(page, *index, rows));
  const auto& entities = codes.column->entities;
  ValueColumn values;
  if (column.is_attribute()) {
    values = field == Field::kResource ? entity_values(entities, entities->resources.attributes,
                                                       entities->resources.size(), column.key)
                                       : entity_values(entities, entities->scopes.attributes,
                                                       entities->scopes.size(), column.key);
  } else {
    const auto& texts = column.intrinsic == Intrinsic::kInstrumentationName
                            ? entities->scopes.name
                            : entities->scopes.version;
    values.types.assign(texts.size(), ValueType::kString);
    values.words.assign(texts.begin(), texts.end());
    values.strings = {entities, &entities->strings};
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const uint32_t code = codes.code(rows[i]);
    if (code == PageColumn::kAbsent || values.types[code] == ValueType::kNone) continue;
    const ValueType type = values.types[code];
    if (type == ValueType::kString || type >= ValueType::kBytes) {
      filler.set_text(i, type, values.words[code], values.strings);
    } else {
      filler.set_number(i, type, values.words[code]);
    }
  }
  return {};
}

// Everything that the fast ways do not know: the page's rows with what the column needs.
Expected<ValueColumn> extract_slowly(PageReader& page, const ColumnRef& column,
                                     const std::vector<uint32_t>& rows) {
  const uint32_t begin = rows.front();
  WEFT_ASSIGN(SpanBatch read, page.read_rows(begin, rows.back() + 1, [&](const ColumnMeta& meta) {
    return column_serves(meta, column);
  }));
  const auto batch = std::make_shared<const SpanBatch>(std::move(read));
  std::vector<uint32_t> local(rows);
  for (uint32_t& row : local)
    row -= begin;
  return take_rows(weft::store::extract_column(batch, column), local);
}

Expected<ValueColumn> extract_attribute(PageReader& page, const ColumnRef& column,
                                        const std::vector<uint32_t>& rows) {
  WEFT_ASSIGN(const BlockColumns* all, page.block().columns());
  for (const ColumnMeta& meta : all->columns) {
    if (meta.table == BlockTable::kSpans && meta.domain == ColumnDomain::kOverflow) {
      return extract_slowly(page, column, rows);
    }
  }
  ColumnFiller filler(rows.size());
  if (column.scope == AttributeScope::kAny) {
    WEFT_TRY(fill_entity(filler, page, Field::kResource, column, rows));
  }
  WEFT_ASSIGN(const auto indexes, page.block().find_attribute(BlockTable::kSpans, column.key));
  for (size_t index : indexes) {
    if (all->columns[index].type == ValueType::kNone) continue;
    WEFT_ASSIGN(const PageColumn values, read_column(page, index, rows));
    fill_values(filler, values, rows);
  }
  return filler.take();
}

Expected<ValueColumn> extract_field(PageReader& page, Field field, ValueType type,
                                    const std::vector<uint32_t>& rows) {
  ColumnFiller filler(rows.size());
  // Absent strings are empty, absent numbers 0.
  static const auto kEmptyPool = std::make_shared<const StringPool>();
  WEFT_ASSIGN(const auto index, page.block().find_field(BlockTable::kSpans, field));
  std::optional<PageColumn> values;
  if (index) {
    WEFT_ASSIGN(values, read_column(page, *index, rows));
    fill_values(filler, *values, rows);
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    if (values && values->present(rows[i])) continue;
    if (type == ValueType::kString) {
      // Id 0 is the empty string in every pool.
      filler.set_text(i, type, StringPool::kEmpty,
                      values && values->strings() ? values->strings() : kEmptyPool);
    } else {
      filler.set_number(i, type, 0);
    }
  }
  return filler.take();
}

Expected<ValueColumn> extract_time(PageReader& page, Intrinsic which,
                                   const std::vector<uint32_t>& rows) {
  ValueColumn out;
  out.types.assign(rows.size(), ValueType::kInt);
  WEFT_ASSIGN(const auto* starts, page.starts());
  const std::vector<int64_t>* durations = nullptr;
  if (which != Intrinsic::kStartNs) {
    WEFT_ASSIGN(durations, page.durations());
  }
  for (uint32_t row : rows) {
    const uint64_t start = (*starts)[row];
    const uint64_t end = durations ? start + static_cast<uint64_t>((*durations)[row]) : start;
    out.words.push_back(which == Intrinsic::kStartNs ? start
                        : which == Intrinsic::kEndNs ? end
                        : end > start                ? end - start
                                                     : 0);
  }
  return out;
}

}  // namespace

Expected<ValueColumn> extract_column(PageReader& page, const ColumnRef& column,
                                     const std::vector<uint32_t>& rows) {
  if (column.is_multi_valued()) return extract_slowly(page, column, rows);
  if (column.is_attribute()) {
    if (column.scope == AttributeScope::kAny || column.scope == AttributeScope::kSpan) {
      return extract_attribute(page, column, rows);
    }
    ColumnFiller filler(rows.size());
    WEFT_TRY(fill_entity(
        filler, page, column.scope == AttributeScope::kResource ? Field::kResource : Field::kScope,
        column, rows));
    return filler.take();
  }
  switch (column.intrinsic) {
    case Intrinsic::kStartNs:
    case Intrinsic::kEndNs:
    case Intrinsic::kDurationNs:
      return extract_time(page, column.intrinsic, rows);
    case Intrinsic::kName:
      return extract_field(page, Field::kName, ValueType::kString, rows);
    case Intrinsic::kKind:
      return extract_field(page, Field::kKind, ValueType::kInt, rows);
    case Intrinsic::kStatusCode:
      return extract_field(page, Field::kStatusCode, ValueType::kInt, rows);
    case Intrinsic::kStatusMessage:
      return extract_field(page, Field::kStatusMessage, ValueType::kString, rows);
    case Intrinsic::kTraceState:
      return extract_field(page, Field::kTraceState, ValueType::kString, rows);
    case Intrinsic::kInstrumentationName:
    case Intrinsic::kInstrumentationVersion: {
      ColumnFiller filler(rows.size());
      WEFT_TRY(fill_entity(filler, page, Field::kScope, column, rows));
      return filler.take();
    }
    default:
      return extract_slowly(page, column, rows);
  }
}

namespace {

std::vector<uint32_t> take_codes(PageColumn& column, const std::vector<uint32_t>& rows) {
  if (rows.size() == column.codes.size()) return std::move(column.codes);
  std::vector<uint32_t> out(rows.size());
  for (size_t i = 0; i < rows.size(); ++i)
    out[i] = column.code(rows[i]);
  return out;
}

// `absent`: what rows without a value in the column have.
CodedColumn coded(PageColumn column, const std::vector<uint32_t>& rows, StoredValue absent) {
  CodedColumn out;
  out.codes = take_codes(column, rows);
  out.distinct = column.column->meta.dictionary_size;
  out.value = [loaded = column.column.get(), absent](uint32_t code) {
    if (code == CodedColumn::kAbsent) return absent;
    if (!loaded->strings) return StoredValue{loaded->meta.type, loaded->numbers[code], {}};
    return StoredValue{loaded->meta.type, 0, loaded->strings->at(code + 1)};
  };
  out.identity = std::move(column.column);
  return out;
}

using MaybeCoded = std::optional<CodedColumn>;

Expected<MaybeCoded> code_field(PageReader& page, Field field, StoredValue absent,
                                const std::vector<uint32_t>& rows) {
  WEFT_ASSIGN(const auto index, page.block().find_field(BlockTable::kSpans, field));
  if (!index) return std::nullopt;
  WEFT_ASSIGN(const LoadedColumnPtr loaded, page.block().column(*index));
  if (loaded->meta.encoding != ColumnEncoding::kDictionary) return std::nullopt;
  WEFT_ASSIGN(PageColumn column, read_column(page, *index, rows));
  return coded(std::move(column), rows, absent);
}

Expected<MaybeCoded> code_entity(PageReader& page, Field field, const ColumnRef& column,
                                 const std::vector<uint32_t>& rows) {
  WEFT_ASSIGN(const auto index, page.block().find_field(BlockTable::kSpans, field));
  if (!index) return std::nullopt;
  WEFT_ASSIGN(PageColumn codes, read_column(page, *index, rows));
  const auto& entities = codes.column->entities;
  const ValueColumn values = field == Field::kResource
                                 ? entity_values(entities, entities->resources.attributes,
                                                 entities->resources.size(), column.key)
                                 : entity_values(entities, entities->scopes.attributes,
                                                 entities->scopes.size(), column.key);
  CodedColumn out;
  out.codes = take_codes(codes, rows);
  out.distinct = static_cast<uint32_t>(values.types.size());
  out.value = [values](uint32_t code) {
    if (code == CodedColumn::kAbsent) return StoredValue{};
    const ValueType type = values.types[code];
    const bool text = type == ValueType::kString || type >= ValueType::kBytes;
    return StoredValue{type, values.words[code], text ? values.text(code) : std::string_view()};
  };
  out.identity = std::move(codes.column);
  return out;
}

Expected<MaybeCoded> code_attribute(PageReader& page, const ColumnRef& column,
                                    const std::vector<uint32_t>& rows) {
  WEFT_ASSIGN(const BlockColumns* all, page.block().columns());
  for (const ColumnMeta& meta : all->columns) {
    if (meta.table == BlockTable::kSpans && meta.domain == ColumnDomain::kOverflow) {
      return std::nullopt;
    }
  }
  WEFT_ASSIGN(const auto indexes, page.block().find_attribute(BlockTable::kSpans, column.key));
  if (indexes.size() != 1) return std::nullopt;
  const ColumnMeta& meta = all->columns[indexes.front()];
  if (meta.encoding != ColumnEncoding::kDictionary || meta.type == ValueType::kNone) {
    return std::nullopt;
  }
  WEFT_ASSIGN(PageColumn values, read_column(page, indexes.front(), rows));
  return coded(std::move(values), rows, {});
}

}  // namespace

Expected<MaybeCoded> extract_codes(PageReader& page, const ColumnRef& column,
                                   const std::vector<uint32_t>& rows) {
  if (column.is_attribute()) {
    switch (column.scope) {
      case AttributeScope::kSpan:
        return code_attribute(page, column, rows);
      case AttributeScope::kResource:
        return code_entity(page, Field::kResource, column, rows);
      case AttributeScope::kInstrumentation:
        return code_entity(page, Field::kScope, column, rows);
      default:
        return std::nullopt;
    }
  }
  // Absent strings are empty, absent numbers 0.
  constexpr StoredValue kNoText{ValueType::kString, 0, {}};
  constexpr StoredValue kZero{ValueType::kInt, 0, {}};
  switch (column.intrinsic) {
    case Intrinsic::kName:
      return code_field(page, Field::kName, kNoText, rows);
    case Intrinsic::kStatusMessage:
      return code_field(page, Field::kStatusMessage, kNoText, rows);
    case Intrinsic::kKind:
      return code_field(page, Field::kKind, kZero, rows);
    case Intrinsic::kStatusCode:
      return code_field(page, Field::kStatusCode, kZero, rows);
    default:
      return std::nullopt;
  }
}

}  // namespace weft::store
