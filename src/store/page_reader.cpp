#include "store/page_reader.h"

#include <algorithm>
#include <optional>

#include "store/stream_codec.h"
#include "store/text_template.h"

namespace weft::store {
namespace {

// Of the strings of one column of one page.
constexpr uint64_t kMaxPageTextBytes = 1u << 30;

uint32_t first_of(const PageInfo& page, BlockTable table) {
  switch (table) {
    case BlockTable::kEvents:
      return page.first_event;
    case BlockTable::kLinks:
      return page.first_link;
    default:
      return page.first_row;
  }
}

}  // namespace

size_t PageReader::rows(BlockTable table) const {
  return first_of(block_.pages()[page_ + 1], table) - first_of(info(), table);
}

size_t PageReader::traces() const {
  return block_.pages()[page_ + 1].first_trace - info().first_trace;
}

std::unexpected<Error> PageReader::bad(const char* what) const {
  return fail(ErrorCode::kCorrupt,
              block_.path() + ": page " + std::to_string(page_) + " cannot be read: " + what);
}

Expected<std::string> PageReader::special(BlockTable table, Field field) {
  WEFT_ASSIGN(const auto index, block_.find_field(table, field));
  if (!index) return bad("a field is missing");
  WEFT_ASSIGN(const LoadedColumnPtr column, block_.column(*index));
  WEFT_ASSIGN(std::string bytes, block_.chunk(*column, page_));
  bytes_read_ += bytes.size();
  return bytes;
}

Expected<const std::vector<uint32_t>*> PageReader::classes(BlockTable table) {
  auto& known = classes_[static_cast<size_t>(table)];
  if (known) return &*known;
  WEFT_ASSIGN(const BlockColumns* columns, block_.columns());
  const uint32_t count = columns->classes[static_cast<size_t>(table)];
  std::vector<uint32_t> classes(rows(table), 0);
  if (count > 1 && !classes.empty()) {
    WEFT_ASSIGN(const std::string bytes, special(table, Field::kClass));
    ByteReader in(bytes);
    if (!get_codes(in, classes, rows(table), count - 1)) return bad("classes");
  }
  known = std::move(classes);
  return &*known;
}

Expected<const PageReader::ClassCounts*> PageReader::class_counts(BlockTable table, uint32_t end) {
  auto& known = class_counts_[static_cast<size_t>(table)];
  for (const ClassCounts& counts : known) {
    if (counts.end == end) return &counts;
  }
  WEFT_ASSIGN(const BlockColumns* columns, block_.columns());
  WEFT_ASSIGN(const auto* class_of, classes(table));
  std::vector<uint32_t> rows(columns->classes[static_cast<size_t>(table)], 0);
  for (size_t row = 0; row < end; ++row)
    ++rows[(*class_of)[row]];
  ClassCounts counts{.end = end, .rows = {}};
  for (uint32_t c = 0; c < rows.size(); ++c) {
    if (rows[c] != 0) counts.rows.emplace_back(c, rows[c]);
  }
  known.push_front(std::move(counts));
  return &known.front();
}

// What the classes and the chunk say of which rows have a value.
struct PageReader::ColumnRows {
  std::vector<uint32_t> codes;  // of the window, as PageColumn has them
  uint64_t present_before = 0;  // rows with a value before the window
  uint64_t present_within = 0;  // and in it
  uint64_t present = 0;         // in the whole page
  // kText: how many strings of each template lie before the window.
  std::vector<uint64_t> templates_before;
};

// Reads presence bits and codes. Only the window's rows are written; those before it are counted,
// since bits and codes lie there for all rows of the page.
Expected<PageReader::ColumnRows> PageReader::find_rows(const LoadedColumn& column, ByteReader& in,
                                                       const std::vector<uint32_t>& class_of,
                                                       uint32_t begin, uint32_t end) {
  using Presence = ClassValue::Presence;
  constexpr uint32_t kPending = PageColumn::kAbsent - 1;
  ColumnRows out;
  const bool number = column.meta.encoding == ColumnEncoding::kNumber;
  const bool text = column.meta.encoding == ColumnEncoding::kText;
  // What follows from the operation has no bytes here.
  const bool follows =
      !number && !text && std::ranges::all_of(column.classes, [](const ClassValue& value) {
        return value.presence == Presence::kAlways && value.code != ClassValue::kVaries;
      });
  if (follows) {
    out.codes.resize(end - begin);
    for (size_t row = begin; row < end; ++row)
      out.codes[row - begin] = column.classes[class_of[row]].code;
    out.present_before = begin;
    out.present_within = end - begin;
    out.present = class_of.size();
    return out;
  }
  // What the classes alone say of the rows before `last`.
  struct Sums {
    uint64_t always = 0;
    uint64_t always_varying = 0;
    uint64_t maybe = 0;
    uint64_t maybe_varying = 0;
  };
  const auto sum_classes = [&](uint32_t last) -> Expected<Sums> {
    WEFT_ASSIGN(const ClassCounts* counts, class_counts(column.meta.table, last));
    Sums sums;
    for (const auto& [c, rows] : counts->rows) {
      const ClassValue& value = column.classes[c];
      const uint64_t varying = !number && value.code == ClassValue::kVaries ? rows : 0;
      if (value.presence == Presence::kAlways) {
        sums.always += rows;
        sums.always_varying += varying;
      } else if (value.presence == Presence::kMaybe) {
        sums.maybe += rows;
        sums.maybe_varying += varying;
      }
    }
    return sums;
  };
  const auto n = static_cast<uint32_t>(class_of.size());
  WEFT_ASSIGN(const Sums all, sum_classes(n));
  WEFT_ASSIGN(const Sums before, sum_classes(begin));
  std::vector<uint8_t> bits;
  if (!get_bits(in, bits, all.maybe)) return bad("presence");
  const auto count_bits = [&](uint64_t last) {
    uint64_t set = 0;
    for (size_t i = 0; i < last; ++i)
      set += bits[i];
    return set;
  };
  const uint64_t set = count_bits(all.maybe);
  const uint64_t set_before = count_bits(before.maybe);
  bits.push_back(0);  // the row behind the last maybe may look at it
  out.present = all.always + set;
  out.present_before = before.always + set_before;

  size_t next_bit = 0;
  // Calls each(row, whether it has a value, its class's value).
  const auto walk = [&](size_t first, size_t last, auto&& each) {
    for (size_t row = first; row < last; ++row) {
      const ClassValue& value = column.classes[class_of[row]];
      const auto is_maybe = static_cast<uint8_t>(value.presence == Presence::kMaybe);
      const auto is_always = static_cast<uint8_t>(value.presence == Presence::kAlways);
      const uint8_t present = is_always | (is_maybe & bits[next_bit]);
      next_bit += is_maybe;
      each(row, present, value);
    }
  };
  const auto varies = [number](uint8_t present, const ClassValue& value) {
    return static_cast<uint64_t>(present & static_cast<uint8_t>(!number) &
                                 static_cast<uint8_t>(value.code == ClassValue::kVaries));
  };
  // Rows with a code: the bits alone say how many when all maybe rows vary, or none.
  const auto count_varying = [&](const Sums& sums, uint64_t set_bits, size_t last) {
    if (sums.maybe_varying == 0) return sums.always_varying;
    if (sums.maybe_varying == sums.maybe) return sums.always_varying + set_bits;
    uint64_t varying = 0;
    next_bit = 0;
    walk(0, last, [&](size_t, uint8_t present, const ClassValue& value) {
      varying += varies(present, value);
    });
    return varying;
  };
  const uint64_t varying = count_varying(all, set, n);
  const uint64_t varying_before = count_varying(before, set_before, begin);
  next_bit = before.maybe;
  uint64_t varying_within = 0;
  out.codes.resize(end - begin);
  walk(begin, end, [&](size_t row, uint8_t present, const ClassValue& value) {
    const uint32_t code = number ? 0 : value.code == ClassValue::kVaries ? kPending : value.code;
    out.codes[row - begin] = present != 0 ? code : PageColumn::kAbsent;
    out.present_within += present;
    varying_within += varies(present, value);
  });
  if (varying_within == 0 && !text) return out;
  // Variables lie behind all codes, so those of a column of texts are stepped over in any case.
  std::vector<uint32_t> codes;
  const uint64_t first = text ? 0 : varying_before;
  if (varying > 0 && !get_codes(in, codes, varying, column.meta.dictionary_size - 1,
                                {first, varying_before + varying_within})) {
    return bad("codes");
  }
  size_t next = text ? varying_before : 0;
  if (text && begin > 0) {
    WEFT_ASSIGN(const ClassCounts* counts, class_counts(column.meta.table, begin));
    out.templates_before.assign(column.meta.dictionary_size, 0);
    for (size_t i = 0; i < next; ++i)
      ++out.templates_before[codes[i]];
    bool some_maybe = false;
    for (const auto& [c, rows] : counts->rows) {
      const ClassValue& value = column.classes[c];
      if (value.code == ClassValue::kVaries) continue;
      if (value.presence == Presence::kAlways) out.templates_before[value.code] += rows;
      some_maybe |= value.presence == Presence::kMaybe;
    }
    next_bit = 0;
    walk(0, some_maybe ? begin : 0, [&](size_t, uint8_t present, const ClassValue& value) {
      const bool counted =
          value.presence == Presence::kMaybe && value.code != ClassValue::kVaries && present != 0;
      if (counted) ++out.templates_before[value.code];
    });
  }
  codes.push_back(0);
  for (uint32_t& code : out.codes) {
    const bool pending = code == kPending;
    code = pending ? codes[next] : code;
    next += static_cast<size_t>(pending);
  }
  return out;
}

Expected<PageColumn> PageReader::column(size_t index, uint32_t begin, uint32_t end) {
  PageColumn out;
  WEFT_ASSIGN(out.column, block_.column(index));
  const LoadedColumn& column = *out.column;
  WEFT_ASSIGN(const auto* class_of, classes(column.meta.table));
  end = std::min(end, static_cast<uint32_t>(class_of->size()));
  begin = std::min(begin, end);
  const bool text = column.meta.encoding == ColumnEncoding::kText;
  WEFT_ASSIGN(const std::string bytes, block_.chunk(column, page_));
  bytes_read_ += bytes.size();
  ByteReader in(bytes);
  WEFT_ASSIGN(ColumnRows rows, find_rows(column, in, *class_of, begin, end));
  out.first_row = begin;
  if (column.meta.encoding == ColumnEncoding::kNumber) {
    std::vector<uint64_t> numbers;
    const uint64_t first = rows.present_before;
    if (!get_ints(in, numbers, rows.present, {first, first + rows.present_within})) {
      return bad("numbers");
    }
    if (rows.present_within == rows.codes.size()) {
      out.words = std::move(numbers);
    } else {
      numbers.push_back(0);
      out.words.resize(rows.codes.size());
      size_t next = 0;
      for (size_t i = 0; i < rows.codes.size(); ++i) {
        const bool present = rows.codes[i] != PageColumn::kAbsent;
        out.words[i] = present ? numbers[next] : 0;
        next += static_cast<size_t>(present);
      }
    }
    out.codes = std::move(rows.codes);
    return out;
  }
  if (!text) {
    out.codes = std::move(rows.codes);
    return out;
  }

  auto texts = std::make_shared<StringPool>();
  out.words.assign(end - begin, 0);
  out.codes = std::move(rows.codes);
  if (rows.present_within == 0) {
    out.texts = std::move(texts);
    return out;
  }
  TemplateVariables variables;
  if (!get_variables(in, variables, rows.present, kMaxPageTextBytes)) return bad("text");
  texts->reserve(rows.present_within, rows.present_within * 32);
  TemplateJoiner joiner(variables);
  for (uint32_t code = 0; code < rows.templates_before.size(); ++code) {
    const uint64_t strings = rows.templates_before[code];
    if (strings == 0) continue;
    if (!joiner.skip(template_needs(column.strings->at(code + 1)), strings)) return bad("text");
  }
  std::string string;
  for (size_t i = 0; i < out.codes.size(); ++i) {
    if (out.codes[i] == PageColumn::kAbsent) continue;
    if (!joiner.join(column.strings->at(out.codes[i] + 1), string) ||
        string.size() > StringPool::kMaxBytes - texts->arena_bytes()) {
      return bad("text");
    }
    out.words[i] = texts->add(string);
  }
  out.texts = std::move(texts);
  return out;
}

Expected<std::vector<PageReader::TextMatch>> PageReader::match_text(size_t index,
                                                                    const TextProbe& text) {
  WEFT_ASSIGN(const LoadedColumnPtr column, block_.column(index));
  WEFT_ASSIGN(const auto* class_of, classes(column->meta.table));
  const auto n = static_cast<uint32_t>(class_of->size());
  WEFT_ASSIGN(const std::string bytes, block_.chunk(*column, page_));
  bytes_read_ += bytes.size();
  ByteReader in(bytes);
  WEFT_ASSIGN(const ColumnRows rows, find_rows(*column, in, *class_of, 0, n));
  std::vector<TextMatch> matches(n);
  bool possible = false;
  for (size_t row = 0; row < n; ++row) {
    const uint32_t code = rows.codes[row];
    matches[row] = code == PageColumn::kAbsent ? TextMatch::kAbsent : TextMatch::kOther;
    possible |= text.may_be(code);
  }
  if (!possible) return matches;
  TemplateVariables variables;
  if (!get_variables(in, variables, rows.present, kMaxPageTextBytes)) return bad("text");
  if (text.may_be_among(variables) &&
      !text.find(rows.codes, PageColumn::kAbsent, variables,
                 [&](size_t row) { matches[row] = TextMatch::kSame; })) {
    return bad("text");
  }
  return matches;
}

Expected<bool> PageReader::may_have_text(size_t index, const TextProbe& text) {
  WEFT_ASSIGN(const LoadedColumnPtr column, block_.column(index));
  WEFT_ASSIGN(const auto* class_of, classes(column->meta.table));
  WEFT_ASSIGN(const std::string bytes, block_.chunk(*column, page_));
  bytes_read_ += bytes.size();
  ByteReader in(bytes);
  WEFT_ASSIGN(const ColumnRows none, find_rows(*column, in, *class_of, 0, 0));
  if (none.present == 0 || !text.possible()) return false;
  TemplateVariables variables;
  if (!get_variables(in, variables, none.present, kMaxPageTextBytes)) return bad("text");
  return text.may_be_among(variables);
}

template <typename Id>
Expected<std::vector<Id>> PageReader::ids(BlockTable table, Field field, size_t count) {
  std::vector<Id> out(count);
  if (count == 0) return out;
  WEFT_ASSIGN(const std::string bytes, special(table, field));
  if (bytes.size() != count * sizeof(Id)) return bad("ids");
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

Expected<const std::vector<TraceId>*> PageReader::trace_ids() {
  if (!trace_ids_) {
    WEFT_ASSIGN(trace_ids_, ids<TraceId>(BlockTable::kSpans, Field::kTraceId, traces()));
  }
  return &*trace_ids_;
}

Status PageReader::load_shape() {
  if (trace_begin_) return {};
  WEFT_ASSIGN(const std::string bytes, special(BlockTable::kSpans, Field::kTraceShape));
  ByteReader in(bytes);
  std::vector<uint64_t> counts;
  std::vector<uint64_t> steps;
  if (!get_ints(in, counts, traces())) return bad("traces");
  uint64_t start = in.varint();
  if (!get_ints(in, steps, traces() - 1) || !in.ok()) return bad("traces");
  std::vector<uint32_t> begin{0};
  for (size_t t = 0; t < counts.size(); ++t) {
    if (counts[t] == 0 || counts[t] > rows() - begin.back()) return bad("traces");
    begin.push_back(begin.back() + static_cast<uint32_t>(counts[t]));
    if (t > 0) start += steps[t - 1];
    trace_starts_.push_back(start);
  }
  if (begin.back() != rows()) return bad("traces");
  trace_begin_ = std::move(begin);
  return {};
}

Expected<const std::vector<uint32_t>*> PageReader::trace_begin() {
  WEFT_TRY(load_shape());
  return &*trace_begin_;
}

Expected<const std::vector<uint64_t>*> PageReader::starts() {
  if (starts_) return &*starts_;
  WEFT_TRY(load_shape());
  WEFT_ASSIGN(const std::string bytes, special(BlockTable::kSpans, Field::kStart));
  ByteReader in(bytes);
  std::vector<uint64_t> after;
  if (!get_ints(in, after, rows() - traces())) return bad("starts");
  std::vector<uint64_t> starts(rows());
  size_t next = 0;
  for (size_t t = 0; t < traces(); ++t) {
    uint32_t row = (*trace_begin_)[t];
    starts[row] = trace_starts_[t];
    for (++row; row < (*trace_begin_)[t + 1]; ++row) {
      starts[row] = trace_starts_[t] + after[next++];
    }
  }
  starts_ = std::move(starts);
  return &*starts_;
}

Expected<const std::vector<int64_t>*> PageReader::durations() {
  if (durations_) return &*durations_;
  WEFT_ASSIGN(const std::string bytes, special(BlockTable::kSpans, Field::kDuration));
  ByteReader in(bytes);
  std::vector<uint64_t> values;
  if (!get_ints(in, values, rows())) return bad("durations");
  std::vector<int64_t> durations(rows());
  for (size_t row = 0; row < durations.size(); ++row)
    durations[row] = unzigzag(values[row]);
  durations_ = std::move(durations);
  return &*durations_;
}

Expected<const std::vector<SpanId>*> PageReader::span_ids() {
  if (!span_ids_) {
    WEFT_ASSIGN(span_ids_, ids<SpanId>(BlockTable::kSpans, Field::kSpanId, rows()));
  }
  return &*span_ids_;
}

Expected<const PageReader::Parents*> PageReader::parents() {
  if (parents_) return &*parents_;
  WEFT_ASSIGN(const std::string bytes, special(BlockTable::kSpans, Field::kParent));
  ByteReader in(bytes);
  std::vector<uint32_t> codes;
  std::vector<uint64_t> far;
  std::string outside;
  if (!get_codes(in, codes, rows(), 255)) return bad("parents");
  const uint64_t far_count = in.varint();
  if (far_count > rows() || !get_ints(in, far, far_count) ||
      !get_stream(in, outside, rows() * sizeof(SpanId)) || outside.size() % sizeof(SpanId) != 0) {
    return bad("parents");
  }
  Parents out;
  out.outside.resize(outside.size() / sizeof(SpanId));
  if (!outside.empty()) std::memcpy(out.outside.data(), outside.data(), outside.size());
  out.row.reserve(rows());
  size_t next_far = 0;
  size_t next_outside = 0;
  for (size_t row = 0; row < codes.size(); ++row) {
    if (codes[row] == 0) {
      out.row.push_back(Parents::kRoot);
      continue;
    }
    if (codes[row] == 1) {
      if (next_outside++ >= out.outside.size()) return bad("parents");
      out.row.push_back(Parents::kOutside);
      continue;
    }
    uint64_t distance = codes[row] - 2;
    if (codes[row] == 255) {
      if (next_far >= far.size()) return bad("parents");
      distance = far[next_far++];
    }
    const int64_t parent = static_cast<int64_t>(row) - unzigzag(distance);
    if (parent < 0 || parent >= static_cast<int64_t>(rows())) return bad("parents");
    out.row.push_back(static_cast<int32_t>(parent));
  }
  if (next_outside != out.outside.size()) return bad("parents");
  parents_ = std::move(out);
  return &*parents_;
}

Expected<const std::vector<uint32_t>*> PageReader::child_begin(BlockTable table) {
  auto& known = child_begin_[static_cast<size_t>(table)];
  if (known) return &*known;
  std::vector<uint32_t> begin(rows() + 1, 0);
  const Field field = table == BlockTable::kEvents ? Field::kEventCount : Field::kLinkCount;
  WEFT_ASSIGN(const auto index, block_.find_field(BlockTable::kSpans, field));
  if (index && rows(table) > 0) {
    WEFT_ASSIGN(const PageColumn counts, column(*index));
    uint64_t total = 0;
    for (size_t row = 0; row < rows(); ++row) {
      if (counts.present(row)) total += std::min<uint64_t>(counts.word(row), rows(table) + 1);
      if (total > rows(table)) return bad("children");
      begin[row + 1] = static_cast<uint32_t>(total);
    }
  }
  if (begin.back() != rows(table)) return bad("children");
  known = std::move(begin);
  return &*known;
}

Expected<std::vector<int64_t>> PageReader::event_times() {
  std::vector<int64_t> out;
  const size_t count = rows(BlockTable::kEvents);
  if (count == 0) return out;
  WEFT_ASSIGN(const std::string bytes, special(BlockTable::kEvents, Field::kEventTime));
  ByteReader in(bytes);
  std::vector<uint64_t> values;
  if (!get_ints(in, values, count)) return bad("event times");
  for (uint64_t value : values)
    out.push_back(unzigzag(value));
  return out;
}

Expected<std::vector<TraceId>> PageReader::link_trace_ids() {
  return ids<TraceId>(BlockTable::kLinks, Field::kLinkTraceId, rows(BlockTable::kLinks));
}

Expected<std::vector<SpanId>> PageReader::link_span_ids() {
  return ids<SpanId>(BlockTable::kLinks, Field::kLinkSpanId, rows(BlockTable::kLinks));
}

}  // namespace weft::store
