#include "span_template.h"

#include <algorithm>

#include "text.h"

namespace weft::sdk_detail {

AttributeBlock::AttributeBlock(std::string_view name, Attributes attributes) {
  bool fits = attributes.size() <= kMost && is_ascii(name);
  if (!name.empty()) append_len(encoded_, 5, name);
  for (std::size_t i = 0; fits && i < attributes.size(); ++i) {
    const Attribute& attribute = attributes[i];
    fits = !attribute.key.empty() && is_fit(attribute, SIZE_MAX);
    if (!fits) break;
    const std::size_t any_size = any_value_size(attribute.value);
    const std::size_t at = encoded_.size();
    encoded_.resize(at + key_value_field_size(attribute.key, any_size));
    put_key_value_field(encoded_.data() + at, kSpanAttributes, attribute.key, attribute.value,
                        any_size);
    signatures_[count_] = signature_of(attribute.key);
    key_filter_ |= filter_bit(signatures_[count_++]);
    if (attribute.value.type() == AttributeValue::Type::kString) {
      longest_value_ = std::max(longest_value_, attribute.value.size());
    }
  }
  if (!fits) encoded_.clear();
}

namespace {

AttributeBlock make_block(const std::string& name,
                          const std::vector<std::pair<std::string, std::string>>& attributes) {
  std::vector<Attribute> views;
  for (const auto& [key, value] : attributes)
    views.push_back({key, std::string_view(value)});
  return {name, std::span<const Attribute>(views)};
}

}  // namespace

SpanTemplate::SpanTemplate(std::string name,
                           std::vector<std::pair<std::string, std::string>> attributes)
    : name_(std::move(name)),
      attributes_(std::move(attributes)),
      name_bytes_(static_cast<std::uint32_t>(len_size(name_.size()))),
      block_(make_block(name_, attributes_)) {}

void SpanTemplate::put_slowly(Record* record) const noexcept {
  set_name(record, name_);
  for (const auto& [key, value] : attributes_)
    set_string(record, key, value);
}

}  // namespace weft::sdk_detail
