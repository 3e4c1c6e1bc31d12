#include "attribute_encoder.h"

#include <algorithm>

namespace weft::sdk_detail {
namespace {

constexpr unsigned kAnyString = len_tag(1);
constexpr unsigned kAnyBool = varint_tag(2);
constexpr unsigned kAnyInt = varint_tag(3);
constexpr unsigned kAnyDouble = fixed64_tag(4);
constexpr unsigned kAnyArray = len_tag(5);
constexpr unsigned kAnyBytes = len_tag(7);
constexpr unsigned kArrayValues = len_tag(1);

std::size_t array_size(const AttributeValue& value) noexcept {
  std::size_t total = 0;
  switch (value.type()) {
    case AttributeValue::Type::kBoolArray:
      return value.size() * len_size(2);
    case AttributeValue::Type::kDoubleArray:
      return value.size() * len_size(9);
    case AttributeValue::Type::kIntArray:
      for (const std::int64_t v : value.ints()) {
        total += len_size(1 + varint_size(static_cast<std::uint64_t>(v)));
      }
      return total;
    default:
      for (const std::string_view v : value.strings())
        total += len_size(len_size(v.size()));
      return total;
  }
}

// One element of an array: tag, length, AnyValue.
template <class T>
char* put_element(char* p, T element) noexcept {
  const AttributeValue value(element);
  *p++ = static_cast<char>(kArrayValues);
  p = put_varint(p, any_value_size(value));
  return put_any_value(p, value);
}

char* put_array(char* p, const AttributeValue& value) noexcept {
  switch (value.type()) {
    case AttributeValue::Type::kBoolArray:
      for (const bool v : value.bools())
        p = put_element(p, v);
      return p;
    case AttributeValue::Type::kDoubleArray:
      for (const double v : value.doubles())
        p = put_element(p, v);
      return p;
    case AttributeValue::Type::kIntArray:
      for (const std::int64_t v : value.ints())
        p = put_element(p, v);
      return p;
    default:
      for (const std::string_view v : value.strings())
        p = put_element(p, v);
      return p;
  }
}

}  // namespace

std::size_t any_value_size(const AttributeValue& value) noexcept {
  switch (value.type()) {
    case AttributeValue::Type::kString:
    case AttributeValue::Type::kBytes:
      return len_size(value.size());
    case AttributeValue::Type::kBool:
      return 2;
    case AttributeValue::Type::kInt:
      return 1 + varint_size(static_cast<std::uint64_t>(value.integer()));
    case AttributeValue::Type::kDouble:
      return 9;
    default:
      return len_size(array_size(value));
  }
}

char* put_any_value(char* p, const AttributeValue& value) noexcept {
  switch (value.type()) {
    case AttributeValue::Type::kString:
      return put_len(p, kAnyString, value.string());
    case AttributeValue::Type::kBytes:
      return put_len(p, kAnyBytes,
                     {reinterpret_cast<const char*>(value.bytes().data()), value.size()});
    case AttributeValue::Type::kBool:
      *p++ = static_cast<char>(kAnyBool);
      *p++ = value.boolean() ? 1 : 0;
      return p;
    case AttributeValue::Type::kInt:
      *p++ = static_cast<char>(kAnyInt);
      return put_varint(p, static_cast<std::uint64_t>(value.integer()));
    case AttributeValue::Type::kDouble:
      *p++ = static_cast<char>(kAnyDouble);
      return put_fixed64(p, std::bit_cast<std::uint64_t>(value.floating()));
    default:
      *p++ = static_cast<char>(kAnyArray);
      p = put_varint(p, array_size(value));
      return put_array(p, value);
  }
}

char* put_key_value_field(char* p, unsigned tag, std::string_view key, const AttributeValue& value,
                          std::size_t any_size) noexcept {
  *p++ = static_cast<char>(tag);
  p = put_varint(p, len_size(key.size()) + len_size(any_size));
  p = put_len(p, len_tag(1), key);
  *p++ = static_cast<char>(len_tag(2));
  p = put_varint(p, any_size);
  return put_any_value(p, value);
}

bool is_fit(const Attribute& attribute, std::size_t limit) noexcept {
  auto fits = [limit](std::string_view text) { return text.size() <= limit && is_ascii(text); };
  if (!is_ascii(attribute.key)) return false;
  switch (attribute.value.type()) {
    case AttributeValue::Type::kString:
      return fits(attribute.value.string());
    case AttributeValue::Type::kStringArray:
      return std::all_of(attribute.value.strings().begin(), attribute.value.strings().end(), fits);
    case AttributeValue::Type::kBytes:
      return attribute.value.size() <= limit;
    default:
      return true;
  }
}

Attribute AttributeFitter::fit(const Attribute& attribute, std::size_t limit) {
  Attribute out = attribute;
  out.key = fit_text(attribute.key, SIZE_MAX, key_);
  switch (attribute.value.type()) {
    case AttributeValue::Type::kString:
      out.value = fit_text(attribute.value.string(), limit, text_);
      break;
    case AttributeValue::Type::kBytes: {
      const auto bytes = attribute.value.bytes();
      out.value = Bytes{bytes.subspan(0, std::min(bytes.size(), limit))};
      break;
    }
    case AttributeValue::Type::kStringArray: {
      texts_.resize(attribute.value.size());
      views_.clear();
      std::size_t i = 0;
      for (const std::string_view text : attribute.value.strings()) {
        views_.push_back(fit_text(text, limit, texts_[i++]));
      }
      out.value = std::span<const std::string_view>(views_);
      break;
    }
    default:
      break;
  }
  return out;
}

std::uint32_t append_attributes(std::string& out, unsigned field, Attributes attributes,
                                std::uint32_t count_limit, std::size_t value_limit) {
  AttributeFitter fitter;
  std::uint32_t taken = 0;
  std::uint32_t dropped = 0;
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    const Attribute& given = attributes[i];
    if (given.key.empty()) continue;
    bool replaced = false;
    for (std::size_t j = i + 1; j < attributes.size() && !replaced; ++j) {
      replaced = attributes[j].key == given.key;
    }
    if (replaced) continue;
    if (taken == count_limit) {
      ++dropped;
      continue;
    }
    ++taken;
    const Attribute fitted = is_fit(given, value_limit) ? given : fitter.fit(given, value_limit);
    const std::size_t any_size = any_value_size(fitted.value);
    const std::size_t start = out.size();
    out.resize(start + key_value_field_size(fitted.key, any_size));
    put_key_value_field(out.data() + start, len_tag(field), fitted.key, fitted.value, any_size);
  }
  return dropped;
}

}  // namespace weft::sdk_detail
