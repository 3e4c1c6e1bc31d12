#include "store/aggregate_state.h"

#include <algorithm>
#include <bit>

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

void KeyInterner::ids(const ValueColumn& column, std::vector<uint32_t>& out) {
  out.resize(column.types.size());
  Memo* memo = nullptr;
  if (column.strings != nullptr) {
    for (Memo& known : memos_) {
      if (known.pool == column.strings) memo = &known;
    }
    if (memo == nullptr) {
      if (memos_.size() == kMaxMemos) memos_.erase(memos_.begin());
      memo = &memos_.emplace_back(
          Memo{column.strings, std::vector<uint32_t>(column.strings->size(), kUnknown)});
    }
  }
  // An id of the pool may stand for a string and for bytes; the memo is for the first type.
  ValueType memo_type = ValueType::kNone;
  for (size_t i = 0; i < out.size(); ++i) {
    const ValueType type = column.types[i];
    if (!is_text(type)) {
      out[i] = word_id(type, column.words[i]);
      continue;
    }
    if (type != ValueType::kString) {
      out[i] = text_id(type, column.text(i));
      continue;
    }
    memo_type = type;
    uint32_t& known = memo->ids[column.words[i]];
    if (known == kUnknown) known = text_id(memo_type, column.text(i));
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
  if (keys.size() == 1 && keys[0] < dense_.size() && dense_[keys[0]] != 0) {
    return dense_[keys[0]] - 1;
  }
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

uint32_t AggregateState::bucket_of(ValueType type, uint64_t word, double value) const {
  const auto integer = static_cast<int64_t>(word);
  // histogram_bucket() for integers that a double holds exactly, without floating point.
  if (type == ValueType::kInt && integer >= 1 && integer < (int64_t{1} << 53)) {
    const auto octave = static_cast<uint32_t>(std::bit_width(word) - 1);
    const uint64_t rest = word - (uint64_t{1} << octave);
    const uint64_t linear =
        octave >= linear_bits_ ? rest >> (octave - linear_bits_) : rest << (linear_bits_ - octave);
    return (octave << linear_bits_) + static_cast<uint32_t>(linear);
  }
  return histogram_bucket(value, request_.buckets_per_octave);
}

void AggregateState::count(Cell& cell, double value, uint32_t bucket) const {
  cell.sum += value;
  if (cell.count == 0 || value < cell.min) cell.min = value;
  if (cell.count == 0 || value > cell.max) cell.max = value;
  ++cell.count;
  if (!request_.want_histogram) return;
  if (bucket >= cell.histogram.size()) cell.histogram.resize(bucket + 1);
  ++cell.histogram[bucket];
}

Status AggregateState::add(const std::vector<uint64_t>& starts, const ValueColumn* value,
                           const std::vector<ValueColumn>& keys) {
  for (size_t k = 0; k < keys.size(); ++k)
    interners_[k].ids(keys[k], key_ids_[k]);
  std::vector<uint32_t> row_keys(keys.size());
  Group* current = nullptr;
  if (keys.empty()) {
    WEFT_ASSIGN(const uint32_t only, group(row_keys));
    current = &groups_[only];
  }
  bool first = true;
  for (size_t row = 0; row < starts.size(); ++row) {
    double number = 0;
    uint32_t bucket = 0;
    if (value != nullptr) {
      const ValueType type = value->types[row];
      if (type == ValueType::kInt) {
        number = static_cast<double>(static_cast<int64_t>(value->words[row]));
      } else if (type == ValueType::kDouble) {
        number = std::bit_cast<double>(value->words[row]);
      } else {
        continue;
      }
      if (request_.want_histogram) bucket = bucket_of(type, value->words[row], number);
    }
    if (!keys.empty()) {
      bool same = !first;
      for (size_t k = 0; k < keys.size(); ++k) {
        same = same && row_keys[k] == key_ids_[k][row];
        row_keys[k] = key_ids_[k][row];
      }
      if (!same) {
        WEFT_ASSIGN(const uint32_t found, group(row_keys));
        current = &groups_[found];
      }
      first = false;
    }
    const uint64_t step =
        request_.step_ns == 0 ? 0 : (starts[row] - request_.range.from_ns) / request_.step_ns;
    count(current->cells[step], number, bucket);
  }
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
      const Cell& source = from.cells[b];
      Cell& target = groups_[to].cells[b];
      if (source.count == 0) continue;
      if (target.count == 0 || source.min < target.min) target.min = source.min;
      if (target.count == 0 || source.max > target.max) target.max = source.max;
      target.count += source.count;
      target.sum += source.sum;
      if (source.histogram.size() > target.histogram.size()) {
        target.histogram.resize(source.histogram.size());
      }
      for (size_t h = 0; h < source.histogram.size(); ++h) {
        target.histogram[h] += source.histogram[h];
      }
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
      any = any || cell.count > 0;
      to.count = cell.count;
      to.sum = cell.sum;
      to.min = cell.min;
      to.max = cell.max;
      for (uint32_t h = 0; h < cell.histogram.size(); ++h) {
        if (cell.histogram[h] != 0) to.histogram.emplace_back(h, cell.histogram[h]);
      }
    }
    if (any) table.groups.push_back(std::move(out));
  }
  return table;
}

}  // namespace weft::store
