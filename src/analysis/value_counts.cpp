#include "analysis/value_counts.h"

#include <algorithm>
#include <bit>
#include <map>
#include <unordered_map>

#include "analysis/name_table.h"

namespace weft::analysis {
namespace {

// Values by type and by their words or bytes.
struct Counts {
  std::map<std::pair<ValueType, uint64_t>, uint64_t> numbers;
  std::map<ValueType, std::unordered_map<std::string, uint64_t, BytesHash, std::equal_to<>>> texts;

  void add(const ValueColumn& column, size_t index) {
    const ValueType type = column.types[index];
    switch (type) {
      case ValueType::kNone:
        return;
      case ValueType::kBool:
      case ValueType::kInt:
      case ValueType::kDouble:
        numbers[{type, column.words[index]}]++;
        return;
      default:
        break;
    }
    auto& of_type = texts[type];
    const std::string_view text = column.text(index);
    if (const auto it = of_type.find(text); it != of_type.end()) {
      it->second++;
    } else {
      of_type.emplace(std::string(text), 1);
    }
  }

  size_t size() const {
    size_t out = numbers.size();
    for (const auto& entry : texts)
      out += entry.second.size();
    return out;
  }

  void merge(const Counts& other) {
    for (const auto& [key, count] : other.numbers)
      numbers[key] += count;
    for (const auto& [type, values] : other.texts) {
      for (const auto& [text, count] : values)
        texts[type][text] += count;
    }
  }
};

Value number_value(ValueType type, uint64_t word) {
  if (type == ValueType::kBool) return Value(word != 0);
  if (type == ValueType::kInt) return Value(static_cast<int64_t>(word));
  return Value(std::bit_cast<double>(word));
}

Value text_value(ValueType type, const std::string& text) {
  if (type == ValueType::kString) return Value(text);
  if (type == ValueType::kBytes) return Value(Value::Bytes{text});
  return decode_nested(type, text);
}

AttributeValueList to_list(const Counts& counts, size_t limit) {
  AttributeValueList out;
  for (const auto& [key, count] : counts.numbers)
    out.values.push_back({number_value(key.first, key.second), count});
  for (const auto& [type, values] : counts.texts) {
    for (const auto& [text, count] : values)
      out.values.push_back({text_value(type, text), count});
  }
  std::ranges::sort(out.values, [](const AttributeValue& a, const AttributeValue& b) {
    return a.spans != b.spans ? a.spans > b.spans : to_display(a.value) < to_display(b.value);
  });
  out.limit_reached = out.values.size() > limit;
  if (out.limit_reached) out.values.resize(limit);
  return out;
}

}  // namespace

Expected<AttributeValueList> value_counts(const AnalysisRequest& request, const ColumnRef& column,
                                          size_t limit) {
  ScanShape shape;
  shape.columns = {column};
  shape.candidates = Predicate::of({column, CompareOp::kExists, {}});
  std::vector<Counts> workers(request.workers());
  WEFT_TRY(scan_spans(request, request.range, shape, [&](unsigned worker, const BatchView& view) {
    const ValueColumn& values = view.column(0);
    Counts& counts = workers[worker];
    if (counts.size() > kMaxDistinct) return;
    for (const uint32_t row : view.rows) {
      if (values.offsets.empty()) {
        counts.add(values, row);
        continue;
      }
      for (uint32_t i = values.offsets[row]; i < values.offsets[row + 1]; i++)
        counts.add(values, i);
    }
  }));
  for (size_t i = 1; i < workers.size(); i++)
    workers[0].merge(workers[i]);
  if (workers[0].size() > kMaxDistinct)
    return fail(ErrorCode::kResourceExhausted,
                "the attribute has more than 1000000 different values in this range");
  return to_list(workers[0], limit);
}

}  // namespace weft::analysis
