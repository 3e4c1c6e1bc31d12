#include "query/label_coder.h"

namespace weft::traceql {

LabelCoder::LabelCoder(std::vector<FieldTable::Slot> slots, size_t max_values)
    : max_values_(max_values), levels_(slots.size()), codes_(slots.size()) {
  for (FieldTable::Slot slot : slots)
    coders_.push_back({slot, nullptr, {}, {}, {}});
  if (slots.empty()) groups_.emplace_back();
}

uint32_t LabelCoder::code_of(Coder& coder, const FieldRef& field, const FieldValue& value) {
  std::string bytes(1, static_cast<char>(value.type));
  bytes.append(reinterpret_cast<const char*>(&value.word),
               value.text.data() == nullptr ? sizeof(value.word) : 0);
  bytes.append(value.text);
  if (const auto known = coder.by_bytes.find(bytes); known != coder.by_bytes.end()) {
    return known->second;
  }
  if (coder.values.size() >= max_values_) return kNoGroup;
  coder.values.push_back(display_value(field, value));
  const auto code = static_cast<uint32_t>(coder.values.size() - 1);
  coder.by_bytes.emplace(std::move(bytes), code);
  return code;
}

uint32_t LabelCoder::code_of(Coder& coder, BatchFields& fields, uint32_t row) {
  const ValueColumn& column = fields.column(coder.slot);
  const FieldRef& field = fields.table().field(coder.slot);
  const FieldValue value = fields.value(coder.slot, row);
  if (value.type != ValueType::kString) return code_of(coder, field, value);
  if (coder.pool != column.strings) {
    coder.pool = column.strings;
    coder.by_id.clear();
  }
  if (coder.by_id.size() < coder.pool->size()) coder.by_id.resize(coder.pool->size());
  uint32_t& known = coder.by_id[value.word];
  if (known != 0) return known - 1;
  const uint32_t code = code_of(coder, field, value);
  if (code != kNoGroup) known = code + 1;
  return code;
}

uint32_t LabelCoder::group_of(BatchFields& fields, uint32_t row) {
  uint32_t group = 0;
  for (size_t level = 0; level < coders_.size(); ++level) {
    codes_[level] = code_of(coders_[level], fields, row);
    if (codes_[level] == kNoGroup) return kNoGroup;
    auto& next = levels_[level];
    const uint64_t key = static_cast<uint64_t>(group) << 32 | codes_[level];
    const auto [found, is_new] = next.emplace(key, static_cast<uint32_t>(next.size()));
    group = found->second;
    if (is_new && level + 1 == coders_.size()) {
      std::vector<Value> labels;
      for (size_t i = 0; i < coders_.size(); ++i)
        labels.push_back(coders_[i].values[codes_[i]]);
      groups_.push_back(std::move(labels));
    }
  }
  return group;
}

}  // namespace weft::traceql
