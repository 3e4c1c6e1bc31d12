#include "span_template.h"

#include <algorithm>

#include "text.h"

namespace weft::sdk_detail {

SpanTemplate::SpanTemplate(std::string name,
                           std::vector<std::pair<std::string, std::string>> attributes)
    : name_(std::move(name)), attributes_(std::move(attributes)) {
  bool fits = is_ascii(name_);
  append_len(encoded_, 5, name_);
  name_bytes_ = static_cast<std::uint32_t>(encoded_.size());
  for (const auto& [key, value] : attributes_) {
    const Attribute attribute{key, std::string_view(value)};
    fits = fits && !key.empty() && is_fit(attribute, SIZE_MAX);
    if (!fits) break;
    const std::size_t any_size = any_value_size(attribute.value);
    const std::size_t at = encoded_.size();
    encoded_.resize(at + key_value_field_size(key, any_size));
    put_key_value_field(encoded_.data() + at, kSpanAttributes, key, attribute.value, any_size);
    signatures_.push_back(signature_of(key));
    key_filter_ |= filter_bit(signatures_.back());
    longest_value_ = std::max(longest_value_, value.size());
  }
  if (!fits || signatures_.size() > Record::kInlineSignatures) encoded_.clear();
}

void SpanTemplate::put_slowly(Record* record) const noexcept {
  set_name(record, name_);
  for (const auto& [key, value] : attributes_)
    set_string(record, key, value);
}

}  // namespace weft::sdk_detail
