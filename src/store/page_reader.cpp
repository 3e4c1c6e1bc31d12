#include "store/page_reader.h"

#include <algorithm>
#include <numeric>
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

std::vector<PageClasses::Count> count_classes(std::span<const uint16_t> class_of,
                                              uint32_t classes) {
  std::vector<uint32_t> rows(std::max(classes, 1u));
  for (const uint16_t c : class_of)
    ++rows[c];
  std::vector<PageClasses::Count> out;
  for (uint32_t c = 0; c < rows.size(); ++c) {
    if (rows[c] != 0) out.push_back({c, rows[c]});
  }
  out.shrink_to_fit();
  return out;
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

Expected<const PageClasses*> PageReader::classes(BlockTable table) {
  PageClassesPtr& known = classes_[static_cast<size_t>(table)];
  if (known == nullptr && table == BlockTable::kSpans) known = block_.kept_classes(page_);
  if (known != nullptr) return known.get();
  WEFT_ASSIGN(const BlockColumns* columns, block_.columns());
  const uint32_t count = columns->classes[static_cast<size_t>(table)];
  if (count == 0 && rows(table) != 0) return bad("classes");
  auto decoded = std::make_shared<PageClasses>();
  decoded->of_row.resize(rows(table));
  if (count > 1 && !decoded->of_row.empty()) {
    WEFT_ASSIGN(const std::string bytes, special(table, Field::kClass));
    ByteReader in(bytes);
    std::vector<uint32_t> codes;
    if (!get_codes(in, codes, rows(table), count - 1)) return bad("classes");
    std::ranges::transform(codes, decoded->of_row.begin(),
                           [](uint32_t code) { return static_cast<uint16_t>(code); });
  }
  decoded->counts = count_classes(decoded->of_row, count);
  if (table == BlockTable::kSpans) block_.keep_classes(page_, decoded);
  known = std::move(decoded);
  return known.get();
}

Expected<std::span<const PageClasses::Count>> PageReader::class_counts(BlockTable table,
                                                                       uint32_t end) {
  WEFT_ASSIGN(const PageClasses* classes, this->classes(table));
  if (end == classes->of_row.size()) return classes->counts;
  auto& known = counts_before_[static_cast<size_t>(table)];
  for (const CountsBefore& before : known) {
    if (before.end == end) return before.counts;
  }
  WEFT_ASSIGN(const BlockColumns* columns, block_.columns());
  known.push_front({end, count_classes(std::span(classes->of_row).first(end),
                                       columns->classes[static_cast<size_t>(table)])});
  return known.front().counts;
}

CodeTruth::CodeTruth(const LoadedColumn& column, std::vector<uint8_t> of_code_)
    : of_code(std::move(of_code_)) {
  of_class.reserve(column.classes.size());
  for (const ClassValue& value : column.classes) {
    uint8_t flags = 0;
    if (value.presence == ClassValue::Presence::kAlways) flags |= kAlways;
    if (value.presence == ClassValue::Presence::kMaybe) flags |= kMaybe;
    if (value.code == ClassValue::kVaries) {
      flags |= kVaries;
    } else if (flags != 0 && of_code[value.code] != 0) {
      flags |= kConstant;
    }
    of_class.push_back(flags);
  }
}

// What the classes and the presence bits say of which rows have a value.
struct PageReader::Presence {
  // What the classes alone say of some rows.
  struct Sums {
    uint64_t always = 0;
    uint64_t always_varying = 0;
    uint64_t maybe = 0;
    uint64_t maybe_varying = 0;
  };
  Sums all;     // of all rows of the page
  Sums before;  // of those before the window
  // A byte for each row that is kMaybe, in their order, and one more, at which the row behind the
  // last one may look.
  std::vector<uint8_t> bits;
  uint64_t set = 0;  // of them
  uint64_t set_before = 0;

  // Calls each(row, 1 when it has a value, its class's value) for the window, whose first bit is
  // the one at `next_bit`.
  template <typename Each>
  void walk(const LoadedColumn& column, std::span<const uint16_t> class_of, PageWindow window,
            size_t next_bit, Each&& each) const {
    for (uint32_t row = window.begin; row < window.end; ++row) {
      const ClassValue& value = column.classes[class_of[row]];
      const auto is_maybe = static_cast<uint8_t>(value.presence == ClassValue::Presence::kMaybe);
      const auto is_always = static_cast<uint8_t>(value.presence == ClassValue::Presence::kAlways);
      const uint8_t present = is_always | (is_maybe & bits[next_bit]);
      next_bit += is_maybe;
      each(row, present, value);
    }
  }

  // How many of the rows before `last`, of which these are the sums, have a code of their own. The
  // bits alone say it when all rows that are kMaybe vary, or none.
  uint64_t count_varying(const LoadedColumn& column, std::span<const uint16_t> class_of,
                         const Sums& sums, uint64_t set_bits, uint32_t last) const {
    if (sums.maybe_varying == 0) return sums.always_varying;
    if (sums.maybe_varying == sums.maybe) return sums.always_varying + set_bits;
    uint64_t varying = 0;
    walk(column, class_of, {0, last}, 0, [&](size_t, uint8_t present, const ClassValue& value) {
      varying += present & static_cast<uint8_t>(value.code == ClassValue::kVaries);
    });
    return varying;
  }
};

Expected<PageReader::Presence> PageReader::read_presence(const LoadedColumn& column, ByteReader& in,
                                                         PageWindow window) {
  const bool number = column.meta.encoding == ColumnEncoding::kNumber;
  const auto sum_classes = [&](uint32_t last) -> Expected<Presence::Sums> {
    WEFT_ASSIGN(const auto counts, class_counts(column.meta.table, last));
    Presence::Sums sums;
    for (const auto& [c, rows] : counts) {
      const ClassValue& value = column.classes[c];
      const uint64_t varying = !number && value.code == ClassValue::kVaries ? rows : 0;
      if (value.presence == ClassValue::Presence::kAlways) {
        sums.always += rows;
        sums.always_varying += varying;
      } else if (value.presence == ClassValue::Presence::kMaybe) {
        sums.maybe += rows;
        sums.maybe_varying += varying;
      }
    }
    return sums;
  };
  Presence out;
  WEFT_ASSIGN(out.all, sum_classes(static_cast<uint32_t>(rows(column.meta.table))));
  WEFT_ASSIGN(out.before, sum_classes(window.begin));
  if (!get_bits(in, out.bits, out.all.maybe)) return bad("presence");
  const auto before_end = out.bits.begin() + static_cast<ptrdiff_t>(out.before.maybe);
  out.set_before = std::accumulate(out.bits.begin(), before_end, uint64_t{0});
  out.set = std::accumulate(before_end, out.bits.end(), out.set_before);
  out.bits.push_back(0);
  return out;
}

Status PageReader::judge_codes(size_t index, const CodeTruth& truth, PageWindow window,
                               std::vector<uint8_t>& mask) {
  WEFT_ASSIGN(const LoadedColumnPtr column, block_.column(index));
  WEFT_ASSIGN(const PageClasses* classes, this->classes(column->meta.table));
  const std::vector<uint16_t>& class_of = classes->of_row;
  WEFT_ASSIGN(const std::string bytes, block_.chunk(*column, page_));
  bytes_read_ += bytes.size();
  ByteReader in(bytes);
  WEFT_ASSIGN(const Presence presence, read_presence(*column, in, window));
  const auto n = static_cast<uint32_t>(class_of.size());
  const uint64_t varying = presence.count_varying(*column, class_of, presence.all, presence.set, n);
  const uint64_t varying_before =
      presence.count_varying(*column, class_of, presence.before, presence.set_before, window.begin);
  std::vector<uint32_t> codes;
  if (varying > 0 &&
      !get_codes(in, codes, varying, column->meta.dictionary_size - 1, {varying_before, varying})) {
    return bad("codes");
  }
  codes.push_back(0);  // at which the row behind the last one with a code may look
  size_t next_bit = presence.before.maybe;
  size_t next_code = 0;
  for (uint32_t row = window.begin; row < window.end; ++row) {
    // Without a branch: neighbours are of many classes.
    const uint8_t flags = truth.of_class[class_of[row]];
    const auto has = [flags](CodeTruth::Flag flag) {
      return static_cast<uint8_t>((flags & flag) != 0);
    };
    const uint8_t is_maybe = has(CodeTruth::kMaybe);
    const uint8_t present = has(CodeTruth::kAlways) | (is_maybe & presence.bits[next_bit]);
    const uint8_t varies = present & has(CodeTruth::kVaries);
    const uint8_t meets = varies != 0 ? truth.of_code[codes[next_code]] : has(CodeTruth::kConstant);
    mask[row] = present != 0 ? meets : mask[row];
    next_bit += is_maybe;
    next_code += varies;
  }
  return {};
}

// Which rows of a window have a value, and of those of codes which.
struct PageReader::ColumnRows {
  std::vector<uint32_t> codes;  // of the window, as PageColumn has them
  uint64_t present_before = 0;  // rows with a value before the window
  uint64_t present_within = 0;  // and in it
  uint64_t present = 0;         // in the whole page
  // kText: how many strings of each template lie before the window.
  std::vector<uint64_t> templates_before;

  // Passes over those strings. False when the variables run out (damage).
  bool skip_before(const LoadedColumn& column, TemplateJoiner& joiner) const {
    for (uint32_t code = 0; code < templates_before.size(); ++code) {
      const uint64_t strings = templates_before[code];
      if (strings == 0) continue;
      if (!joiner.skip(template_needs(column.strings->at(code + 1)), strings)) return false;
    }
    return true;
  }
};

// Only the window's rows are written; those before it are counted, since bits and codes lie there
// for all rows of the page.
Expected<PageReader::ColumnRows> PageReader::find_rows(const LoadedColumn& column, ByteReader& in,
                                                       PageWindow window) {
  constexpr uint32_t kPending = PageColumn::kAbsent - 1;
  ColumnRows out;
  const bool number = column.meta.encoding == ColumnEncoding::kNumber;
  const bool text = column.meta.encoding == ColumnEncoding::kText;
  WEFT_ASSIGN(const PageClasses* classes, this->classes(column.meta.table));
  const std::span<const uint16_t> class_of = classes->of_row;
  const auto [begin, end] = window;
  // What follows from the operation has no bytes here.
  const bool follows =
      !number && !text && std::ranges::all_of(column.classes, [](const ClassValue& value) {
        return value.presence == ClassValue::Presence::kAlways && value.code != ClassValue::kVaries;
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
  WEFT_ASSIGN(const Presence presence, read_presence(column, in, window));
  out.present = presence.all.always + presence.set;
  out.present_before = presence.before.always + presence.set_before;
  const uint64_t varying = presence.count_varying(column, class_of, presence.all, presence.set,
                                                  static_cast<uint32_t>(class_of.size()));
  const uint64_t varying_before =
      presence.count_varying(column, class_of, presence.before, presence.set_before, begin);
  uint64_t varying_within = 0;
  out.codes.resize(end - begin);
  presence.walk(column, class_of, window, presence.before.maybe,
                [&](size_t row, uint8_t present, const ClassValue& value) {
                  const bool varies = value.code == ClassValue::kVaries;
                  const uint32_t code = number ? 0 : varies ? kPending : value.code;
                  out.codes[row - begin] = present != 0 ? code : PageColumn::kAbsent;
                  out.present_within += present;
                  varying_within += present & static_cast<uint8_t>(!number && varies);
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
    WEFT_ASSIGN(const auto counts, class_counts(column.meta.table, begin));
    out.templates_before.assign(column.meta.dictionary_size, 0);
    for (size_t i = 0; i < next; ++i)
      ++out.templates_before[codes[i]];
    bool some_maybe = false;
    for (const auto& [c, rows] : counts) {
      const ClassValue& value = column.classes[c];
      if (value.code == ClassValue::kVaries) continue;
      if (value.presence == ClassValue::Presence::kAlways) out.templates_before[value.code] += rows;
      some_maybe |= value.presence == ClassValue::Presence::kMaybe;
    }
    presence.walk(column, class_of, {0, some_maybe ? begin : 0}, 0,
                  [&](size_t, uint8_t present, const ClassValue& value) {
                    const bool counted = value.presence == ClassValue::Presence::kMaybe &&
                                         value.code != ClassValue::kVaries && present != 0;
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
  end = std::min(end, static_cast<uint32_t>(rows(column.meta.table)));
  begin = std::min(begin, end);
  const bool text = column.meta.encoding == ColumnEncoding::kText;
  WEFT_ASSIGN(const std::string bytes, block_.chunk(column, page_));
  bytes_read_ += bytes.size();
  ByteReader in(bytes);
  WEFT_ASSIGN(ColumnRows found, find_rows(column, in, {begin, end}));
  out.first_row = begin;
  if (column.meta.encoding == ColumnEncoding::kNumber) {
    std::vector<uint64_t> numbers;
    const uint64_t first = found.present_before;
    if (!get_ints(in, numbers, found.present, {first, first + found.present_within})) {
      return bad("numbers");
    }
    if (found.present_within == found.codes.size()) {
      out.words = std::move(numbers);
    } else {
      numbers.push_back(0);
      out.words.resize(found.codes.size());
      size_t next = 0;
      for (size_t i = 0; i < found.codes.size(); ++i) {
        const bool present = found.codes[i] != PageColumn::kAbsent;
        out.words[i] = present ? numbers[next] : 0;
        next += static_cast<size_t>(present);
      }
    }
    out.codes = std::move(found.codes);
    return out;
  }
  if (!text) {
    out.codes = std::move(found.codes);
    return out;
  }

  auto texts = std::make_shared<StringPool>();
  out.words.assign(end - begin, 0);
  out.codes = std::move(found.codes);
  if (found.present_within == 0) {
    out.texts = std::move(texts);
    return out;
  }
  TemplateVariables variables;
  if (!get_variables(in, variables, found.present, kMaxPageTextBytes)) return bad("text");
  texts->reserve(found.present_within, found.present_within * 32);
  TemplateJoiner joiner(variables);
  if (!found.skip_before(column, joiner)) return bad("text");
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

Status PageReader::judge_texts(size_t index, std::span<const uint8_t> may, bool otherwise,
                               const std::function<bool(std::string_view)>& meets,
                               const AskedRows& asked, std::vector<uint8_t>& mask) {
  const PageWindow window = asked.window;
  WEFT_ASSIGN(const LoadedColumnPtr column, block_.column(index));
  WEFT_ASSIGN(const std::string bytes, block_.chunk(*column, page_));
  bytes_read_ += bytes.size();
  ByteReader in(bytes);
  WEFT_ASSIGN(const ColumnRows found, find_rows(*column, in, window));
  bool any = false;
  for (uint32_t row = window.begin; row < window.end; ++row) {
    const uint32_t code = found.codes[row - window.begin];
    if (code == PageColumn::kAbsent) continue;
    mask[row] = otherwise;
    any |= may[code] != 0 && asked.has(row);
  }
  if (!any) return {};
  TemplateVariables variables;
  if (!get_variables(in, variables, found.present, kMaxPageTextBytes)) return bad("text");
  TemplateJoiner joiner(variables);
  if (!found.skip_before(*column, joiner)) return bad("text");
  std::vector<std::optional<TemplateNeeds>> needs(column->meta.dictionary_size);
  std::string string;
  for (uint32_t row = window.begin; row < window.end; ++row) {
    const uint32_t code = found.codes[row - window.begin];
    if (code == PageColumn::kAbsent) continue;
    const std::string_view skeleton = column->strings->at(code + 1);
    if (may[code] == 0 || !asked.has(row)) {
      if (!needs[code]) needs[code] = template_needs(skeleton);
      if (!joiner.skip(*needs[code])) return bad("text");
    } else {
      if (!joiner.join(skeleton, string)) return bad("text");
      mask[row] = meets(string);
    }
  }
  return {};
}

Expected<std::vector<PageReader::TextMatch>> PageReader::match_text(size_t index,
                                                                    const TextProbe& text) {
  WEFT_ASSIGN(const LoadedColumnPtr column, block_.column(index));
  const auto n = static_cast<uint32_t>(rows(column->meta.table));
  WEFT_ASSIGN(const std::string bytes, block_.chunk(*column, page_));
  bytes_read_ += bytes.size();
  ByteReader in(bytes);
  WEFT_ASSIGN(const ColumnRows found, find_rows(*column, in, {0, n}));
  std::vector<TextMatch> matches(n);
  bool possible = false;
  for (size_t row = 0; row < n; ++row) {
    const uint32_t code = found.codes[row];
    matches[row] = code == PageColumn::kAbsent ? TextMatch::kAbsent : TextMatch::kOther;
    possible |= text.may_be(code);
  }
  if (!possible) return matches;
  TemplateVariables variables;
  if (!get_variables(in, variables, found.present, kMaxPageTextBytes)) return bad("text");
  if (text.may_be_among(variables) &&
      !text.find(found.codes, PageColumn::kAbsent, variables,
                 [&](size_t row) { matches[row] = TextMatch::kSame; })) {
    return bad("text");
  }
  return matches;
}

Expected<bool> PageReader::may_have_text(size_t index, const TextProbe& text) {
  WEFT_ASSIGN(const LoadedColumnPtr column, block_.column(index));
  WEFT_ASSIGN(const std::string bytes, block_.chunk(*column, page_));
  bytes_read_ += bytes.size();
  ByteReader in(bytes);
  WEFT_ASSIGN(const ColumnRows none, find_rows(*column, in, {0, 0}));
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
