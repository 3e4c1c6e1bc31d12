// PageReader::read_rows: rows of a sealed page as a SpanBatch again, with every field.
#include <algorithm>
#include <map>

#include "store/entity_codec.h"
#include "store/page_reader.h"

namespace weft::store {
namespace {

// Copies strings of a column into the batch's pool, each once when that pays.
class TextCopier {
 public:
  TextCopier(StringPool& target, const PageColumn& column, size_t rows)
      : target_(target), strings_(column.strings()) {
    if (strings_ && strings_->size() <= rows * 4) known_.assign(strings_->size(), kUnknown);
  }
  StringPool::Id operator()(uint64_t id) {
    const auto source = static_cast<StringPool::Id>(id);
    if (known_.empty()) return target_.intern(strings_->at(source));
    if (known_[source] == kUnknown) known_[source] = target_.intern(strings_->at(source));
    return known_[source];
  }

 private:
  static constexpr StringPool::Id kUnknown = UINT32_MAX;
  StringPool& target_;
  std::shared_ptr<const StringPool> strings_;
  std::vector<StringPool::Id> known_;
};

AttributeColumn& column_of(AttributeTable& table, StringPool::Id key, ValueType type) {
  for (AttributeColumn& column : table.columns) {
    if (column.key == key && column.type == type) return column;
  }
  AttributeColumn& column = table.columns.emplace_back();
  column.key = key;
  column.type = type;
  return column;
}

class RowsReader {
 public:
  RowsReader(PageReader& page, SpanBatch& batch, const PageReader::Wanted& taken)
      : page_(page), batch_(batch), taken_(taken) {}

  Status read(PageWindow spans);

 private:
  Status read_specials(PageWindow spans);
  Status read_events(PageWindow spans);
  Status read_links(PageWindow spans);
  Status read_columns(BlockTable table, PageWindow window);
  Status read_field(const PageColumn& column, PageWindow window);
  void read_attribute(const PageColumn& column, PageWindow window, AttributeTable& table);
  Status read_overflow(const PageColumn& column, PageWindow window, AttributeTable& table);
  Status read_entities(const PageColumn& column, PageWindow window);
  AttributeTable& table_of(const ColumnMeta& meta);
  Expected<bool> table_wanted(BlockTable table);
  bool wanted(const LoadedColumn& column, const std::vector<uint16_t>& classes, PageWindow window);

  // `out`: a ColumnVector or a SeldomColumn with an entry for each row of the window.
  template <typename Column>
  void fill_text(const PageColumn& column, PageWindow window, Column& out) {
    TextCopier copy(batch_.strings, column, window.size());
    for (uint32_t row = window.begin; row < window.end; ++row) {
      if (column.present(row)) out.at(row - window.begin) = copy(column.word(row));
    }
  }
  template <typename Column>
  void fill_number(const PageColumn& column, PageWindow window, Column& out) {
    for (uint32_t row = window.begin; row < window.end; ++row) {
      if (!column.present(row)) continue;
      auto& entry = out.at(row - window.begin);
      entry = static_cast<std::decay_t<decltype(entry)>>(column.word(row));
    }
  }

  PageReader& page_;
  SpanBatch& batch_;
  const PageReader::Wanted& taken_;
};

Status RowsReader::read(PageWindow spans) {
  WEFT_TRY(read_specials(spans));
  WEFT_TRY(read_columns(BlockTable::kSpans, spans));
  WEFT_ASSIGN(const bool events_wanted, table_wanted(BlockTable::kEvents));
  if (events_wanted) WEFT_TRY(read_events(spans));
  WEFT_ASSIGN(const bool links_wanted, table_wanted(BlockTable::kLinks));
  if (links_wanted) WEFT_TRY(read_links(spans));
  return {};
}

Expected<bool> RowsReader::table_wanted(BlockTable table) {
  if (page_.rows(table) == 0) return false;
  if (!taken_) return true;
  WEFT_ASSIGN(const BlockColumns* all, page_.block().columns());
  return std::ranges::any_of(
      all->columns, [&](const ColumnMeta& meta) { return meta.table == table && taken_(meta); });
}

Status RowsReader::read_events(PageWindow spans) {
  WEFT_ASSIGN(const auto* events, page_.child_begin(BlockTable::kEvents));
  const PageWindow event_window{(*events)[spans.begin], (*events)[spans.end]};
  if (event_window.size() > 0) {
    EventTable& table = batch_.events;
    WEFT_ASSIGN(const auto times, page_.event_times());
    for (uint32_t row = spans.begin; row < spans.end; ++row) {
      for (uint32_t e = (*events)[row]; e < (*events)[row + 1]; ++e) {
        table.span_row.push_back(row - spans.begin);
        table.time_ns.push_back(batch_.start_ns[row - spans.begin] +
                                static_cast<uint64_t>(times[e]));
      }
    }
    table.name.resize(table.size());
    table.dropped_attributes_count.resize(table.size());
    WEFT_TRY(read_columns(BlockTable::kEvents, event_window));
  }
  return {};
}

Status RowsReader::read_links(PageWindow spans) {
  WEFT_ASSIGN(const auto* links, page_.child_begin(BlockTable::kLinks));
  const PageWindow link_window{(*links)[spans.begin], (*links)[spans.end]};
  if (link_window.size() > 0) {
    LinkTable& table = batch_.links;
    WEFT_ASSIGN(const auto trace_ids, page_.link_trace_ids());
    WEFT_ASSIGN(const auto span_ids, page_.link_span_ids());
    for (uint32_t row = spans.begin; row < spans.end; ++row) {
      for (uint32_t l = (*links)[row]; l < (*links)[row + 1]; ++l) {
        table.span_row.push_back(row - spans.begin);
        table.trace_id.push_back(trace_ids[l]);
        table.span_id.push_back(span_ids[l]);
      }
    }
    table.trace_state.resize(table.size());
    table.flags.resize(table.size());
    table.dropped_attributes_count.resize(table.size());
    WEFT_TRY(read_columns(BlockTable::kLinks, link_window));
  }
  return {};
}

Status RowsReader::read_specials(PageWindow spans) {
  WEFT_ASSIGN(const auto* trace_ids, page_.trace_ids());
  WEFT_ASSIGN(const auto* trace_begin, page_.trace_begin());
  WEFT_ASSIGN(const auto* starts, page_.starts());
  WEFT_ASSIGN(const auto* durations, page_.durations());
  WEFT_ASSIGN(const auto* span_ids, page_.span_ids());
  WEFT_ASSIGN(const auto* parents, page_.parents());
  auto trace = static_cast<size_t>(std::ranges::upper_bound(*trace_begin, spans.begin) -
                                   trace_begin->begin()) -
               1;
  // Parents outside of the page come in row order.
  size_t outside = static_cast<size_t>(std::count(
      parents->row.begin(), parents->row.begin() + spans.begin, PageReader::Parents::kOutside));
  for (uint32_t row = spans.begin; row < spans.end; ++row) {
    while (row >= (*trace_begin)[trace + 1])
      ++trace;
    batch_.trace_id.push_back((*trace_ids)[trace]);
    batch_.span_id.push_back((*span_ids)[row]);
    const int32_t parent = parents->row[row];
    batch_.parent_span_id.push_back(parent >= 0 ? (*span_ids)[static_cast<size_t>(parent)]
                                    : parent == PageReader::Parents::kOutside
                                        ? parents->outside[outside++]
                                        : SpanId{});
    batch_.start_ns.push_back((*starts)[row]);
    batch_.end_ns.push_back((*starts)[row] + static_cast<uint64_t>((*durations)[row]));
  }
  const size_t n = spans.size();
  batch_.name.resize(n);
  batch_.kind.resize(n);
  batch_.status_code.resize(n);
  batch_.status_message.resize(n);
  batch_.trace_state.resize(n);
  batch_.flags.resize(n);
  batch_.dropped_attributes_count.resize(n);
  batch_.dropped_events_count.resize(n);
  batch_.dropped_links_count.resize(n);
  batch_.resource.resize(n);
  batch_.scope.resize(n);
  return {};
}

bool RowsReader::wanted(const LoadedColumn& column, const std::vector<uint16_t>& classes,
                        PageWindow window) {
  if (column.meta.encoding == ColumnEncoding::kSpecial) return false;
  for (uint32_t row = window.begin; row < window.end; ++row) {
    if (column.classes[classes[row]].presence != ClassValue::Presence::kNever) return true;
  }
  return false;
}

Status RowsReader::read_columns(BlockTable table, PageWindow window) {
  WEFT_ASSIGN(const BlockColumns* all, page_.block().columns());
  WEFT_ASSIGN(const auto* classes, page_.classes(table));
  for (size_t i = 0; i < all->columns.size(); ++i) {
    const ColumnMeta& meta = all->columns[i];
    if (meta.table != table || meta.encoding == ColumnEncoding::kSpecial) continue;
    const bool entity = meta.domain == ColumnDomain::kField &&
                        (meta.field == Field::kResource || meta.field == Field::kScope);
    if (!entity && taken_ && !taken_(meta)) continue;
    const auto loaded = page_.block().column(i);
    if (!loaded) {
      if (entity || loaded.error().code != ErrorCode::kCorrupt) {
        return std::unexpected(loaded.error());
      }
      continue;  // fenced off: the block has reported it
    }
    if (!wanted(**loaded, classes->of_row, window)) continue;
    auto column = page_.column(i, window.begin, window.end);
    if (!column) {
      if (entity || column.error().code != ErrorCode::kCorrupt) {
        return std::unexpected(column.error());
      }
      continue;
    }
    if (meta.domain == ColumnDomain::kField) {
      WEFT_TRY(read_field(*column, window));
    } else if (meta.domain == ColumnDomain::kOverflow) {
      WEFT_TRY(read_overflow(*column, window, table_of(meta)));
    } else {
      read_attribute(*column, window, table_of(meta));
    }
  }
  return {};
}

AttributeTable& RowsReader::table_of(const ColumnMeta& meta) {
  if (meta.table == BlockTable::kEvents) return batch_.events.attributes;
  if (meta.table == BlockTable::kLinks) return batch_.links.attributes;
  return meta.domain == ColumnDomain::kAnnotation ? batch_.annotations : batch_.attributes;
}

Status RowsReader::read_field(const PageColumn& column, PageWindow window) {
  const ColumnMeta& meta = column.column->meta;
  if (meta.table == BlockTable::kEvents) {
    if (meta.field == Field::kName) fill_text(column, window, batch_.events.name);
    if (meta.field == Field::kDroppedAttributes) {
      fill_number(column, window, batch_.events.dropped_attributes_count);
    }
    return {};
  }
  if (meta.table == BlockTable::kLinks) {
    if (meta.field == Field::kTraceState) fill_text(column, window, batch_.links.trace_state);
    if (meta.field == Field::kFlags) fill_number(column, window, batch_.links.flags);
    if (meta.field == Field::kDroppedAttributes) {
      fill_number(column, window, batch_.links.dropped_attributes_count);
    }
    return {};
  }
  switch (meta.field) {
    case Field::kResource:
    case Field::kScope:
      return read_entities(column, window);
    case Field::kName:
      fill_text(column, window, batch_.name);
      break;
    case Field::kStatusMessage:
      fill_text(column, window, batch_.status_message);
      break;
    case Field::kTraceState:
      fill_text(column, window, batch_.trace_state);
      break;
    case Field::kKind:
      fill_number(column, window, batch_.kind);
      break;
    case Field::kStatusCode:
      fill_number(column, window, batch_.status_code);
      break;
    case Field::kFlags:
      fill_number(column, window, batch_.flags);
      break;
    case Field::kDroppedAttributes:
      fill_number(column, window, batch_.dropped_attributes_count);
      break;
    case Field::kDroppedEvents:
      fill_number(column, window, batch_.dropped_events_count);
      break;
    case Field::kDroppedLinks:
      fill_number(column, window, batch_.dropped_links_count);
      break;
    default:
      break;  // counts: child_begin has used them
  }
  return {};
}

Status RowsReader::read_entities(const PageColumn& column, PageWindow window) {
  const bool resource = column.column->meta.field == Field::kResource;
  std::map<uint32_t, uint32_t> rows;  // code -> row of the batch's table
  ColumnVector<uint32_t>& out = resource ? batch_.resource : batch_.scope;
  for (uint32_t row = window.begin; row < window.end; ++row) {
    if (!column.present(row)) return fail(ErrorCode::kCorrupt, "a span has no resource or scope");
    const uint32_t code = column.code(row);
    const size_t next = resource ? batch_.resources.size() : batch_.scopes.size();
    const auto [at, is_new] = rows.try_emplace(code, static_cast<uint32_t>(next));
    if (is_new) {
      const std::string_view entry = column.column->strings->at(code + 1);
      if (!(resource ? decode_resource(entry, batch_) : decode_scope(entry, batch_))) {
        return fail(ErrorCode::kCorrupt, "a resource or scope cannot be read");
      }
    }
    out[row - window.begin] = at->second;
  }
  return {};
}

void RowsReader::read_attribute(const PageColumn& column, PageWindow window,
                                AttributeTable& table) {
  const ColumnMeta& meta = column.column->meta;
  AttributeColumn out;
  out.key = batch_.strings.intern(meta.key);
  out.type = meta.type;
  TextCopier copy(batch_.strings, column, window.size());
  for (uint32_t row = window.begin; row < window.end; ++row) {
    if (!column.present(row)) continue;
    out.rows.push_back(row - window.begin);
    if (out.is_number()) {
      out.numbers.push_back(column.word(row));
    } else if (out.is_string_like()) {
      out.strings.push_back(copy(column.word(row)));
    }
  }
  if (!out.rows.empty()) table.columns.push_back(std::move(out));
}

Status RowsReader::read_overflow(const PageColumn& column, PageWindow window,
                                 AttributeTable& table) {
  for (uint32_t row = window.begin; row < window.end; ++row) {
    if (!column.present(row)) continue;
    std::string_view bytes = column.strings()->at(static_cast<StringPool::Id>(column.word(row)));
    AttributeView attribute;
    while (!bytes.empty()) {
      if (!next_attribute(bytes, attribute)) {
        return fail(ErrorCode::kCorrupt, "an overflowing attribute cannot be read");
      }
      AttributeColumn& out = column_of(table, batch_.strings.intern(attribute.key), attribute.type);
      if (!out.rows.empty() && out.rows.back() == row - window.begin) continue;
      out.rows.push_back(row - window.begin);
      if (out.is_number()) {
        out.numbers.push_back(attribute.number);
      } else if (out.is_string_like()) {
        out.strings.push_back(batch_.strings.intern(attribute.text));
      }
    }
  }
  return {};
}

}  // namespace

Expected<SpanBatch> PageReader::read_rows(uint32_t begin, uint32_t end, const Wanted& wanted) {
  SpanBatch batch;
  RowsReader reader(*this, batch, wanted);
  WEFT_TRY(reader.read({begin, end}));
  return batch;
}

}  // namespace weft::store
