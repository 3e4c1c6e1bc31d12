#include "store/aggregate_state.h"

#include <algorithm>
#include <bit>
#include <optional>

namespace weft::store {
namespace {

bool is_text(ValueType type) {
  return type == ValueType::kString || type >= ValueType::kBytes;
}

Value make_text(ValueType type, std::string_view text) {
  if (type == ValueType::kString) return Value(text);
  if (type == ValueType::kBytes) return Value(Value::Bytes{std::string(text)});
  return decode_nested(type, text);
}

Value make_number(ValueType type, uint64_t word) {
  switch (type) {
    case ValueType::kBool:
      return word != 0;
    case ValueType::kInt:
      return static_cast<int64_t>(word);
    case ValueType::kDouble:
      return std::bit_cast<double>(word);
    default:
      return {};
  }
}

constexpr uint32_t kUnknown = UINT32_MAX;
// Pools that are remembered; text of more than these (pages of near-unique strings) is looked up.
constexpr size_t kMaxMemos = 4;

}  // namespace

uint32_t KeyInterner::text_id(ValueType type, std::string_view text) {
  std::string key(1, static_cast<char>(type));
  key += text;
  const auto [at, is_new] = known_.try_emplace(std::move(key), values_.size());
  if (is_new) values_.push_back(make_text(type, text));
  return at->second;
}

uint32_t KeyInterner::word_id(ValueType type, uint64_t word) {
  if (type == last_type_ && word == last_word_) return last_id_;
  std::string key(1, static_cast<char>(type));
  key.append(reinterpret_cast<const char*>(&word), sizeof word);
  const auto [at, is_new] = known_.try_emplace(std::move(key), values_.size());
  if (is_new) values_.push_back(make_number(type, word));
  last_type_ = type;
  last_word_ = word;
  return last_id_ = at->second;
}

KeyInterner::Memo& KeyInterner::memo(const std::shared_ptr<const void>& of, size_t ids) {
  for (Memo& known : memos_) {
    if (known.of == of) return known;
  }
  if (memos_.size() == kMaxMemos) memos_.erase(memos_.begin());
  return memos_.emplace_back(Memo{of, std::vector<uint32_t>(ids, kUnknown)});
}

uint32_t KeyInterner::id(const CodedColumn& column, uint32_t code) {
  const StoredValue value = column.value(code);
  return is_text(value.type) ? text_id(value.type, value.text) : word_id(value.type, value.word);
}

void KeyInterner::ids(const CodedColumn& column, std::vector<uint32_t>& out) {
  // The last one is of kAbsent.
  std::vector<uint32_t>& known = memo(column.identity, size_t{column.distinct} + 1).ids;
  out.resize(column.codes.size());
  for (size_t i = 0; i < out.size(); ++i) {
    uint32_t& found = known[std::min(column.codes[i], column.distinct)];
    if (found == kUnknown) found = id(column, column.codes[i]);
    out[i] = found;
  }
}

void KeyInterner::ids(const ValueColumn& column, std::vector<uint32_t>& out) {
  out.resize(column.types.size());
  Memo* known_texts =
      column.strings != nullptr ? &memo(column.strings, column.strings->size()) : nullptr;
  for (size_t i = 0; i < out.size(); ++i) {
    const ValueType type = column.types[i];
    if (!is_text(type)) {
      out[i] = word_id(type, column.words[i]);
      continue;
    }
    // An id of the pool may stand for a string and for bytes; the memo is for strings.
    if (type != ValueType::kString) {
      out[i] = text_id(type, column.text(i));
      continue;
    }
    uint32_t& known = known_texts->ids[column.words[i]];
    if (known == kUnknown) known = text_id(type, column.text(i));
    out[i] = known;
  }
}

uint32_t KeyInterner::id(const Value& value) {
  for (uint32_t i = 0; i < values_.size(); ++i) {
    if (values_[i] == value) return i;
  }
  switch (value.type()) {
    case ValueType::kNone:
      return word_id(ValueType::kNone, 0);
    case ValueType::kBool:
      return word_id(ValueType::kBool, std::get<bool>(value.data));
    case ValueType::kInt:
      return word_id(ValueType::kInt, static_cast<uint64_t>(std::get<int64_t>(value.data)));
    case ValueType::kDouble:
      return word_id(ValueType::kDouble, std::bit_cast<uint64_t>(std::get<double>(value.data)));
    case ValueType::kString:
      return text_id(ValueType::kString, std::get<std::string>(value.data));
    case ValueType::kBytes:
      return text_id(ValueType::kBytes, std::get<Value::Bytes>(value.data).data);
    default:
      return text_id(value.type(), encode_nested(value));
  }
}

AggregateState::AggregateState(const AggregateRequest& request, uint64_t buckets)
    : request_(request),
      buckets_(buckets),
      linear_bits_(static_cast<uint32_t>(std::countr_zero(request.buckets_per_octave))),
      interners_(request.group_by.size()),
      key_ids_(request.group_by.size()) {}

Expected<uint32_t> AggregateState::group(const std::vector<uint32_t>& keys) {
  const std::string bytes(reinterpret_cast<const char*>(keys.data()),
                          keys.size() * sizeof(uint32_t));
  const auto [at, is_new] = group_ids_.try_emplace(bytes, static_cast<uint32_t>(groups_.size()));
  if (is_new) {
    if (groups_.size() >= request_.max_groups) {
      return fail(ErrorCode::kResourceExhausted,
                  "the query has more than " + std::to_string(request_.max_groups) +
                      " groups; group by something that has fewer values");
    }
    groups_.push_back({keys, std::vector<Cell>(buckets_)});
  }
  if (keys.size() == 1) {
    if (keys[0] >= dense_.size()) dense_.resize(keys[0] + 64, 0);
    dense_[keys[0]] = at->second + 1;
  }
  return at->second;
}

// histogram_bucket() for integers that a double holds exactly, without floating point.
inline uint32_t AggregateState::bucket_of(int64_t value) const {
  const auto word = static_cast<uint64_t>(value);  // of a negative one: a huge number
  const auto octave = static_cast<uint32_t>(std::bit_width(word | 1) - 1);
  if (word == 0) return 0;
  if (octave >= linear_bits_ && octave < 53) {
    // The bits below the leading one, which adds one octave, say where in the octave it lies.
    return ((octave - 1) << linear_bits_) + static_cast<uint32_t>(word >> (octave - linear_bits_));
  }
  return histogram_bucket(static_cast<double>(value), request_.buckets_per_octave);
}

Status AggregateState::find_groups(const AggregateRows& rows) {
  std::vector<uint32_t> row_keys(rows.keys.size());
  row_groups_.resize(rows.rows);
  if (rows.keys.empty()) {
    WEFT_ASSIGN(const uint32_t only, group(row_keys));
    std::ranges::fill(row_groups_, only);
    return {};
  }
  if (rows.keys.size() == 1) {
    const auto* coded = std::get_if<CodedColumn>(&rows.keys.front());
    if (coded != nullptr && coded->distinct < rows.rows) return find_groups_of(*coded);
  }
  for (size_t k = 0; k < rows.keys.size(); ++k) {
    std::visit([&](const auto& column) { interners_[k].ids(column, key_ids_[k]); }, rows.keys[k]);
  }
  if (rows.keys.size() == 1) {
    for (size_t row = 0; row < rows.rows; ++row) {
      row_keys[0] = key_ids_[0][row];
      const bool known = row_keys[0] < dense_.size() && dense_[row_keys[0]] != 0;
      if (!known) WEFT_TRY(group(row_keys));
      row_groups_[row] = dense_[row_keys[0]] - 1;
    }
    return {};
  }
  uint32_t current = 0;
  for (size_t row = 0; row < rows.rows; ++row) {
    bool same = row > 0;
    for (size_t k = 0; k < row_keys.size(); ++k) {
      same = same && row_keys[k] == key_ids_[k][row];
      row_keys[k] = key_ids_[k][row];
    }
    if (!same) {
      WEFT_ASSIGN(current, group(row_keys));
    }
    row_groups_[row] = current;
  }
  return {};
}

// The only key, of few values: each value's group is looked up once a page.
Status AggregateState::find_groups_of(const CodedColumn& key) {
  group_of_code_.assign(size_t{key.distinct} + 1, kUnknown);
  std::vector<uint32_t> id(1);
  for (size_t row = 0; row < key.codes.size(); ++row) {
    const uint32_t code = key.codes[row];
    uint32_t& known = group_of_code_[std::min(code, key.distinct)];
    if (known == kUnknown) {
      id[0] = interners_[0].id(key, code);
      WEFT_ASSIGN(known, group(id));
    }
    row_groups_[row] = known;
  }
  return {};
}

// value_of(row): the row's number and, with kHistogram, its bucket; nullopt leaves the row out.
template <bool kHistogram, typename ValueOf>
void AggregateState::count(const AggregateRows& rows, ValueOf&& value_of) {
  // Rows lie in about the order of time: the step is worked out when one falls out of the last.
  uint64_t step = rows.bucket;
  uint64_t step_begin_ns = 0;
  uint64_t step_end_ns = 0;
  // Neighbours often fall into one cell, whose totals then stay in registers.
  uint32_t run_group = 0;
  uint64_t run_step = 0;
  Totals run;
  Totals* cell = nullptr;
  std::vector<uint64_t>* histogram = nullptr;
  for (size_t row = 0; row < rows.rows; ++row) {
    const auto value = value_of(row);
    if (!value) continue;
    if (!rows.starts.empty()) {
      const uint64_t start_ns = rows.starts[row];
      if (start_ns < step_begin_ns || start_ns >= step_end_ns) {
        step = (start_ns - request_.range.from_ns) / request_.step_ns;
        step_begin_ns = request_.range.from_ns + step * request_.step_ns;
        step_end_ns = step_begin_ns + request_.step_ns;
      }
    }
    const uint32_t group = row_groups_[row];
    if (cell == nullptr || group != run_group || step != run_step) {
      if (cell != nullptr) *cell = run;
      run_group = group;
      run_step = step;
      cell = &groups_[group].cells[step].totals;
      histogram = &groups_[group].cells[step].histogram;
      run = *cell;
    }
    const double number = value->number;
    run.sum += number;
    if (run.count == 0) run.min = run.max = number;
    if (number < run.min) run.min = number;
    if (number > run.max) run.max = number;
    ++run.count;
    if constexpr (kHistogram) {
      if (value->bucket >= histogram->size()) histogram->resize(value->bucket + 1);
      ++(*histogram)[value->bucket];
    }
  }
  if (cell != nullptr) *cell = run;
}

template <typename ValueOf>
void AggregateState::count_all(const AggregateRows& rows, ValueOf&& value_of) {
  if (request_.want_histogram) {
    count<true>(rows, value_of);
  } else {
    count<false>(rows, value_of);
  }
}

// What most histograms are of: a page of durations, none of years, all in one time bucket. Their
// sums are exact in integers, one bucket bounds all. False when the rows are others.
bool AggregateState::count_small_integers(const AggregateRows& rows) {
  constexpr int kMaxBits = 48;
  constexpr size_t kMaxRows = 1u << (63 - kMaxBits);
  if (!request_.want_histogram || !rows.starts.empty() || rows.rows > kMaxRows ||
      groups_.size() * 4 > rows.rows) {
    return false;
  }
  uint64_t bits = 0;
  for (uint64_t value : rows.integers)
    bits |= value;
  if (bits >> kMaxBits != 0) return false;
  const size_t histogram_size = size_t{bucket_of(static_cast<int64_t>(bits))} + 1;
  struct Sums {
    uint64_t count = 0;
    uint64_t sum = 0;
    uint64_t min = UINT64_MAX;
    uint64_t max = 0;
    uint64_t* histogram = nullptr;
  };
  std::vector<Sums> sums(groups_.size());
  for (size_t row = 0; row < rows.rows; ++row) {
    const uint32_t group = row_groups_[row];
    Sums& to = sums[group];
    if (to.histogram == nullptr) {
      auto& histogram = groups_[group].cells[rows.bucket].histogram;
      if (histogram.size() < histogram_size) histogram.resize(histogram_size);
      to.histogram = histogram.data();
    }
    const uint64_t value = rows.integers[row];
    ++to.count;
    to.sum += value;
    to.min = std::min(to.min, value);
    to.max = std::max(to.max, value);
    ++to.histogram[bucket_of(static_cast<int64_t>(value))];
  }
  for (size_t group = 0; group < sums.size(); ++group) {
    const Sums& from = sums[group];
    if (from.count == 0) continue;
    Totals& to = groups_[group].cells[rows.bucket].totals;
    const auto min = static_cast<double>(from.min);
    const auto max = static_cast<double>(from.max);
    if (to.count == 0 || min < to.min) to.min = min;
    if (to.count == 0 || max > to.max) to.max = max;
    to.count += from.count;
    to.sum += static_cast<double>(from.sum);
  }
  return true;
}

Status AggregateState::add(const AggregateRows& rows) {
  WEFT_TRY(find_groups(rows));
  if (!request_.value) {
    count<false>(rows, [](size_t) { return std::optional<Counted>(Counted{}); });
    return {};
  }
  if (rows.values == nullptr) {
    if (count_small_integers(rows)) return {};
    count_all(rows, [&](size_t row) -> std::optional<Counted> {
      const auto integer = static_cast<int64_t>(rows.integers[row]);
      return Counted{static_cast<double>(integer),
                     request_.want_histogram ? bucket_of(integer) : 0};
    });
    return {};
  }
  count_all(rows, [&](size_t row) -> std::optional<Counted> {
    const uint64_t word = rows.values->words[row];
    switch (rows.values->types[row]) {
      case ValueType::kInt: {
        const auto integer = static_cast<int64_t>(word);
        return Counted{static_cast<double>(integer), bucket_of(integer)};
      }
      case ValueType::kDouble: {
        const auto number = std::bit_cast<double>(word);
        return Counted{number, histogram_bucket(number, request_.buckets_per_octave)};
      }
      default:
        return std::nullopt;
    }
  });
  return {};
}

Status AggregateState::merge(const AggregateState& other) {
  std::vector<uint32_t> keys;
  for (const Group& from : other.groups_) {
    keys.clear();
    for (size_t k = 0; k < from.keys.size(); ++k) {
      keys.push_back(interners_[k].id(other.interners_[k].value(from.keys[k])));
    }
    WEFT_ASSIGN(const uint32_t to, group(keys));
    for (size_t b = 0; b < buckets_; ++b) {
      const Totals& source = from.cells[b].totals;
      Totals& target = groups_[to].cells[b].totals;
      if (source.count == 0) continue;
      if (target.count == 0 || source.min < target.min) target.min = source.min;
      if (target.count == 0 || source.max > target.max) target.max = source.max;
      target.count += source.count;
      target.sum += source.sum;
      const auto& counts = from.cells[b].histogram;
      auto& sums = groups_[to].cells[b].histogram;
      if (counts.size() > sums.size()) sums.resize(counts.size());
      for (size_t h = 0; h < counts.size(); ++h)
        sums[h] += counts[h];
    }
  }
  return {};
}

GroupTable AggregateState::finish() const {
  GroupTable table;
  for (const Group& group : groups_) {
    GroupTable::Group out;
    bool any = false;
    for (size_t k = 0; k < group.keys.size(); ++k) {
      out.keys.push_back(interners_[k].value(group.keys[k]));
    }
    for (const Cell& cell : group.cells) {
      AggregateCell& to = out.cells.emplace_back();
      any = any || cell.totals.count > 0;
      to.count = cell.totals.count;
      to.sum = cell.totals.sum;
      to.min = cell.totals.min;
      to.max = cell.totals.max;
      for (uint32_t h = 0; h < cell.histogram.size(); ++h) {
        if (cell.histogram[h] != 0) to.histogram.emplace_back(h, cell.histogram[h]);
      }
    }
    if (any) table.groups.push_back(std::move(out));
  }
  return table;
}

}  // namespace weft::store
