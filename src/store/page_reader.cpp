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

Expected<PageColumn> PageReader::column(size_t index, uint32_t begin, uint32_t end) {
  PageColumn out;
  WEFT_ASSIGN(out.column, block_.column(index));
  const LoadedColumn& column = *out.column;
  WEFT_ASSIGN(const auto* class_of, classes(column.meta.table));
  const size_t n = class_of->size();
  out.codes.assign(n, PageColumn::kAbsent);
  size_t maybe = 0;
  size_t always = 0;
  for (uint32_t c : *class_of) {
    maybe += column.classes[c].presence == ClassValue::Presence::kMaybe;
    always += column.classes[c].presence == ClassValue::Presence::kAlways;
  }
  if (maybe + always == 0) {
    if (column.meta.encoding != ColumnEncoding::kDictionary) out.words.assign(n, 0);
    out.texts = std::make_shared<StringPool>();
    return out;
  }
  WEFT_ASSIGN(const std::string bytes, block_.chunk(column, page_));
  bytes_read_ += bytes.size();
  ByteReader in(bytes);
  std::vector<uint8_t> bits;
  if (!get_bits(in, bits, maybe)) return bad("presence");
  // Codes by class; those that vary are filled in below.
  size_t next_bit = 0;
  size_t varying = 0;
  size_t present = 0;
  constexpr uint32_t kPending = PageColumn::kAbsent - 1;
  const bool number = column.meta.encoding == ColumnEncoding::kNumber;
  for (size_t row = 0; row < n; ++row) {
    const ClassValue& value = column.classes[(*class_of)[row]];
    if (value.presence == ClassValue::Presence::kNever) continue;
    if (value.presence == ClassValue::Presence::kMaybe && bits[next_bit++] == 0) continue;
    ++present;
    if (number) {
      out.codes[row] = 0;
    } else if (value.code == ClassValue::kVaries) {
      out.codes[row] = kPending;
      ++varying;
    } else {
      out.codes[row] = value.code;
    }
  }
  if (number) {
    std::vector<uint64_t> numbers;
    if (!get_ints(in, numbers, present)) return bad("numbers");
    out.words.assign(n, 0);
    size_t next = 0;
    for (size_t row = 0; row < n; ++row) {
      if (out.present(row)) out.words[row] = numbers[next++];
    }
    return out;
  }
  std::vector<uint32_t> codes;
  if (present == 0) {
    if (column.meta.encoding == ColumnEncoding::kText) out.words.assign(n, 0);
    out.texts = std::make_shared<StringPool>();
    return out;
  }
  if (varying > 0 && !get_codes(in, codes, varying, column.meta.dictionary_size - 1)) {
    return bad("codes");
  }
  if (varying > 0) {
    size_t next = 0;
    for (uint32_t& code : out.codes) {
      if (code == kPending) code = codes[next++];
    }
  }
  if (column.meta.encoding != ColumnEncoding::kText) return out;

  TemplateVariables variables;
  if (!get_variables(in, variables, present, kMaxPageTextBytes)) return bad("text");
  auto texts = std::make_shared<StringPool>();
  const size_t last = std::min<size_t>(n, end);
  const size_t wanted = std::min(present, last - std::min<size_t>(begin, last));
  texts->reserve(wanted, wanted * 32);
  out.words.assign(n, 0);
  TemplateJoiner joiner(variables);
  std::vector<std::optional<TemplateNeeds>> needs(begin > 0 ? column.strings->size() : 0);
  std::string text;
  for (size_t row = 0; row < last; ++row) {
    if (!out.present(row)) continue;
    if (row < begin) {
      const size_t skeleton = size_t{out.codes[row]} + 1;
      if (!needs[skeleton])
        needs[skeleton] = template_needs(column.strings->at(out.codes[row] + 1));
      if (!joiner.skip(*needs[skeleton])) return bad("text");
      continue;
    }
    if (!joiner.join(column.strings->at(out.codes[row] + 1), text) ||
        text.size() > StringPool::kMaxBytes - texts->arena_bytes()) {
      return bad("text");
    }
    out.words[row] = texts->add(text);
  }
  out.texts = std::move(texts);
  return out;
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
