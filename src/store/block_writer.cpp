#include "store/block_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <numeric>
#include <unordered_map>

#include "base/hash.h"
#include "model/id_hash.h"
#include "store/bloom.h"
#include "store/column_gather.h"
#include "store/entity_codes.h"
#include "store/stream_codec.h"

namespace weft::store {
namespace {

// More classes than this do not repeat; something that varies too much is taken out of the class.
constexpr uint32_t kMaxClasses = 32'768;
constexpr uint32_t kMaxClassEntries = 8'192;  // of one of its parts
// Of a span in a block; most have fewer.
constexpr size_t kExpectedSpanBytes = 40;

// Codes of things in order of first sight.
class Codes {
 public:
  uint32_t code(uint64_t key) {
    Recent& recent = recent_[(key * 0x9E3779B97F4A7C15u) >> 58];
    if (recent.key != key || recent.code == kNoRow) {
      const auto at = codes_.emplace(key, static_cast<uint32_t>(codes_.size())).first;
      recent = {key, at->second};
    }
    return recent.code;
  }
  size_t size() const { return codes_.size(); }

 private:
  struct Recent {
    uint64_t key = 0;
    uint32_t code = kNoRow;
  };
  std::unordered_map<uint64_t, uint32_t> codes_;
  std::array<Recent, 64> recent_;  // few things are nearly all that is asked for
};

// What of a span hardly ever repeats.
struct SpanCore {
  uint64_t span_id = 0;  // as words
  uint64_t parent_span_id = 0;
  uint64_t start_ns = 0;
  uint64_t end_ns = 0;
};

// What of a span repeats together with the rest of it.
enum ClassPart : size_t { kResourcePart, kNamePart, kSmallPart, kClassParts };

struct SpanClasses {
  std::vector<uint32_t> class_of;   // by row; numbered by first sight
  std::vector<uint32_t> first_row;  // by class
  // Whether all rows of a class have the same of that part.
  std::array<bool, kClassParts> has{};

  uint32_t size() const { return static_cast<uint32_t>(first_row.size()); }
};

class BlockWriter {
 public:
  BlockWriter(std::span<const SpanBatchPtr> batches, const TraceOrder& order, BlockMeta meta)
      : batches_(batches),
        order_(order),
        meta_(meta),
        rows_(static_cast<uint32_t>(order.rows.size())),
        strings_(batches),
        file_(rows_ * kExpectedSpanBytes) {}

  EncodedBlock write(const std::vector<SplitEntry>& splits) {
    map_rows();
    gather_spans();
    cut_pages();
    write_spans();
    write_events();
    write_links();
    return finish(splits);
  }

 private:
  const SpanBatch& batch_of(RowRef ref) const { return *batches_[ref.batch]; }

  void map_rows();
  void cut_pages();
  void gather_spans();
  SpanClasses make_classes() const;
  void write_spans();
  void write_span_specials(TableEncoder& encoder);
  void write_parents(size_t page, std::string& out);
  void find_parents(uint32_t begin, uint32_t end, std::vector<uint32_t>& parent_of);
  void write_span_fields(TableEncoder& encoder, ColumnGather& gather, const SpanClasses& classes);
  void write_names(TableEncoder& encoder, ColumnGather& gather, const SpanClasses& classes);
  void write_small_fields(TableEncoder& encoder, ColumnGather& gather, const SpanClasses& classes);
  void write_events();
  void write_links();
  EncodedBlock finish(const std::vector<SplitEntry>& splits);

  // Whether any span of the batches has something else than 0 there.
  bool any_set(const SeldomColumn<uint32_t> SpanBatch::* member) const {
    return std::ranges::any_of(batches_, [&](const SpanBatchPtr& batch) {
      const auto& values = ((*batch).*member).values();
      return !SeldomColumn<uint32_t>::all_zero(values.data(), values.data() + values.size());
    });
  }

  static ColumnMeta field_meta(Field field, ValueType type) {
    ColumnMeta meta;
    meta.field = field;
    meta.type = type;
    return meta;
  }
  // A span's own field, by row of the block: read where it lies, in its batch.
  template <typename Column>
  StringValue string_at(uint32_t row, const Column SpanBatch::* member) const {
    const RowRef ref = order_.rows[row];
    return {ref.batch, (batch_of(ref).*member)[ref.row]};
  }
  template <typename Column>
  uint64_t number_at(uint32_t row, const Column SpanBatch::* member) const {
    const RowRef ref = order_.rows[row];
    return (batch_of(ref).*member)[ref.row];
  }
  // A column of one string a row; empty ones are absent.
  template <typename Text>
  void write_strings(ColumnGather& gather, Field field, uint32_t rows, bool keep_empty,
                     Text&& text);
  // A column of one number a row; zeros are absent.
  template <typename Number>
  void write_numbers(ColumnGather& gather, Field field, uint32_t rows, bool keep_zero,
                     Number&& number);

  std::span<const SpanBatchPtr> batches_;
  const TraceOrder& order_;
  BlockMeta meta_;
  uint32_t rows_;
  GlobalStrings strings_;
  FileBuilder file_;
  BlockColumns columns_;
  std::vector<PageInfo> pages_;

  // By row of the block.
  std::unique_ptr<SpanCore[]> spans_;
  std::vector<uint32_t> scope_codes_;
  // What classes are made of: codes by row; but for resources empty where there are too many.
  std::array<std::vector<uint32_t>, kClassParts> parts_;
  std::vector<std::string> resources_;  // by code
  std::vector<std::string> scopes_;

  std::vector<uint32_t> page_begin_;        // rows
  std::vector<uint32_t> event_page_begin_;  // events
  std::vector<uint32_t> link_page_begin_;   // links
  // Row of the block for each row of each batch, for spans, events and links.
  std::vector<std::vector<uint32_t>> span_rows_;
  std::vector<std::vector<uint32_t>> event_rows_;
  std::vector<std::vector<uint32_t>> link_rows_;
  // Events and links of span row r: [begin[r], begin[r+1]), and where they come from.
  std::vector<uint32_t> event_begin_;
  std::vector<uint32_t> link_begin_;
  std::vector<RowRef> events_;
  std::vector<RowRef> links_;
};

// Puts the children (events, links) of all spans in the block's order.
void order_children(std::span<const SpanBatchPtr> batches, const TraceOrder& order,
                    const std::function<const ColumnVector<uint32_t>&(const SpanBatch&)>& span_row,
                    std::vector<uint32_t>& begin, std::vector<RowRef>& children,
                    std::vector<std::vector<uint32_t>>& rows) {
  std::vector<std::vector<uint32_t>> first(batches.size());  // of each span of each batch
  rows.resize(batches.size());
  for (size_t b = 0; b < batches.size(); ++b) {
    const auto& owners = span_row(*batches[b]);
    rows[b].assign(owners.size(), kNoRow);
    if (owners.empty()) continue;
    first[b].assign(batches[b]->size() + 1, 0);
    for (uint32_t owner : owners)
      ++first[b][owner + 1];
    std::partial_sum(first[b].begin(), first[b].end(), first[b].begin());
  }
  begin.reserve(order.rows.size() + 1);
  for (const RowRef ref : order.rows) {
    begin.push_back(static_cast<uint32_t>(children.size()));
    if (first[ref.batch].empty()) continue;
    for (uint32_t c = first[ref.batch][ref.row]; c < first[ref.batch][ref.row + 1]; ++c) {
      rows[ref.batch][c] = static_cast<uint32_t>(children.size());
      children.push_back({ref.batch, c});
    }
  }
  begin.push_back(static_cast<uint32_t>(children.size()));
}

void BlockWriter::map_rows() {
  span_rows_.resize(batches_.size());
  for (size_t b = 0; b < batches_.size(); ++b)
    span_rows_[b].assign(batches_[b]->size(), kNoRow);
  for (uint32_t row = 0; row < rows_; ++row) {
    const RowRef ref = order_.rows[row];
    span_rows_[ref.batch][ref.row] = row;
  }
  order_children(
      batches_, order_,
      [](const SpanBatch& b) -> const ColumnVector<uint32_t>& { return b.events.span_row; },
      event_begin_, events_, event_rows_);
  order_children(
      batches_, order_,
      [](const SpanBatch& b) -> const ColumnVector<uint32_t>& { return b.links.span_row; },
      link_begin_, links_, link_rows_);
}

void BlockWriter::cut_pages() {
  meta_.min_start_ns = UINT64_MAX;
  meta_.max_start_ns = 0;
  const auto open_page = [&](uint32_t row, uint32_t trace) {
    PageInfo page;
    page.first_row = row;
    page.first_trace = trace;
    page.first_event = event_begin_[row];
    page.first_link = link_begin_[row];
    pages_.push_back(page);
    page_begin_.push_back(row);
    event_page_begin_.push_back(event_begin_[row]);
    link_page_begin_.push_back(link_begin_[row]);
  };
  for (uint32_t t = 0; t < order_.traces(); ++t) {
    const uint32_t begin = order_.trace_begin[t];
    if (pages_.empty() || begin - page_begin_.back() >= kPageRows) open_page(begin, t);
    PageInfo& page = pages_.back();
    for (uint32_t row = begin; row < order_.trace_begin[t + 1]; ++row) {
      const uint64_t start = spans_[row].start_ns;
      const uint64_t end = spans_[row].end_ns;
      const uint64_t duration = end > start ? end - start : 0;
      page.min_start_ns = std::min(page.min_start_ns, start);
      page.max_start_ns = std::max(page.max_start_ns, start);
      page.min_duration_ns = std::min(page.min_duration_ns, duration);
      page.max_duration_ns = std::max(page.max_duration_ns, duration);
    }
    meta_.min_start_ns = std::min(meta_.min_start_ns, page.min_start_ns);
    meta_.max_start_ns = std::max(meta_.max_start_ns, page.max_start_ns);
  }
  open_page(rows_, static_cast<uint32_t>(order_.traces()));
  meta_.spans = rows_;
  meta_.traces = order_.traces();
  meta_.events = events_.size();
  meta_.links = links_.size();
}

// Puts what every span has into the block's order, batch by batch: each batch is read from its
// begin to its end, and its rows lie near each other in the block.
void BlockWriter::gather_spans() {
  EntityCodes resources = number_resources(batches_, strings_);
  EntityCodes scopes = number_scopes(batches_, strings_);
  resources_ = std::move(resources.entries);
  scopes_ = std::move(scopes.entries);
  spans_ = std::make_unique_for_overwrite<SpanCore[]>(rows_);
  scope_codes_.resize(rows_);
  parts_[kResourcePart].resize(rows_);
  parts_[kNamePart].resize(rows_);
  parts_[kSmallPart].resize(rows_);
  StringCodes names(strings_);
  Codes small;
  // The rows of a batch lie in lines of which those of other batches have pushed most out: without
  // asking for them, five stores a row would wait.
  constexpr uint32_t kAhead = 16;
  for (uint32_t b = 0; b < batches_.size(); ++b) {
    const SpanBatch& batch = *batches_[b];
    for (uint32_t i = 0; i < batch.size(); ++i) {
      if (i + kAhead < batch.size()) {
        const uint32_t ahead = span_rows_[b][i + kAhead];
        if (ahead != kNoRow) {
          __builtin_prefetch(&spans_[ahead], 1);
          __builtin_prefetch(&scope_codes_[ahead], 1);
          for (auto& part : parts_)
            __builtin_prefetch(&part[ahead], 1);
        }
      }
      const uint32_t row = span_rows_[b][i];
      if (row == kNoRow) continue;
      spans_[row] = {batch.span_id[i].word(), batch.parent_span_id[i].word(), batch.start_ns[i],
                     batch.end_ns[i]};
      parts_[kResourcePart][row] = resources.codes[b][batch.resource[i]];
      const uint32_t scope = scopes.codes[b][batch.scope[i]];
      scope_codes_[row] = scope;
      if (names.size() <= kMaxClassEntries) {
        parts_[kNamePart][row] = names.code(strings_.id(b, batch.name[i]));
      }
      // Scopes beyond 65,536 do not fit into the key; then the part has too many entries anyway.
      const uint64_t key = uint64_t{scope} << 48 | uint64_t{batch.kind[i]} << 40 |
                           uint64_t{batch.status_code[i]} << 32 | batch.flags[i];
      if (small.size() <= kMaxClassEntries) parts_[kSmallPart][row] = small.code(key);
    }
  }
  if (names.size() > kMaxClassEntries) parts_[kNamePart].clear();
  if (small.size() > kMaxClassEntries || scopes_.size() > 0xFFFF) parts_[kSmallPart].clear();
}

// Numbers what repeats together. Parts with too many entries are left out; so is one part after
// the other until there are few enough classes.
SpanClasses BlockWriter::make_classes() const {
  SpanClasses out;
  out.class_of.assign(rows_, 0);
  uint32_t classes = 1;
  for (size_t p = 0; p < kClassParts; ++p) {
    const std::vector<uint32_t>& part = parts_[p];
    if (part.empty() || std::ranges::max(part) >= kMaxClassEntries) continue;
    // Refines the classes so far by one part.
    std::vector<uint32_t> refined(rows_);
    std::unordered_map<uint64_t, uint32_t> known;
    uint64_t last_key = UINT64_MAX;
    uint32_t last_class = 0;
    const uint64_t width = uint64_t{std::ranges::max(part)} + 1;
    std::vector<uint32_t> dense;  // (class, code) -> new class, while that is small
    if (classes * width <= (1u << 22)) dense.assign(classes * width, kNoRow);
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows_ && count <= kMaxClasses; ++row) {
      const uint64_t key = out.class_of[row] * width + part[row];
      if (key != last_key) {
        last_key = key;
        if (!dense.empty()) {
          if (dense[key] == kNoRow) dense[key] = count++;
          last_class = dense[key];
        } else {
          const auto [at, is_new] = known.try_emplace(key, count);
          if (is_new) ++count;
          last_class = at->second;
        }
      }
      refined[row] = last_class;
    }
    if (count > kMaxClasses) continue;
    out.class_of.swap(refined);
    out.has[p] = true;
    classes = count;
  }
  for (uint32_t row = 0; row < rows_ && out.first_row.size() < classes; ++row) {
    if (out.class_of[row] == out.first_row.size()) out.first_row.push_back(row);
  }
  return out;
}

template <typename Text>
void BlockWriter::write_strings(ColumnGather& gather, Field field, uint32_t rows, bool keep_empty,
                                Text&& text) {
  std::vector<uint32_t> present;
  std::vector<StringValue> values;
  for (uint32_t row = 0; row < rows; ++row) {
    const StringValue value = text(row);
    if (!keep_empty && strings_.local_text(value.batch, value.id).empty()) continue;
    present.push_back(row);
    values.push_back(value);
  }
  gather.add_strings(field_meta(field, ValueType::kString), present, values);
}

template <typename Number>
void BlockWriter::write_numbers(ColumnGather& gather, Field field, uint32_t rows, bool keep_zero,
                                Number&& number) {
  std::vector<uint32_t> present;
  std::vector<uint64_t> values;
  for (uint32_t row = 0; row < rows; ++row) {
    const uint64_t value = number(row);
    if (!keep_zero && value == 0) continue;
    present.push_back(row);
    values.push_back(value);
  }
  gather.add_numbers(field_meta(field, ValueType::kInt), present, values);
}

void BlockWriter::write_spans() {
  const SpanClasses classes = make_classes();
  TableEncoder encoder(file_, columns_, BlockTable::kSpans, page_begin_, classes.class_of,
                       classes.size());
  write_span_specials(encoder);

  const auto add_entities = [&](Field field, bool by_class, const std::vector<uint32_t>& codes,
                                const std::vector<std::string>& entries) {
    const std::vector<std::string_view> views(entries.begin(), entries.end());
    if (by_class) {
      std::vector<uint32_t> class_codes;
      for (const uint32_t row : classes.first_row)
        class_codes.push_back(codes[row]);
      return encoder.add_by_class(field_meta(field, ValueType::kBytes), class_codes,
                                  static_cast<uint32_t>(entries.size()),
                                  [&](std::span<const uint64_t> counts) {
                                    return encode_string_dictionary(views, counts);
                                  });
    }
    std::vector<uint32_t> all(rows_);
    std::iota(all.begin(), all.end(), 0u);
    std::vector<uint64_t> counts(entries.size());
    for (uint32_t code : codes)
      ++counts[code];
    encoder.add_dictionary(field_meta(field, ValueType::kBytes), all, codes,
                           static_cast<uint32_t>(entries.size()),
                           encode_string_dictionary(views, counts));
  };
  add_entities(Field::kResource, classes.has[kResourcePart], parts_[kResourcePart], resources_);
  add_entities(Field::kScope, classes.has[kSmallPart], scope_codes_, scopes_);

  ColumnGather gather(batches_, strings_, encoder, span_rows_);
  write_span_fields(encoder, gather, classes);
  std::vector<const AttributeTable*> attributes;
  std::vector<const AttributeTable*> annotations;
  for (const auto& batch : batches_) {
    attributes.push_back(&batch->attributes);
    annotations.push_back(&batch->annotations);
  }
  gather.add_attributes(ColumnDomain::kAttribute, attributes);
  gather.add_attributes(ColumnDomain::kAnnotation, annotations);
}

// The name is mostly part of the class: then it is written once a class, not once a row.
void BlockWriter::write_names(TableEncoder& encoder, ColumnGather& gather,
                              const SpanClasses& classes) {
  const auto name = [&](uint32_t row) { return string_at(row, &SpanBatch::name); };
  if (classes.has[kNamePart]) {
    StringCodes codes(strings_);
    std::vector<uint32_t> class_codes;
    for (const uint32_t row : classes.first_row) {
      const StringValue value = name(row);
      class_codes.push_back(codes.code(strings_.id(value.batch, value.id)));
    }
    encoder.add_by_class(field_meta(Field::kName, ValueType::kString), class_codes,
                         static_cast<uint32_t>(codes.size()),
                         [&](std::span<const uint64_t> counts) { return codes.encode(counts); });
  } else {
    write_strings(gather, Field::kName, rows_, true, name);
  }
}

// Kind, status and flags, in the same way.
void BlockWriter::write_small_fields(TableEncoder& encoder, ColumnGather& gather,
                                     const SpanClasses& classes) {
  const auto add = [&](Field field, bool keep_zero, auto member) {
    const auto number = [this, member](uint32_t row) { return number_at(row, member); };
    if (!classes.has[kSmallPart]) return write_numbers(gather, field, rows_, keep_zero, number);
    Codes codes;
    std::vector<uint64_t> entries;
    std::vector<uint32_t> class_codes;
    for (const uint32_t row : classes.first_row) {
      const uint64_t value = number(row);
      if (!keep_zero && value == 0) {
        class_codes.push_back(TableEncoder::kAbsent);
        continue;
      }
      class_codes.push_back(codes.code(value));
      if (codes.size() > entries.size()) entries.push_back(value);
    }
    encoder.add_by_class(field_meta(field, ValueType::kInt), class_codes,
                         static_cast<uint32_t>(entries.size()),
                         [&](std::span<const uint64_t> counts) {
                           return encode_number_dictionary(entries, counts);
                         });
  };
  add(Field::kKind, true, &SpanBatch::kind);
  add(Field::kStatusCode, true, &SpanBatch::status_code);
  if (any_set(&SpanBatch::flags)) add(Field::kFlags, false, &SpanBatch::flags);
}

void BlockWriter::write_span_fields(TableEncoder& encoder, ColumnGather& gather,
                                    const SpanClasses& classes) {
  write_names(encoder, gather, classes);
  // Many of these are nothing but zeros: seen quickly, batch by batch.
  const auto strings = [&](Field field, const SeldomColumn<StringPool::Id> SpanBatch::* ids) {
    if (!any_set(ids)) return;
    write_strings(gather, field, rows_, false, [&](uint32_t row) { return string_at(row, ids); });
  };
  const auto numbers = [&](Field field, const SeldomColumn<uint32_t> SpanBatch::* member) {
    if (!any_set(member)) return;
    write_numbers(gather, field, rows_, false,
                  [&](uint32_t row) { return number_at(row, member); });
  };
  strings(Field::kStatusMessage, &SpanBatch::status_message);
  strings(Field::kTraceState, &SpanBatch::trace_state);
  write_small_fields(encoder, gather, classes);
  numbers(Field::kDroppedAttributes, &SpanBatch::dropped_attributes_count);
  numbers(Field::kDroppedEvents, &SpanBatch::dropped_events_count);
  numbers(Field::kDroppedLinks, &SpanBatch::dropped_links_count);
  const auto count = [](const std::vector<uint32_t>& begin) {
    return [&begin](uint32_t row) { return uint64_t{begin[row + 1] - begin[row]}; };
  };
  if (!events_.empty()) {
    write_numbers(gather, Field::kEventCount, rows_, false, count(event_begin_));
  }
  if (!links_.empty()) {
    write_numbers(gather, Field::kLinkCount, rows_, false, count(link_begin_));
  }
}

void BlockWriter::write_span_specials(TableEncoder& encoder) {
  encoder.add_special(Field::kTraceId, [&](size_t page, std::string& out) {
    for (uint32_t t = pages_[page].first_trace; t < pages_[page + 1].first_trace; ++t) {
      out.append(reinterpret_cast<const char*>(order_.trace_ids[t].bytes.data()), 16);
    }
  });
  std::vector<uint64_t> counts;
  std::vector<uint64_t> starts;
  encoder.add_special(Field::kTraceShape, [&](size_t page, std::string& out) {
    counts.clear();
    starts.clear();
    uint64_t before = 0;
    for (uint32_t t = pages_[page].first_trace; t < pages_[page + 1].first_trace; ++t) {
      counts.push_back(order_.trace_begin[t + 1] - order_.trace_begin[t]);
      starts.push_back(order_.trace_start_ns[t] - before);
      before = order_.trace_start_ns[t];
    }
    // The first is a time, the others are small steps.
    put_ints(out, counts);
    put_varint(out, starts.front());
    put_ints(out, std::span(starts).subspan(1));
  });
  encoder.add_special(Field::kSpanId, [&](size_t page, std::string& out) {
    out.resize(size_t{page_begin_[page + 1] - page_begin_[page]} * sizeof(SpanId));
    char* to = out.data();
    for (uint32_t row = page_begin_[page]; row < page_begin_[page + 1]; ++row) {
      std::memcpy(to, &spans_[row].span_id, sizeof(SpanId));
      to += sizeof(SpanId);
    }
  });
  encoder.add_special(Field::kParent,
                      [&](size_t page, std::string& out) { write_parents(page, out); });
  std::vector<uint64_t> values;
  encoder.add_special(Field::kStart, [&](size_t page, std::string& out) {
    values.clear();
    for (uint32_t t = pages_[page].first_trace; t < pages_[page + 1].first_trace; ++t) {
      // The first row of a trace starts when the trace does.
      for (uint32_t row = order_.trace_begin[t] + 1; row < order_.trace_begin[t + 1]; ++row)
        values.push_back(spans_[row].start_ns - order_.trace_start_ns[t]);
    }
    put_ints(out, values);
  });
  encoder.add_special(Field::kDuration, [&](size_t page, std::string& out) {
    values.clear();
    for (uint32_t row = page_begin_[page]; row < page_begin_[page + 1]; ++row) {
      values.push_back(zigzag(static_cast<int64_t>(spans_[row].end_ns - spans_[row].start_ns)));
    }
    put_ints(out, values);
  });
}

// Rows of the parents of rows [begin, end), one trace; kNoRow: not in it.
void BlockWriter::find_parents(uint32_t begin, uint32_t end, std::vector<uint32_t>& parent_of) {
  thread_local std::vector<std::pair<uint64_t, uint32_t>> table;
  const size_t mask = std::bit_ceil(size_t{end - begin} * 2) - 1;
  table.assign(mask + 1, {0, kNoRow});
  const auto slot_of = [&](uint64_t id) {
    size_t slot = hash_span_id(id) & mask;
    while (table[slot].second != kNoRow && table[slot].first != id)
      slot = (slot + 1) & mask;
    return slot;
  };
  for (uint32_t row = begin; row < end; ++row) {
    const uint64_t id = spans_[row].span_id;
    table[slot_of(id)] = {id, row};
  }
  for (uint32_t row = begin; row < end; ++row) {
    const uint64_t parent = spans_[row].parent_span_id;
    parent_of.push_back(parent == 0 ? kNoRow : table[slot_of(parent)].second);
  }
}

void BlockWriter::write_parents(size_t page, std::string& out) {
  std::vector<uint32_t> parent_of;
  for (uint32_t t = pages_[page].first_trace; t < pages_[page + 1].first_trace; ++t) {
    find_parents(order_.trace_begin[t], order_.trace_begin[t + 1], parent_of);
  }
  // 0: a root; 1: not in this trace's rows, the id follows; 2 to 254: the distance; 255: the
  // distance follows.
  std::vector<uint32_t> codes;
  std::vector<uint64_t> far;
  std::string outside;
  for (uint32_t row = page_begin_[page]; row < page_begin_[page + 1]; ++row) {
    const uint64_t parent = spans_[row].parent_span_id;
    const uint32_t parent_row = parent_of[row - page_begin_[page]];
    if (parent == 0) {
      codes.push_back(0);
    } else if (parent_row == kNoRow) {
      codes.push_back(1);
      outside.append(reinterpret_cast<const char*>(&parent), sizeof parent);
    } else {
      const uint64_t distance = zigzag(int64_t{row} - int64_t{parent_row});
      codes.push_back(distance < 253 ? static_cast<uint32_t>(distance + 2) : 255);
      if (distance >= 253) far.push_back(distance);
    }
  }
  put_codes(out, codes, 255);
  put_varint(out, far.size());
  put_ints(out, far);
  put_stream(out, outside);
}

void BlockWriter::write_events() {
  const auto count = static_cast<uint32_t>(events_.size());
  if (count == 0) return;
  // Few names: each is a class.
  std::vector<uint32_t> class_of;
  uint32_t classes = 1;
  {
    StringCodes names(strings_);
    for (const RowRef ref : events_) {
      if (names.size() > kMaxClassEntries) break;
      class_of.push_back(names.code(strings_.id(ref.batch, batch_of(ref).events.name[ref.row])));
    }
    if (class_of.size() == count) {
      classes = static_cast<uint32_t>(names.size());
    } else {
      class_of.assign(count, 0);
    }
  }
  TableEncoder encoder(file_, columns_, BlockTable::kEvents, event_page_begin_, std::move(class_of),
                       classes);
  std::vector<uint64_t> times;
  encoder.add_special(Field::kEventTime, [&](size_t page, std::string& out) {
    times.clear();
    for (uint32_t e = event_page_begin_[page]; e < event_page_begin_[page + 1]; ++e) {
      const EventTable& table = batch_of(events_[e]).events;
      const uint32_t child = events_[e].row;
      times.push_back(zigzag(static_cast<int64_t>(
          table.time_ns[child] - batch_of(events_[e]).start_ns[table.span_row[child]])));
    }
    put_ints(out, times);
  });
  ColumnGather gather(batches_, strings_, encoder, event_rows_);
  write_strings(gather, Field::kName, count, true, [&](uint32_t e) {
    return StringValue{events_[e].batch, batch_of(events_[e]).events.name[events_[e].row]};
  });
  write_numbers(gather, Field::kDroppedAttributes, count, false, [&](uint32_t e) {
    return uint64_t{batch_of(events_[e]).events.dropped_attributes_count[events_[e].row]};
  });
  std::vector<const AttributeTable*> tables;
  for (const auto& batch : batches_)
    tables.push_back(&batch->events.attributes);
  gather.add_attributes(ColumnDomain::kAttribute, tables);
}

void BlockWriter::write_links() {
  const auto count = static_cast<uint32_t>(links_.size());
  if (count == 0) return;
  TableEncoder encoder(file_, columns_, BlockTable::kLinks, link_page_begin_,
                       std::vector<uint32_t>(count, 0), 1);
  encoder.add_special(Field::kLinkTraceId, [&](size_t page, std::string& out) {
    for (uint32_t l = link_page_begin_[page]; l < link_page_begin_[page + 1]; ++l) {
      const auto& id = batch_of(links_[l]).links.trace_id[links_[l].row];
      out.append(reinterpret_cast<const char*>(id.bytes.data()), 16);
    }
  });
  encoder.add_special(Field::kLinkSpanId, [&](size_t page, std::string& out) {
    for (uint32_t l = link_page_begin_[page]; l < link_page_begin_[page + 1]; ++l) {
      const auto& id = batch_of(links_[l]).links.span_id[links_[l].row];
      out.append(reinterpret_cast<const char*>(id.bytes.data()), 8);
    }
  });
  ColumnGather gather(batches_, strings_, encoder, link_rows_);
  write_strings(gather, Field::kTraceState, count, false, [&](uint32_t l) {
    return StringValue{links_[l].batch, batch_of(links_[l]).links.trace_state[links_[l].row]};
  });
  write_numbers(gather, Field::kFlags, count, false, [&](uint32_t l) {
    return uint64_t{batch_of(links_[l]).links.flags[links_[l].row]};
  });
  write_numbers(gather, Field::kDroppedAttributes, count, false, [&](uint32_t l) {
    return uint64_t{batch_of(links_[l]).links.dropped_attributes_count[links_[l].row]};
  });
  std::vector<const AttributeTable*> tables;
  for (const auto& batch : batches_)
    tables.push_back(&batch->links.attributes);
  gather.add_attributes(ColumnDomain::kAttribute, tables);
}

EncodedBlock BlockWriter::finish(const std::vector<SplitEntry>& splits) {
  meta_.uid = hash_bytes(
      {reinterpret_cast<const char*>(order_.trace_ids.data()), order_.traces() * sizeof(TraceId)},
      meta_.first_generation);
  Bloom bloom(order_.traces());
  for (const TraceId& id : order_.trace_ids)
    bloom.add(id);
  std::string directory;
  const auto section = [&](std::string_view name, std::string_view bytes) {
    const Extent extent = file_.append(bytes);
    put_string(directory, name);
    put_varint(directory, 1);
    put_extent(directory, extent);
  };
  section(kSectionColumns, encode_columns(columns_));
  section(kSectionBloom, bloom.encode());
  section(kSectionSplit, encode_splits(splits));
  section(kSectionPages, encode_pages(pages_));
  section(kSectionMeta, encode_meta(meta_));
  BlockTail tail;
  tail.directory_offset = file_.size();
  tail.directory_size = directory.size();
  tail.directory_hash = hash_bytes(directory);
  file_.append(directory);
  file_.append({reinterpret_cast<const char*>(&tail), sizeof tail});
  return {file_.take(), meta_};
}

}  // namespace

EncodedBlock encode_block(std::span<const SpanBatchPtr> batches, const TraceOrder& order,
                          BlockMeta meta, const std::vector<SplitEntry>& splits) {
  return BlockWriter(batches, order, meta).write(splits);
}

}  // namespace weft::store
