#include "store/column_gather.h"

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "base/hash.h"
#include "store/entity_codec.h"
#include "store/known_template.h"

namespace weft::store {
namespace {

// Templates of one column; strings that would need more are kept whole.
constexpr size_t kMaxTemplates = 4096;
// Distinct numbers of a dictionary.
constexpr size_t kMaxNumberEntries = 4096;
// A dictionary of strings beyond this has to pay: at least so many values an entry.
constexpr size_t kMinTextEntries = 16'384;
constexpr size_t kMinRepeats = 3;
// Strings that are looked for in every batch; a power of two.
constexpr size_t kRecentStrings = 8'192;
// Values that are looked at to tell whether a column's strings repeat.
constexpr size_t kSample = 512;

}  // namespace

// A string that came not long ago, by its hash; kNoRow: only once so far.
struct GlobalStrings::Recent {
  uint64_t hash = 0;
  uint32_t id = kNoRow;
};

GlobalStrings::GlobalStrings(std::span<const SpanBatchPtr> batches)
    : batches_(batches), ids_(batches.size()) {
  std::vector<Recent> recent(kRecentStrings);
  for (uint32_t b = 0; b < batches.size(); ++b) {
    ids_[b].assign(batches[b]->strings.size(), kNoRow);
    find_common(b, recent);
  }
}

// Strings that do not come again are not kept: only the second of equal ones gets an id.
void GlobalStrings::find_common(uint32_t batch, std::span<Recent> recent) {
  const StringPool& strings = batches_[batch]->strings;
  for (StringPool::Id local = 1; local < strings.size(); ++local) {
    if (!strings.is_common(local)) continue;
    const std::string_view text = strings.at(local);
    const uint64_t hash = hash_bytes(text);
    Recent& known = recent[hash % recent.size()];
    if (known.hash == hash) {
      if (known.id == kNoRow) known.id = pool_.intern(text);
      if (pool_.at(known.id) == text) ids_[batch][local] = known.id;
    } else if (known.id == kNoRow) {
      known.hash = hash;
    }
  }
}

std::string StringCodes::encode(std::span<const uint64_t> counts) const {
  std::vector<std::string_view> texts;
  texts.reserve(entries_.size());
  for (uint32_t id : entries_)
    texts.push_back(strings_.text(id));
  return encode_string_dictionary(texts, counts);
}

void StringCodes::clear() {
  for (uint32_t id : entries_)
    codes_[id] = kNoRow;
  entries_.clear();
}

ColumnGather::ColumnGather(std::span<const SpanBatchPtr> batches, GlobalStrings& strings,
                           TableEncoder& encoder,
                           const std::vector<std::vector<uint32_t>>& row_maps)
    : batches_(batches),
      strings_(strings),
      encoder_(encoder),
      row_maps_(row_maps),
      codes_(strings),
      payload_(encoder.rows()),
      payload_codes_(encoder.rows()),
      present_((encoder.rows() + 63) / 64) {}

std::vector<ColumnGather::Wanted> ColumnGather::find_columns(
    ColumnDomain domain, const std::vector<const AttributeTable*>& tables) {
  std::vector<Wanted> wanted;
  std::unordered_map<uint64_t, size_t> index;
  for (uint32_t b = 0; b < tables.size(); ++b) {
    const auto& columns = tables[b]->columns;
    for (uint32_t c = 0; c < columns.size(); ++c) {
      if (columns[c].rows.empty()) continue;
      const uint64_t key = strings_.id(b, columns[c].key);
      const auto [at, is_new] =
          index.emplace(key << 8 | static_cast<uint64_t>(columns[c].type), wanted.size());
      if (is_new) {
        Wanted& column = wanted.emplace_back();
        column.meta.domain = domain;
        column.meta.type = columns[c].type;
        column.meta.key = strings_.text(static_cast<uint32_t>(key));
      }
      wanted[at->second].parts.push_back({b, c, columns[c].rows.size(), columns[c].rows.data(),
                                          columns[c].numbers.data(), columns[c].strings.data()});
      wanted[at->second].values += columns[c].rows.size();
    }
  }
  return wanted;
}

void ColumnGather::add_attributes(ColumnDomain domain,
                                  const std::vector<const AttributeTable*>& tables) {
  std::vector<Wanted> wanted = find_columns(domain, tables);
  const auto has_long_key = [](const Wanted& column) {
    return column.meta.key.size() > kMaxColumnKeyBytes;
  };
  std::ranges::sort(wanted, [&](const Wanted& a, const Wanted& b) {
    if (has_long_key(a) != has_long_key(b)) return has_long_key(b);
    if (a.values != b.values) return a.values > b.values;
    return a.meta.key != b.meta.key ? a.meta.key < b.meta.key : a.meta.type < b.meta.type;
  });
  const auto short_keys = wanted.size() - std::ranges::count_if(wanted, has_long_key);
  const size_t own = std::min(short_keys, kMaxAttributeColumns);
  for (size_t i = 0; i < own; ++i)
    add_column(wanted[i]);
  if (own < wanted.size()) add_overflow(std::span(wanted).subspan(own), tables);
}

// A part is a few values in two places of a memory that no cache holds: those that come soon are
// asked for.
template <typename Each>
[[gnu::always_inline]] inline bool ColumnGather::each_of_part(const Wanted& wanted, size_t p,
                                                              Each&& each) const {
  constexpr size_t kAhead = 8;
  constexpr size_t kMaxLines = 4;
  if (p + kAhead < wanted.parts.size()) {
    const Part& ahead = wanted.parts[p + kAhead];
    for (size_t line = 0; line < std::min(ahead.count / 16 + 1, kMaxLines); ++line) {
      __builtin_prefetch(ahead.rows + line * 16);
      __builtin_prefetch(ahead.strings + line * 16);
      __builtin_prefetch(ahead.numbers + line * 8);
    }
  }
  const Part& part = wanted.parts[p];
  const uint32_t* const row_map = row_maps_[part.batch].data();
  for (size_t i = 0; i < part.count; ++i) {
    const uint32_t row = row_map[part.rows[i]];
    if (row != kNoRow && !each(part, i, row)) return false;
  }
  return true;
}

// Values are scattered over the block's rows, then taken off in order: the rows of batches lie near
// each other there, so this is cheaper than sorting. False: the dictionary that `put` makes has
// grown too large for the column, and the rest was left out.
template <typename Put>
bool ColumnGather::scatter(const Wanted& wanted, Put&& put) {
  std::ranges::fill(present_, 0);
  size_t seen = 0;
  Growth begin;
  bool looked_ahead = false;
  for (size_t p = 0; p < wanted.parts.size(); ++p) {
    each_of_part(wanted, p, [&](const Part& part, size_t i, uint32_t row) {
      present_[row / 64] |= uint64_t{1} << (row % 64);
      put(part, i, row);
      return true;
    });
    if (!dictionary_pays(wanted.values)) return false;
    seen += wanted.parts[p].count;
    if (begin.values == 0 && seen * 16 >= wanted.values) {
      begin = {seen, codes_.size()};
    } else if (!looked_ahead && seen * 8 >= wanted.values) {
      looked_ahead = true;
      if (!dictionary_will_pay(begin, {seen, codes_.size()}, wanted.values)) return false;
    }
  }
  return true;
}

// The rows that scatter marked, ascending, and what `payload` has for them.
template <typename T>
ColumnGather::Taken<T> ColumnGather::take(const std::vector<T>& payload, size_t most) const {
  Taken<T> out{std::vector<uint32_t>(most), std::vector<T>(most)};
  size_t count = 0;
  for (size_t word = 0; word < present_.size(); ++word) {
    const auto first = static_cast<uint32_t>(word * 64);
    for (uint64_t bits = present_[word]; bits != 0; bits &= bits - 1) {
      const uint32_t row = first + static_cast<uint32_t>(std::countr_zero(bits));
      out.rows[count] = row;
      out.values[count++] = payload[row];
    }
  }
  out.rows.resize(count);
  out.values.resize(count);
  return out;
}

// Whether the dictionary that is being made is small enough for a column of so many values.
bool ColumnGather::dictionary_pays(size_t values) const {
  return codes_.size() <= kMinTextEntries || codes_.size() * kMinRepeats <= values;
}

// The same at the end, as far as the growth from about a sixteenth of the column (`begin`) to an
// eighth (`now`) tells. If all strings are equally frequent and n values have d entries, twice as
// many have d * (1 + q), four times as many d * (1 + q) * (1 + q^2), and so on.
bool ColumnGather::dictionary_will_pay(Growth begin, Growth now, size_t values) {
  // A column of a few large parts cannot be looked at in time.
  if (begin.entries == 0 || now.values * 2 > begin.values * 5) return true;
  double q = std::min(1.0, static_cast<double>(now.entries) / begin.entries - 1);
  double expected = now.entries;
  for (size_t n = now.values; n * 2 <= values; n *= 2) {
    q *= q;
    expected *= 1 + q;
  }
  return expected <= static_cast<double>(std::max(kMinTextEntries, values / kMinRepeats));
}

// What most attributes have (a route, a method, a port) follows from the operation. Here batches
// are read from the first to the last and nothing is written but a few counts; in the order of the
// block's rows, each value would be put down and taken up again.
template <typename ValueOf>
std::optional<std::vector<ColumnGather::OfClass>> ColumnGather::values_by_class(
    const Wanted& wanted, ValueOf&& value_of) {
  if (encoder_.classes() < 2) return std::nullopt;
  std::vector<OfClass> out(encoder_.classes());
  uint64_t covered = 0;  // rows of the classes that have values
  const auto agrees = [&](const Part& part, size_t i, uint32_t row) {
    const uint32_t c = encoder_.class_of(row);
    OfClass& of_class = out[c];
    const uint64_t value = value_of(part, i);
    if (of_class.rows++ != 0) return of_class.value == value;
    of_class.value = value;
    covered += encoder_.class_size(c);
    return covered <= wanted.values;  // else some rows have none
  };
  for (size_t p = 0; p < wanted.parts.size(); ++p) {
    if (!each_of_part(wanted, p, agrees)) return std::nullopt;
  }
  for (uint32_t c = 0; c < out.size(); ++c) {
    if (out[c].rows != 0 && out[c].rows != encoder_.class_size(c)) return std::nullopt;
  }
  return out;
}

// The same string often comes several times in a row.
struct ColumnGather::CodeOf {
  ColumnGather& gather;
  uint32_t last_batch = kNoRow;
  StringPool::Id last_id = StringPool::kEmpty;
  uint32_t last_code = 0;

  uint32_t operator()(const Part& part, size_t i) {
    const StringPool::Id id = part.strings[i];
    if (id != last_id || part.batch != last_batch) {
      last_id = id;
      last_batch = part.batch;
      last_code = gather.codes_.code(gather.strings_.id(part.batch, id));
    }
    return last_code;
  }
};

bool ColumnGather::add_strings_by_class(const Wanted& wanted) {
  const auto classes = values_by_class(wanted, CodeOf{*this});
  const bool follows = classes && dictionary_pays(wanted.values);
  if (follows) {
    std::vector<uint32_t> codes;
    for (const OfClass& of_class : *classes) {
      codes.push_back(of_class.rows == 0 ? TableEncoder::kAbsent
                                         : static_cast<uint32_t>(of_class.value));
    }
    encoder_.add_by_class(
        wanted.meta, codes, static_cast<uint32_t>(codes_.size()),
        [this](std::span<const uint64_t> counts) { return codes_.encode(counts); });
  }
  codes_.clear();
  return follows;
}

bool ColumnGather::add_numbers_by_class(const Wanted& wanted) {
  const auto classes = values_by_class(wanted, [](const Part& part, size_t i) {
    return part.numbers == nullptr ? 0 : part.numbers[i];
  });
  if (!classes) return false;
  std::unordered_map<uint64_t, uint32_t> code_of;
  std::vector<uint64_t> entries;
  std::vector<uint32_t> codes;
  for (const OfClass& of_class : *classes) {
    if (of_class.rows == 0) {
      codes.push_back(TableEncoder::kAbsent);
      continue;
    }
    const auto [at, is_new] =
        code_of.try_emplace(of_class.value, static_cast<uint32_t>(entries.size()));
    if (is_new) entries.push_back(of_class.value);
    codes.push_back(at->second);
  }
  if (entries.size() > kMaxNumberEntries) return false;
  encoder_.add_by_class(
      wanted.meta, codes, static_cast<uint32_t>(entries.size()),
      [&](std::span<const uint64_t> counts) { return encode_number_dictionary(entries, counts); });
  return true;
}

void ColumnGather::add_column(const Wanted& wanted) {
  if (wanted.parts.front().strings != nullptr) return add_string_column(wanted);
  if (add_numbers_by_class(wanted)) return;
  if (wanted.parts.front().numbers != nullptr) {
    (void)scatter(wanted, [this](const Part& part, size_t i, uint32_t row) {
      payload_[row] = part.numbers[i];
    });
  } else {
    (void)scatter(wanted, [this](const Part&, size_t, uint32_t row) { payload_[row] = 0; });
  }
  const auto [rows, values] = take(payload_, wanted.values);
  add_numbers(wanted.meta, rows, values);
}

void ColumnGather::add_string_column(const Wanted& wanted) {
  if (add_strings_by_class(wanted) || add_attribute_as_dictionary(wanted)) return;
  payload_texts_.resize(encoder_.rows());
  (void)scatter(wanted, [this](const Part& part, size_t i, uint32_t row) {
    payload_texts_[row] = strings_.local_text(part.batch, part.strings[i]);
  });
  const auto [rows, texts] = take(payload_texts_, wanted.values);
  add_text(wanted.meta, rows, texts);
}

// The codes are found batch by batch, where the ids of one batch are at hand, not in the order of
// the block's rows, where each row has its string in another batch. False when the strings hardly
// repeat; then nothing was added.
bool ColumnGather::add_attribute_as_dictionary(const Wanted& wanted) {
  // A sample from the middle: the beginning of a block may be special.
  std::vector<StringValue> sample;
  for (size_t p = wanted.parts.size() / 2; p < wanted.parts.size() && sample.size() < kSample;
       ++p) {
    const Part& part = wanted.parts[p];
    for (size_t i = 0; i < part.count && sample.size() < kSample; ++i)
      sample.push_back({part.batch, part.strings[i]});
  }
  if (looks_unique(sample)) return false;
  const bool pays = scatter(
      wanted, [this, code = CodeOf{*this}](const Part& part, size_t i, uint32_t row) mutable {
        payload_codes_[row] = code(part, i);
      });
  if (pays) {
    const auto [rows, codes] = take(payload_codes_, wanted.values);
    add_codes(wanted.meta, rows, codes);
  }
  codes_.clear();
  return pays;
}

// The column of codes that codes_ gave.
void ColumnGather::add_codes(const ColumnMeta& meta, std::span<const uint32_t> rows,
                             std::span<const uint32_t> codes) {
  std::vector<uint64_t> counts(codes_.size());
  for (const uint32_t code : codes)
    ++counts[code];
  encoder_.add_dictionary(meta, rows, codes, static_cast<uint32_t>(codes_.size()),
                          codes_.encode(counts));
}

void ColumnGather::add_overflow(std::span<const Wanted> wanted,
                                const std::vector<const AttributeTable*>& tables) {
  std::vector<std::string> bytes(encoder_.rows());
  for (const Wanted& column_wanted : wanted) {
    for (const Part& part : column_wanted.parts) {
      const AttributeColumn& column = tables[part.batch]->columns[part.column];
      for (size_t i = 0; i < column.rows.size(); ++i) {
        const uint32_t row = row_maps_[part.batch][column.rows[i]];
        if (row == kNoRow) continue;
        put_attribute(bytes[row], column_wanted.meta.key, column, i, batches_[part.batch]->strings);
      }
    }
  }
  std::vector<uint32_t> rows;
  std::vector<uint32_t> codes;
  std::vector<TemplateVariables> variables(encoder_.pages());
  size_t page = 0;
  for (uint32_t row = 0; row < bytes.size(); ++row) {
    if (bytes[row].empty()) continue;
    while (row >= encoder_.page_begin()[page + 1])
      ++page;
    rows.push_back(row);
    codes.push_back(0);
    add_raw(bytes[row], variables[page]);
  }
  ColumnMeta meta;
  meta.domain = wanted.front().meta.domain == ColumnDomain::kAnnotation ? ColumnDomain::kAnnotation
                                                                        : ColumnDomain::kOverflow;
  meta.type = ValueType::kBytes;
  const std::string_view entry = kRawTemplate;
  const uint64_t count = rows.size();
  encoder_.add_text(std::move(meta), rows, codes, 1,
                    encode_string_dictionary({&entry, 1}, {&count, 1}), variables);
}

bool ColumnGather::looks_unique(std::span<const StringValue> values) const {
  if (values.size() < 256) return false;
  const auto sample = values.subspan((values.size() - std::min(values.size(), kSample)) / 2,
                                     std::min(values.size(), kSample));
  std::vector<uint64_t> hashes;
  for (const StringValue& value : sample) {
    hashes.push_back(hash_bytes(strings_.local_text(value.batch, value.id)));
  }
  std::ranges::sort(hashes);
  const auto repeated = std::ranges::unique(hashes);
  const size_t distinct = hashes.size() - repeated.size();
  return distinct * 2 > sample.size();
}

void ColumnGather::add_strings(ColumnMeta meta, std::span<const uint32_t> rows,
                               std::span<const StringValue> values) {
  if (rows.empty()) return;
  if (!looks_unique(values) && add_as_dictionary(meta, rows, values)) return;
  std::vector<std::string_view> texts;
  texts.reserve(values.size());
  for (const StringValue& value : values)
    texts.push_back(strings_.local_text(value.batch, value.id));
  add_text(std::move(meta), rows, texts);
}

bool ColumnGather::add_as_dictionary(const ColumnMeta& meta, std::span<const uint32_t> rows,
                                     std::span<const StringValue> values) {
  std::vector<uint32_t> codes;
  codes.reserve(values.size());
  bool pays = true;
  for (const StringValue& value : values) {
    codes.push_back(codes_.code(strings_.id(value.batch, value.id)));
    if (!dictionary_pays(values.size())) {
      pays = false;
      break;
    }
  }
  if (pays) add_codes(meta, rows, codes);
  codes_.clear();
  return pays;
}

void ColumnGather::add_text(ColumnMeta meta, std::span<const uint32_t> rows,
                            std::span<const std::string_view> texts) {
  std::vector<uint32_t> codes;
  codes.reserve(texts.size());
  std::vector<TemplateVariables> variables(encoder_.pages());
  StringPool templates;
  std::vector<uint64_t> counts;
  std::vector<uint32_t> code_of;  // by id in `templates`
  // Strings of one class mostly have one template: it is tried before the string is looked at.
  std::vector<KnownTemplate> known;                            // by code
  std::vector<uint32_t> expected(encoder_.classes(), kNoRow);  // code by class
  std::vector<std::string_view> entries;
  std::string skeleton;
  const auto code_for = [&](std::string_view text) {
    const StringPool::Id id = templates.intern(text);
    if (id >= code_of.size()) code_of.resize(templates.size(), kNoRow);
    if (code_of[id] == kNoRow) {
      code_of[id] = static_cast<uint32_t>(counts.size());
      counts.push_back(0);
      known.emplace_back(text);
    }
    ++counts[code_of[id]];
    return code_of[id];
  };
  // The strings of neighbours lie in many batches: they are on their way into the cache while the
  // ones before them are looked at.
  constexpr size_t kAhead = 32;
  size_t page = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i + kAhead < texts.size()) {
      const std::string_view ahead = texts[i + kAhead];
      __builtin_prefetch(ahead.data());
      __builtin_prefetch(ahead.data() + ahead.size());
    }
    while (rows[i] >= encoder_.page_begin()[page + 1])
      ++page;
    uint32_t& likely = expected[encoder_.class_of(rows[i])];
    if (likely != kNoRow && known[likely].split(texts[i], variables[page])) {
      ++counts[likely];
      codes.push_back(likely);
    } else if (templates.size() <= kMaxTemplates) {
      split_template(texts[i], skeleton, variables[page]);
      likely = code_for(skeleton);
      codes.push_back(likely);
    } else {
      // Too many templates: the column is not made of such strings. The rest is kept whole.
      add_raw(texts[i], variables[page]);
      codes.push_back(code_for(kRawTemplate));
    }
  }
  entries.resize(counts.size());
  for (StringPool::Id id = 0; id < code_of.size(); ++id) {
    if (code_of[id] != kNoRow) entries[code_of[id]] = templates.at(id);
  }
  encoder_.add_text(std::move(meta), rows, codes, static_cast<uint32_t>(counts.size()),
                    encode_string_dictionary(entries, counts), variables);
}

void ColumnGather::add_numbers(ColumnMeta meta, std::span<const uint32_t> rows,
                               std::span<const uint64_t> numbers) {
  if (rows.empty()) return;
  // A table of twice as many slots as entries; a column with more entries is kept as numbers.
  constexpr size_t kSlots = kMaxNumberEntries * 4;
  std::vector<uint32_t> slots(kSlots, kNoRow);
  std::vector<uint64_t> entries;
  std::vector<uint64_t> counts;
  std::vector<uint32_t> codes;
  codes.reserve(numbers.size());
  for (uint64_t number : numbers) {
    size_t slot = (number * 0x9E3779B97F4A7C15u >> 40) % kSlots;
    while (slots[slot] != kNoRow && entries[slots[slot]] != number)
      slot = (slot + 1) % kSlots;
    if (slots[slot] == kNoRow) {
      if (entries.size() == kMaxNumberEntries ||
          (entries.size() >= 256 && entries.size() * 2 > codes.size())) {
        return encoder_.add_numbers(std::move(meta), rows, numbers);
      }
      slots[slot] = static_cast<uint32_t>(entries.size());
      entries.push_back(number);
      counts.push_back(0);
    }
    ++counts[slots[slot]];
    codes.push_back(slots[slot]);
  }
  encoder_.add_dictionary(std::move(meta), rows, codes, static_cast<uint32_t>(entries.size()),
                          encode_number_dictionary(entries, counts));
}

}  // namespace weft::store
