#include "span_template.h"

#include <algorithm>

#include "text.h"

namespace weft::sdk_detail {

std::string encode_block(std::string_view name, Attributes attributes, BlockSummary& summary) {
  std::string encoded;
  if (attributes.size() > BlockSummary::kMost || !is_ascii(name)) return encoded;
  if (!name.empty()) append_len(encoded, 5, name);
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    const Attribute& attribute = attributes[i];
    if (attribute.key.empty() || !is_fit(attribute, SIZE_MAX)) return {};
    const std::size_t any_size = any_value_size(attribute.value);
    const std::size_t at = encoded.size();
    encoded.resize(at + key_value_field_size(attribute.key, any_size));
    put_key_value_field(encoded.data() + at, kSpanAttributes, attribute.key, attribute.value,
                        any_size);
    const std::uint32_t signature = signature_of(attribute.key);
    summary.signatures[summary.count++] = signature;
    summary.key_filter |= filter_bit(signature);
    if (attribute.value.type() == AttributeValue::Type::kString) {
      summary.longest_value = std::max(
          summary.longest_value,
          static_cast<std::uint32_t>(std::min<std::size_t>(attribute.value.size(), UINT32_MAX)));
    }
  }
  return encoded;
}

SpanTemplate::Block SpanTemplate::make_block(
    const std::string& name, const std::vector<std::pair<std::string, std::string>>& attributes,
    Attributes more) {
  std::vector<Attribute> views;
  for (const auto& [key, value] : attributes)
    views.push_back({key, std::string_view(value)});
  views.insert(views.end(), more.begin(), more.end());
  return {name, std::span<const Attribute>(views)};
}

SpanTemplate::SpanTemplate(std::string name,
                           std::vector<std::pair<std::string, std::string>> attributes,
                           Attributes more)
    : name_(std::move(name)),
      attributes_(std::move(attributes)),
      name_bytes_(static_cast<std::uint32_t>(len_size(name_.size()))),
      block_(make_block(name_, attributes_, more)) {}

void SpanTemplate::put_slowly(Record* record) const noexcept {
  set_name(record, name_);
  for (const auto& [key, value] : attributes_)
    set_string(record, key, value);
}

}  // namespace weft::sdk_detail
